"""Several ways of one agent: tried in order, from one to the other, each judged by itself (OUT-15, R-01)."""

from __future__ import annotations

import pytest

from tests.integration.labs import ROOT, Ran, Runs

pytestmark = pytest.mark.kernel

QUIET = ("failover",)
SILENT = ("failover", "--fault", "gateways-silent")
TELL = 'echo "$LAB_WAY $LAB_WAYS" && ping -c 1 -q "$LAB_PROBE" >/dev/null && echo reached'
COMMAND = (*SILENT, "--", "sh", "-c", TELL)


@pytest.fixture(scope="module")
def back(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same with the modem first."""
    text = (ROOT / "topologies" / "failover.yaml").read_text()
    path = tmp_path_factory.mktemp("back") / "back.yaml"
    assert "hmc: [vpn, modem]" in text
    path.write_text(text.replace("hmc: [vpn, modem]", "hmc: [modem, vpn]"))
    return str(path)


@pytest.fixture(scope="module", autouse=True)
def started(runs: Runs, back: str) -> None:
    runs.start([QUIET, SILENT, COMMAND, (back, "--fault", "modem-unplugged")])


def verdicts(ran: Ran, *requirements: str) -> set[str]:
    return {ran.findings[name]["verdict"] for name in requirements}


def test_the_first_way_serves_and_the_second_is_not_used(runs: Runs) -> None:
    ran = runs.get(*QUIET)

    assert ran.status == 0, ran.told
    assert [(each.way, each.up) for each in ran.record.tries] == [("vpn", True)]
    assert ran.record.dialled == []
    assert verdicts(ran, "OUT-15", "P-01", "P-10", "OUT-22", "F-07", "g4") == {"pass"}
    assert verdicts(ran, "R-01", "OUT-23", "OUT-26", "P-11", "L-01") == {"not-applicable"}
    assert "modem was not needed: the calls went by vpn" in ran.findings["OUT-23"]["seen"]
    assert "diagnosis" not in ran.verdict


def test_the_modem_takes_over_when_the_gateways_are_silent(runs: Runs) -> None:
    ran = runs.get(*SILENT)

    assert ran.status == 0, ran.told
    assert [(each.way, each.up) for each in ran.record.tries] == [("vpn", False), ("modem", True)]
    assert [call.way for call in ran.record.calls] == ["modem"]
    assert verdicts(ran, "OUT-15", "R-01", "OUT-23", "OUT-26", "P-11", "L-01", "L-07") == {"pass"}
    assert verdicts(ran, "P-01", "P-10", "OUT-22", "R-07") == {"not-applicable"}
    assert "vpn gave no way home: the calls went by modem" in ran.findings["P-01"]["seen"]
    told = ran.verdict["diagnosis"]
    assert told.startswith("by vpn: vpn1 (129.42.160.16) is silent")
    assert "vpn2 (207.25.252.196) is silent" in told
    assert "hmc came home by modem" in told
    assert "hmc has no way home by vpn" in ran.stderr


def test_a_command_is_told_which_way_is_up(runs: Runs) -> None:
    ran = runs.get(*COMMAND)

    assert ran.status == 0, ran.told
    assert ran.stdout.splitlines()[-2:] == ["modem vpn,modem", "reached"]


def test_a_way_that_is_lost_in_mid_session_gives_way_to_the_next(runs: Runs, back: str) -> None:
    """After a call nothing for IBM goes by the customer's network; the VPN must get past that."""
    ran = runs.get(back, "--fault", "modem-unplugged")

    assert ran.status == 0, ran.told
    ways = [(each.way, each.up) for each in ran.record.tries]
    assert ways == [("modem", True), ("modem", False), ("vpn", True)]
    assert [(call.way, call.succeeded) for call in ran.record.calls] == [
        ("modem", False),
        ("vpn", True),
    ]
    assert verdicts(ran, "OUT-15", "R-01", "OUT-23", "P-01", "P-10", "P-11") == {"pass"}
    assert verdicts(ran, "L-01", "L-12", "P-20") == {"not-applicable"}
    assert "hmc came home by vpn" in ran.verdict["diagnosis"]
