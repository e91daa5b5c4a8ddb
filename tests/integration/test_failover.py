"""Several ways of one agent: tried in order, from one to the other, each judged by itself (OUT-15, R-01)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.labs import Ran, Runs, changed

pytestmark = pytest.mark.kernel

QUIET = ("failover",)
SILENT = ("failover", "--fault", "gateways-silent")
TELL = 'echo "$LAB_WAY $LAB_WAYS" && ping -c 1 -q "$LAB_PROBE" >/dev/null && echo reached'
COMMAND = (*SILENT, "--", "sh", "-c", TELL)


MODEM = '  modem: { kind: dial, numbers: ["1-800-555-0100"] }\n'
OPEN = "  open:  { kind: direct }\n"
AGENT = "  hmc: [vpn, modem]"


def failover(folder: Path, name: str, *changes: tuple[str, str]) -> str:
    """``failover`` with something else in its file."""
    return changed(folder, "failover", *changes, to=name)


def befallen(rule: str) -> tuple[str, str]:
    """Something befalls calls, in every run."""
    return "\nways:\n", f"\ncalls:\n  - {rule}\n\nways:\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Topologies by their names."""
    folder = tmp_path_factory.mktemp("topologies")
    three = (
        (MODEM, MODEM + OPEN),
        ("[OUT-02,", "[OUT-01, OUT-02,"),
        ("   F-07,", "   F-03, F-07,"),
    )
    other = MODEM.replace("modem:", "other:")
    second = (
        ("  firewall: { role", "  hmc-b:    { role: hmc }\n  firewall: { role"),
        ("hmc: 192.168.10.10,", "hmc: 192.168.10.10, hmc-b: 192.168.10.11,"),
        (AGENT, f"  hmc-b: [vpn]\n{AGENT}"),
    )
    return {
        "back": failover(folder, "back", (AGENT, "  hmc: [modem, vpn]")),
        "busy": failover(folder, "busy", befallen("{ outcome: busy, from: hmc }")),
        "cut": failover(
            folder, "cut", befallen("{ outcome: line-drops, from: hmc, after: 30kB, times: 1 }")
        ),
        # The name server has not yet got the last packet of a TCP handshake, and answers again.
        "cut-in-handshake": failover(
            folder, "cut-h", befallen("{ outcome: line-drops, from: hmc, after: 27kB, times: 1 }")
        ),
        "open-last": failover(folder, "open-last", *three, (AGENT, "  hmc: [vpn, modem, open]")),
        "open-first": failover(folder, "open-first", *three, (AGENT, "  hmc: [open, vpn, modem]")),
        "open-second": failover(
            folder, "open-second", *three, (AGENT, "  hmc: [modem, open, vpn]")
        ),
        "open-middle": failover(
            folder, "open-middle", *three, (AGENT, "  hmc: [vpn, open, modem]")
        ),
        "alike": failover(
            folder, "alike", (MODEM, MODEM + other), (AGENT, "  hmc: [modem, other, vpn]")
        ),
        "two-hmcs": failover(folder, "two-hmcs", *second),
    }


@pytest.fixture(scope="module")
def back(made: dict[str, str]) -> str:
    """The same with the modem first."""
    return made["back"]


@pytest.fixture(scope="module", autouse=True)
def started(runs: Runs, made: dict[str, str]) -> None:
    unplugged = (made["back"], "--fault", "modem-unplugged")
    dead = (made["back"], "--fault", "modem-dead")
    runs.start([QUIET, SILENT, COMMAND, unplugged, dead, *((path,) for path in made.values())])


def verdicts(ran: Ran, *requirements: str) -> set[str]:
    return {ran.findings[name]["verdict"] for name in requirements}


def test_each_way_is_put_to_the_test_when_nothing_is_wrong(runs: Runs) -> None:
    ran = runs.get(*QUIET)

    assert ran.status == 0, ran.told
    tries = [(each.way, each.up, each.backup) for each in ran.record.tries]
    assert tries == [("vpn", True, False), ("modem", True, True)]
    assert [(call.way, call.succeeded) for call in ran.record.calls] == [
        ("vpn", True),
        ("modem", True),
    ]
    assert len(ran.record.trials) == 2
    untested = {name for name in ran.findings if verdicts(ran, name) == {"not-applicable"}}
    assert untested == {"OUT-25", "R-01", "R-07", "R-08"}, "what only a failure puts to the test"
    assert ran.failed == set()
    assert "; modem came up when tried as the backup" in ran.findings["R-01"]["seen"]
    assert "then modem at " in ran.findings["OUT-15"]["seen"]
    assert ran.findings["OUT-15"]["seen"].endswith("(up, as the backup)")
    assert "hmc: vpn works; now modem, which is the backup" in ran.stderr
    assert "diagnosis" not in ran.verdict


@pytest.mark.parametrize("name", ["back", "open-last", "open-first", "open-second", "alike"])
def test_ways_are_put_to_the_test_in_any_order(name: str, runs: Runs, made: dict[str, str]) -> None:
    ran = runs.get(made[name])

    assert ran.status == 0, ran.told
    (agent,) = ran.topology.callers
    assert [(each.way, each.up) for each in ran.record.tries] == [(way, True) for way in agent.ways]
    untested = {name for name in ran.findings if verdicts(ran, name) == {"not-applicable"}}
    assert untested == {"OUT-25", "R-01", "R-07", "R-08"}


def test_only_who_has_a_backup_tries_one(runs: Runs, made: dict[str, str]) -> None:
    ran = runs.get(made["two-hmcs"])

    assert ran.status == 0, ran.told
    assert {(each.agent, each.way) for each in ran.record.tries if each.backup} == {
        ("hmc", "modem")
    }
    assert verdicts(ran, "OUT-22", "OUT-23", "OUT-26", "P-10", "P-11") == {"pass"}
    assert verdicts(ran, "L-01", "L-09", "P-20") == {"pass"}
    assert {trial.client for trial in ran.record.fence_trials} == {"hmc"}


def test_a_backup_that_does_not_come_up_is_a_failure(runs: Runs, made: dict[str, str]) -> None:
    ran = runs.get(made["busy"])

    assert ran.status == 1, ran.told
    assert ran.failed == {"OUT-23"}
    assert verdicts(ran, "OUT-22", "P-10") == {"pass"}
    assert ran.verdict["diagnosis"].startswith("by modem: 18005550100 is busy")
    assert "did not come up: by modem, the backup of vpn: hmc has no way home" in ran.stderr


@pytest.mark.parametrize("name", ["cut", "cut-in-handshake"])
def test_a_line_that_is_cut_while_the_fence_is_tried_is_the_paths_failure(
    runs: Runs, made: dict[str, str], name: str
) -> None:
    ran = runs.get(made[name])

    assert ran.status == 1, ran.told
    assert all(call.succeeded for call in ran.record.calls), "the line was cut later"
    assert ran.failed == set()
    assert verdicts(ran, "L-09", "P-20") == {"not-applicable"}
    assert ran.verdict["verdict"] == "fail"
    assert ran.verdict["diagnosis"].startswith("by modem: the line was cut off in mid-session")
    assert "the call of hmc was lost while AT&T's fence was tried" in ran.stderr


def test_a_way_without_a_modem_gives_way_to_the_next(runs: Runs, back: str) -> None:
    """Nothing can be dialled, so the wires cannot show that the way was tried first."""
    ran = runs.get(back, "--fault", "modem-dead")

    assert ran.status == 0, ran.told
    assert verdicts(ran, "OUT-15", "R-01", "P-10") == {"pass"}


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


def test_what_comes_after_the_way_that_led_home_was_not_needed(
    runs: Runs, made: dict[str, str]
) -> None:
    """The run did not end before: it went home by the way between."""
    ran = runs.get(made["open-middle"], "--fault", "gateways-silent")

    assert ran.status == 0, ran.told
    assert ran.failed == set()
    assert ran.findings["L-01"]["seen"].startswith("modem was not needed: the calls went by open")
    assert ran.findings["P-01"]["seen"].startswith("vpn gave no way home")


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
