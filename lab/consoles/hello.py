"""How consoles make themselves known: a datagram of UDP port 9900 (M-01, M-02), to and from bytes.

The papers give no format (Q-13). The lab's own, version 1, is in docs/consoles.md: an object of JSON.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lab.topology.consoles import DISCOVERY_PORT

PORT = DISCOVERY_PORT
VERSION = 1
MOST_BYTES = 1400
"""Of a datagram, so that none is a fragment."""
EVERY_S = 300.0
"""Between two broadcasts."""
HOLD_S = 900
"""So long a console is known after the last word of it: three times as long, so that two may be lost."""

_MARK = "callhome-console"
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
LONGEST_LEVEL = 32
_LEVEL = re.compile(f"[!-~]{{0,{LONGEST_LEVEL}}}")
_MOST = 16
"""Addresses, and systems, of one console."""
_LONGEST_HOLD_S = 86400


class NoHelloError(ValueError):
    """The datagram makes no console known; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """What a console says of itself, or what a managed system says of a console."""

    name: str
    addresses: tuple[str, ...]
    """All of its IPv4 addresses, in the order of its network cards."""
    box: str = ""
    """The DS8000 that it is in; empty: in none (M-09)."""
    manages: tuple[str, ...] = ()
    """The systems that it manages, by name."""
    hold_s: int = HOLD_S
    """How long it is to be known from now on; 0: it is going."""
    asks: bool = False
    """Whether it wants an answer: it has just come."""
    via: str = ""
    """The managed system that tells of it; empty: it speaks for itself."""
    serves: bool = False
    """Whether it is a call-home server: it has other consoles' requests done (M-05)."""
    level: str = ""
    """The level of its software (M-08); empty: not told."""


def encode(hello: Hello) -> bytes:
    fields = {
        _MARK: VERSION,
        "name": hello.name,
        "addresses": hello.addresses,
        "box": hello.box,
        "manages": hello.manages,
        "hold": hello.hold_s,
        "ask": hello.asks,
        "via": hello.via,
        "call-home-server": hello.serves,
        "level": hello.level,
    }
    data = json.dumps(fields, separators=(",", ":")).encode()
    assert len(data) <= MOST_BYTES, "names and lists are short"
    return data


def decode(data: bytes) -> Hello:
    """Read a datagram; raises NoHelloError. Fields that version 1 does not know are passed over."""
    if len(data) > MOST_BYTES:
        raise NoHelloError(f"it has {len(data)} octets, and {MOST_BYTES} is the most")
    try:
        read = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise NoHelloError("it is no JSON") from error
    if not isinstance(read, dict) or _MARK not in read:
        raise NoHelloError(f"it is no object with {_MARK}")
    if read[_MARK] != VERSION or isinstance(read[_MARK], bool):
        raise NoHelloError(f"its version is not {VERSION}")
    hold_s = read.get("hold")
    if not isinstance(hold_s, int) or isinstance(hold_s, bool):
        raise NoHelloError("hold is no whole number")
    if not 0 <= hold_s <= _LONGEST_HOLD_S:
        raise NoHelloError(f"hold is not from 0 to {_LONGEST_HOLD_S}")
    for key in ("ask", "call-home-server"):
        if not isinstance(read.get(key, False), bool):
            raise NoHelloError(f"{key} is neither true nor false")
    level = read.get("level", "")
    if not isinstance(level, str) or _LEVEL.fullmatch(level) is None:
        raise NoHelloError(
            f"level is no text of {LONGEST_LEVEL} characters at most, without blanks"
        )
    return Hello(
        name=_name(read, "name"),
        addresses=_list(read, "addresses", _is_address, "an IPv4 address"),
        box=_name(read, "box", may_lack=True),
        manages=_list(read, "manages", _is_name, "a name"),
        hold_s=hold_s,
        asks=read.get("ask", False),
        serves=read.get("call-home-server", False),
        level=level,
        via=_name(read, "via", may_lack=True),
    )


def _is_name(value: object) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _is_address(value: object) -> bool:
    # A number would be an address, too.
    if not isinstance(value, str):
        return False
    try:
        ipaddress.IPv4Address(value)
    except ValueError:
        return False
    return True


def _name(read: dict[str, Any], key: str, *, may_lack: bool = False) -> str:
    value = read.get(key, "" if may_lack else None)
    if not (_is_name(value) or (may_lack and value == "")):
        raise NoHelloError(f"{key} is no name of a to z, 0 to 9 and hyphens")
    return str(value)


def _list(
    read: dict[str, Any], key: str, fits: Callable[[object], bool], what: str
) -> tuple[str, ...]:
    values = read.get(key, [])
    if not isinstance(values, list) or len(values) > _MOST:
        raise NoHelloError(f"{key} is no list of {_MOST} at most")
    if not all(map(fits, values)):
        raise NoHelloError(f"something in {key} is not {what}")
    return tuple(dict.fromkeys(values))
