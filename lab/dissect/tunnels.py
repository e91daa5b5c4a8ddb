"""What carries packets: ESP, L2TP and PPP. Passwords, secrets and what is hidden are told by their length."""

from __future__ import annotations

from lab.dissect.anatomy import Anatomy, printable, size
from lab.wire import decode, l2tp, ppp
from lab.wire.decode import Packet
from lab.wire.esp import IP_IN_IP, Opened, Sealed
from lab.wire.l2tp import HIDDEN, MANDATORY, RawAvp
from lab.wire.l2tp_codes import Avp, CdnResult, ControlType, GeneralError, StopResult
from lab.wire.ppp import ChapCode, Code, PapCode, PppFrame

IP6_IN_IP = 41
"""The next header of tunnel mode by IPv6."""
_PPP = {
    ppp.LCP: "PPP LCP",
    ppp.PAP: "PPP PAP",
    ppp.CHAP: "PPP CHAP",
    ppp.IPCP: "PPP IPCP",
    ppp.IP: "PPP IP",
    0x0057: "PPP IPv6",
    0x8057: "PPP IPV6CP",
    0x80FD: "PPP CCP",
    0x8281: "PPP MPLSCP",
    0xC025: "PPP LQR",
}
_WITH_OPTIONS = ("PPP LCP", "PPP IPCP", "PPP IPV6CP", "PPP CCP")
_CODES = {
    1: "Configuration Request",
    2: "Configuration Ack",
    3: "Configuration Nak",
    4: "Configuration Reject",
    5: "Termination Request",
    6: "Termination Ack",
    7: "Code Reject",
    8: "Protocol Reject",
    9: "Echo Request",
    10: "Echo Reply",
    11: "Discard Request",
}
_LCP_OPTIONS = {
    1: "Maximum Receive Unit",
    2: "Async Control Character Map",
    3: "Authentication Protocol",
    4: "Quality Protocol",
    5: "Magic Number",
    7: "Protocol Field Compression",
    8: "Address and Control Field Compression",
}
_IPCP_OPTIONS = {
    2: "IP Compression Protocol",
    3: "IP Address",
    129: "Primary DNS Server IP Address",
    131: "Secondary DNS Server IP Address",
}
_AUTHENTICATION = {ppp.PAP: "Password Authentication Protocol", ppp.CHAP: "CHAP"}
_TEXTS = (Avp.host_name, Avp.vendor_name, Avp.called_number, Avp.calling_number, Avp.sub_address)
_STOPPED = {int(each): each.meaning for each in StopResult}
_CLEARED = {int(each): each.meaning for each in CdnResult}
_ERRORS = {int(each): each.meaning for each in GeneralError}
_SEALED = (
    Avp.challenge,
    Avp.challenge_response,
    Avp.proxy_authen_name,
    Avp.proxy_authen_challenge,
    Avp.proxy_authen_response,
    Avp.random_vector,
    Avp.initial_received_lcp_confreq,
    Avp.last_sent_lcp_confreq,
    Avp.last_received_lcp_confreq,
)
"""Told by their length: a password may be among them (RFC 2661 4.4.5)."""


def esp(anatomy: Anatomy, sealed: Sealed, opened: Opened) -> None:
    """An ESP packet, and by which SA it is opened."""
    anatomy.say("ESP", f"ESP (SPI=0x{sealed.spi:08x})")
    fields = [("SPI", f"0x{sealed.spi:08x}"), ("Sequence", str(sealed.sequence))]
    if opened.key is None:
        fields.append(("Encrypted", f"{size(sealed.data[8:])}; no SA of the run has this SPI"))
    else:
        key = opened.key
        fields.append(("SA", f"{anatomy.told(key.source)} → {anatomy.told(key.destination)}"))
        fields.append(("Encryption", key.encryption))
        if key.integrity:
            fields.append(("Integrity", f"{key.integrity}, {key.icv_bits} bits"))
        fields.append(("ICV", "right" if opened.icv_good else "wrong: nothing is decrypted"))
        if opened.icv_good:
            fields.append(("Next header", str(opened.next_header)))
    title = "Encapsulating Security Payload"
    anatomy.add("ESP", f"{title}, SPI 0x{sealed.spi:08x}", *fields)


def is_tunnel(opened: Opened) -> bool:
    return opened.next_header in (IP_IN_IP, IP6_IN_IP)


def layer_2_tunnel(anatomy: Anatomy, data: bytes) -> bool:
    """A datagram of L2TP, and the PPP frame in it. Whether it is one."""
    message = l2tp.parse(data)
    if message is None:
        return False
    ends = f"(tunnel id={message.tunnel_id}, session id={message.session_id})"
    fields = [("Tunnel ID", str(message.tunnel_id)), ("Session ID", str(message.session_id))]
    title = "Layer 2 Tunneling Protocol"
    if not message.control:
        anatomy.say("L2TP", f"Data Message {ends}")
        anatomy.add("L2TP", f"{title}, data", ("Type", "data"), *fields)
        if frame := ppp.parse(message.ppp):
            point_to_point(anatomy, frame)
        return True
    name = _type_name(message.control_type)
    anatomy.say("L2TP", f"Control Message - {name} {ends}")
    fields.insert(0, ("Type", f"control, {name}"))
    if datagram := l2tp.control_datagram(data):
        fields += [("Ns", str(datagram.ns)), ("Nr", str(datagram.nr))]
        body = datagram.body[: max(0, datagram.length - l2tp.CONTROL_HEAD)]
        fields += [_avp(each, message.control_type) for each in l2tp.walk(body)]
    anatomy.add("L2TP", f"{title}, {name}", *fields)
    return True


def _type_name(number: int) -> str:
    if number == 0:
        return "ZLB"
    try:
        return ControlType(number).name
    except ValueError:
        return f"type {number}"


def _avp(avp: RawAvp, control_type: int) -> tuple[str, str]:
    """The name of an AVP, and what it says; of one that is hidden, its length."""
    if avp.vendor:
        return f"AVP of vendor {avp.vendor}, type {avp.kind}", size(avp.value)
    try:
        kind = Avp(avp.kind)
    except ValueError:
        return f"AVP {avp.kind}", size(avp.value)
    name = kind.name.replace("_", " ")
    name = name[0].upper() + name[1:] + ("" if avp.head & MANDATORY else " (not mandatory)")
    if avp.head & HIDDEN:
        return name, f"hidden, {size(avp.value)}"
    return name, _avp_value(kind, avp.value, control_type)


def _avp_value(kind: Avp, value: bytes, control_type: int) -> str:
    if kind in _SEALED:
        return size(value)
    if kind in _TEXTS:
        return printable(value)
    number = int.from_bytes(value, "big")
    if kind is Avp.message_type:
        return f"{_type_name(number)} ({number})"
    if kind is Avp.result_code:
        return _result(value, control_type)
    if kind is Avp.protocol_version and len(value) == 2:
        return f"{value[0]}.{value[1]}"
    return str(number) if len(value) <= 4 else value.hex() if len(value) <= 8 else size(value)


def _result(value: bytes, control_type: int) -> str:
    code, error = int.from_bytes(value[:2], "big"), int.from_bytes(value[2:4], "big")
    table = _STOPPED if control_type == ControlType.StopCCN else _CLEARED
    told = f"{code} ({table.get(code, 'unknown')})"
    if len(value) >= 4:
        told += f", error {error} ({_ERRORS.get(error, 'unknown')})"
    return f"{told}: {printable(value[4:])}" if len(value) > 4 else told


def point_to_point(anatomy: Anatomy, frame: PppFrame, data: Packet | None = None) -> None:
    """A PPP frame: control packets to their options, and IP on to what it carries.

    ``data``: the IP packet in it, where that has been read.
    """
    name = _PPP.get(frame.protocol, "PPP")
    anatomy.say(name, f"protocol 0x{frame.protocol:04x}, {size(frame.body)}")
    title = "Point-to-Point Protocol"
    anatomy.add("PPP", title, ("Protocol", f"{name} (0x{frame.protocol:04x})"))
    if frame.protocol in (ppp.IP, 0x0057):
        if packet := data or decode.parse_ip(frame.body):
            anatomy.descend(anatomy, packet)
        return
    if frame.protocol not in _PPP or len(frame.body) < 4:
        return
    fields = [("Identifier", str(frame.identifier))]
    if frame.protocol == ppp.PAP:
        info = _pap(frame, fields)
    elif frame.protocol == ppp.CHAP:
        info = _chap(frame, fields)
    else:
        info = _CODES.get(frame.code, f"code {frame.code}")
        if name in _WITH_OPTIONS and frame.code <= Code.configure_reject:
            fields += _options(frame)
        elif frame.protocol == ppp.LCP and frame.code in (Code.echo_request, Code.echo_reply):
            fields.append(("Magic Number", f"0x{frame.content[:4].hex()}"))
        elif frame.code in (Code.terminate_request, 6) and frame.content:
            fields.append(("Data", printable(frame.content)))
    anatomy.say(name, info)
    anatomy.add(
        name, f"{name}, {info}", ("Code", f"{info.partition(' (')[0]} ({frame.code})"), *fields
    )


def _pap(frame: PppFrame, fields: list[tuple[str, str]]) -> str:
    content = frame.content
    if frame.code == PapCode.request:
        user = frame.pap_user
        at = 1 + content[0] if content else 0
        length = content[at] if at < len(content) else 0
        fields += [("Peer-ID", user), ("Password", f"{length} bytes, not shown")]
        return f"Authenticate-Request (Peer-ID='{user}')"
    names = {int(PapCode.ack): "Authenticate-Ack", int(PapCode.nak): "Authenticate-Nak"}
    name = names.get(frame.code, f"code {frame.code}")
    message = printable(content[1 : 1 + content[0]]) if content else ""
    fields.append(("Message", message))
    return f"{name} (Message='{message}')"


def _chap(frame: PppFrame, fields: list[tuple[str, str]]) -> str:
    content = frame.content
    if frame.code in (ChapCode.challenge, ChapCode.response):
        name = printable(content[1 + len(frame.chap_value) :])
        fields += [("Value", f"{size(frame.chap_value)}, not shown"), ("Name", name)]
        word = "Challenge" if frame.code == ChapCode.challenge else "Response"
        return f"{word} (NAME='{name}')"
    message = printable(content)
    fields.append(("Message", message))
    word = {3: "Success", 4: "Failure"}.get(frame.code, f"code {frame.code}")
    return f"{word} (MESSAGE='{message}')"


def _options(frame: PppFrame) -> list[tuple[str, str]]:
    found, rest = [], frame.content
    names = {ppp.LCP: _LCP_OPTIONS, ppp.IPCP: _IPCP_OPTIONS}.get(frame.protocol, {})
    while len(rest) >= 2 and 2 <= rest[1] <= len(rest):
        kind, value = rest[0], rest[2 : rest[1]]
        found.append((names.get(kind, f"Option {kind}"), _option(frame.protocol, kind, value)))
        rest = rest[rest[1] :]
    return found


def _option(protocol: int, kind: int, value: bytes) -> str:
    if protocol == ppp.IPCP and kind in (3, 129, 131) and len(value) == 4:
        return ".".join(map(str, value))
    if protocol == ppp.LCP and kind == ppp.OPTION_AUTHENTICATION and len(value) >= 2:
        number = int.from_bytes(value[:2], "big")
        algorithm = " with MD5" if number == ppp.CHAP and value[2:3] == b"\x05" else ""
        return f"{_AUTHENTICATION.get(number, 'unknown')}{algorithm} (0x{number:04x})"
    if protocol == ppp.LCP and kind == 1:
        return str(int.from_bytes(value, "big"))
    return f"0x{value.hex()}" if value else "yes"
