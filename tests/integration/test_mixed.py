"""Agents with ways of different kinds in one lab: each kind has trials and findings of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.labs import ROOT, Ran, Runs, changed

pytestmark = pytest.mark.kernel

FOUR = str(ROOT / "tests/data/topologies/four-ways.yaml")
IPV6 = str(ROOT / "tests/data/topologies/ipv6-and-others.yaml")
FAULTS = "proxy-down", "no-dialtone", "pool-empty", "wrong-psk"
OF_KIND = {
    "direct": {"OUT-01", "F-03", "F-13"},
    "proxy": {"OUT-09", "OUT-10", "OUT-12", "F-10"},
    "vpn": {"OUT-20", "OUT-21", "OUT-22", "F-07", "F-08", *(f"P-{n:02}" for n in range(1, 11))},
    "dial": {"OUT-23", "OUT-24", "OUT-26", *("P-11", "P-12", "P-20")},
}


ERRANDS = "errands: [configuration, enrolment, inventory, problem, upload, fix]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("topologies")


@pytest.fixture(scope="module")
def callers(folder: Path) -> str:
    """One HMC that has the telephone alone, and one for which it is the backup of a VPN."""
    return changed(
        folder,
        "failover",
        ("  firewall: { role", "  hmc-b:    { role: hmc, modems: 1 }\n  firewall: { role"),
        ("hmc: 192.168.10.10,", "hmc: 192.168.10.10, hmc-b: 192.168.10.11,"),
        ("  lig: { number", '  hmc-b: { number: "1-507-555-0102" }\n  lig: { number'),
        ("  hmc: [vpn, modem]", "  hmc-b: [modem]\n  hmc: [vpn, modem]"),
    )


@pytest.fixture(scope="module")
def in_turn(folder: Path) -> str:
    """Two HMCs that are on the telephone one after the other: one first, and one as the backup."""
    return changed(
        folder,
        "dial-two-hmcs",
        ("\nways:\n", "\nways:\n  net: { kind: direct }\n"),
        ("  hmc:   [modem]", "  hmc:   [modem, net]"),
        ("  hmc-b: [modem]", "  hmc-b: [net, modem]"),
        ("   F-18, ", "   OUT-01, "),
    )


@pytest.fixture(scope="module")
def versions(folder: Path) -> str:
    """One agent that calls by IPv6 alone, and one by IPv4 alone: names have addresses of both."""
    return changed(
        folder,
        "dual-stack",
        ("  firewall: {", "  other:    { role: hmc }\n  firewall: {"),
        ("aix: 192.168.10.10,", "aix: 192.168.10.10, other: ,"),
        (
            "  internet: { kind: direct, families: [ipv6, ipv4] }",
            "  six: { kind: direct, families: [ipv6] }\n  four: { kind: direct }",
        ),
        ("  aix: [internet]", "  aix: [six]\n  other: [four]"),
    )


@pytest.fixture(scope="module")
def spare_version(folder: Path) -> str:
    """IPv6 is the backup of one agent's proxy, and no way of the other's."""
    return changed(
        folder,
        "dual-stack",
        ("  firewall: {", "  proxy-1:  { role: proxy }\n  other:    { role: hmc }\n  firewall: {"),
        ("aix: 192.168.10.10,", "aix: 192.168.10.10, other: , proxy-1: ,"),
        (
            "  internet: { kind: direct, families: [ipv6, ipv4] }",
            "  six: { kind: direct, families: [ipv6] }\n  four: { kind: direct }\n"
            "  squid: { kind: proxy, proxies: [proxy-1] }",
        ),
        ("  aix: [internet]", "  aix: [four]\n  other: [squid, six]"),
        to="spare-version",
    )


@pytest.fixture(scope="module")
def uploads(folder: Path) -> str:
    """Errands, and uploads by FTPS."""
    return changed(folder, "traditional", ("expect: [", "expect: [OUT-43, "))


@pytest.fixture(scope="module")
def backups(folder: Path) -> str:
    """Four kinds, and two agents with backups of other kinds."""
    return changed(
        folder,
        FOUR,
        ("  remote: [modem]", "  remote: [vpn, squid, internet, modem]"),
        ("  open:   [internet]", "  open:   [internet, vpn]"),
        to="backups",
    )


@pytest.fixture(scope="module")
def errands(folder: Path) -> str:
    """Four kinds, by one of which errands are done."""
    return changed(folder, FOUR, ("test: true", ERRANDS), to="errands")


@pytest.fixture(scope="module", autouse=True)
def started(
    runs: Runs,
    callers: str,
    in_turn: str,
    versions: str,
    spare_version: str,
    uploads: str,
    backups: str,
    errands: str,
) -> None:
    paths = FOUR, IPV6, callers, in_turn, versions, uploads, backups, errands
    faulty = [(FOUR, "--fault", fault) for fault in FAULTS]
    faulty += [(backups, "--fault", fault) for fault in ("server-down", "proxy-down")]
    faulty.append((in_turn, "--fault", "modem-unplugged"))
    faulty.append((spare_version, "--fault", "ipv6-broken"))
    runs.start([*((path,) for path in paths), *faulty])


def failed(runs: Runs, fault: str) -> tuple[Ran, set[str]]:
    ran = runs.get(FOUR, "--fault", fault)
    assert ran.status == 1, ran.told
    return ran, ran.failed


def test_every_agent_is_put_to_the_trials_of_its_own_way(runs: Runs) -> None:
    ran = runs.get(FOUR)

    assert ran.status == 0, ran.told
    assert {found["verdict"] for found in ran.findings.values()} == {"pass"}
    assert {trial.client for trial in ran.record.fence_trials} == {"remote"}
    told = {(event["kind"], event["source"]) for event in ran.events}
    tried = {"connections-tested", "direct-tried", "connect-tried", "fence-tried"}
    assert {(kind, source) for kind, source in told if kind in tried} == {
        ("connections-tested", "open"),
        *((kind, "shut") for kind in ("direct-tried", "connect-tried")),
        ("fence-tried", "remote"),
    }


def test_a_way_that_fails_is_no_failure_of_the_others(runs: Runs) -> None:
    """Its agent did not get home by the proxy: what is asked of other ways does not speak of it."""
    ran, found = failed(runs, "proxy-down")

    assert found == {"OUT-09", "F-10"}
    for kind in ("direct", "vpn"):
        verdicts = {ran.findings[name]["verdict"] for name in OF_KIND[kind] & {*ran.findings}}
        assert "fail" not in verdicts
        assert "pass" in verdicts


def test_what_was_not_tried_as_the_run_ended_before_did_not_fail(runs: Runs) -> None:
    ran, found = failed(runs, "no-dialtone")

    assert found == {"OUT-23"}
    assert ran.verdict["diagnosis"].startswith("the telephone line of remote is dead")
    untried = ran.findings["OUT-20"]
    assert untried["verdict"] == "not-applicable"
    assert untried["seen"].startswith("the run ended before vpn was tried")


@pytest.mark.parametrize("fault", ["pool-empty", "wrong-psk"])
def test_what_is_left_of_a_vpn_is_none_of_the_direct_ways(fault: str, runs: Runs) -> None:
    """The end of an IKE SA is on the wire after the way was given up."""
    _, found = failed(runs, fault)

    assert found
    assert found <= OF_KIND["vpn"] | {"P-22"}


def test_a_caller_that_comes_later_is_tried_beside_the_one_that_stands(
    runs: Runs, callers: str
) -> None:
    """Each with its own packets: what one sends as if it were the other is not the other's."""
    ran = runs.get(callers)

    assert ran.status == 0, ran.told
    assert ran.failed == set()
    assert {t.client for t in ran.record.fence_trials} == {"hmc", "hmc-b"}
    assert all(ran.findings[f"L-{n:02}"]["verdict"] == "pass" for n in range(1, 13))


def test_who_is_alone_on_the_telephone_is_not_tried_from_another(runs: Runs, in_turn: str) -> None:
    """L-01, L-02, L-05: one caller after the other, and never two at a time."""
    ran = runs.get(in_turn)

    assert ran.status == 0, ran.told
    assert {t.client for t in ran.record.fence_trials} == {"hmc", "hmc-b"}
    assert all(ran.findings[f"L-{n:02}"]["verdict"] == "pass" for n in range(1, 13))


def test_who_needed_no_modem_has_none_to_answer_for(runs: Runs, in_turn: str) -> None:
    """OUT-23: the other one's way by telephone was up, and lost."""
    ran = runs.get(in_turn, "--fault", "modem-unplugged")

    assert ran.status == 0, ran.told
    assert ran.failed == set()
    assert ran.findings["OUT-23"]["verdict"] == "pass"


def test_ipv6_of_one_is_none_of_the_others(runs: Runs) -> None:
    """The proxy's host has IPv6, too: what it tries by that is its own, and no rule lets it out."""
    ran = runs.get(IPV6)

    assert ran.status == 0, ran.told
    assert ran.failed == set()
    own = ran.topology.node("proxy-1").uplink
    assert {p.source for _, p in ran.case.leaving if p.version == 6} == {
        ran.topology.node("open").uplink.ip6
    }
    tried = [p for _, p in ran.case.packets(own.segment) if p.source == own.ip6 and p.is_bare_syn]
    assert tried, "squid asks for addresses of both versions"


def test_each_agent_calls_by_the_version_of_its_own_way(runs: Runs, versions: str) -> None:
    """An agent with IPv6 on its link does not take IPv6 where its way is of IPv4."""
    ran = runs.get(versions)

    assert ran.status == 0, ran.told
    assert ran.failed == set()
    syns = [p for _, p in ran.case.packets("lan") if p.is_bare_syn and p.destination_port == 443]
    agents = ran.case.agent_addresses
    called = {(agents[p.source], p.version) for p in syns if p.source in agents}
    assert called == {("aix", 6), ("other", 4)}


def test_a_version_that_nobody_needed_is_not_missed(runs: Runs, spare_version: str) -> None:
    """OUT-08: the file names IPv6 first, and whoever has it came home by a proxy."""
    ran = runs.get(spare_version, "--fault", "ipv6-broken")

    assert ran.status == 0, ran.told
    assert ran.failed == set()
    assert ran.findings["OUT-08"]["seen"] == "the calls came through, and none was made by IPv6"


def test_an_upload_is_no_errand_that_went_astray(runs: Runs, uploads: str) -> None:
    """OUT-38, OUT-43: FTPS goes to a server that does no errands."""
    ran = runs.get(uploads)

    assert ran.status == 0, ran.told
    assert {ran.findings[name]["verdict"] for name in ("OUT-38", "OUT-43")} == {"pass"}


def test_backups_of_other_kinds_are_all_put_to_the_test(runs: Runs, backups: str) -> None:
    ran = runs.get(backups)

    assert ran.status == 0, ran.told
    assert {found["verdict"] for found in ran.findings.values()} == {"pass"}
    assert {(t.agent, t.way) for t in ran.record.tries if t.backup} == {
        *(("remote", way) for way in ("squid", "internet", "modem")),
        ("open", "vpn"),
    }


@pytest.mark.parametrize(
    ("fault", "wanted"), [("server-down", set[str]()), ("proxy-down", {"OUT-09", "F-10"})]
)
def test_a_backup_that_was_not_needed_is_asked_nothing(
    fault: str, wanted: set[str], runs: Runs, backups: str
) -> None:
    """Others use the same kind of way: what is asked of it is asked of them alone."""
    ran = runs.get(backups, "--fault", fault)

    assert ran.status == (1 if wanted else 0), ran.told
    assert ran.failed == wanted
    assert {ran.findings[name]["verdict"] for name in ("OUT-20", "P-01", "P-08", "P-09")} == {
        "pass"
    }
    untried = ran.findings["OUT-23"]
    assert untried["seen"].startswith("modem was not needed: the calls went by vpn")


def test_errands_at_other_ports_are_no_calls_astray(runs: Runs, errands: str) -> None:
    """OUT-01: a fix comes by HTTP (OUT-41)."""
    ran = runs.get(errands)

    assert ran.status == 0, ran.told
    assert ran.failed == set()
    assert 80 in {p.destination_port for _, p in ran.case.leaving if p.is_bare_syn}
