"""Every rule of the customer's firewall taken away in turn: what needs the rule fails, is told, and no other.

Where the papers have others stand in, the run survives, and the test of connections or a finding tells of the
loss. So a rule that nothing needs would show here: its removal would change nothing.

Rules that are alike are tried together, and in one topology for all: ``TRIED`` has a topology for each sort
of rule, and a test asks that no topology has a rule of another sort.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab import codec
from lab.record.record import Record
from lab.run.run import Run
from lab.topology import load
from lab.topology.model import AllowRule, Topology
from lab.topology.resolve import resolve
from lab.verify.case import Case
from lab.verify.verdict import Result
from lab.ways import faults
from lab.ways.direct.events import ServerTested
from lab.ways.direct.plan import DirectPlan
from lab.ways.direct.resolve import PROBE_RULE
from lab.ways.fault import change_ways

pytestmark = pytest.mark.kernel

VPN1, VPN2 = "129.42.160.16", "207.25.252.196"
TRIED = {
    ("F-01", "tcp", 443): "service-esa",
    ("F-01", "tcp", 80): "service-esa",
    ("F-02", "tcp", 443): "esa-aix",
    ("F-03", "tcp", 443): "direct",
    ("F-03 by name", "tcp", 443): "direct-names",
    ("F-03 by range", "tcp", 443): "direct-ranges",
    ("F-06", "udp", 500): "vpn",
    ("F-06", "esp", 0): "vpn",
    ("F-07", "udp", 500): "vpn-nat",
    ("F-07", "udp", 4500): "vpn-nat",
    ("F-10", "tcp", 443): "proxy",
    ("F-17", "tcp", 9920): "consoles",
    ("F-16", "tcp", 19285): "ursf",
    ("F-16", "tcp", 11111): "ursf",
    ("F-16", "tcp", 80): "ursf",
    ("I-26", "tcp", 8200): "service-aos",
    ("I-26", "tcp", 443): "service-aos",
    ("I-26", "tcp", 80): "service-aos",
    ("OUT-41", "tcp", 80): "simplified",
    ("OUT-43", "tcp", 21): "upload",
    ("OUT-43", "tcp", 65024): "upload",
    ("OUT-44", "tcp", 22): "user-target",
    (PROBE_RULE, "icmp-echo", 0): "direct",
}
"""Sorts of rules, and where each is tried. That the relay is reached by 443 alone, is in
test_service_by_internet, and by 8200 in every run."""
ALIKE = {"I-27": "I-26"}
"""One and the same, of two families of machines."""

Gone = Callable[[AllowRule], bool]


class Without:
    """A run in which the firewall lacks some of its rules."""

    def __init__(
        self, name: str, gone: Gone, out: Path, *, fault: str = "", command: tuple[str, ...] = ()
    ) -> None:
        run = Run.prepare(name, out=out / "run", command=command)
        topology = faults.apply(fault, run.topology) if fault else run.topology
        wall = topology.firewall
        assert wall is not None
        self.removed = [rule for rule in wall.rules if gone(rule)]
        assert self.removed
        kept = tuple(rule for rule in wall.rules if not gone(rule))
        topology = replace(topology, firewall=replace(wall, rules=kept))
        run.topology = change_ways(topology, DirectPlan, lambda way: replace(way, tests=True))
        self.topology: Topology = run.topology
        self.status = run.carry_out(quiet=True, command=command)
        self.judged: Result = run.judge()
        self.record = codec.load(Record, (run.run_dir / "record.json").read_text())
        self.case = Case(run.topology, self.record, run.run_dir)
        self.tests: list[ServerTested] = self.case.server_tests

    @property
    def told(self) -> str:
        return self.judged.diagnosis

    @property
    def failed(self) -> set[str]:
        return {f.requirement for f in self.judged.findings if f.verdict == "fail"}

    def seen(self, requirement: str) -> str:
        return next(f.seen for f in self.judged.findings if f.requirement == requirement)


def rules_of(name: str) -> tuple[AllowRule, ...]:
    wall = resolve(load.load(name), b"rules").firewall
    return wall.rules if wall is not None else ()


def sort_of(rule: AllowRule) -> tuple[str, str, int]:
    by = " by name" if rule.is_by_name else " by range" if "/" in rule.destination else ""
    asked_by = ALIKE.get(rule.requirement, rule.requirement)
    return (f"{asked_by}{by}", rule.protocol, rule.port)


def test_every_rule_of_every_topology_is_of_a_sort_that_is_tried() -> None:
    sorts = {name: {*map(sort_of, rules_of(name))} for name in load.names()}

    assert {*TRIED} == set[tuple[str, str, int]]().union(*sorts.values())
    for sort, name in TRIED.items():
        assert sort in sorts[name]


@pytest.mark.parametrize("name", load.names())
def test_uploads_are_let_out_only_where_they_are_wanted(name: str) -> None:
    """The lab's agent uploads by FTP over TLS where OUT-43 is expected, and its rules are of no other use."""
    own = {rule.requirement for rule in rules_of(name)}

    assert ("OUT-43" in own) == ("OUT-43" in load.load(name).expect)


def of_half(half: int, topology: str) -> Gone:
    """Every other TCP rule; of a second agent's those that the first agent keeps."""
    rules = rules_of(topology)
    sources = list(dict.fromkeys(rule.source for rule in rules))
    gone = {
        rule
        for number, source in enumerate(sources)
        for place, rule in enumerate(r for r in rules if (r.source, r.protocol) == (source, "tcp"))
        if place % 2 == (half + number) % 2
    }
    return lambda rule: rule in gone


DIRECT = (
    "direct",
    "direct-snat",
    "direct-region",
    "direct-ipv6",
    "ds8000",
    "service-esa",
)
NEEDS_ALL = {"direct-region": {"F-04", "F-15"}, "ds8000": {"F-04"}}
"""What says that something of the list was not reached."""


@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize("name", DIRECT)
def test_without_a_rule_its_server_is_not_reached_and_every_other_is(
    name: str, half: int, tmp_path: Path
) -> None:
    """Half of the rules at a time; agents call home by the other half."""
    run = Without(name, of_half(half, name), tmp_path)

    assert all(call.succeeded for call in run.record.calls[-len(run.topology.agents) :])
    assert run.failed == NEEDS_ALL.get(name, set()), run.told
    address = {ip: a for a in run.topology.agents for ip in run.topology.node(a).uplink.ips}
    closed = {
        (address[rule.source], rule.destination, rule.port)
        for rule in run.removed
        if rule.protocol == "tcp"
    }
    (plan,) = (way for way in run.topology.ways if isinstance(way, DirectPlan))
    foreign = {endpoint.address for endpoint in plan.elsewhere}
    tests = {
        (test.source, test.address, test.port): test.connected
        for test in run.tests
        if test.address not in foreign
    }
    assert {place for place, connected in tests.items() if not connected} == closed
    assert len(tests) == len(run.topology.agents) * len(plan.tested) > len(closed)
    first = run.topology.agents[0]
    for source, destination, port in closed:
        assert (f"TCP {port} to {destination} " in run.told) == (source == first)


LOST = {
    True: "IPv6 of aix is lost at firewall: ",
    False: "firewall does not let aix out by TCP 443 to 192.148.6.11 ",
}


@pytest.mark.parametrize("six", LOST)
def test_without_the_rule_for_one_version_of_ip_the_call_by_that_one_fails(
    six: bool, tmp_path: Path
) -> None:
    """OUT-08: the other version brings the first call home."""
    run = Without(
        "dual-stack",
        lambda rule: rule.protocol == "tcp" and (":" in rule.destination) == six,
        tmp_path,
    )

    assert run.judged.exit_status == 1
    assert run.told.startswith(LOST[six])
    assert [call.succeeded for call in run.record.calls] == [True, False]


@pytest.mark.parametrize("name", ["esa-aix", "direct", "direct-ranges", "direct-names"])
def test_without_all_rules_of_a_direct_way_nothing_leaves(name: str, tmp_path: Path) -> None:
    run = Without(name, lambda rule: rule.protocol == "tcp", tmp_path)

    assert run.judged.exit_status == 1
    assert "which none of its rules names" in run.told
    asked = {p.destination for _, p in run.case.packets(*run.case.uplinks) if p.is_bare_syn}
    assert asked
    assert all(re.search(rf" {re.escape(address)}[ ,]", run.told) for address in asked)
    assert "by TCP 443, which" in run.told


def test_without_its_rule_the_lab_has_no_proof_of_the_path(tmp_path: Path) -> None:
    ping = ("sh", "-c", "ping -c 1 $LAB_PROBE >/dev/null")
    without = Without("direct", lambda rule: rule.requirement == PROBE_RULE, tmp_path, command=ping)
    assert without.status == 1
    assert not without.failed


VPN_RULES = [
    ("vpn", "udp", 500),
    ("vpn", "esp", 0),
    ("vpn-nat", "udp", 500),
    ("vpn-nat", "udp", 4500),
]
SAID = {"udp": "UDP {port}", "esp": "ESP (protocol 50)"}


@pytest.mark.parametrize(("name", "protocol", "port"), VPN_RULES)
def test_without_a_rule_for_the_first_gateway_the_second_takes_over(
    name: str, protocol: str, port: int, tmp_path: Path
) -> None:
    def gone(rule: AllowRule) -> bool:
        return (rule.destination, rule.protocol, rule.port) == (VPN1, protocol, port)

    run = Without(name, gone, tmp_path)

    assert run.judged.exit_status == 0, run.told
    assert f"vpn1 ({VPN1})" in run.told
    assert SAID[protocol].format(port=port) in run.told
    assert "firewall" in run.told
    assert "vpn2 took over" in run.told
    assert run.record.gateway_in_use == {"hmc": "vpn2"}
    # To R-07 a gateway is silent only if it says nothing at all.
    assert run.seen("R-07").startswith("not put to the test") == (port != 500)


@pytest.mark.parametrize(("name", "protocol", "port"), VPN_RULES)
def test_without_a_rule_for_the_second_gateway_there_is_no_backup(
    name: str, protocol: str, port: int, tmp_path: Path
) -> None:
    def gone(rule: AllowRule) -> bool:
        return (rule.destination, rule.protocol, rule.port) == (VPN2, protocol, port)

    run = Without(name, gone, tmp_path, fault="vpn1-silent")

    assert run.judged.exit_status == 1
    assert f"{SAID[protocol].format(port=port)}" in run.told
    assert f"vpn2 ({VPN2}) is lost at firewall" in run.told


def test_without_the_rules_of_one_console_that_one_stays_away(tmp_path: Path) -> None:
    other = resolve(load.load("vpn-two-hmcs"), b"rules").node("hmc-b").uplink.ip
    run = Without("vpn-two-hmcs", lambda rule: rule.source == other, tmp_path)

    assert run.judged.exit_status == 1
    assert "UDP 500 (IKE) from hmc-b" in run.told
    assert {sa.node for sa in run.record.esp} >= {"hmc"}
    assert "hmc-b" not in {sa.node for sa in run.record.esp}


@pytest.mark.parametrize("name", ["proxy", "proxy-auth"])
def test_without_all_rules_of_a_proxy_nothing_leaves(name: str, tmp_path: Path) -> None:
    run = Without(name, lambda rule: rule.requirement == "F-10", tmp_path)

    assert run.judged.exit_status == 1
    assert "proxy-1 calls " in run.told
    assert "by TCP 443, which none of its rules names" in run.told


@pytest.mark.parametrize("address", ["129.42.56.189", "129.42.60.189", "129.42.54.189"])
def test_one_rule_of_a_proxy_is_enough(address: str, tmp_path: Path) -> None:
    """So each is of use, where a name has several addresses."""
    run = Without("proxy", lambda r: r.requirement == "F-10" and r.destination != address, tmp_path)

    assert run.judged.exit_status == 0, run.told
    wire = run.topology.node("proxy-1").uplink
    syns = [p for _, p in run.case.packets(wire.segment) if p.is_bare_syn and p.source == wire.ip]
    closed = {p.destination for p in syns} - {address}
    assert [f"TCP 443 to {each}" in run.told for each in closed] == [True] * len(closed)
    assert bool(run.told) == bool(closed)


def test_without_the_rule_between_two_networks_no_console_forwards(tmp_path: Path) -> None:
    """F-17: hmc-c knows hmc-a by their system, and does not get through; hmc-b is on one link with it."""
    run = Without("consoles", lambda rule: rule.requirement == "F-17", tmp_path)

    assert run.judged.exit_status == 1
    assert run.told.startswith(
        "hmc-c has discovered hmc-a, and firewall lets no TCP 9920 through to it: 9 SYNs on lan-b, none on "
        "lan-a"
    )
    assert [call.agent for call in run.record.calls if call.succeeded] == ["hmc-a", "hmc-b"]


UPLOADS = {
    21: "the upload of hmc to 170.225.15.31:21",
    65024: "the upload's data connection of hmc to 170.225.15.31:",
}


@pytest.mark.parametrize("port", UPLOADS)
def test_without_a_rule_for_uploads_nothing_is_uploaded(port: int, tmp_path: Path) -> None:
    run = Without("upload", lambda r: (r.requirement, r.port) == ("OUT-43", port), tmp_path)

    assert run.judged.exit_status == 1
    assert run.failed == {"OUT-43"}
    assert run.told.startswith(UPLOADS[port])
    assert "open TCP 21 and TCP 65024 to 65535 to 170.225.15.31 for hmc" in run.told


BY_PORT = [
    ("simplified", "OUT-41", 80, "fix"),
    ("traditional", "OUT-41", 80, "fix"),
    ("ursf", "F-16", 19285, "problem"),
    ("ursf", "F-16", 11111, "remote-support"),
    ("ursf", "F-16", 80, "fix"),
]


@pytest.mark.parametrize(("name", "requirement", "port", "kind"), BY_PORT)
def test_without_the_rules_for_an_errand_it_is_not_done_and_every_other_is(
    name: str, requirement: str, port: int, kind: str, tmp_path: Path
) -> None:
    run = Without(name, lambda r: (r.requirement, r.port) == (requirement, port), tmp_path)

    assert run.judged.exit_status == 1
    assert not run.failed
    assert undone(run) == {kind}
    assert run.told.startswith(f"the {kind} of hmc is not done: ")
    for rule in run.removed:
        assert f"{rule.destination}:{port}" in run.told


def undone(run: Without) -> set[str]:
    """The errands that the agent did not get done in its first call."""
    attempts = run.record.calls[0].attempts
    return {a.errand for a in attempts} - {a.errand for a in attempts if a.cause is None}


@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize(("name", "ports"), [("traditional", (80,)), ("ursf", (19285, 11111))])
def test_without_a_rule_for_an_errand_it_is_done_at_every_other_server(
    name: str, ports: tuple[int, ...], half: int, tmp_path: Path
) -> None:
    """Half of the rules for each port at a time."""
    rules = [[r for r in rules_of(name) if r.port == p] for p in ports]
    gone = {rule for own in rules for rule in own[half::2]}
    run = Without(name, lambda rule: rule in gone, tmp_path)

    assert not undone(run)
    assert run.failed == {"OUT-38"}
    missing = re.findall(r"went to ([\d.]+:\d+), which is listed for it", run.seen("OUT-38"))
    assert {*missing} == {f"{rule.destination}:{rule.port}" for rule in gone}
    for rule in gone:
        assert f"TCP {rule.port} to {rule.destination} " in run.told


@pytest.mark.parametrize("address", ["129.42.56.189", "129.42.60.189", "129.42.54.189"])
def test_one_rule_for_the_front_ends_fixes_is_enough(address: str, tmp_path: Path) -> None:
    def gone(rule: AllowRule) -> bool:
        return rule.requirement == "OUT-41" and rule.destination != address

    run = Without("simplified", gone, tmp_path)

    assert run.judged.exit_status == 0, run.told
    syns = [p for _, p in run.case.packets("lan") if p.is_bare_syn and p.destination_port == 80]
    assert address in {p.destination for p in syns}
    closed = {p.destination for p in syns} - {address}
    assert [f"TCP 80 to {each} " in run.told for each in closed] == [True] * len(closed)
    assert bool(run.told) == bool(closed)
    assert "the front end is left" not in run.told, "that is by 443"


@pytest.mark.parametrize("backup", [True, False])
def test_a_configuration_comes_by_http_only_where_that_is_opened(
    backup: bool, tmp_path: Path
) -> None:
    """Its rule is of use when no configuration server is reached by HTTPS (OUT-32)."""
    errands = resolve(load.load("esa-linux"), b"rules").errands
    (own,) = (errand.endpoints for errand in errands if errand.kind == "configuration")
    servers = {(end.address, end.port) for end in own if end.port == 443 or not backup}
    run = Without("esa-linux", lambda r: (r.destination, r.port) in servers, tmp_path)

    assert undone(run) == (set() if backup else {"configuration"})
    assert run.failed == (set() if backup else {"F-01"})
    assert run.judged.exit_status == (0 if backup else 1)
    for address, port in servers:
        said = f"TCP {port} to {address} " if backup else f"{address}:{port}"
        assert said in run.told


def test_without_its_rules_a_session_by_internet_does_not_come_about(tmp_path: Path) -> None:
    run = Without("service-aos", lambda rule: rule.requirement == "I-26", tmp_path)

    assert run.judged.exit_status == 1
    assert "relay (192.0.2.50) by TCP 8200, 443 and 80" in run.told
    assert "the customer's firewall has to let the HMC out to the relay" in run.told


def test_a_session_by_internet_needs_one_of_its_rules_only(tmp_path: Path) -> None:
    run = Without("service-aos", lambda r: r.requirement == "I-26" and r.port != 80, tmp_path)

    assert run.judged.exit_status == 0, run.told


def test_without_its_rule_what_a_user_has_entered_is_not_reached_and_all_else_is(
    tmp_path: Path,
) -> None:
    run = Without("user-target", lambda rule: rule.requirement == "OUT-44", tmp_path)

    assert run.judged.exit_status == 1
    assert run.failed == {"OUT-44"}
    assert all(call.succeeded for call in run.record.calls)
    assert "open TCP 22 to 203.0.113.20 for hmc" in run.told
