"""AT&T's fence in whole runs: as scapy sees it, with ports, and with a telephone that nobody uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import IP
from scapy.utils import RawPcapNgReader, rdpcap

from lab import codec
from lab.record.record import Record
from lab.run.run import Run
from lab.topology.load import folder
from lab.topology.model import Topology
from lab.verify import Finding, Verdict
from lab.ways.dial.fence_packets import CALLER, INTERNET, RANDOM_PACKETS
from tests.integration.labs import Runs

pytestmark = pytest.mark.kernel

PPP_WITH_DIR, IP_FRAME = 204, b"\xff\x03\x00\x21"


def ran(
    name: str, out: Path, change: Callable[[Topology], Topology] = lambda topology: topology
) -> tuple[Run, Record, dict[str, Finding]]:
    """A run that was judged."""
    run = Run.prepare(name, out=out)
    run.topology = change(run.topology)
    run.carry_out(quiet=True)
    record = codec.load(Record, (out / "record.json").read_text())
    findings = run.judge().findings
    return run, record, {finding.requirement: finding for finding in findings}


def failed(findings: dict[str, Finding]) -> dict[str, str]:
    return {n: f.seen for n, f in findings.items() if f.verdict is Verdict.failed}


def heard_by_telephone(path: Path) -> list[IP]:
    """What the gateway sent to its callers."""
    found = []
    with RawPcapNgReader(str(path)) as reader:
        for data, metadata in reader:
            meta: Any = metadata
            if meta.linktype == PPP_WITH_DIR and data[:5] == b"\0" + IP_FRAME:
                found.append(IP(data[5:]))
    return found


def test_scapy_sees_only_the_allowed_pass(runs: Runs) -> None:
    run = runs.get("dial")
    assert run.status == 0, run.told
    record, wires = run.record, run.run_dir / "wire"
    lig = run.topology.lig
    assert lig is not None
    (call, *_), listed = record.lig, set(lig.lists[0].addresses)
    hers = run.topology.node(lig.node).interface(lig.outside).mac
    wire = [frame for frame in rdpcap(str(wires / "lig-inet.pcapng")) if IP in frame]

    out = [frame[IP] for frame in wire if frame.src == hers]
    assert {packet.src for packet in out} == {call.address}
    assert {packet.dst for packet in out} == listed
    into = heard_by_telephone(wires / "pstn.pcapng")
    assert {packet.src for packet in into} <= {*listed, lig.utility}
    assert {packet.dst for packet in into} == {call.address}

    tried = [t for t in record.fence_trials if t.requirement == "L-07"]
    assert {side: sum(t.side == side for t in tried) for side in (CALLER, INTERNET)} == {
        CALLER: RANDOM_PACKETS,
        INTERNET: RANDOM_PACKETS,
    }
    came = {(p.src, p.dst, p.proto) for p in into if p.src not in (lig.utility,)}
    asked = {(p.dst, p.src, p.proto) for p in out}
    errors = {(p.src, p.dst, 1) for p in into if p.proto == 1}
    assert came - errors <= asked


def test_told_to_mind_ports_the_fence_drops_others(tmp_path: Path) -> None:
    def change(topology: Topology) -> Topology:
        assert topology.lig is not None
        ports = (("tcp", 443), ("udp", 500), ("udp", 4500), ("esp", 0))
        return replace(topology, lig=replace(topology.lig, ports=ports))

    _, record, findings = ran("dial", tmp_path / "run", change)

    assert failed(findings) == {}
    assert "dropped" in findings["L-12"].seen
    assert record.counters["lig"]["L-12-port"] > 0


def test_where_the_path_is_another_the_telephone_is_silent(tmp_path: Path) -> None:
    text = (folder() / "dial.yaml").read_text()
    before, _, _ = text.partition("\nways:")
    topology = tmp_path / "silent.yaml"
    topology.write_text(
        f"{before}\nways: {{ internet: {{ kind: direct }} }}\nagents: {{ hmc: [internet] }}\n"
        "expect: [OUT-01, g1, g3, g4, g5]\n"
    )

    _, record, findings = ran(str(topology), tmp_path / "run")

    assert {f.verdict for f in findings.values()} == {Verdict.held}
    assert record.dialled == []
    assert heard_by_telephone(tmp_path / "run/wire/pstn.pcapng") == []
