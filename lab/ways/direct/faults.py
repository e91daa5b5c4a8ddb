"""What can be wrong with a way home over the Internet: with the server that is asked first."""

from __future__ import annotations

from dataclasses import replace

from lab.topology.errand_kinds import ErrandKind
from lab.topology.model import HTTP_PORT, HTTPS_PORT, DropRule, Role, Topology
from lab.ways.direct.plan import DirectPlan
from lab.ways.fault import Fault, Need, drop


def _plans(topology: Topology) -> list[DirectPlan]:
    return [way for way in topology.ways if isinstance(way, DirectPlan)]


def _has_others(topology: Topology) -> bool:
    plans = _plans(topology)
    return bool(plans) and all(len({e.address for e in way.endpoints}) > 1 for way in plans)


def _first_is_down(topology: Topology) -> Topology:
    (sdc,) = topology.with_role(Role.sdc)
    first = f"{_plans(topology)[0].endpoints[0].address}/32"
    return drop(topology, DropRule(name="server-down", node=sdc.name, destination=first, own=True))


EARLIER = {"esa-aix-2025": "hmc-2017-simplified", "hmc-2017-simplified": "hmc-2007"}
"""By whose addresses a customer's firewall was set up before IBM's servers moved (V-02)."""


def _has_moved(topology: Topology) -> bool:
    behind = topology.firewall is not None and bool(_plans(topology))
    return behind and topology.profile in EARLIER


def _earlier_rules(topology: Topology) -> Topology:
    """The rules for the way home are those that the papers asked for a generation earlier."""
    firewall = topology.firewall
    assert firewall is not None, "it applies only there"
    from lab.topology import catalogue  # On the host only: the guest reads no tables.

    servers = catalogue.profile(EARLIER[topology.profile]).servers()
    addresses = dict.fromkeys(a.address for a in servers if a.version == 4 and a.offers("tcp", 443))
    own = [rule for rule in firewall.rules if rule.protocol == "tcp"]
    moved = dict.fromkeys(replace(rule, destination=each) for rule in own for each in addresses)
    others = tuple(rule for rule in firewall.rules if rule not in own)
    return replace(topology, firewall=replace(firewall, rules=(*moved, *others)))


def _has_both_ports(topology: Topology) -> bool:
    ports = {end.port for errand in topology.errands for end in errand.endpoints}
    return topology.firewall is not None and ports >= {HTTP_PORT, HTTPS_PORT}


def _https_is_blocked(topology: Topology) -> Topology:
    assert topology.firewall is not None, "it applies only there"
    node = topology.firewall.node
    return drop(topology, DropRule(name="blocked-443", node=node, protocol="tcp", port=HTTPS_PORT))


def _problems_of_ursf(topology: Topology) -> tuple[str, ...]:
    """Where URSF takes problems (A-31)."""
    own = (e for e in topology.errands if e.variant == "ursf" and e.kind is ErrandKind.problem)
    return tuple(end.address for errand in own for end in errand.endpoints)


def _reports_to_ursf(topology: Topology) -> bool:
    return topology.firewall is not None and bool(_problems_of_ursf(topology))


def _problems_are_blocked(topology: Topology) -> Topology:
    assert topology.firewall is not None, "it applies only there"
    node = topology.firewall.node
    for address in _problems_of_ursf(topology):
        rule = DropRule(name="ursf-blocked", node=node, destination=f"{address}/32")
        topology = drop(topology, rule)
    return topology


def _has_back_ends(topology: Topology) -> bool:
    done = {errand.kind for errand in topology.errands}
    return any(done & {*one.serves} for one in topology.back_ends)


def _first_back_end_is_down(topology: Topology) -> Topology:
    done = {errand.kind for errand in topology.errands}
    first = next(one for one in topology.back_ends if done & {*one.serves})
    here = f"{first.address}/32"
    return drop(
        topology, DropRule(name="back-end-down", node=first.node, destination=here, own=True)
    )


FAULTS = (
    Fault(
        "address-moved",
        "the firewall's rules are of the addresses that IBM's servers had a generation earlier",
        Need("a direct path through a firewall, to servers that have moved", _has_moved, "direct"),
        _earlier_rules,
    ),
    Fault(
        "server-down",
        "the listed server that is asked first does not answer",
        Need("a direct path to several servers", _has_others, "direct"),
        _first_is_down,
        survives=True,
    ),
    Fault(
        "back-end-down",
        "a server behind IBM's front end does not answer",
        Need("errands at a front end with servers behind it", _has_back_ends, "direct"),
        _first_back_end_is_down,
    ),
    Fault(
        "blocked-443",
        "the customer's firewall loses TCP 443, and lets TCP 80 pass",
        Need("errands by HTTPS and by HTTP through a firewall", _has_both_ports, "direct"),
        _https_is_blocked,
    ),
    Fault(
        "ursf-blocked",
        "the customer's firewall loses what goes to URSF's servers for problems",
        Need("problems that go to URSF through a firewall", _reports_to_ursf, "direct"),
        _problems_are_blocked,
    ),
)
