"""F-06 and F-07 to the letter: each of the rules, in each direction, taken away alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab.run.run import Run
from lab.topology.model import DropRule
from lab.verify.verdict import Result

pytestmark = pytest.mark.kernel

ANYWHERE = "0.0.0.0/0"


def run_without(topology: str, protocol: str, port: int, way: str, out: Path) -> Result:
    """A run in which the customer's firewall loses one kind of packet in one direction."""
    run = Run.prepare(topology, out=out)
    wall = run.topology.firewall
    assert wall is not None
    console = f"{run.topology.node('hmc').interface(wall.inside).ip}/32"
    source, destination = (console, ANYWHERE) if way == "out" else (ANYWHERE, console)
    rule = DropRule(
        name=f"without-{protocol}-{port}-{way}",
        node=wall.node,
        protocol=protocol,
        port=port,
        above_bytes=0,
        source=source,
        destination=destination,
    )
    run.topology = replace(run.topology, drops=(rule,))
    run.carry_out(quiet=True)
    return run.judge()


@pytest.mark.parametrize("way", ["out", "in"])
@pytest.mark.parametrize(("protocol", "port", "name"), [("udp", 500, "UDP 500"), ("esp", 0, "ESP")])
def test_without_nat_each_rule_is_needed_in_each_direction(
    tmp_path: Path, protocol: str, port: int, name: str, way: str
) -> None:
    judged = run_without("vpn", protocol, port, way, tmp_path / "run")
    assert judged.exit_status == 1
    diagnosis = judged.diagnosis
    assert name in diagnosis
    assert "firewall" in diagnosis
    # The phase at which it fails: without UDP 500 no key is agreed on, without ESP one is.
    ike = next(f for f in judged.findings if f.requirement == "P-01")
    assert (ike.verdict == "fail") == (port == 500)


def test_behind_nat_protocol_50_is_not_needed(tmp_path: Path) -> None:
    judged = run_without("vpn-nat", "esp", 0, "out", tmp_path / "run")
    assert judged.exit_status == 0, judged.diagnosis


def test_behind_nat_udp_500_alone_is_not_enough(tmp_path: Path) -> None:
    judged = run_without("vpn-nat", "udp", 4500, "out", tmp_path / "run")
    assert judged.exit_status == 1
    assert "UDP 4500" in judged.diagnosis


def test_established_only_as_the_papers_literally_say_lets_nobody_out(tmp_path: Path) -> None:
    """F-03, X-11: the papers ask for ESTABLISHED; without NEW not one connection comes about."""
    run = Run.prepare("direct", out=tmp_path / "run")
    wall = run.topology.firewall
    assert wall is not None
    run.topology = replace(run.topology, firewall=replace(wall, rules=()))
    run.carry_out(quiet=True)
    judged = run.judge()

    assert judged.exit_status == 1
    assert "firewall" in judged.diagnosis
    leaving = next(f for f in judged.findings if f.requirement == "g1")
    assert leaving.verdict == "not-applicable"
