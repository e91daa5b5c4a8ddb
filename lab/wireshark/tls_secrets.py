"""Which TLS sessions of a run are in which of its captures, by the random value of each ClientHello.

The server's key log names a session by that value (draft-ietf-tls-keylogfile). It is in clear on the wire; in
ESP it is what the run's SAs open, and who carries the same ESP carries the same session.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from lab.wire import esp
from lab.wire.decode import Packet
from lab.wire.esp import Opened, Sealed

KEY_LOG = "keys/tls.keylog"
"""In a run directory."""
_HELLO = re.compile(rb"\x16\x03[\x00-\x04]..\x01\x00..\x03[\x00-\x04](.{32})", re.DOTALL)
"""A record with a ClientHello, up to its random value (RFC 8446 4.1.2)."""
_MARK = 24
"""Bytes of an ESP packet by which it is found again: SPI, sequence number, and how the rest begins."""


def by_session(key_log: bytes) -> dict[bytes, bytes]:
    """The lines of a key log, by the random value that each names."""
    found: dict[bytes, bytes] = {}
    for line in key_log.splitlines():
        words = line.split()
        if len(words) != 3 or line.startswith(b"#"):
            continue
        try:
            random = bytes.fromhex(words[1].decode("ascii"))
        except ValueError:
            continue
        found[random] = found.get(random, b"") + line + b"\n"
    return found


def sealed_sessions(
    opened: Iterable[tuple[Sealed, Opened]], sessions: Mapping[bytes, bytes]
) -> dict[bytes, bytes]:
    """Of sessions that ESP carries: the mark of the packet with the ClientHello, and its random value."""
    found = {}
    for sealed, inside in opened:
        hello = _HELLO.search(inside.inner.payload) if inside.inner is not None else None
        if hello is not None and hello[1] in sessions:
            found[sealed.data[:_MARK]] = hello[1]
    return found


def carried(packets: Iterable[Packet | None], sealed: Mapping[bytes, bytes]) -> set[bytes]:
    """The random values of the sessions whose ESP is among these packets."""
    if not sealed:
        return set()
    esp_packets = (esp.sealed(packet) for packet in packets if packet is not None)
    marks = (each.data[:_MARK] for each in esp_packets if each is not None)
    return {sealed[mark] for mark in marks if mark in sealed}


def secrets_in(
    capture: Path, sessions: Mapping[bytes, bytes], by_esp: Collection[bytes] = ()
) -> bytes:
    """The lines of the key log for the sessions that a capture has; nothing without TLS.

    ``by_esp``: the random values of those that it has in ESP.
    """
    if not sessions or not capture.stat().st_size:
        return b""
    with (
        capture.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        randoms = {found[1] for found in _HELLO.finditer(data)}.union(by_esp)
    return b"".join(sessions[random] for random in sessions if random in randoms)
