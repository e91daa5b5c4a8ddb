"""Symptoms of a VPN that does not come up: IKE and ESP."""

from __future__ import annotations

from lab.names import count
from lab.record.cause import CharonCause
from lab.verify.symptom import Diagnosis, Loss, Trail, loss_of_all
from lab.ways.vpn.negotiation import MAIN_MODE_MESSAGES, Negotiation, negotiations
from lab.wire.decode import ESP, UDP
from lab.wire.isakmp import IKE_PORT, NAT_T_PORT, NO_PROPOSAL_CHOSEN

KEYS_EXCHANGED = 4
"""Main mode messages until the key is put to the test (RFC 2409 5.4)."""
_WRONG_IDENTITY = {CharonCause.unknown_identity, CharonCause.unwanted_identity}
"""What the charon of either end says when it can read an identity and does not want it."""


def _lost_everything(trail: Trail, protocol: int, port: int = 0) -> tuple[Loss, str] | None:
    """The loss of all packets of a kind in one direction, and that direction in words."""
    for outgoing, journeys, way in trail.directions:
        packets = ((j, j.packet) for j in journeys if j.packet.protocol == protocol)
        of_kind = [j for j, p in packets if not port or port in (p.source_port, p.destination_port)]
        if loss := loss_of_all(of_kind, way):
            ends = (trail.end, trail.gateway_text)
            return loss, "from {} to {}".format(*(ends if outgoing else reversed(ends)))
    return None


def _lost_text(name: str, loss: Loss, way: str) -> str:
    return (
        f"{name} {way} is lost at {loss.lost_at}: {count(loss.sent, 'packet')} on "
        f"{loss.last_segment}, none of them on {loss.next_segment}"
    )


def find_no_ikev1(trail: Trail) -> Diagnosis | None:
    """A charon that was built without IKEv1 sends nothing, and answers nothing."""
    nodes = [trail.end, *(c.gateway for c in trail.case.connections(trail.client))]
    without = [node for node in nodes if CharonCause.unsupported in trail.complaints(node)]
    if not without:
        return None
    return Diagnosis(
        "no-ikev1",
        f"the charon of {' and '.join(without)} says that it does not support IKE version 1, which "
        "is what IBM's VPN speaks: this strongSwan was built without it",
        "lab charon fetch",
    )


def find_fenced(trail: Trail) -> Diagnosis | None:
    """What goes by telephone does not come past AT&T's fence (L-11)."""
    connection, case = trail.connection, trail.case
    if connection is None or connection.client_address:
        return None
    ends = case.near_addresses(connection), connection.gateway_address
    sent = [s for s in trail.ike if s.outgoing]
    passed = [s for s in case.ike if s.packet.source in ends[0] and s.packet.destination == ends[1]]
    if not sent or passed:
        return None
    lig = case.lig
    return Diagnosis(
        "vpn-fenced",
        f"AT&T's fence keeps {trail.client} from {trail.gateway_text}: {count(len(sent), 'IKE packet')} came "
        f"to {lig.node} by telephone, and none of them is on {lig.outside}",
        f"put the VPN gateways on the list of {trail.client}'s user id",
    )


def find_lost_udp_500(trail: Trail) -> Diagnosis | None:
    """All of UDP 500 is lost at the customer's firewall."""
    found = _lost_everything(trail, UDP, IKE_PORT)
    if found is None or not trail.is_customers(found[0].lost_at):
        return None
    return Diagnosis(
        "udp-500-lost",
        _lost_text("UDP 500 (IKE)", *found),
        f"let UDP 500 pass {found[0].lost_at} in both directions",
    )


SILENT = "gateway-silent"


def find_silence(trail: Trail) -> Diagnosis | None:
    """The gateway never answers."""
    out = [s for s in trail.ike if s.outgoing]
    if not out or any(not s.outgoing for s in trail.ike):
        return None

    found = _lost_everything(trail, UDP, IKE_PORT)
    if found is None and _answered(trail):
        return None
    way = trail.courses.get(True)
    where = (
        f"its packets are last seen on {found[0].last_segment}, and {found[0].lost_at} does not "
        "pass them on"
        if found
        else f"they came to its own wire, {way.segments[-1] if way else 'unknown'}"
    )
    return Diagnosis(
        SILENT,
        f"{trail.gateway_text} is silent: {count(len(out), 'IKE packet')} to it, none answered; "
        f"{where}",
        f"see whether {trail.gateway} runs, and whether the way to it is open",
    )


def _answered(trail: Trail) -> bool:
    """Whether a wire has answers of the gateway's: if none came to the client, the telephone held them up."""
    sent = (j.packet for out, found, _ in trail.directions if not out for j in found)
    return any(packet.uses_udp(IKE_PORT) for packet in sent)


def _negotiations(trail: Trail) -> list[Negotiation]:
    return negotiations(trail.ike)


def find_no_proposal(trail: Trail) -> Diagnosis | None:
    """No algorithms in common: a notify in clear, or charon's word for it once encrypted."""
    notified = any(NO_PROPOSAL_CHOSEN in s.message.notifies for s in trail.ike if not s.outgoing)
    told = CharonCause.no_proposal in trail.complaints(trail.end, trail.gateway)
    done = any(
        len(messages) >= n.shape.then
        for n in _negotiations(trail)
        for messages in n.endings.values()
        if n.version == 1
    )
    # The first notify is in clear; once IKE encrypts, only charon can tell.
    phase = "ESP" if _authenticated(trail) else "IKE"
    if done or not (told if phase == "ESP" else notified):
        return None

    connection = trail.connection
    offered = ""
    if connection is not None:
        sides = (connection.client_side, connection.gateway_side)
        ours, theirs = (s.ike_proposal if phase == "IKE" else s.esp_proposal for s in sides)
        # What the user's own client offers, the model does not know.
        offers = "" if trail.case.left_down else f"{trail.end} offers {ours}, "
        offered = f": {offers}{trail.gateway} takes {theirs}"
    return Diagnosis(
        "no-common-proposal",
        f"{trail.end} and {trail.gateway_text} have no {phase} proposal in common, and the "
        f"gateway answers NO-PROPOSAL-CHOSEN{offered}",
        "give both ends the same proposal",
    )


def _authenticated(trail: Trail) -> bool:
    """Whether a negotiation came so far that the ends are known; of version 2, or refused."""
    return any(
        len(n.main_mode) >= MAIN_MODE_MESSAGES or (n.version > 1 and n.answered is not None)
        for n in _negotiations(trail)
    )


def find_lost_udp_4500(trail: Trail) -> Diagnosis | None:
    """IKE begins on UDP 500 and is lost when it moves to 4500."""
    found = _lost_everything(trail, UDP, NAT_T_PORT)
    if found is None:
        return None
    return Diagnosis(
        "udp-4500-lost",
        _lost_text("UDP 4500 (NAT traversal)", *found),
        f"let UDP 4500 pass {found[0].lost_at} in both directions, beside UDP 500",
    )


def find_failed_authentication(trail: Trail) -> Diagnosis | None:
    """Main mode ends after its fifth message: the key or the identity."""
    found = _negotiations(trail)
    if found and found[-1].version > 1:
        return _failed_authentication_2(trail, found)
    if not found or any(n.endings for n in found):
        return None
    if _authenticated(trail):
        return _unwanted_gateway(trail)
    if not any(len(n.main_mode) > KEYS_EXCHANGED for n in found):
        return None  # A probe, which never told who it is.

    named = _WRONG_IDENTITY & trail.complaints(trail.end, trail.gateway)
    if named and CharonCause.unreadable not in trail.complaints(trail.gateway):
        own = trail.connection.client_side.identity if trail.connection else ""
        own = "" if trail.case.left_down else f" {own}"
        return Diagnosis(
            "wrong-identity",
            f"{trail.gateway_text} could read the identity{own} of {trail.end} and knows "
            "nobody by it",
            "give both ends the same identities",
        )
    return Diagnosis(
        "wrong-psk",
        f"{trail.gateway_text} cannot decrypt the fifth main mode message of {trail.end}: the "
        "two have different pre-shared keys",
        "give both ends the same key",
    )


def _failed_authentication_2(trail: Trail, found: list[Negotiation]) -> Diagnosis | None:
    """IKE_AUTH is encrypted, whatever it says: only the gateway's charon can tell (RFC 7296 2.15)."""
    if not any(n.answered is not None for n in found):
        return None
    told = trail.complaints(trail.gateway)
    if CharonCause.other_key in told:
        return Diagnosis(
            "wrong-psk",
            f"{trail.gateway_text} finds that {trail.end} authenticates by another pre-shared key",
            "give both ends the same key",
        )
    if CharonCause.no_peer in told:
        own = trail.connection.client_side.identity if trail.connection else ""
        own = "" if trail.case.left_down else f" {own}"
        return Diagnosis(
            "wrong-identity",
            f"{trail.gateway_text} could read the identity{own} of {trail.end} and knows "
            "nobody by it",
            "give both ends the same identities",
        )
    return None


def _unwanted_gateway(trail: Trail) -> Diagnosis | None:
    """Main mode is through on the wire, and the client does not want who answered."""
    if CharonCause.unwanted_identity not in trail.complaints(trail.end):
        return None
    wanted = trail.connection.client_side.expects if trail.connection else ""
    return Diagnosis(
        "wrong-identity",
        f"{trail.gateway_text} calls itself by another identity than the {wanted} that "
        f"{trail.end} demands",
        "give both ends the same identities",
    )


def find_other_selectors(trail: Trail) -> Diagnosis | None:
    """The gateway has no ESP SA for what the client asks to have protected."""
    if (
        CharonCause.other_selectors not in trail.complaints(trail.gateway)
        or trail.connection is None
    ):
        return None
    side = trail.connection.gateway_side
    return Diagnosis(
        "other-selectors",
        f"{trail.gateway_text} protects UDP 1701 between the two addresses, in "
        f"{side.encapsulation} mode, and {trail.end} asks for something else",
        f"give the client's own address and {trail.gateway}'s as selectors, with UDP 1701, and "
        f"{side.encapsulation} mode",
    )


def find_lost_esp(trail: Trail) -> Diagnosis | None:
    """IKE is through, and ESP is lost."""
    found = _lost_everything(trail, ESP)
    if found is None:
        return None
    return Diagnosis(
        "esp-lost",
        _lost_text("ESP (protocol 50)", *found) + ", while IKE passes",
        f"let protocol 50 pass {found[0].lost_at} in both directions, beside UDP 500",
    )
