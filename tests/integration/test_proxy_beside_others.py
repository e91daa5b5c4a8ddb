"""A proxy beside another way: neither is blamed for the other, in a good run or with a fault."""

from __future__ import annotations

import pytest

from lab.topology import load, resolve
from lab.ways import faults
from tests.integration.labs import Runs, changed

pytestmark = pytest.mark.kernel

STANDS = "  proxy-1:  { role: proxy }\n  other:    { role: hmc }\n  firewall: {"
SQUID = "ways:\n  squid: { kind: proxy, proxies: [proxy-1] }\n"
DIRECT = "ways:\n  internet: { kind: direct }\n"
ERRANDS = "errands: [configuration, inventory, problem, upload]"
Change = tuple[str, str]


def other(ways: str) -> Change:
    return "agents:\n", f"agents:\n  other: [{ways}]\n"


def beside(uplink: str, ways: str = "squid") -> tuple[Change, ...]:
    """A proxy and an agent that uses it, on the link of an agent's that has an uplink already."""
    stands = "  firewall: {", STANDS
    return stands, (uplink, f"{uplink}, proxy-1: , other: "), ("ways:\n", SQUID), other(ways)


PLANS: dict[str, tuple[str, tuple[Change, ...]]] = {
    "ranges": ("direct-ranges", beside("hmc: 192.168.10.10")),
    "ranges-backup": ("direct-ranges", beside("hmc: 192.168.10.10", "squid, internet")),
    "names": (
        "direct-names",
        (
            *beside("hmc: 203.0.113.10"),
            (", moves_to: esa-aix-2025", ""),
            ("F-05, R-10, ", "F-05, "),
        ),
    ),
    "two-networks": ("ds8000", (*beside("hmc: 192.168.10.10"), ("OUT-05, ", ""))),
    "two-networks-backup": (
        "ds8000",
        (*beside("hmc-b: 192.168.20.10", "internet, squid"), ("OUT-05, ", "")),
    ),
    "two-cards": ("dual-nic", beside("hmc: 192.168.10.10")),
    "versions": ("dual-stack", beside("aix: 192.168.10.10", "squid, internet")),
    "shared": (
        "service-proxy",
        (
            ("  firewall: {", "  other:    { role: hmc }\n  firewall: {"),
            ("esa: 203.0.113.10", "esa: 203.0.113.10, other: "),
            ("ways:\n", f"ways:\n  internet: {{ kind: direct, {ERRANDS} }}\n"),
            other("internet"),
        ),
    ),
    "shared-backup": (
        "service-proxy",
        (("ways:\n", DIRECT), ("  esa: [shared]", "  esa: [shared, internet]")),
    ),
    "backup-of-direct": (
        "proxy-auth",
        (
            ("ways:\n", DIRECT.replace("direct }", "direct, test: true }")),
            ("hmc: [proxy]", "hmc: [internet, proxy]"),
        ),
    ),
}

WITH_FAULTS = (
    ("ranges", "address-blocked", "firewall does not let proxy-1 out by TCP 443 to 129.42.56.189"),
    ("two-networks", "network-down", "lan-a was cut off"),
    ("versions", "proxy-down", "by squid: proxy-1 (192.168.10.11:3128) refuses TCP"),
    ("ranges-backup", "proxy-inspects", "by squid: proxy-1 (192.168.10.11:3128) breaks TLS open"),
    ("backup-of-direct", "dns-silent", "by internet: IBM's name server 203.0.113.54 is silent"),
    ("shared-backup", "proxy-down", "by shared: ss-proxy (203.0.113.21:5026) refuses TCP"),
)
"""And how the diagnosis begins."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Topologies by their names."""
    folder = tmp_path_factory.mktemp("topologies")
    return {
        name: changed(folder, base, *changes, to=name) for name, (base, changes) in PLANS.items()
    }


@pytest.fixture(scope="module", autouse=True)
def started(runs: Runs, made: dict[str, str]) -> None:
    faulty = [(made[name], "--fault", fault) for name, fault, _ in WITH_FAULTS]
    runs.start([*((path,) for path in made.values()), *faulty])


@pytest.mark.parametrize("name", PLANS)
def test_both_hold(name: str, runs: Runs, made: dict[str, str]) -> None:
    ran = runs.get(made[name])

    assert ran.status == 0, ran.told
    assert ran.failed == set()
    assert "diagnosis" not in ran.verdict
    kinds = {way.name: way.kind for way in ran.topology.ways}
    assert {kinds[call.way] for call in ran.record.calls if call.succeeded} == {*kinds.values()}


@pytest.mark.parametrize(("name", "fault", "told"), WITH_FAULTS)
def test_the_one_that_a_fault_befell_is_named(
    name: str, fault: str, told: str, runs: Runs, made: dict[str, str]
) -> None:
    ran = runs.get(made[name], "--fault", fault)

    topology = resolve.resolve(load.load(made[name]), b"combinations")
    (known,) = [each for each in faults.applicable(topology) if each.name == fault]
    assert ran.status == (0 if known.survived_by(topology) else 1), ran.told
    assert ran.verdict["diagnosis"].startswith(told)
    if known.survived_by(topology):
        assert ran.failed == set()


def test_who_was_refused_by_a_proxy_was_not_refused_by_a_server(
    runs: Runs, made: dict[str, str]
) -> None:
    """Another way's part of the diagnosis says nothing of it."""
    told = runs.get(made["shared-backup"], "--fault", "proxy-down").verdict["diagnosis"]

    assert told.count("refuses TCP") == 1


@pytest.mark.parametrize(
    ("name", "fault", "survives"),
    [
        ("backup-of-direct", "address-moved", False),
        ("backup-of-direct", "server-down", True),
        ("ranges-backup", "proxy-down", True),
        ("ranges", "proxy-down", False),
    ],
)
def test_what_befalls_both_kinds_is_survived_by_neither(
    name: str, fault: str, survives: bool, made: dict[str, str]
) -> None:
    topology = resolve.resolve(load.load(made[name]), b"combinations")
    (known,) = [each for each in faults.applicable(topology) if each.name == fault]

    assert known.survived_by(topology) is survives
