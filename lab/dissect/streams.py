"""What TCP connections say: records of TLS, heads of HTTP in clear. Bodies and credentials are left out."""

from __future__ import annotations

import re
import struct
from contextlib import suppress

from lab.agent import http1
from lab.dissect.anatomy import Anatomy, size
from lab.dissect.transport import Talk, TalkSide
from lab.wire import hello, suites, tls
from lab.wire.tls import TlsRecord

TLS, HTTP, OTHER = "TLS", "HTTP", "other"
_PART = "[TCP segment of a reassembled PDU]"
_REQUEST = re.compile(rb"[A-Z]{3,20} [^ \r\n]{1,8000} HTTP/1\.[01]\r?\n")
_ANSWER = re.compile(rb"HTTP/1\.[01] [0-9]{3}")
_RECORD = re.compile(rb"[\x14-\x17]\x03[\x00-\x04]", re.DOTALL)
_CLIENT_HELLO = re.compile(rb"\x16\x03[\x00-\x03]..\x01", re.DOTALL)
_MOST_HEAD = http1.HEAD_BYTES
_SECRET_FIELDS = (
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "www-authenticate",
    "proxy-authenticate",
    "authentication-info",
)
_IN_TARGET = re.compile(r"(?<=//)[^/@\s]*@|\?.*", re.DOTALL)
"""Of a request's target, what may be a credential: a user with password, and the query."""

_HANDSHAKE = {
    0: "Hello Request",
    1: "Client Hello",
    2: "Server Hello",
    4: "New Session Ticket",
    8: "Encrypted Extensions",
    11: "Certificate",
    12: "Server Key Exchange",
    13: "Certificate Request",
    14: "Server Hello Done",
    15: "Certificate Verify",
    16: "Client Key Exchange",
    20: "Finished",
    22: "Certificate Status",
}
_LEVELS = {1: "Warning", 2: "Fatal"}
_MOST_MESSAGE = 1 << 18
_UNTIL_END = -1


def stream(anatomy: Anatomy, talk: Talk, side: TalkSide, new: bytes) -> None:
    """Read on in what a side says, with what is new in a segment."""
    if not new:
        return
    if side.is_torn:
        if side.kind and not _begins_anew(side.kind, new):
            return
        side.is_torn = False
    if side.kind == OTHER and _CLIENT_HELLO.match(new):
        # TLS may begin in a connection that was in clear: FTP's AUTH TLS.
        for each in talk.sides.values():
            each.kind = ""
    side.pending += new
    if not side.kind:
        side.kind = _kind(side, talk)
    if side.kind == TLS:
        _tls(anatomy, talk, side)
    elif side.kind == HTTP:
        _http(anatomy, talk, side, len(new))
    elif side.kind == OTHER:
        side.pending.clear()
    else:
        _is_part(anatomy)


def _begins_anew(kind: str, new: bytes) -> bool:
    """Whether a segment behind a gap begins with something that can be read."""
    if kind == TLS:
        return _RECORD.match(new) is not None
    return bool(_REQUEST.match(new) or _ANSWER.match(new))


def _kind(side: TalkSide, talk: Talk) -> str:
    """What a stream is by how it begins; empty while that does not show."""
    begun = bytes(side.pending[:9000])
    if begun[0] in (tls.HANDSHAKE, tls.ALERT) and begun[1:2] in (b"", b"\x03"):
        return TLS if len(begun) >= 3 else ""
    if _REQUEST.match(begun) or _ANSWER.match(begun):
        return HTTP
    if any(each.kind == TLS for each in talk.sides.values()):
        return TLS
    is_head = begun[:1].isupper() and b"\n" not in begun and begun.isascii()
    return "" if is_head and len(begun) < 9000 else OTHER


def _is_part(anatomy: Anatomy) -> None:
    anatomy.info = f"{anatomy.info} {_PART}"


# -- TLS --------------------------------------------------------------------------------------


def _tls(anatomy: Anatomy, talk: Talk, side: TalkSide) -> None:
    found: list[TlsRecord] = []
    try:
        while more := tls.whole_records(side.pending):
            found += more
    except tls.NoTls:
        # What is no record ends with its segment, as far as anybody can say.
        side.tear()
    if not found:
        _is_part(anatomy)
        return
    told: list[str] = []
    fields: list[tuple[str, str]] = []
    for record in found:
        told += _record(talk, side, record, fields)
    version = talk.version or hello.VERSIONS.get(found[-1].version, "TLS")
    anatomy.say(version, ", ".join(told))
    anatomy.add(
        "TLS", f"Transport Layer Security, {', '.join(told)}", ("Version", version), *fields
    )


def _record(
    talk: Talk, side: TalkSide, record: TlsRecord, fields: list[tuple[str, str]]
) -> list[str]:
    """What a record is, by the names of its messages; its fields are added to ``fields``."""
    label = f"{hello.VERSIONS.get(record.version, hex(record.version))}, {size(record.body)}"
    if record.kind == tls.APPLICATION_DATA:
        fields.append(("Application Data", f"{size(record.body)}, encrypted"))
        return ["Application Data"]
    if record.kind == tls.CHANGE_CIPHER_SPEC:
        side.is_encrypted = True
        fields.append(("Change Cipher Spec", label))
        return ["Change Cipher Spec"]
    if record.kind == tls.ALERT:
        if len(record.body) != 2 or (side.is_encrypted and talk.version != "TLSv1.3"):
            fields.append(("Encrypted Alert", label))
            return ["Encrypted Alert"]
        level = _LEVELS.get(record.body[0], str(record.body[0]))
        name = hello.alert_name(record.body[1])
        fields.append(("Alert", f"{level}, {name} ({record.body[1]})"))
        return [f"Alert (Level: {level}, Description: {name})"]
    if side.is_encrypted and talk.version != "TLSv1.3":
        fields.append(("Encrypted Handshake Message", label))
        return ["Encrypted Handshake Message"]
    return _messages(talk, side, record, fields)


def _messages(
    talk: Talk, side: TalkSide, record: TlsRecord, fields: list[tuple[str, str]]
) -> list[str]:
    told = []
    side.handshake += record.body
    while len(side.handshake) >= 4:
        kind, length = side.handshake[0], int.from_bytes(side.handshake[1:4], "big")
        if length > _MOST_MESSAGE:
            side.handshake.clear()
            told.append("Encrypted Handshake Message")
            break
        if len(side.handshake) < 4 + length:
            break
        message = bytes(side.handshake[: 4 + length])
        del side.handshake[: 4 + length]
        name = _HANDSHAKE.get(kind, f"Handshake message {kind}")
        fields.append((name, f"{length} bytes"))
        told.append(_hello(talk, name, kind, record.version, message, fields))
    return told or ["Handshake (fragment)"]


def _hello(
    talk: Talk,
    name: str,
    kind: int,
    version: int,
    message: bytes,
    fields: list[tuple[str, str]],
) -> str:
    if kind not in (tls.CLIENT_HELLO, tls.SERVER_HELLO) or len(message) > 0xFFFF:
        return name
    whole = struct.pack("!BHH", tls.HANDSHAKE, version, len(message)) + message
    if kind == tls.CLIENT_HELLO:
        offer = hello.read_offer(whole)
        if offer is None:
            return name
        fields.append(("Versions offered", ", ".join(_version(v) for v in offer.versions)))
        fields.append(("Cipher suites", ", ".join(suites.name_of(s) for s in offer.suites)))
        if not offer.server_name:
            return name
        fields.append(("Server name", offer.server_name))
        return f"{name} (SNI={offer.server_name})"
    choice = hello.read_choice(whole)
    if choice.version:
        talk.version = _version(choice.version)
        fields.append(("Version chosen", talk.version))
        fields.append(("Cipher suite", suites.name_of(choice.suite)))
    return name


def _version(number: int) -> str:
    return hello.VERSIONS.get(number, f"0x{number:04x}")


# -- HTTP in clear ----------------------------------------------------------------------------


def _http(anatomy: Anatomy, talk: Talk, side: TalkSide, arrived: int) -> None:
    """Heads, one after another; of bodies, how long they are."""
    starts = []
    had_body = side.body_left != 0
    while side.pending:
        if side.body_left:
            _pass_body(side)
            continue
        head, length = _head(side.pending)
        if head is None:
            if length:
                side.kind = OTHER
                side.pending.clear()
            break
        del side.pending[:length]
        starts.append(_message(anatomy, talk, side, head))
    if starts:
        anatomy.say("HTTP", "; ".join(starts))
    elif had_body:
        anatomy.say("HTTP", f"Continuation, {arrived} bytes")
        anatomy.add("HTTP", "Hypertext Transfer Protocol", ("Body", f"{arrived} bytes, not shown"))
    elif side.kind == HTTP:
        _is_part(anatomy)


def _head(pending: bytearray) -> tuple[http1.Head | None, int]:
    """The head that a stream begins with, and its length; no head and a length if that is no HTTP."""
    end = pending.find(b"\r\n\r\n")
    if end < 0:
        return None, len(pending) if len(pending) > _MOST_HEAD else 0
    pieces = [bytes(pending[: end + 4])]
    try:
        head = http1.Stream(lambda: pieces.pop() if pieces else b"").head()
        if head is not None:
            (head.status_line if head.start.startswith("HTTP/") else head.request_line)()
    except http1.Malformed:
        return None, end + 4
    return head, end + 4


def _message(anatomy: Anatomy, talk: Talk, side: TalkSide, head: http1.Head) -> str:
    """What a message begins with, in a line; how long its body is goes to the side."""
    length: int | None = 0
    with suppress(http1.Malformed):
        length = head.body_length()
    if head.start.startswith("HTTP/"):
        line = head.start
        status = head.status_line()[0]
        method = talk.methods.pop(0) if talk.methods and status >= 200 else ""
        if method == "CONNECT" and 200 <= status < 300:
            # From here on the proxy passes on whatever both say.
            for each in talk.sides.values():
                each.kind = ""
            length = 0
        elif method == "HEAD" or status in (204, 304) or status < 200:
            length = 0
    else:
        method, target, version = head.request_line()
        line = f"{method} {_IN_TARGET.sub('…', target)} {version}"
        talk.methods.append(method)
        length = length or 0
    side.body_left = _UNTIL_END if length is None else length
    fields = [("Start line", line)]
    for name, value in head.fields.items():
        secret = name in _SECRET_FIELDS
        shown = f"{len(value)} characters, not shown" if secret else _IN_TARGET.sub("…", value)
        fields.append((name.title(), shown))
    if side.body_left:
        told = f"{length} bytes, not shown" if length and length > 0 else "not shown"
        fields.append(("Body", told))
    anatomy.add("HTTP", f"Hypertext Transfer Protocol, {line}", *fields)
    return line


def _pass_body(side: TalkSide) -> None:
    if side.body_left > 0:
        taken = min(side.body_left, len(side.pending))
        side.body_left -= taken
        del side.pending[:taken]
        return
    # Of a body in chunks the last one is empty; a body until the connection's end has no other end.
    if bytes(side.pending[-5:]) == b"0\r\n\r\n":
        side.body_left = 0
    side.pending.clear()
