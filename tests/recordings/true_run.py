"""A recording, to be changed and judged: packets dropped, doubled, altered, retimed, injected.

Each recording is unpacked and read once. A ``TrueRun`` is a copy that shares what is not changed. Changes are
made to bytes, which the readers of ``lab.wire`` then read.
"""

from __future__ import annotations

import copy
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from scapy.layers.inet import IP, TCP, UDP

from lab import codec, verify
from lab.record.event import Event
from lab.record.record import Record
from lab.topology.model import Topology
from lab.verify import Diagnosis, Finding, Verdict
from lab.verify.case import Case
from lab.verify.premises import mac
from lab.verify.sightings import Inside
from lab.verify.telephone_calls import Utterance, read_carried
from lab.wire import calls, decode, esp
from lab.wire.calls import Carried
from lab.wire.decode import Frame, Packet
from lab.wire.dialled import FrameFault
from lab.wire.fragments import joined
from tests.recordings import archive, sealing

ETHERNET = 14
Chooses = Callable[[Packet], bool]


@dataclass(frozen=True)
class _Read:
    """A recording, read; nobody changes it."""

    run_dir: Path
    topology: Topology
    record: Record
    wire: dict[str, list[Frame]]
    carried: list[Carried]
    events: list[Event]
    keys: dict[int, list[esp.Key]]
    sealed: dict[int, tuple[Frame, esp.Sealed | None]]
    """The ESP packets in frames, by the frame's ``id``."""
    opened: dict[tuple[bytes, bool], esp.Opened] = field(default_factory=dict)
    """What is in ESP packets by these keys: the same content is decrypted once for all copies."""


class Recordings:
    """Gives copies of recordings by their names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, _Read] = {}

    def __call__(self, name: str) -> TrueRun:
        """A copy that the caller may change; raises OutdatedError."""
        if name not in self._read:
            self._read[name] = _read(name, self._folder / name)
        return TrueRun(self._read[name])


def _read(name: str, folder: Path) -> _Read:
    run_dir = archive.unpack(name, folder)
    try:
        topology = codec.load(Topology, (run_dir / "keys" / "model.json").read_text())
        record = codec.load(Record, (run_dir / "record.json").read_text())
        wire = decode.read_all(run_dir / "wire")
        return _Read(
            run_dir,
            topology,
            record,
            wire,
            read_carried(run_dir),
            Case(topology, record, run_dir).events,
            esp.load_keys(run_dir / "keys" / "esp.json"),
            {id(frame): (frame, _read_sealed(frame)) for each in wire.values() for frame in each},
        )
    except (TypeError, ValueError) as error:
        raise archive.OutdatedError(name, f"does not fit this version ({error})") from error


def _read_sealed(frame: Frame) -> esp.Sealed | None:
    return esp.sealed(frame.ip) if frame.ip else None


class _ReadCase(Case):
    """A case whose directory was read before."""

    def __init__(self, run: TrueRun, topology: Topology) -> None:
        super().__init__(topology, run.record, run.run_dir)
        self.wire = {name: joined(_numbered(frames)) for name, frames in run.wire.items()}
        self.all_carried = calls.joined(run.numbered_carried())
        self.events = run.events
        self.keys = run.keys
        self._opened_before = run.opened

    def open_esp(self, sealed: esp.Sealed) -> esp.Opened:
        """As of any case, but that the same packet is opened once."""
        if self._opened_before is None:
            return super().open_esp(sealed)
        content = sealed.data, sealed.in_udp
        if content not in self._opened_before:
            self._opened_before[content] = super().open_esp(sealed)
        return self._opened_before[content]


def _entries(record: Record, name: str) -> list[object]:
    """What a list of a record has; of a call home, or of a trial of errands, the tries of servers."""
    entries = getattr(record, name)
    if name in ("calls", "errand_trials"):
        return [tried for call in entries for tried in call.attempts]
    return entries if isinstance(entries, list) else []


def _numbered(frames: list[Frame]) -> list[Frame]:
    """In the order of their times, with the numbers that Wireshark would give them."""
    ordered = sorted(frames, key=lambda frame: frame.time)
    return [f if f.number == n else _with_number(f, n) for n, f in enumerate(ordered, 1)]


def _with_number(frame: Frame, number: int) -> Frame:
    """As ``dataclasses.replace``, in a tenth of the time."""
    return Frame(
        frame.segment,
        number,
        frame.time,
        frame.data,
        frame.source_mac,
        frame.destination_mac,
        frame.ethertype,
        frame.ip,
    )


class TrueRun:
    """One run, as a test has it."""

    def __init__(self, read: _Read) -> None:
        self.run_dir = read.run_dir
        self.topology = read.topology
        trials = read.record.fence_trials
        # Thousands, which are replaced and not changed; and events, which equal nothing but themselves.
        shared: dict[int, object] = {id(trials): [*trials]}
        kept = [entry for name in Record.__slots__ for entry in _entries(read.record, name)]
        shared |= {id(entry): entry for entry in kept if isinstance(entry, Event)}
        self.record = copy.deepcopy(read.record, shared)
        self.wire = {name: [*frames] for name, frames in read.wire.items()}
        self.carried = [*read.carried]
        self.events = [*read.events]
        self.keys = read.keys
        self._read = read
        self._known = {**read.sealed}

    # -- judging ------------------------------------------------------------------------------

    @property
    def opened(self) -> dict[tuple[bytes, bool], esp.Opened] | None:
        """ESP packets that were opened before; None if the keys are others than the recording's."""
        return self._read.opened if self.keys is self._read.keys else None

    def case(self, topology: Topology | None = None) -> Case:
        return _ReadCase(self, topology or self.topology)

    def judge(self, topology: Topology | None = None) -> dict[str, Finding]:
        """All findings, by the run's own model or by another."""
        return {found.requirement: found for found in verify.judge(self.case(topology))}

    def diagnose(self, topology: Topology | None = None) -> Diagnosis:
        """What the run says by itself: the name of its fault is taken out first."""
        return verify.diagnose(self.case(replace(topology or self.topology, fault="")))

    def numbered_carried(self) -> list[Carried]:
        ordered = sorted(self.carried, key=lambda item: item.frame.time)
        return [
            i if i.frame.number == n else replace(i, frame=_with_number(i.frame, n))
            for n, i in enumerate(ordered, 1)
        ]

    # -- frames on wires ----------------------------------------------------------------------

    @property
    def end(self) -> float:
        """A moment before everything is taken down, when the wires are quiet."""
        last = [frames[-1].time for frames in self.wire.values() if frames]
        return max(last) if not self.record.trials else self.record.trials[-1].time

    def find(self, segment: str, chooses: Chooses) -> list[Frame]:
        """The frames whose IP packet is chosen, in order; there must be some."""
        found = [frame for frame in self.wire[segment] if frame.ip and chooses(frame.ip)]
        assert found, f"nothing on {segment} is like that"
        return found

    def put(self, segment: str, sender: str, receiver: str, packet: bytes, time: float) -> None:
        """A new IP packet from one node to another."""
        ends = (self.topology.node(name).interface(segment) for name in (receiver, sender))
        kind = b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd"
        self.add(segment, b"".join(map(mac, ends)) + kind + packet, time)

    def add(self, segment: str, data: bytes, time: float) -> None:
        """A new frame."""
        self.wire[segment].append(decode.read_frame(segment, 0, time, data))

    def drop(self, segment: str, frames: Iterable[Frame]) -> None:
        gone = {id(frame) for frame in frames}
        self.wire[segment] = [frame for frame in self.wire[segment] if id(frame) not in gone]

    def change(self, frame: Frame, data: bytes | None = None, time: float | None = None) -> Frame:
        """Another content or time for a frame of a wire."""
        wire = self.wire[frame.segment]
        place = next(n for n, each in enumerate(wire) if each is frame)
        content = frame.data if data is None else data
        at = frame.time if time is None else time
        wire[place] = decode.read_frame(frame.segment, 0, at, content)
        return wire[place]

    # -- inside ESP ---------------------------------------------------------------------------

    def inside(self, chooses: Callable[[Inside], object]) -> list[Inside]:
        """What is inside the ESP between customer and Internet, in order; there must be some."""
        found = [item for item in self.case().insides if chooses(item)]
        assert found, "nothing inside the ESP is like that"
        return found

    def inside_session(self, chooses: Callable[[Inside], object]) -> list[Inside]:
        """The same of sessions of remote service."""
        found = [item for item in self.case().service_insides if chooses(item)]
        assert found, "nothing inside the ESP of a session is like that"
        return found

    def reseal(self, item: Inside, inner: bytes, next_header: int = esp.IP_IN_IP) -> None:
        """Another content for an ESP packet, on every wire that it crosses."""
        for frame, sealed, key in self._twins(item):
            body = sealing.seal(key, sealed.sequence, inner, next_header)
            self.change(frame, with_payload(frame, sealed, body))

    def spoil(self, item: Inside) -> None:
        """An ICV that is wrong by a byte, and not by a bit, of an ESP packet on each wire that it crosses."""
        for frame, sealed, _ in self._twins(item):
            body = sealed.data[:-1] + bytes([sealed.data[-1] ^ 0xFF])
            self.change(frame, with_payload(frame, sealed, body))

    def seal(
        self, like: Inside, inner: bytes, time: float, next_header: int = esp.IP_IN_IP
    ) -> None:
        """One more ESP packet of the same SA, on every wire that ``like`` crosses."""
        sequence = 1 + max(
            sealed.sequence for segment in self.wire for _, sealed in self._sealed(segment)
        )
        for frame, sealed, key in self._twins(like):
            body = sealing.seal(key, sequence, inner, next_header)
            self.add(
                frame.segment,
                with_payload(frame, sealed, body),
                time + frame.time - like.frame.time,
            )

    def unseal(self, items: Iterable[Inside]) -> None:
        """Take ESP packets away from every wire that they cross."""
        gone = {(mine.spi, mine.sequence) for mine in map(_sealed_in, items)}
        for segment in self.wire:
            sealed = self._sealed(segment)
            self.drop(segment, [f for f, s in sealed if (s.spi, s.sequence) in gone])

    def retime(self, item: Inside, time: float) -> None:
        """Another moment for an ESP packet: this one between customer and Internet."""
        for frame, _, _ in self._twins(item):
            self.change(frame, time=time + frame.time - item.frame.time)

    def _twins(self, item: Inside) -> list[tuple[Frame, esp.Sealed, esp.Key]]:
        """The same ESP packet on every wire, with the key of its SA."""
        mine = _sealed_in(item)
        key = self.keys[mine.spi][0]  # behind NAT the two ends have it with different addresses
        return [
            (frame, sealed, key)
            for segment in self.wire
            for frame, sealed in self._sealed(segment)
            if (sealed.spi, sealed.sequence) == (mine.spi, mine.sequence)
        ]

    def _sealed(self, segment: str) -> list[tuple[Frame, esp.Sealed]]:
        """The ESP packets of a wire; none is changed, so what was read of a frame once stays true."""
        known, found = self._known, []
        for frame in self.wire[segment]:
            if id(frame) not in known:
                # The frame is kept, so that no other one gets its number.
                known[id(frame)] = frame, _read_sealed(frame)
            if sealed := known[id(frame)][1]:
                found.append((frame, sealed))
        return found

    # -- telephone ----------------------------------------------------------------------------

    def lines(self, chooses: Callable[[Carried], object]) -> list[Carried]:
        """What the calls carried, in order; there must be some."""
        found = [item for item in self.carried if chooses(item)]
        assert found, "no call carried anything like that"
        return found

    def say(
        self, like: Carried, content: bytes, time: float, *, fault: FrameFault | None = None
    ) -> None:
        """One more PPP frame in the direction and the call of another; with ``fault``, a spoilt one."""
        ends, out = like.ends, like.outgoing
        entry = calls.read_carried(0, time, content, like.call, ends, outgoing=out, fault=fault)
        self.carried.append(entry)

    def unsay(self, items: Iterable[Carried]) -> None:
        gone = {id(item) for item in items}
        self.carried = [item for item in self.carried if id(item) not in gone]

    def resay(self, item: Carried, content: bytes | None = None, time: float | None = None) -> None:
        """Another content or time for a PPP frame."""
        self.unsay([item])
        self.say(
            item,
            item.frame.data if content is None else content,
            item.frame.time if time is None else time,
        )

    # -- events -------------------------------------------------------------------------------

    @property
    def dialogue(self) -> list[Utterance]:
        """What terminals and modems said, in order."""
        return [said for said in self.events if isinstance(said, Utterance)]

    def unhear(self, chooses: Callable[[Event], object]) -> None:
        """Take events away; there must be some."""
        kept = [event for event in self.events if not chooses(event)]
        assert len(kept) < len(self.events), "nothing like that happened"
        self.events = kept

    def reword(self, chooses: Callable[[Utterance], object], text: str) -> None:
        """Other words in the place of what terminals and modems said; there must be some."""
        chosen = {id(said): replace(said, text=text) for said in self.dialogue if chooses(said)}
        assert chosen, "nobody said anything like that"
        self.events = [chosen.get(id(event), event) for event in self.events]


def _sealed_in(item: Inside) -> esp.Sealed:
    """The ESP packet that carried something."""
    sealed = _read_sealed(item.frame)
    assert sealed is not None
    return sealed


def failures(findings: dict[str, Finding]) -> set[str]:
    return {name for name, found in findings.items() if found.verdict is Verdict.failed}


def with_payload(frame: Frame, sealed: esp.Sealed, body: bytes) -> bytes:
    """An ESP packet's frame with another ESP packet in it."""
    old = frame.data
    start = old.index(sealed.data)
    return old[:ETHERNET] + sealing.right(old[ETHERNET:start] + body)


def edited(frame: Frame, **fields: object) -> bytes:
    """A frame's bytes with other fields in its IP header, and the checksums that it then has."""
    packet = IP(frame.data[ETHERNET:])
    for name, value in fields.items():
        setattr(packet, name, value)
    return frame.data[:ETHERNET] + with_sums(bytes(packet))


def with_sums(packet: bytes) -> bytes:
    """An IP packet whose fields were changed, with the checksums that it then has."""
    found = IP(packet)
    del found.chksum
    for kind in (TCP, UDP):
        if kind in found:
            del found[kind].chksum
    return bytes(found)


def ppp_frame(protocol: int, body: bytes) -> bytes:
    """A PPP frame from its address on (RFC 1662 3.1)."""
    return b"\xff\x03" + struct.pack("!H", protocol) + body


def ppp_packet(protocol: int, code: int, body: bytes = b"", *, ident: int = 1) -> bytes:
    """A PPP frame with a packet of LCP, an NCP or an authentication protocol (RFC 1661 5)."""
    return ppp_frame(protocol, struct.pack("!BBH", code, ident, 4 + len(body)) + body)
