"""What a message says, in a few words: which protocol, which step, and whether it is one of many alike.

Reads headers only; credentials are never looked at. Words are those of RFC 2409, 2661, 1661, 8446.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lab.report.messages import SeenMessage
from lab.wire import esp, hello, isakmp, ppp
from lab.wire.decode import ICMP, ICMPV6, TCP, UDP, Packet
from lab.wire.dns import presented
from lab.wire.isakmp import ExchangeType, IsakmpMessage
from lab.wire.l2tp import L2tpMessage
from lab.wire.l2tp_codes import ControlType
from lab.wire.ppp import PppFrame

DNS_PORT = 53
ACKNOWLEDGED = "acknowledgements"
_FIN, _SYN, _RST, _PUSH, _ACK = 0x01, 0x02, 0x04, 0x08, 0x10
_KEY_EXCHANGE = 4
"""An ISAKMP payload type (RFC 2408 3.1)."""
_INFORMATIONAL, _INFORMATIONAL_2 = 5, 37
_EXCHANGES: dict[int, str] = {
    ExchangeType.quick_mode: "Quick mode: keys for ESP, encrypted",
    ExchangeType.ike_auth: "IKE_AUTH: identity and proof, encrypted",
    ExchangeType.create_child_sa: "CREATE_CHILD_SA: new keys, encrypted",
    ExchangeType.aggressive: "Aggressive mode",
}
_HTTP = (
    b"GET ",
    b"PUT ",
    b"POST ",
    b"HEAD ",
    b"PATCH ",
    b"DELETE ",
    b"CONNECT ",
    b"OPTIONS ",
    b"HTTP/1.",
)
_LINE = 160
"""Characters of a line of HTTP that are shown."""
_RECORDS = {1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA"}
_RESULTS = {0: "an answer", 1: "format error", 2: "server failure", 3: "no such name", 5: "refused"}

_LCP_CODES = {
    1: "Configure-Request", 2: "Configure-Ack", 3: "Configure-Nak", 4: "Configure-Reject",
    5: "Terminate-Request", 6: "Terminate-Ack", 7: "Code-Reject", 8: "Protocol-Reject",
    9: "Echo-Request", 10: "Echo-Reply", 11: "Discard-Request",
}  # fmt: skip
_CHAP_CODES = {1: "Challenge", 2: "Response", 3: "Success", 4: "Failure"}
_PAP_CODES = {1: "Authenticate-Request", 2: "Authenticate-Ack", 3: "Authenticate-Nak"}
_PPP = {
    ppp.LCP: ("LCP", _LCP_CODES),
    ppp.PAP: ("PAP", _PAP_CODES),
    ppp.CHAP: ("CHAP", _CHAP_CODES),
    ppp.IPCP: ("IPCP", _LCP_CODES),
}
_ECHOES = (9, 10, 11)
_UNREACHABLE = {
    0: "network unreachable", 1: "host unreachable", 3: "port unreachable", 4: "fragmentation needed",
    9: "network prohibited", 10: "host prohibited", 13: "administratively prohibited",
}  # fmt: skip
_L2TP = {
    ControlType.SCCRQ: "SCCRQ: asks for a tunnel",
    ControlType.SCCRP: "SCCRP: agrees to the tunnel",
    ControlType.SCCCN: "SCCCN: the tunnel is there",
    ControlType.StopCCN: "StopCCN: ends the tunnel",
    ControlType.HELLO: "HELLO",
    ControlType.OCRQ: "OCRQ: asks for a call out",
    ControlType.OCRP: "OCRP: agrees to the call out",
    ControlType.OCCN: "OCCN: the call out is connected",
    ControlType.ICRQ: "ICRQ: asks for a session",
    ControlType.ICRP: "ICRP: agrees to the session",
    ControlType.ICCN: "ICCN: the session is there",
    ControlType.CDN: "CDN: ends the session",
}


class SaidFamily(StrEnum):
    """What belongs together in a conversation; the name of a style."""

    ike = "ike"
    l2tp = "l2tp"
    ppp = "ppp"
    tls = "tls"
    tcp = "tcp"
    names = "name-kind"
    at = "at"
    data = "data-kind"
    trouble = "trouble"


@dataclass(frozen=True, slots=True)
class Spoken:
    """What is said of a message."""

    family: SaidFamily
    protocol: str
    text: str
    routine: bool = False
    """One of many alike: told by a number."""
    asks: bool = False
    """Whether the other end is to answer."""


def of(message: SeenMessage, starters: dict[bytes, str]) -> Spoken:
    """What a message says. ``starters``: who began each exchange of IKE, by cookie; it is kept here."""
    if message.l2tp is not None:
        return _of_l2tp(message.l2tp)
    if message.ppp is not None:
        return _of_ppp(message.ppp)
    packet = message.packet
    if packet is None:
        return Spoken(SaidFamily.data, "PPP", "data", routine=True)
    if packet.is_fragment:
        return Spoken(SaidFamily.data, "IP", "fragments", routine=True)
    if packet.protocol == TCP:
        return _of_tcp(packet)
    if packet.protocol == UDP:
        return _of_udp(packet, _starts(message, packet, starters))
    if packet.protocol in (ICMP, ICMPV6):
        return _of_icmp(packet)
    if esp.sealed(packet) is not None:
        return Spoken(SaidFamily.data, "ESP", "encrypted, no key is at hand", routine=True)
    return Spoken(SaidFamily.data, f"IP {packet.protocol}", "data", routine=True)


def _starts(message: SeenMessage, packet: Packet, starters: dict[bytes, str]) -> bool:
    """Whether the sender of a message of IKE is who began."""
    said = isakmp.message(packet)
    if said is None:
        return False
    return starters.setdefault(said.initiator_cookie, message.origin) == message.origin


# -- UDP -------------------------------------------------------------------------------------------


def _of_udp(packet: Packet, starts: bool) -> Spoken:
    if (message := isakmp.message(packet)) is not None:
        return _of_ike(message, starts)
    if esp.sealed(packet) is not None:
        return Spoken(SaidFamily.data, "ESP", "encrypted, no key is at hand", routine=True)
    if packet.uses_udp(isakmp.NAT_T_PORT) and packet.payload == isakmp.KEEPALIVE:
        return Spoken(SaidFamily.data, "ESP", "NAT keepalives", routine=True)
    if packet.uses_udp(DNS_PORT):
        return _of_dns(packet)
    ports = f"port {packet.destination_port}"
    return Spoken(SaidFamily.data, "UDP", f"data to {ports}", routine=True)


def _of_ike(message: IsakmpMessage, starts: bool) -> Spoken:
    if message.exchange in (_INFORMATIONAL, _INFORMATIONAL_2):
        return _of_informational(message)
    first = not any(message.responder_cookie)
    if message.exchange == ExchangeType.main_mode:
        text = f"Main mode {_main_mode(message, starts, first)}"
    elif message.exchange == ExchangeType.ike_sa_init:
        text = f"IKE_SA_INIT: {'offers algorithms' if first else 'takes an offer'}, key exchange"
    else:
        text = _EXCHANGES.get(message.exchange, f"exchange {message.exchange}")
    return Spoken(SaidFamily.ike, "IKE", text, asks=first)


def _main_mode(message: IsakmpMessage, starts: bool, first: bool) -> str:
    """Which of the six messages (RFC 2409 5.1)."""
    if first:
        return f"1: offers {_suites(message)}"
    kinds = {kind for kind, _ in message.payloads}
    if isakmp.PayloadType.sa in kinds:
        return "2: takes one of the offers"
    if _KEY_EXCHANGE in kinds:
        return f"{3 if starts else 4}: key exchange"
    return f"{5 if starts else 6}: identity and proof, encrypted"


def _suites(message: IsakmpMessage) -> str:
    offers = len(message.transforms) or len(message.suites)
    return f"{offers} set{'' if offers == 1 else 's'} of algorithms"


def _of_informational(message: IsakmpMessage) -> Spoken:
    notifies = message.notifies
    if isakmp.NO_PROPOSAL_CHOSEN in notifies:
        return Spoken(SaidFamily.trouble, "IKE", "NO-PROPOSAL-CHOSEN: none of the offers is taken")
    if notifies:
        told = ", ".join(map(str, notifies))
        return Spoken(SaidFamily.trouble, "IKE", f"Notification {told}, in clear")
    return Spoken(SaidFamily.ike, "IKE", "Informational, encrypted")


def _of_dns(packet: Packet) -> Spoken:
    asks = packet.destination_port == DNS_PORT
    name, kind = _question(packet.payload)
    what = f"{_RECORDS.get(kind, f'type {kind}')} of {name}" if name else "a name"
    if asks:
        return Spoken(SaidFamily.names, "DNS", f"asks for {what}", asks=True)
    code = packet.payload[3] & 0x0F if len(packet.payload) > 3 else 0
    family = SaidFamily.names if code == 0 else SaidFamily.trouble
    answers = int.from_bytes(packet.payload[6:8], "big")
    told = _RESULTS.get(code, f"code {code}")
    if code == 0:
        told = f"{answers} record{'' if answers == 1 else 's'}"
    return Spoken(family, "DNS", f"{told} for {what}")


def _question(data: bytes) -> tuple[str, int]:
    """Name and type of the first question (RFC 1035 4.1.2); empty where it cannot be read."""
    labels, at = [], 12
    while at < len(data) and 0 < data[at] < 64:
        labels.append(presented(data[at + 1 : at + 1 + data[at]]))
        at += 1 + data[at]
    if at + 3 > len(data) or data[at]:
        return "", 0
    return ".".join(labels), int.from_bytes(data[at + 1 : at + 3], "big")


# -- TCP -------------------------------------------------------------------------------------------


def _of_tcp(packet: Packet) -> Spoken:
    flags = packet.tcp_flags
    if flags & _RST:
        return Spoken(SaidFamily.trouble, "TCP", "RST: ends the connection at once")
    if packet.is_bare_syn:
        text = f"SYN: opens a connection to port {packet.destination_port}"
        return Spoken(SaidFamily.tcp, "TCP", text, asks=True)
    if packet.is_syn_ack:
        return Spoken(SaidFamily.tcp, "TCP", "SYN, ACK: takes the connection")
    if packet.payload and (said := _of_payload(packet.payload)) is not None:
        return said
    if flags & _FIN:
        return Spoken(SaidFamily.data, "TCP", "end of the connection", routine=True)
    if packet.payload:
        kind = (
            "TLS" if packet.payload[0] in (20, 22, 23) and packet.payload[1:2] == b"\x03" else "TCP"
        )
        return Spoken(SaidFamily.data, kind, "data", routine=True)
    return Spoken(SaidFamily.data, "TCP", ACKNOWLEDGED, routine=True)


def _of_payload(payload: bytes) -> Spoken | None:
    """What is worth an arrow of its own in a TCP segment."""
    if payload[0] == 22 and payload[1:2] == b"\x03" and len(payload) > 5:
        return _of_handshake(payload)
    if payload[0] == 21 and payload[1:2] == b"\x03" and len(payload) == 7:
        alert = hello.alert_name(payload[6])
        if payload[6] == 0:
            return Spoken(SaidFamily.tls, "TLS", "Alert: close_notify")
        return Spoken(SaidFamily.trouble, "TLS", f"Alert: {alert}")
    if payload.startswith(_HTTP):
        line = payload.split(b"\r\n", 1)[0][:_LINE].decode("ascii", "replace")
        answer = line.startswith("HTTP/1.")
        bad = answer and line[9:10] in ("4", "5")
        return Spoken(SaidFamily.trouble if bad else SaidFamily.tls, "HTTP", line, asks=not answer)
    return None


def _of_handshake(payload: bytes) -> Spoken | None:
    if payload[5] == 1:
        offer = hello.read_offer(payload)
        name = f" for {offer.server_name}" if offer is not None and offer.server_name else ""
        return Spoken(SaidFamily.tls, "TLS", f"ClientHello{name}", asks=True)
    if payload[5] == 2:
        return Spoken(SaidFamily.tls, "TLS", "ServerHello: takes version and cipher")
    return None


# -- what is in PPP and L2TP -----------------------------------------------------------------------


def _of_l2tp(message: L2tpMessage) -> Spoken:
    kind = message.control_type
    if kind == 0:
        return Spoken(SaidFamily.data, "L2TP", ACKNOWLEDGED, routine=True)
    text = _L2TP.get(ControlType(kind), "") if kind in ControlType._value2member_map_ else ""
    text = text or f"control message {kind}"
    if kind in (ControlType.StopCCN, ControlType.CDN) and message.result:
        text += f" ({message.result})"
    asks = kind in (ControlType.SCCRQ, ControlType.ICRQ, ControlType.OCRQ)
    return Spoken(SaidFamily.l2tp, "L2TP", text, routine=kind == ControlType.HELLO, asks=asks)


def _of_ppp(frame: PppFrame) -> Spoken:
    if frame.protocol not in _PPP:
        return Spoken(SaidFamily.data, "PPP", f"protocol 0x{frame.protocol:04x}", routine=True)
    name, codes = _PPP[frame.protocol]
    text = codes.get(frame.code, f"code {frame.code}")
    if frame.protocol == ppp.LCP and frame.code in _ECHOES:
        return Spoken(SaidFamily.data, "LCP", "echoes", routine=True)
    asks = frame.code == 1
    bad = False
    if frame.protocol == ppp.PAP:
        bad = frame.code == ppp.PapCode.nak
        if frame.code == ppp.PapCode.request:
            text += f" of {frame.pap_user}"
    elif frame.protocol == ppp.CHAP:
        bad = frame.code == ppp.ChapCode.failure
    elif frame.protocol == ppp.IPCP and frame.ip_address:
        text += f": {frame.ip_address}"
    elif frame.protocol == ppp.LCP:
        text += _authentication(frame)
    return Spoken(SaidFamily.trouble if bad else SaidFamily.ppp, name, text, asks=asks)


def _authentication(frame: PppFrame) -> str:
    if frame.code not in (1, 2, 3, 4):
        return ""
    wanted = {ppp.PAP: ", with PAP", ppp.CHAP: ", with CHAP"}
    return wanted.get(frame.authentication[0], "")


def _of_icmp(packet: Packet) -> Spoken:
    kind, code = (*packet.payload[:2], 0, 0)[:2]
    if packet.protocol == ICMP and kind == 3:
        return Spoken(SaidFamily.trouble, "ICMP", _UNREACHABLE.get(code, f"unreachable ({code})"))
    if packet.protocol == ICMP and kind == 11:
        return Spoken(SaidFamily.trouble, "ICMP", "time exceeded")
    if kind in (8, 128):
        return Spoken(SaidFamily.data, "ICMP", "echo requests", routine=True)
    if kind in (0, 129):
        return Spoken(SaidFamily.data, "ICMP", "echo replies", routine=True)
    family = SaidFamily.trouble if packet.protocol == ICMPV6 and kind < 5 else SaidFamily.data
    return Spoken(family, "ICMP", f"type {kind}, code {code}")
