"""What SSH carried in a run, left out of a recording: nobody reads it, and it cannot be compressed.

The frames stay, with their headers and lengths; the bytes of TCP's payload are zeros. So a checksum of TCP is
not right there.
"""

from __future__ import annotations

import json
import struct

SSH = 22
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
    """The files of a run directory, without what SSH carried."""
    names = {f"wire/{segment}.pcapng" for segment in segments(files.get("keys/model.json", b""))}
    return {name: _veiled(content) if name in names else content for name, content in files.items()}


def _veiled(capture: bytes) -> bytes:
    content, at = bytearray(capture), 0
    while at < len(content):
        kind, length = _BLOCK.unpack_from(content, at)
        if kind == _EPB:
            (kept,) = struct.unpack_from("=I", content, at + 20)
            start, end = _payload(content, at + _EPB_HEAD, at + _EPB_HEAD + kept)
            content[start:end] = bytes(end - start)
        at += length
    return bytes(content)


def _payload(content: bytearray, start: int, end: int) -> tuple[int, int]:
    """Where SSH's bytes are in a frame; nowhere if there are none."""
    ip = start + ETHERNET
    if end < ip + 20 or content[ip - 2 : ip] != IPV4.to_bytes(2, "big") or content[ip + 9] != TCP:
        return end, end
    tcp = ip + 4 * (content[ip] & 0xF)
    whole = ip + int.from_bytes(content[ip + 2 : ip + 4], "big")
    ports = struct.unpack_from("!HH", content, tcp)
    if SSH not in ports:
        return end, end
    return tcp + 4 * (content[tcp + 12] >> 4), min(whole, end)
