"""Findings on the versions of IP by which agents call home: OUT-06 and OUT-08."""

from __future__ import annotations

from lab.names import all_of, count
from lab.record.event import CalledByOne
from lab.topology.family import Family, family_of
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.verify.networks import is_in
from lab.ways.direct.plan import DirectPlan
from lab.wire import tls
from lab.wire.decode import Frame
from lab.wire.tls import TcpConnection

HTTPS = 443
ONLY_IPV6 = (Family.ipv6,)


def _families(case: Case) -> tuple[Family, ...]:
    """Those of the ways over the Internet."""
    plans = (way for way in case.topology.ways if isinstance(way, DirectPlan))
    return tuple(dict.fromkeys(family for way in plans for family in way.families))


def _to_servers(case: Case, family: Family) -> list[TcpConnection]:
    """The agents' connections to listed servers by one version of IP, on their own wires."""
    return [
        connection
        for connection in tls.connections(case.inside_frames)
        if connection.opened
        and connection.client in case.agent_addresses
        and (connection.server, connection.port) in case.listed
        and family_of(connection.server) is family
    ]


def _is_answered(connection: TcpConnection) -> bool:
    return any(packet.is_syn_ack for packet in connection.received)


def _first_frames(connections: list[TcpConnection]) -> list[Frame]:
    return [frame for connection in connections for frame in connection.frames[:2]]


def check_out_06(case: Case) -> Finding:
    """An HMC calls home by IPv6, and by nothing else."""
    check = Check(
        "OUT-06",
        f"TCP to listed IPv6 addresses and port {HTTPS} brings the call home through, and no IPv4 packet of "
        f"{all_of(case.topology.agents)} goes to another network",
    )
    if any(way.ip_families != ONLY_IPV6 for way in case.topology.ways):
        return check.not_tested("a way home goes by IPv4, or may")
    if not case.called:
        return check.not_tested("nothing called home in this run")
    made = _to_servers(case, Family.ipv6)
    check.show(_first_frames(made))
    for connection in made:
        elsewhere = (connection.server, connection.port) in case.other_places
        if connection.port != HTTPS and not elsewhere:
            check.object(f"a connection goes to port {connection.port}", connection.frames[:1])
    check.want(any(map(_is_answered, made)), "no listed IPv6 address answered")

    own = {case.topology.segment(wire).subnet for wire in case.uplinks}
    for frame, packet in case.packets(*case.uplinks):
        is_own = packet.version == 4 and packet.source in case.agent_addresses
        if is_own and not any(is_in(packet.destination, subnet) for subnet in own):
            check.object(f"an IPv4 packet goes to {packet.destination}", [frame])
    for frame, packet in case.leaving:
        if packet.version == 4:
            check.object(f"an IPv4 packet leaves for {packet.destination}", [frame])

    served = [entry for entry in case.record.ledger if family_of(entry.server_ip) is Family.ipv6]
    check.want(served or case.why_no_ledger, "no server was called at an IPv6 address")
    for call in case.failed_calls:
        check.object(f"{call.agent} did not get through")
    far = sorted({entry.server_ip for entry in served})
    at = f"{count(len(served), 'transaction')} at {' and '.join(far)}"
    return check.finding(
        f"{count(len(made), 'connection')} by IPv6, {case.why_no_ledger or at}; no IPv4 packet left"
    )


def check_out_08(case: Case) -> Finding:
    """Each version of IP that a way has brings a call home through."""
    families = _families(case)
    by = all_of([str(family) for family in families])
    check = Check("OUT-08", f"calls home get through by {by}, each to a listed address")
    if not case.called:
        return check.not_tested("nothing called home in this run")
    told, silent = [], []
    for family in families:
        made = _to_servers(case, family)
        check.show(_first_frames(made))
        if not made and not case.came_home:
            return check.not_tested(f"{case.why_not_home}, so nobody called by {family}")
        if not made and _home_by_others(case, family):
            return check.not_tested(f"the calls came through, and none was made by {family}")
        if not made and _told_of_others(case, family):
            return check.not_tested(f"no name server told of an address of {family}")
        check.want(made, f"nobody called a listed server by {family}")
        if made and not any(map(_is_answered, made)):
            silent.append(str(family))
            continue
        served = [e for e in case.record.ledger if family_of(e.server_ip) is family]
        check.want(served or case.why_no_ledger, f"no server has an entry of a call by {family}")
        entries = "" if case.why_no_ledger else f", {count(len(served), 'entry', 'entries')}"
        told.append(f"{count(len(made), 'connection')} by {family}{entries}")
    if silent:
        return check.not_tested(f"no server answered by {all_of(silent)}")
    return check.finding(f"{'; '.join(told)}{_noted(case)}")


def _noted(case: Case) -> str:
    return f"; {case.why_no_ledger}" if case.why_no_ledger else " in the servers' ledger"


def _home_by_others(case: Case, family: Family) -> bool:
    """Whether every agent came home, and none was to call by this version of IP.

    The first version of a way is called by as soon as the way is taken, another one when the lab asks for it.
    """
    taken = {trial.way for trial in case.record.tries}
    plans = (way for way in case.topology.ways if isinstance(way, DirectPlan))
    first = {plan.families[0] for plan in plans if plan.name in taken}
    asked = {event.family for event in case.told(CalledByOne)}
    return case.came_home and family not in first and str(family) not in asked


def _told_of_others(case: Case, family: Family) -> bool:
    """Whether name servers told of addresses, and of none of this version of IP."""
    told = {family_of(each) for addresses in case.addresses_told.values() for each in addresses}
    return bool(told) and family not in told
