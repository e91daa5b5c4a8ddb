"""What a container's network namespace was before a lab, and making it so again.

Only what the lab may change, or what daemons and programs leave when they are killed: addresses of ``lo``,
refusing routes, routing rules, packet rules, IPsec and settings. Links are removed by name: their other ends
are in the lab.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.container.proc_entry import ProcEntry
from lab.errors import LabError
from lab.linux import nft, process

_SYSCTLS = "/proc/sys/net"
_ASK_S = 10.0
_FIRST = ("ip_forward", "/all/", "/default/")
"""Settings that change others when they are written, in this order."""
_FAMILIES = "-4", "-6"
_ADDED = re.compile(r" (error|pref) \S+")
ROUNDS = 3
"""Of writing settings, until no setting has changed another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkBefore:
    """A network namespace as the lab found it."""

    lo_up: bool
    addresses: tuple[str, ...]
    """Of ``lo``: ``127.0.0.1/8``."""
    refusals: tuple[str, ...]
    """``-4 unreachable 129.42.160.48 metric 4294967295``."""
    rules: tuple[str, ...]
    """``-4 pref 220 from all lookup 220``."""
    tables: tuple[str, ...]
    """Of packet rules: ``table inet lab``."""
    ipsec: bool
    """Whether there were SAs or policies, whoever made them."""
    sysctls: dict[str, str]
    """Path below /proc/sys/net to value."""


def look(entry: ProcEntry) -> NetworkBefore:
    """Look at the network namespace of a process; raises LabError."""
    return entry.in_network(_look)


def put_back(entry: ProcEntry, before: NetworkBefore, interfaces: Iterable[str]) -> None:
    """Make the network namespace of a process as it was; ``interfaces`` are the lab's, and go."""
    entry.in_network(lambda: _put_back(before, tuple(interfaces)))


# In a thread of that namespace.


def _look() -> NetworkBefore:
    return NetworkBefore(
        lo_up="UP" in re.split(r"[<,>]", _ip("-o", "link", "show", "dev", "lo")[0]),
        addresses=_addresses(),
        refusals=_refusals(),
        rules=_rules(),
        tables=_tables(),
        ipsec=_has_ipsec(),
        sysctls=_sysctls(),
    )


def _put_back(before: NetworkBefore, interfaces: Sequence[str]) -> None:
    _remove_links(interfaces)
    for address in set(_addresses()) - {*before.addresses}:
        _ip("address", "delete", address, "dev", "lo")
    for what, found, former in (
        ("route", _refusals(), before.refusals),
        ("rule", _rules(), before.rules),
    ):
        for line in set(found) - {*former}:
            family, *words = line.split()
            _ip(family, what, "delete", *words)
    nft.run("".join(f"delete {table}\n" for table in _tables() if table not in before.tables))
    if not before.ipsec and _has_ipsec():
        _ip("xfrm", "state", "flush")
        _ip("xfrm", "policy", "flush")
    for _ in range(ROUNDS):
        if not _write(before.sysctls):
            break
    if not before.lo_up:
        _ip("link", "set", "lo", "down")


def _remove_links(interfaces: Sequence[str]) -> None:
    present = {line.split()[1].rstrip(":").partition("@")[0] for line in _ip("-o", "link", "show")}
    for name in interfaces:
        if name in present:
            # The kernel may be removing it already, with its other end.
            with contextlib.suppress(LabError):
                _ip("link", "delete", name)


def _ip(*words: str) -> list[str]:
    return process.run(["ip", *words], deadline_s=_ASK_S).splitlines()


def _addresses() -> tuple[str, ...]:
    return tuple(line.split()[3] for line in _ip("-o", "address", "show", "dev", "lo"))


def _refusals() -> tuple[str, ...]:
    listed = ("route", "show", "table", "main", "type", "unreachable")
    # What ip(8) adds, and does not take itself, of a route of IPv6.
    return tuple(
        f"{family} {_ADDED.sub('', line).strip()}"
        for family in _FAMILIES
        for line in _ip(family, *listed)
    )


def _rules() -> tuple[str, ...]:
    found = []
    for family in _FAMILIES:
        for line in _ip(family, "rule", "show"):
            preference, _, rest = line.partition(":")
            found.append(f"{family} pref {preference} {rest.strip()}")
    return tuple(found)


def _tables() -> tuple[str, ...]:
    return tuple(nft.run("list tables").splitlines())


def _has_ipsec() -> bool:
    """SAs or policies; none in a kernel that has no IPsec."""
    try:
        counts = [*_ip("xfrm", "state", "count"), *_ip("xfrm", "policy", "count")]
    except LabError:
        return False
    return any(int(number) for line in counts for number in re.findall(r"\b(\d+)\b", line))


def _sysctls() -> dict[str, str]:
    """Every setting that can be read and written."""
    found = {}
    for folder, _, names in os.walk(_SYSCTLS):
        for name in names:
            path = Path(folder, name)
            with contextlib.suppress(OSError, UnicodeDecodeError):
                mode = path.stat().st_mode
                if mode & stat.S_IRUSR and mode & stat.S_IWUSR:
                    found[os.fspath(path.relative_to(_SYSCTLS))] = path.read_text().strip()
    return found


def _write(wanted: dict[str, str]) -> bool:
    """Write the settings that are not as wanted; whether there were any."""
    now = _sysctls()
    differing = [name for name, value in wanted.items() if now.get(name, value) != value]
    for name in sorted(differing, key=_rank):
        Path(_SYSCTLS, name).write_text(wanted[name])
    return bool(differing)


def _rank(name: str) -> int:
    return next((n for n, part in enumerate(_FIRST) if part in name), len(_FIRST))
