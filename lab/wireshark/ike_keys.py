"""The keys of IKE, as the charons of a run have told them in ``keys/ike-NODE.log``.

Of version 1 the key that encrypts (Ka), of version 2 those of both directions. charon says them at its level
4 in hexadecimal lines, and the cookies or SPIs of the exchange in what it hashes for the detection of NAT
(RFC 3947 3.2, RFC 7296 2.23), which begins with both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

LOGS = "ike-*.log"
_LABEL = re.compile(r"\d+\[IKE\] (?:<(?:[^|>]*\|)?(\d+)> )?(\S.*?) => (\d+) bytes @ ")
_LINE = re.compile(r"\d+\[IKE\] (?:<(?:[^|>]*\|)?(\d+)> )? *\d+: ((?:[0-9A-F]{2} ){1,16})")
_NAT = "natd_chunk"
_KA = "encryption key Ka"
_VERSION_2 = ("Sk_ei secret", "Sk_er secret", "Sk_ai secret", "Sk_ar secret")
_LAST = "Sk_er secret"
AEAD_BYTES = (20, 28, 36)
"""How long a key of AES-GCM is, with the salt at its end (RFC 5282 7.1)."""
_WANTED = (_NAT, _KA, *_VERSION_2)
_SPI = 8
_INITIATES = re.compile(r"\d+\[IKE\] <(?:[^|>]*\|)?(\d+)> initiating ")


@dataclass(frozen=True, slots=True)
class IkeKeys:
    """Of one IKE SA; secret, hence not in its text."""

    initiator: bytes
    """Cookie or SPI."""
    responder: bytes
    version: int
    secrets: tuple[bytes, ...] = field(repr=False)
    """Of version 1 Ka; of version 2 SK_ei, SK_er, SK_ai, SK_ar (RFC 7296 2.14); of AES-GCM the first two."""
    by_initiator: bool
    """Whether it is the initiator who told them."""


def read(keys: Path) -> list[IkeKeys]:
    """Those of every IKE SA that a charon of the run was an end of, each once, in the order of their logs.

    With different pre-shared keys the ends have different keys. Then the initiator's are there, whose message
    is the first that is encrypted.
    """
    found: dict[bytes, IkeKeys] = {}
    for log in sorted(keys.glob(LOGS)):
        for each in parse(log.read_text(encoding="ascii", errors="replace")):
            if each.by_initiator or each.initiator not in found:
                found[each.initiator] = each
    return list(found.values())


def parse(log: str) -> Iterator[IkeKeys]:
    """What one log tells; of exchanges that came to no keys, nothing."""
    spis: dict[str, bytes] = {}
    secrets: dict[str, dict[str, bytes]] = {}
    begun = set(_INITIATES.findall(log))
    for number, label, value in _dumps(log):
        if label == _NAT:
            spis[number] = value[: 2 * _SPI]
        else:
            secrets.setdefault(number, {})[label] = value
        both, own = spis.get(number, b""), secrets.get(number, {})
        version = 1 if _KA in own else 2
        names: tuple[str, ...] = (_KA,) if version == 1 else _VERSION_2
        if len(own.get(_LAST, b"")) in AEAD_BYTES:
            # Who encrypts and authenticates by one algorithm has no keys for the latter.
            names = _VERSION_2[:2]
        if any(both[_SPI:]) and all(name in own for name in names):
            told = tuple(own.pop(name) for name in names)
            yield IkeKeys(both[:_SPI], both[_SPI:], version, told, number in begun)


def _dumps(log: str) -> Iterator[tuple[str, str, bytes]]:
    """Number of the IKE SA, name and bytes of each value of interest."""
    number = label = ""
    wanted, value = 0, b""
    for line in log.splitlines():
        if found := _LABEL.match(line):
            number, label, size = found[1] or "", found[2], int(found[3])
            wanted, value = (size if label in _WANTED else 0), b""
        elif wanted and (found := _LINE.match(line)) and (found[1] or "") == number:
            value += bytes.fromhex(found[2])
            if len(value) >= wanted:
                yield number, label, value[:wanted]
                wanted = 0
