"""What is right about a run, and what is not: with a fault it is the diagnosis that counts."""

from __future__ import annotations

from typing import Any

import pytest

from lab.matrix import planned
from lab.matrix.job import Came, JobOutcome
from lab.ways import faults
from tests.unit.matrix.made_up import finding, job, outcome
from tests.unit.verify.stage import topology

HELD, FAILED = finding("OUT-23"), finding("OUT-23", "fail")
PSK = job("vpn", "wrong-psk", cause="wrong-psk", unharmed=False, survives=False, about=("vpn",))
LOST = job(
    "failover", "drop-udp-500", cause="udp-500-lost", unharmed=False, survives=True, about=("vpn",)
)
G1_FAILED = finding("g1", "fail")
ASTRAY = job(
    "direct-names", "dns-wrong-answer", cause="dns-wrong-answer", unharmed=False, survives=False,
    breaks=("g1",),
)  # fmt: skip
DIES = job("vpn", "gateway-dies", cause="gateway-died", survives=True, about=("vpn",))


def of_fault(told: str, *findings: dict[str, Any], of: Any = PSK, **more: Any) -> JobOutcome:
    return outcome(of, *findings, cause=told, **{"tried": ("vpn",), "came_home": True, **more})


@pytest.mark.parametrize(
    ("found", "came", "status"),
    [
        (outcome(job(), HELD), Came.right, 0),
        (outcome(job(), HELD, FAILED), Came.wrong, 1),
        (outcome(job(), verdict={}, status=3), Came.broke, 3),
        (outcome(job(), verdict={}, status=1), Came.broke, 4),
        (outcome(job(), HELD, status=130), Came.ended, 130),
        (of_fault("wrong-psk", FAILED), Came.right, 0),
        (of_fault("gateway-died", HELD, of=DIES), Came.right, 0),
        # Told as another one, as nothing, or as itself though it did no harm.
        (of_fault("no-common-proposal", FAILED), Came.wrong, 1),
        (of_fault("", FAILED), Came.wrong, 1),
        (of_fault("wrong-psk", HELD), Came.wrong, 1),
        (of_fault("gateway-died", FAILED, of=DIES), Came.wrong, 1),
        # By another way: what speaks of the first one may fail, and the calls home may not.
        (of_fault("udp-500-lost", FAILED, of=LOST), Came.right, 0),
        (of_fault("udp-500-lost", HELD, of=LOST), Came.right, 0),
        (of_fault("udp-500-lost", FAILED, of=LOST, came_home=False), Came.wrong, 1),
        # What the lab itself must do holds in every run.
        (of_fault("wrong-psk", FAILED, finding("g6", "fail")), Came.wrong, 1),
        # But for what a fault breaks of it, which must break.
        (of_fault("dns-wrong-answer", FAILED, G1_FAILED, of=ASTRAY), Came.right, 0),
        (of_fault("dns-wrong-answer", FAILED, finding("g1"), of=ASTRAY), Came.wrong, 1),
        (of_fault("dns-wrong-answer", G1_FAILED, finding("g6", "fail"), of=ASTRAY), Came.wrong, 1),
        # Another way came first, and led home: nobody can see the fault.
        (of_fault("", HELD, tried=("direct",)), Came.unmet, 0),
        (of_fault("", FAILED, tried=("direct",)), Came.wrong, 1),
        (of_fault("busy", HELD, tried=("direct",)), Came.wrong, 1),
        (of_fault("", HELD), Came.wrong, 1),
    ],
)
def test_how_a_run_came_out(found: JobOutcome, came: Came, status: int) -> None:
    assert found.came is came
    assert found.exit_status == status


def test_a_broken_lab_says_nothing_of_a_fault() -> None:
    found = of_fault("wrong-psk", FAILED, status=4)
    found.verdict["verdict"] = "error"

    assert (found.came, found.exit_status) == (Came.broke, 4)


def test_without_faults_there_is_a_run_a_topology() -> None:
    jobs = planned.plan(["vpn", "failover"], with_faults=False)

    assert [(each.number, each.title, each.folder) for each in jobs] == [
        (0, "vpn", "vpn"),
        (1, "failover", "failover"),
    ]
    assert jobs[1].ways == ("vpn", "modem")
    assert {"vpn", "dial"} <= {*jobs[1].kinds}


def test_with_faults_there_is_a_run_for_each_that_applies() -> None:
    jobs = planned.plan(["direct-ipv6", "vpn"], with_faults=True)

    for name in ("direct-ipv6", "vpn"):
        own = [each for each in jobs if each.topology == name]
        assert [each.fault for each in own] == [f.name for f in faults.applicable(topology(name))]
    by = {each.folder: each for each in jobs}
    assert by["direct-ipv6.ipv6-broken"].cause == "lookups-lost"
    assert by["vpn.wrong-psk"].cause == "wrong-psk"
    assert not by["vpn.wrong-psk"].survives
    assert by["vpn.gateway-dies"].survives
    assert by["vpn.gateway-dies"].unharmed
    (lost,) = [e for e in planned.plan(["failover"], with_faults=True) if e.fault == "drop-udp-500"]
    assert (lost.unharmed, lost.survives) == (False, True)
    assert by["vpn.wrong-psk"].about == ("vpn",)


def test_no_proxy_takes_over_where_the_firewall_loses_what_both_send() -> None:
    (lost,) = [e for e in planned.plan(["two-sites"], with_faults=True) if e.fault == "blocked-443"]
    assert not lost.survives


def test_a_wrong_address_leads_astray_where_the_firewall_opens_names() -> None:
    jobs = planned.plan(["direct", "direct-names"], with_faults=True)

    broken = {each.folder: each.breaks for each in jobs if each.breaks}
    assert broken == {"direct-names.dns-wrong-answer": ("g1", "g4")}


def test_two_files_of_one_name_have_a_folder_each() -> None:
    jobs = planned.plan(["direct", "direct"], with_faults=False)

    assert [each.folder for each in jobs] == ["direct", "direct-2"]
