"""What makes no sense about a way home by VPN."""

from __future__ import annotations

from collections.abc import Iterator

from lab import charon
from lab.errors import PrerequisiteError
from lab.topology import check
from lab.topology.check import Complaint
from lab.topology.model import Role
from lab.topology.routing import Network
from lab.topology.spec import TopologySpec
from lab.topology.strict_yaml import Place
from lab.ways.pass_through.spec import PassThroughSpec
from lab.ways.vpn import proposal
from lab.ways.vpn.spec import VpnSpec


def complaints(spec: TopologySpec, name: str, way: VpnSpec) -> Iterator[Complaint]:
    place: Place = ("ways", name)
    yield from check.named_once(spec, (*place, "gateways"), way.gateways, Role.vpn_gateway)
    if not way.gateways:
        known = ", ".join(check.network(spec).with_role(Role.vpn_gateway)) or "vpn1, vpn2"
        problem, fix = "a way by VPN needs gateways", f"add gateways: [{known}]"
        yield Complaint(place, problem, fix, ((*place, "gateways"),))
    if way.ipsec.rekey_min > way.ipsec.rekey_max:
        suggestion = "the lab's own are 26min and 34min"
        yield Complaint((*place, "ipsec"), "rekey_min is after rekey_max", suggestion)
    yield from _proposals(way, (*place, "ipsec"))
    yield from _shared(spec, name, way)
    yield from _lent_twice(spec, name, way)


def _proposals(way: VpnSpec, place: Place) -> Iterator[Complaint]:
    """What one key says, and another one makes impossible."""
    ipsec, given = way.ipsec, way.ipsec.model_fields_set
    if "integrity" in given and {"ike", "esp"} & given:
        other = " and ".join(sorted({"ike", "esp"} & given))
        problem = f"integrity is named here, and in {other}, too"
        yield Complaint(
            (*place, "integrity"), problem, f"take out integrity, and name it in {other}"
        )
    if ipsec.version == 1 and ipsec.ike and proposal.parse(ipsec.ike, ike=True).suite.is_aead:
        cipher = proposal.parse(ipsec.ike, ike=True).cipher
        problem = f"IKE version 1 does not encrypt by {cipher}: it has no number for it"
        yield Complaint((*place, "ike"), problem, "add version: 2, or take another cipher")
    if ipsec.version != 1 and "dpd_timeout" in given:
        problem = "IKE version 2 has no time after which a silent peer is given up: retransmissions decide"
        yield Complaint((*place, "dpd_timeout"), problem, "take out dpd_timeout")
    if ipsec.version == 1 and ipsec.dpd_timeout < ipsec.dpd_delay:
        yield Complaint(
            place, "dpd_timeout is shorter than dpd_delay", "30s and 120s are the lab's own"
        )


def _shared(spec: TopologySpec, name: str, way: VpnSpec) -> Iterator[Complaint]:
    """One agent has one IPsec connection to a gateway, and not one for each of two ways.

    Main mode with a pre-shared key knows a peer by its address only (RFC 2409 5.4): of two connections
    between the same two addresses the gateway could not tell which one is meant.
    """
    for other, earlier in spec.ways_of_kind(VpnSpec).items():
        if other == name:
            return
        for agent in {*spec.agents_of(name)} & {*spec.agents_of(other)}:
            for gateway in {*way.gateways} & {*earlier.gateways}:
                why = (
                    "IKEv1 with a pre-shared key cannot tell two connections between the same addresses apart"
                    if way.over == earlier.over
                    else "an agent has one IPsec connection to a gateway"
                )
                problem = f"{agent} has {gateway} by the way {other}, too, and {why}"
                fix = f"take {gateway} out of one of the two"
                yield Complaint(("ways", name, "gateways"), problem, fix, (("agents",),))


def _lent_twice(spec: TopologySpec, name: str, way: VpnSpec) -> Iterator[Complaint]:
    """One partition of i5/OS lends one VPN: nothing in L2TP says which of two an HMC wants."""
    below = spec.way_below(way)
    if not isinstance(below, PassThroughSpec):
        return
    for other, earlier in spec.ways_of_kind(VpnSpec).items():
        if other == name:
            return
        if earlier.over == way.over:
            problem = f"{below.partition} lends the VPN of {other} already: who calls cannot choose"
            fix = f"have the agents share {other}, or let {name} run over another partition"
            yield Complaint(("ways", name, "over"), problem, fix, (("ways", other, "over"),))


def routes(spec: TopologySpec, net: Network, name: str, way: VpnSpec) -> Iterator[Complaint]:
    """Whether the way can exist at all, in a spec that has no other complaint."""
    below = spec.way_below(way)
    if below is None:
        yield from check.wired(spec, net, name)
    elif isinstance(below, PassThroughSpec):
        yield from check.goes_out(spec, net, ("ways", name), below.partition)
    (internet,), (sdc,) = net.with_role(Role.internet), net.with_role(Role.sdc)
    reached = net.ways(internet, closed=check.site(spec))
    place: Place = ("ways", name)
    for gateway in way.gateways:
        onward = net.ways(gateway, closed=net.internet)
        if gateway not in reached:
            yield Complaint(place, f"{internet} does not reach {gateway}")
        if sdc not in onward:
            yield Complaint(place, f"{gateway} does not reach {sdc} but over the Internet")
        elif net.on_internet(onward[sdc][0].link):
            problem = f"{gateway} and {sdc} have no link of their own behind the Internet"
            yield Complaint(place, problem)


def machine() -> None:
    """Raise PrerequisiteError if no charon here speaks IKEv1."""
    found = charon.status()
    if found.path is None:
        problem = f"a way by VPN needs a charon that speaks IKEv1: {found.why}"
        raise PrerequisiteError(problem, hint=found.hint)
