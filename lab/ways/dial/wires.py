"""What a way home by telephone puts on the wires, behind AT&T's gateway."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology.model import Role, Topology
from lab.verify.case import Case
from lab.verify.finding import frames_of
from lab.verify.outbound import vpn_protocol
from lab.verify.telephone_calls import dials
from lab.ways.dial.plan import DialPlan, dialers
from lab.ways.direct import wires as direct
from lab.wire.decode import Frame, Packet


def title(topology: Topology) -> str:
    """What leaves for the Internet, in words."""
    if topology.lig is not None and topology.lig.ports:
        return direct.TITLE
    return "what calls send to listed servers, by whatever port (L-12)"


def destinations(topology: Topology, way: DialPlan) -> set[str]:
    """Addresses beside the listed servers to which packets may leave: what AT&T's fence lets out."""
    lists = topology.lig.lists if topology.lig is not None else ()
    return {address for one in lists for address in one.addresses}


def callers(case: Case) -> set[str]:
    """The addresses that IBM's servers see: those of the calls."""
    return {call.address for call in case.record.lig if call.address}


def connections(case: Case, agent: str) -> list[Frame]:
    """The SYNs by which an agent opened connections by this kind of way; none of them tries the fence."""
    calls = (call for call in case.telephone_calls if call.client == agent)
    sent = ((item.frame, item.data) for call in calls for item in call.frames if item.outgoing)
    return [f for f, p in sent if p is not None and p.is_bare_syn and not case.is_trial(p)]


def allows(case: Case, frame: Frame, packet: Packet) -> bool:
    """Whether a packet that leaves for the Internet is one of this way's, or tries the fence."""
    if frame.segment in case.exits:
        return False
    return case.is_trial(packet) or direct.is_to_server(case, packet) or _passes_fence(case, packet)


def _passes_fence(case: Case, packet: Packet) -> bool:
    """Whether the fence lets a caller's packet out, as the papers have it: by addresses alone (L-12).

    It lets out what a VPN over the telephone needs, too (L-11); that is of another way than this one.
    """
    lig = case.lig
    listed = {address for one in lig.lists for address in one.addresses}
    if lig.ports or packet.source not in callers(case) or packet.destination not in listed:
        return False
    gateways = {each.address for each in lig.catalogue if each.is_vpn_gateway}
    return packet.destination not in gateways or not vpn_protocol(packet)


def signs(case: Case) -> Iterator[tuple[str, list[Frame]]]:
    """What shows that this kind of way is in use."""
    # Not what IBM's server does that dials customers (I-04).
    others = {node.name for node in case.topology.with_role(Role.service_dialer)}
    if case.carried:
        yield "the telephone is in use", frames_of(case.carried)
    if any(call.client not in others for call in case.telephone_calls) or any(
        dials(said) for said in case.dialogue if said.source not in others
    ):
        yield "a modem dials", []


def uses(case: Case, agent: str) -> list[float]:
    """When an agent's dialler began to dial, and when its host sent on a telephone call.

    A host without a modem that answers cannot dial, and only the record tells that the way was tried.
    """
    borrows = any(d.partition for d in dialers(case.topology) if d.client == agent)
    if not borrows and not any(p.found for p in case.record.modems if p.source == agent):
        return [trial.started for trial in case.tried("dial", agent)]
    dialled = [attempt.started for attempt in case.record.dialled if attempt.source == agent]
    calls = (call for call in case.telephone_calls if call.client == agent)
    return dialled + [item.frame.time for call in calls for item in call.frames if item.outgoing]
