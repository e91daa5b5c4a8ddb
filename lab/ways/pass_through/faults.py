"""What can be wrong with the way to a partition of i5/OS."""

from __future__ import annotations

from dataclasses import replace

from lab.topology.filtering import AllowRule
from lab.topology.model import DropRule, Topology
from lab.topology.telephone import ModemFault
from lab.ways.dial.plan import dialers
from lab.ways.fault import Fault, Need, drop
from lab.ways.pass_through.plan import PassThroughPlan, plans
from lab.ways.vpn.plan import FIREWALL_REQUIREMENTS, lent_by

L2TP_PORT = 1701


def _lends_vpn(topology: Topology) -> list[PassThroughPlan]:
    return [way for way in plans(topology) if lent_by(topology, way.partition) is not None]


def _lends_modem(topology: Topology) -> bool:
    return any(dialer.partition and dialer.devices for dialer in dialers(topology))


LENT_MODEM = Need("a modem that a partition lends", _lends_modem, "pass-through", carrying="dial")
PASS_THROUGH = Need("a way of pass-through", lambda t: bool(plans(t)), "pass-through")
LENT_VPN = Need(
    "a VPN that a partition lends, through a firewall",
    lambda t: t.firewall is not None and bool(_lends_vpn(t)),
    "pass-through",
    carrying="vpn",
)


def _silence(topology: Topology) -> Topology:
    for node in dict.fromkeys(way.partition for way in plans(topology)):
        topology = drop(topology, DropRule(name="i5-silent", node=node, own=True))
    return topology


def _one_way(topology: Topology) -> Topology:
    """What partitions answer is lost at the HMCs."""
    for way in plans(topology):
        for borrower in way.borrowers:
            rule = DropRule(
                name="udp-1701-one-way",
                node=borrower.client,
                protocol="udp",
                port=L2TP_PORT,
                source=f"{borrower.partition_address}/32",
                own=True,
            )
            topology = drop(topology, rule)
    return topology


def _refuse_vpn(topology: Topology) -> Topology:
    """The firewall's rules for the VPN are for those who borrow it, as if it were their own."""
    assert topology.firewall is not None, "applies() has looked"
    changed: list[AllowRule] = []
    borrowers = {
        connection.client_address: [borrower.address for borrower in way.borrowers]
        for way in _lends_vpn(topology)
        if (lent := lent_by(topology, way.partition)) is not None
        for connection in lent.connections
    }
    for rule in topology.firewall.rules:
        of_vpn = rule.requirement in FIREWALL_REQUIREMENTS
        sources = borrowers.get(rule.source.removesuffix("/32")) if of_vpn else None
        changed += [replace(rule, source=each) for each in sources] if sources else [rule]
    return replace(
        topology, firewall=replace(topology.firewall, rules=tuple(dict.fromkeys(changed)))
    )


def _die(topology: Topology) -> Topology:
    dying = dict.fromkeys(way.partition for way in plans(topology))
    return replace(topology, deaths=(*topology.deaths, *dying))


def _use_modem(topology: Topology) -> Topology:
    """Other programs of the partitions' have their modems."""
    telephone = topology.telephone
    assert telephone is not None, "check has seen it"
    lenders = {dialer.partition for dialer in dialers(topology) if dialer.partition}
    lines = [line.name for line in telephone.lines if line.node in lenders]
    taken = tuple((name, ModemFault.in_use) for name in lines)
    return replace(topology, telephone=replace(telephone, broken=(*telephone.broken, *taken)))


FAULTS: tuple[Fault, ...] = (
    Fault("i5-silent", "the partition answers nothing", PASS_THROUGH, _silence),
    Fault(
        "udp-1701-one-way",
        "what the partition answers on UDP 1701 is lost",
        PASS_THROUGH,
        _one_way,
    ),
    Fault(
        "i5-vpn-refused",
        "the firewall has its rules for the HMC's address, and none for the partition's",
        LENT_VPN,
        _refuse_vpn,
    ),
    Fault(
        "i5-line-busy", "another program of the partition's has its modem", LENT_MODEM, _use_modem
    ),
    Fault("i5-dies", "the partition dies in mid-session", PASS_THROUGH, _die),
)
