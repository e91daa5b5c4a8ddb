"""Runs that no run gives: a topology, the frames that a test puts on its wires, and a record."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from scapy.utils import PcapNgWriter, RawPcapNgWriter

from lab.record.record import Record
from lab.topology.model import Topology
from lab.verify.premises import mac
from tests.models import model

START = 1_790_000_000.0
SEED = b"stage"


@cache
def topology(name: str) -> Topology:
    """One of the lab's own topologies."""
    return model(name, SEED)


@dataclass
class Stage:
    """Wires to put packets on, and what else a run leaves."""

    topology: Topology
    now: float = START
    frames: dict[str, list[tuple[float, bytes]]] = field(default_factory=dict)
    record: Record = field(default_factory=lambda: Record(started=START))

    def __post_init__(self) -> None:
        self.frames = {segment.name: [] for segment in self.topology.segments}

    def put(self, segment: str, sender: str, receiver: str, packet: bytes, time: float) -> None:
        """One frame from one node to another."""
        ends = (self.topology.node(name).interface(segment) for name in (receiver, sender))
        self.frames[segment].append((time, b"".join(map(mac, ends)) + b"\x08\x00" + packet))

    def write(self, run_dir: Path) -> Path:
        """The run directory: wires, and no keys."""
        (run_dir / "wire").mkdir(parents=True, exist_ok=True)
        (run_dir / "keys").mkdir(exist_ok=True)
        for segment, frames in self.frames.items():
            ordered = sorted(frames, key=lambda frame: frame[0])
            write_capture(run_dir / "wire" / f"{segment}.pcapng", ordered)
        (run_dir / "keys" / "esp.json").write_text("[]")
        return run_dir


def write_capture(path: Path, frames: list[tuple[float, bytes]]) -> None:
    """A pcapng of Ethernet frames."""
    writer: RawPcapNgWriter = PcapNgWriter(str(path))
    writer.linktype = 1
    writer.write_header(None)
    for time, data in frames:
        # Half a microsecond, since scapy cuts the rest off.
        RawPcapNgWriter._write_packet(writer, data, linktype=1, sec=time + 5e-7)
    writer.close()
