"""Names in messages: which one was perhaps meant, and how many there are of a thing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from lab.errors import UsageError

MANY = 5
"""So many names with consecutive numbers are told as the first and the last."""
_NUMBERED = re.compile(r"([a-z][a-z0-9-]*-)([1-9][0-9]{0,6})")
FEW = 60
"""More names than this explain nothing in a message."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The nearest known name, or all of them if none is near and they are few."""
    from difflib import get_close_matches  # Costs more than this module, and only errors need it.

    names = list(known)
    told = runs(names)
    near = [n for n in names if _folded(n) == _folded(name)] or get_close_matches(name, names, 1)
    if near:
        return f"did you mean {near[0]}?"
    return f"known: {', '.join(told)}" if 0 < len(told) <= FEW else ""


def check_known(what: str, name: str, known: Iterable[str]) -> None:
    """Raise UsageError, with what was perhaps meant, for a name that does not exist."""
    names = list(known)
    if name not in names:
        raise UsageError(f"there is no {what} {name!r}", hint=did_you_mean(name, names))


def _folded(name: str) -> str:
    """A name without case, hyphens and leading zeros: people write out-1 for OUT-01."""
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", name.lower().replace("-", "").replace("_", ""))


def all_of(names: Sequence[str]) -> str:
    """``hmc``, ``hmc and lig``, ``hmc, lig and sdc``, ``hmc-1 to hmc-200``."""
    told = runs(names)
    return " and ".join(filter(None, [", ".join(told[:-1]), *told[-1:]]))


def runs(names: Iterable[str]) -> list[str]:
    """Names in which many with consecutive numbers are told as one: ``hmc-1 to hmc-200``, ``proxy-1``."""
    found: list[list[str]] = []
    for name in names:
        if found and _is_next(found[-1][-1], name):
            found[-1].append(name)
        else:
            found.append([name])
    return [part for run in found for part in _as_run(run)]


def _is_next(name: str, other: str) -> bool:
    one, two = _NUMBERED.fullmatch(name), _NUMBERED.fullmatch(other)
    return (
        one is not None and two is not None and (one[1], int(one[2]) + 1) == (two[1], int(two[2]))
    )


def _as_run(names: list[str]) -> list[str]:
    return [f"{names[0]} to {names[-1]}"] if len(names) >= MANY else names


def place(address: str, port: int) -> str:
    """``192.0.2.1:443``, ``[2001:db8::1]:443`` (RFC 3986 3.2.2)."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def count(number: int, noun: str, plural: str = "") -> str:
    """``1 packet``, ``2 packets``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
