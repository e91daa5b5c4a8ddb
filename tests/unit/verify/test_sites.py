"""Customers without a firewall: alone with a telephone, or directly on the Internet's wire."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP

from lab import verify
from lab.record.record import CallHome, Transaction
from lab.record.trial_event import Probed
from lab.topology import load, resolve
from lab.topology.model import Topology
from lab.verify import Finding, Verdict
from lab.verify.case import Case
from tests.recordings.true_run import Recordings, failures
from tests.unit.verify.stage import SEED, Stage, topology

TOPOLOGIES = Path(__file__).parents[3] / "topologies"
HMC, ROUTER = "198.51.100.2", "198.51.100.1"
WIRES = ("g1", "g2", "g3", "g4")


def without_firewall(name: str) -> str:
    """A topology file of the lab's own, the firewall taken out."""
    text = (TOPOLOGIES / f"{name}.yaml").read_text()
    return re.sub(r"  firewall:.*\n", "", text)


def alone() -> Topology:
    """A modem, and a neighbour on a LAN that leads nowhere."""
    text = without_firewall("dial").replace("firewall: 192.168.10.1", "desk: 192.168.10.1")
    text = text.replace("nodes:\n", "nodes:\n  desk: { role: host }\n", 1)
    text = re.sub(r"  fw-inet:.*?(?=  lig-inet:)", "", text, flags=re.DOTALL)
    return resolve.resolve(load.parse(text, "alone"), SEED)


def exposed(name: str) -> Topology:
    """The HMC in the firewall's place."""
    text = re.sub(r"  lan:.*?(?=  fw-inet:)", "", without_firewall(name), flags=re.DOTALL)
    text = text.replace("  fw-inet:", "  access:").replace("firewall: ", "hmc: ")
    return resolve.resolve(load.parse(text, "exposed"), SEED)


def judged(stage: Stage, run_dir: Path, model: Topology) -> dict[str, Finding]:
    return {f.requirement: f for f in verify.judge(verify.Case(model, stage.record, run_dir))}


def test_the_wires_are_those_that_there_are() -> None:
    def wires(model: Topology) -> tuple[tuple[str, ...], tuple[str, ...]]:
        case = Case(model, Stage(model).record, Path())
        return case.uplinks, case.exits

    assert wires(topology("dial")) == (("lan",), ("fw-inet",))
    assert wires(alone()) == (("lan",), ())
    assert wires(exposed("dial")) == (("access",), ("access",))
    assert wires(exposed("direct")) == (("access",), ("access",))  # svc is not on the way


def test_a_telephone_alone_is_judged_by_the_wires_that_there_are(recordings: Recordings) -> None:
    run = recordings("dial")
    model = run.topology
    by_wire = model.node("firewall").interface("fw-inet").ip
    run.record.probes = [p for p in run.record.probes if p.destination != by_wire]
    del run.wire["fw-inet"]
    macs = {(n.name, i.segment): i.mac for n in model.nodes for i in n.interfaces}
    nodes = (
        replace(n, interfaces=tuple(
            replace(i, mac=macs.get((n.name, i.segment), i.mac)) for i in n.interfaces
        ))
        for n in alone().nodes
    )  # fmt: skip
    # With the secrets and the addresses of the run.
    model = replace(alone(), nodes=tuple(nodes), ways=model.ways, lig=model.lig)

    findings = run.judge(model)

    assert failures(findings) == set()
    assert findings["F-18"].verdict is Verdict.not_applicable
    assert "fw-inet" not in " ".join(f.seen + f.expected for f in findings.values())

    del run.wire["lig-inet"]
    assert failures(run.judge(model)) >= {"g1", "g3", "g4"}
    del run.wire["lan"]
    assert "g2" in failures(run.judge(model))


def call_home(model: Topology) -> Stage:
    """A connection to the server, and two attempts to get in, of which one is refused."""
    stage = Stage(model)

    def put(sender: str, source: str, far: str, sport: int, dport: int, flags: str) -> None:
        packet = IP(src=source, dst=far) / TCP(sport=sport, dport=dport, flags=flags)
        receiver = "internet" if sender == "hmc" else "hmc"
        stage.put("access", sender, receiver, bytes(packet), stage.now)
        stage.now += 0.1

    server = model.endpoints[0].address
    put("hmc", HMC, server, 40000, 443, "S")
    put("internet", server, HMC, 443, 40000, "SA")
    for port in (22, 9960):
        probe = Probed(
            source="internet", address=ROUTER, destination=HMC, port=port, answered=False
        )
        stage.record.probes.append(probe)
        put("internet", ROUTER, HMC, 50000, port, "S")
    put("hmc", HMC, ROUTER, 9960, 50000, "RA")
    stage.record.path_up = stage.now
    stage.record.calls = [
        CallHome(agent="hmc", started=stage.now, ended=stage.now, succeeded=True, attempts=())
    ]
    stage.record.ledger = [
        Transaction(
            time=stage.now, kind="heartbeat", system="", peer_ip=HMC, peer_port=40000,
            server_ip=server, server_port=443, tls_version="", cipher="", sni="", status=200,
            bytes_in=0,
        )
    ]  # fmt: skip
    stage.record.ended = stage.now
    return stage


def test_an_exposed_hmc_is_judged_on_its_only_wire(tmp_path: Path) -> None:
    model = exposed("direct")
    stage = call_home(model)

    findings = judged(stage, stage.write(tmp_path), model)

    assert failures(findings) == set()
    left_open = {n for n, f in findings.items() if f.verdict is Verdict.not_applicable}
    assert left_open == {"F-03", "OUT-04", "OUT-46", "R-09", "P-13", "P-16"}
    assert "but for 2 by which the lab tried" in findings["g2"].seen


def stranger(stage: Stage) -> None:
    packet = IP(src=ROUTER, dst=HMC) / TCP(sport=50000, dport=23, flags="S")
    stage.put("access", "internet", "hmc", bytes(packet), stage.now)


def reset_for_another(stage: Stage) -> None:
    packet = IP(src=HMC, dst=ROUTER) / TCP(sport=23, dport=50000, flags="R")
    stage.put("access", "hmc", "internet", bytes(packet), stage.now)


def answer(stage: Stage) -> None:
    packet = IP(src=HMC, dst=ROUTER) / TCP(sport=22, dport=50000, flags="SA")
    stage.put("access", "hmc", "internet", bytes(packet), stage.now)


@pytest.mark.parametrize(
    ("change", "failing"),
    [
        (stranger, {"OUT-02", "g2"}),
        (reset_for_another, {"OUT-01", "g1", "g4"}),
        (answer, {"OUT-01", "OUT-02", "g1", "g4"}),
    ],
)
def test_only_the_labs_own_attempts_are_excused(
    change: Callable[[Stage], None], failing: set[str], tmp_path: Path
) -> None:
    model = exposed("direct")
    stage = call_home(model)
    change(stage)

    assert failures(judged(stage, stage.write(tmp_path), model)) == failing


@pytest.mark.parametrize("name", ["dial", "vpn", "direct"])
def test_an_exposed_hmc_that_did_nothing_has_no_failing_wire(name: str, tmp_path: Path) -> None:
    model = exposed(name)
    stage = Stage(model)
    stage.record.ended = stage.now
    stage.write(tmp_path)

    findings = judged(stage, tmp_path, model)

    assert failures(findings) <= {"OUT-24"}, "nobody asked for a modem, as nothing was run"
    assert {findings[name].verdict for name in WIRES} == {Verdict.not_applicable}
    for requirement in {"F-03", "F-06", "F-08", "F-18"} & {*findings}:
        assert findings[requirement].seen == "the customer has no firewall"
