"""A capture of a run with what the lab knows of it: names of nodes, secrets of TLS, findings at their frames.

Works on the blocks of a pcapng file (draft-ietf-opsawg-pcapng) and looks into no packet. The packets stay as
they are, in their order, so that every frame keeps its number. A capture that is cut off, that another
program wrote, or that has been annotated before stays what it is.
"""

from __future__ import annotations

import mmap
import os
import re
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_pton
from typing import NamedTuple

from lab.wire import pcapng

ABOUT = "callhome-lab: names of nodes, secrets of TLS, and findings are added to what was captured"
"""The comment of the section, by which an annotated capture is known."""
_SHB, _IDB, _NRB, _EPB, _DSB = 0x0A0D0D0A, 1, 4, 6, 10
_HEAD = struct.Struct("=II")
_LENGTH = struct.Struct("=I")
_SHB_FIXED, _IDB_FIXED, _EPB_FIXED = 24, 16, 28
"""Bytes of a block before its options or its data, with type and length."""
_KEPT_AT = 20
"""Where it says how long its data is."""
_IF_DESCRIPTION = 3
_LEAST, _TAIL = 12, 4
_NATIVE = struct.pack("=I", 0x1A2B3C4D)
_TLS_KEY_LOG = 0x544C534B
_NRB_IPV4, _NRB_IPV6 = 1, 2
_CITES = re.compile(rb"\S+ (?:pass|fail|not-applicable): ")
_MOST_COMMENT = 400
"""Characters of a comment: a finding in full is in the verdict."""


class Notes(NamedTuple):
    """What is added to one capture."""

    names: Mapping[str, str]
    """IP address to the name of a node."""
    description: str
    """Of the interface; empty for a capture whose interfaces say themselves what they are."""
    secrets: bytes
    """Lines of TLS's key log; empty without TLS."""
    comments: Mapping[int, Iterable[str]]
    """Number of a frame, from 1, to what is said of it."""


class PcapngBlock(NamedTuple):
    """A block of a capture by its place in the file."""

    kind: int
    start: int
    end: int


def blocks(data: bytes | mmap.mmap) -> Iterator[PcapngBlock]:
    """Every block of a capture; raises ValueError where it is none or cut off, or of another byte order."""
    at, end = 0, len(data)
    if end < _LEAST or data[8:12] != _NATIVE:
        raise ValueError("no pcapng of this machine's byte order")
    while at < end:
        if end - at < _LEAST:
            raise ValueError(f"a block is cut off at byte {at}")
        kind, length = _HEAD.unpack_from(data, at)
        if length < _LEAST or length % 4 or at + length > end:
            raise ValueError(f"a block is cut off at byte {at}")
        yield PcapngBlock(kind, at, at + length)
        at += length


def annotate(path: Path, notes: Notes) -> bool:
    """Put notes into a capture, which is replaced at once when all are in; whether it was.

    Raises OSError if there is no room. The permissions stay.
    """
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                pieces = list(_annotated(data, notes))
            except ValueError:
                return False
            if not pieces:
                return False
            unfinished = path.with_suffix(".pcapng.part")
            try:
                with unfinished.open("wb") as out:
                    os.fchmod(out.fileno(), os.fstat(file.fileno()).st_mode & 0o777)
                    for piece in pieces:
                        out.write(piece if isinstance(piece, bytes) else data[slice(*piece)])
                unfinished.replace(path)
            finally:
                unfinished.unlink(missing_ok=True)
    return True


Piece = bytes | tuple[int, int]
"""Bytes, or from where to where the captured file has them."""


def _annotated(data: mmap.mmap, notes: Notes) -> Iterator[Piece]:
    """The pieces of the new file; none if there is nothing to add, or all has been."""
    number, since, added = 0, 0, False
    described = False
    for block in blocks(data):
        if block.kind == _SHB:
            if block.start or is_annotated(data[block.start : block.end]):
                return
            yield _with_option(data[block.start : block.end], _SHB_FIXED, pcapng.OPT_COMMENT, ABOUT)
            since = block.end
            continue
        if block.kind == _IDB and notes.description and not described:
            described = True
            text = notes.description
            yield _with_option(data[block.start : block.end], _IDB_FIXED, _IF_DESCRIPTION, text)
            since = block.end
            continue
        if not added and block.kind != _IDB:
            # Behind the interfaces, and before the first packet, whose TLS they open.
            yield from ((since, block.start), _names(notes.names), _secrets(notes.secrets))
            since, added = block.start, True
        if block.kind == _EPB:
            number += 1
            if comments := notes.comments.get(number):
                yield since, block.start
                yield _commented(data[block.start : block.end], comments)
                since = block.end
    yield since, len(data)
    if not added:
        yield from (_names(notes.names), _secrets(notes.secrets))


def is_annotated(section: bytes) -> bool:
    """Whether a section's header says so."""
    return ABOUT.encode() in section


def plain(data: bytes) -> bytes:
    """A capture without what ``annotate`` has added."""
    found = list(blocks(data))
    if not found or not is_annotated(data[found[0].start : found[0].end]):
        return data
    return b"".join(_plain(each.kind, data[each.start : each.end]) for each in found)


def _plain(kind: int, raw: bytes) -> bytes:
    if kind in (_NRB, _DSB):
        return b""
    if kind == _SHB:
        return _without(raw, _SHB_FIXED, pcapng.OPT_COMMENT, ABOUT.encode())
    if kind == _IDB:
        return _without(raw, _IDB_FIXED, _IF_DESCRIPTION, b"")
    if kind == _EPB:
        return _without(raw, _data_end(raw), pcapng.OPT_COMMENT, _CITES)
    return raw


def comment(requirement: str, verdict: str, seen: str) -> str:
    """What is said at a frame of a finding's evidence."""
    text = f"{requirement} {verdict}: {seen}"
    return text if len(text) <= _MOST_COMMENT else f"{text[: _MOST_COMMENT - 1]}…"


# -- blocks -----------------------------------------------------------------------------------


def _names(names: Mapping[str, str]) -> bytes:
    """A Name Resolution Block."""
    records = b""
    for address, name in names.items():
        family, kind = (AF_INET6, _NRB_IPV6) if ":" in address else (AF_INET, _NRB_IPV4)
        records += pcapng.option(kind, inet_pton(family, address) + name.encode() + b"\0")
    return pcapng.block(_NRB, records + bytes(4)) if records else b""


def _secrets(lines: bytes) -> bytes:
    """A Decryption Secrets Block."""
    if not lines:
        return b""
    head = struct.pack("=II", _TLS_KEY_LOG, len(lines))
    return pcapng.block(_DSB, head + lines + bytes(-len(lines) & 3))


def _commented(raw: bytes, comments: Iterable[str]) -> bytes:
    for text in comments:
        raw = _with_option(raw, _data_end(raw), pcapng.OPT_COMMENT, text)
    return raw


def _data_end(raw: bytes) -> int:
    """Where the options of an Enhanced Packet Block begin."""
    kept = int.from_bytes(raw[_KEPT_AT : _KEPT_AT + 4], sys.byteorder)
    end = _EPB_FIXED + (kept + 3 & ~3)
    if end > len(raw) - _TAIL:
        raise ValueError("a packet is longer than its block")
    return end


def _options(raw: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """Code and value of each option of a block from there on; the end of options is none."""
    end = len(raw) - _TAIL
    while at + 4 <= end:
        code, length = struct.unpack_from("=HH", raw, at)
        if code == pcapng.OPT_END or at + 4 + length > end:
            return
        yield code, raw[at + 4 : at + 4 + length]
        at += 4 + (length + 3 & ~3)


def _with_option(raw: bytes, at: int, code: int, text: str) -> bytes:
    """A block with one more option, behind those that it has from there on."""
    return _with_options(raw, at, [*_options(raw, at), (code, text.encode())])


def _without(raw: bytes, at: int, code: int, begins: bytes | re.Pattern[bytes]) -> bytes:
    """A block without the options of this code that begin so."""

    def is_kept(option: tuple[int, bytes]) -> bool:
        if option[0] != code:
            return True
        return (
            not option[1].startswith(begins)
            if isinstance(begins, bytes)
            else not begins.match(option[1])
        )

    return _with_options(raw, at, filter(is_kept, _options(raw, at)))


def _with_options(raw: bytes, at: int, options: Iterable[tuple[int, bytes]]) -> bytes:
    if len(raw) < at + _TAIL:
        raise ValueError("a block is shorter than its fixed part")
    written = b"".join(pcapng.option(*each) for each in options)
    end = pcapng.option(pcapng.OPT_END, b"") if written else b""
    (kind,) = _LENGTH.unpack_from(raw)
    return pcapng.block(kind, raw[8:at] + written + end)
