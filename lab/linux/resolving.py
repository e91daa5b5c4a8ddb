"""How a node's programs find names: the text of the files that the C library reads (nsswitch.conf(5))."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from pathlib import Path

HOSTS = "/etc/hosts"
RESOLV_CONF = "/etc/resolv.conf"
NSSWITCH = "/etc/nsswitch.conf"

_LOOKS_UP = re.compile(r"^hosts:.*$", re.MULTILINE)
_WANTED = "hosts: files dns"


def files(name: str, hosts: Iterable[tuple[str, str]], resolver: str) -> dict[str, str]:
    """Path to text, for a node of this name; ``own_nsswitch`` is the same for all nodes."""
    return {HOSTS: render_hosts(name, hosts), RESOLV_CONF: render_resolver(resolver)}


def own_nsswitch() -> str | None:
    """nsswitch.conf(5) of every node; None where this machine's own does."""
    own = _surrounding_nsswitch()
    wanted = render_nsswitch(own)
    return None if wanted == own else wanted


def render_resolver(address: str) -> str:
    """resolv.conf(5) with one name server, or with none."""
    return f"nameserver {address}\n" if address else ""


def render_hosts(name: str, hosts: Iterable[tuple[str, str]]) -> str:
    """A hosts table: loopback, then what the model says.

    A line has one name, but for the node's own: its first name there, which is the full one if there is any,
    is what ``hostname -f`` says. A node that the model gives no address has 127.0.1.1, as Debian does it.
    """
    loopback = "127.0.0.1", "localhost"
    given = [line for line in hosts if line != loopback]
    mine = [address for address, known in given if known == name]
    lines = [loopback, *(() if mine else [("127.0.1.1", name)])]
    for address, known in given:
        if address not in mine:
            lines.append((address, known))
        elif known == name:
            others = (other for where, other in given if where == address and other != name)
            lines.append((address, " ".join((*others, name))))
    return "".join(f"{address}\t{names}\n" for address, names in lines)


def render_nsswitch(text: str) -> str:
    """A machine's nsswitch.conf, but that names are in the hosts table, or are asked for by DNS.

    Debian's own line asks mDNS, too, where that is installed; systemd-resolved has a service of its own.
    """
    wanted, replaced = _LOOKS_UP.subn(_WANTED, text)
    return wanted if replaced else text


@functools.cache
def _surrounding_nsswitch() -> str:
    try:
        return Path(NSSWITCH).read_text()
    except OSError:
        return ""
