"""Names in messages: which one was perhaps meant, and how many there are of a thing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from lab.errors import UsageError

FEW = 40
"""More names than this explain nothing in a message."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The nearest known name, or all of them if none is near and they are few."""
    from difflib import get_close_matches  # Costs more than this module, and only errors need it.

    names = list(known)
    near = [n for n in names if _folded(n) == _folded(name)] or get_close_matches(name, names, 1)
    if near:
        return f"did you mean {near[0]}?"
    return f"known: {', '.join(names)}" if 0 < len(names) <= FEW else ""


def check_known(what: str, name: str, known: Iterable[str]) -> None:
    """Raise UsageError, with what was perhaps meant, for a name that does not exist."""
    names = list(known)
    if name not in names:
        raise UsageError(f"there is no {what} {name!r}", hint=did_you_mean(name, names))


def _folded(name: str) -> str:
    """A name without case, hyphens and leading zeros: people write out-1 for OUT-01."""
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", name.lower().replace("-", "").replace("_", ""))


def all_of(names: Sequence[str]) -> str:
    """``hmc``, ``hmc and lig``, ``hmc, lig and sdc``."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def place(address: str, port: int) -> str:
    """``192.0.2.1:443``, ``[2001:db8::1]:443`` (RFC 3986 3.2.2)."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def count(number: int, noun: str, plural: str = "") -> str:
    """``1 packet``, ``2 packets``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
