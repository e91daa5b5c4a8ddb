"""What nobody reads in a run, and what cannot be compressed, left out of a recording.

That is what SSH carried, and what TLS carried at IBM's own port in a run with errands, with a management
module, with events that wait or with targets that users enter, but for the records of handshakes and alerts
that are not encrypted; in a run with consoles the same of what TLS carried to IBM and among consoles. The
frames stay, with their headers and lengths; the bytes of TCP's payload are zeros. So a checksum of TCP is
not right where SSH was; of TLS it is made right again.
"""

from __future__ import annotations

import json
import struct

SSH, HTTPS, CONSOLES = 22, 443, 9920
_TLS_HEAD = 5
_KEPT_RECORDS = (0x15, 0x16)
"""Alerts and handshakes (RFC 8446 5.1)."""
_RECORDS, _MAJOR_VERSION = range(0x14, 0x18), 3
MUCH_TLS = ("errands", "events", "modules", "user_targets")
"""What a model has where so much goes by TLS that the recording would be large."""
ETHERNET, IPV4, TCP = 14, 0x0800, 6
_EPB = 6
"""The type of an Enhanced Packet Block (draft-ietf-opsawg-pcapng 4.3)."""
_EPB_HEAD = 28
_BLOCK = struct.Struct("=II")


def segments(model: bytes) -> set[str]:
    """The links on which IBM's people log in, by the model of a run; none without one."""
    found = json.loads(model or b'{"nodes": []}')
    intranet = (found.get("service") or {}).get("intranet")
    own = [node["interfaces"] for node in found["nodes"] if intranet and node["name"] == intranet]
    return {interface["segment"] for interfaces in own for interface in interfaces}


def veil(files: dict[str, bytes]) -> dict[str, bytes]:
    """The files of a run directory, without what SSH carried, and TLS where that is much."""
    model = files.get("keys/model.json", b"")
    names = {f"wire/{segment}.pcapng" for segment in segments(model)}
    veiled = {n: _veiled(content, SSH) if n in names else content for n, content in files.items()}
    if model and any(json.loads(model).get(key) for key in MUCH_TLS):
        captures = {name for name in veiled if name.endswith(".pcapng")}
        veiled |= {name: _veiled(veiled[name], HTTPS) for name in captures}
    if model and json.loads(model).get("consoles"):
        captures = {name for name in veiled if name.endswith(".pcapng")}
        veiled |= {name: _veiled_streams(veiled[name]) for name in captures}
    return veiled


def _veiled_streams(capture: bytes) -> bytes:
    """A capture without what TLS carried to IBM and among consoles: records may span several segments."""
    content, at = bytearray(capture), 0
    streams: dict[bytes, _Stream] = {}
    while at < len(content):
        kind, length = _BLOCK.unpack_from(content, at)
        if kind == _EPB:
            (kept,) = struct.unpack_from("=I", content, at + 20)
            frame = at + _EPB_HEAD
            for port in (HTTPS, CONSOLES):
                start, end = _payload(content, frame, frame + kept, port)
                if start < end:
                    _pass_on(streams, content, frame, start, end)
        at += length
    return bytes(content)


class _Stream:
    """One direction of a connection, as far as it has been read in order."""

    def __init__(self, sequence: int) -> None:
        self.sequence = sequence
        """That of the next byte."""
        self.left = 0
        """Of the record that has begun."""
        self.is_kept = True
        self.is_tls = True


def _pass_on(
    streams: dict[bytes, _Stream], content: bytearray, frame: int, start: int, end: int
) -> None:
    """Read on in the stream of a segment, and put zeros for what is no handshake and no alert.

    What does not come in order stays as it is, and so does a stream that is no TLS.
    """
    ip = frame + ETHERNET
    tcp = ip + 4 * (content[ip] & 0xF)
    (sequence,) = struct.unpack_from("!I", content, tcp + 4)
    ends = bytes(content[ip + 12 : ip + 20] + content[tcp : tcp + 4])
    stream = streams.setdefault(ends, _Stream(sequence))
    if sequence != stream.sequence or not stream.is_tls:
        return
    stream.sequence = (sequence + end - start) % (1 << 32)
    at = start
    while at < end:
        if not stream.left:
            head = content[at : at + _TLS_HEAD]
            stream.is_tls = len(head) == _TLS_HEAD <= end - at and head[0] in _RECORDS
            if not stream.is_tls:
                break
            stream.left, stream.is_kept = int.from_bytes(head[3:], "big"), head[0] in _KEPT_RECORDS
            at += _TLS_HEAD
        taken = min(stream.left, end - at)
        if not stream.is_kept:
            content[at : at + taken] = bytes(taken)
        stream.left -= taken
        at += taken
    _make_right(content, ip, tcp, end)


def _veiled(capture: bytes, port: int) -> bytes:
    content, at = bytearray(capture), 0
    while at < len(content):
        kind, length = _BLOCK.unpack_from(content, at)
        if kind == _EPB:
            (kept,) = struct.unpack_from("=I", content, at + 20)
            frame = at + _EPB_HEAD
            start, end = _payload(content, frame, frame + kept, port)
            if port == HTTPS:
                _veil_tls(content, frame, start, end)
            else:
                content[start:end] = bytes(end - start)
        at += length
    return bytes(content)


def _veil_tls(content: bytearray, frame: int, start: int, end: int) -> None:
    """Zeros for what TLS carries, after the head of each record; all of a segment that begins with none."""
    if start >= end:
        return
    ip = frame + ETHERNET
    tcp = ip + 4 * (content[ip] & 0xF)
    at = start
    while at < end:
        is_head = content[at] in _RECORDS and content[at + 1] == _MAJOR_VERSION
        body = at + _TLS_HEAD if is_head else at
        length = int.from_bytes(content[at + 3 : body], "big") if is_head else end - at
        if not (is_head and content[at] in _KEPT_RECORDS):
            content[min(body, end) : min(body + length, end)] = bytes(
                max(0, min(length, end - body))
            )
        at = body + length
    _make_right(content, ip, tcp, end)


def _make_right(content: bytearray, ip: int, tcp: int, end: int) -> None:
    """The checksum of a TCP segment (RFC 9293 3.1)."""
    content[tcp + 16 : tcp + 18] = bytes(2)
    pseudo = bytes(content[ip + 12 : ip + 20]) + struct.pack("!HH", TCP, end - tcp)
    summed = pseudo + bytes(content[tcp:end])
    total = sum(struct.unpack(f"!{len(summed) // 2}H", summed[: len(summed) // 2 * 2]))
    total += summed[-1] << 8 if len(summed) % 2 else 0
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    content[tcp + 16 : tcp + 18] = struct.pack("!H", ~total & 0xFFFF)


def _payload(content: bytearray, start: int, end: int, port: int) -> tuple[int, int]:
    """Where the bytes of a port's connections are in a frame; nowhere if there are none."""
    ip = start + ETHERNET
    if end < ip + 20 or content[ip - 2 : ip] != IPV4.to_bytes(2, "big") or content[ip + 9] != TCP:
        return end, end
    tcp = ip + 4 * (content[ip] & 0xF)
    whole = ip + int.from_bytes(content[ip + 2 : ip + 4], "big")
    ports = struct.unpack_from("!HH", content, tcp)
    if port not in ports:
        return end, end
    return tcp + 4 * (content[tcp + 12] >> 4), min(whole, end)
