"""OUT-15 and R-01: the order in which ways are tried, as noted and as the wires show it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from scapy.layers.inet import IP, UDP
from scapy.packet import Raw

from lab import verify
from lab.record.record import CallHome, DialAttempt, WayTry
from lab.verify import Finding, Verdict
from tests.unit.verify.stage import Stage, topology

IKE = IP(src="192.168.10.10", dst="129.42.160.16") / UDP(sport=500, dport=500) / Raw(b"\x00" * 28)


def silent_gateways() -> Stage:
    """A run of ``failover`` in which no gateway answers, and the modem serves."""
    stage = Stage(topology("failover"))
    record, start = stage.record, stage.now
    record.started = start
    stage.put("lan", "hmc", "firewall", bytes(IKE), start + 1)
    record.tries = [
        WayTry(agent="hmc", way="vpn", started=start, ended=start + 48, error="silent"),
        WayTry(agent="hmc", way="modem", started=start + 48, ended=start + 53, up=True),
    ]
    record.dialled = [
        DialAttempt(client="hmc", device="/dev/modem0", number="18005550100", started=start + 48)
    ]
    record.path_up, record.ended = start + 53, start + 60
    record.calls = [
        CallHome(
            agent="hmc",
            started=start + 53,
            ended=start + 55,
            succeeded=True,
            attempts=(),
            way="modem",
        )
    ]
    return stage


def judged(stage: Stage, folder: Path) -> dict[str, Finding]:
    findings = verify.judge(stage.topology, stage.record, stage.write(folder))
    return {f.requirement: f for f in findings if f.requirement in ("OUT-15", "R-01")}


def test_the_next_way_takes_over(tmp_path: Path) -> None:
    findings = judged(silent_gateways(), tmp_path)

    assert {f.verdict for f in findings.values()} == {Verdict.held}
    assert findings["OUT-15"].seen == "hmc tried vpn at 0.0 s (not up), then modem at 48.0 s (up)"
    assert "hmc by modem, as vpn failed" in findings["R-01"].seen


def first_by_modem(stage: Stage) -> None:
    stage.record.tries.reverse()


def too_early(stage: Stage) -> None:
    stage.record.tries[1].started -= 1


def dialled_first(stage: Stage) -> None:
    stage.record.dialled[0].started = stage.record.started + 0.5


def no_packet_of_the_vpn(stage: Stage) -> None:
    stage.frames["lan"].clear()


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (first_by_modem, "hmc tried modem first, and vpn comes first"),
        (too_early, "hmc tried modem before vpn was given up"),
        (dialled_first, "modem is in use, and vpn is later"),
        (no_packet_of_the_vpn, "modem is in use, and vpn is never"),
    ],
)
def test_another_order_fails(change: Callable[[Stage], None], seen: str, tmp_path: Path) -> None:
    stage = silent_gateways()
    change(stage)

    finding = judged(stage, tmp_path)["OUT-15"]

    assert finding.verdict is Verdict.failed
    assert seen in finding.seen


def no_call(stage: Stage) -> None:
    stage.record.calls[0].succeeded = False


def nothing_up(stage: Stage) -> None:
    stage.record.tries[1].up = False


def by_the_other_way(stage: Stage) -> None:
    stage.record.calls[0].way = "vpn"


@pytest.mark.parametrize("change", [no_call, nothing_up, by_the_other_way])
def test_no_way_home_fails(change: Callable[[Stage], None], tmp_path: Path) -> None:
    stage = silent_gateways()
    change(stage)

    assert judged(stage, tmp_path)["R-01"].verdict is Verdict.failed


def test_nothing_was_tried(tmp_path: Path) -> None:
    stage = silent_gateways()
    stage.record.tries.clear()
    stage.record.calls.clear()
    stage.record.path_up = 0.0

    assert {f.verdict for f in judged(stage, tmp_path).values()} == {Verdict.not_applicable}
