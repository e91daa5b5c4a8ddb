"""PPP by pppd, whatever carries it: what a node's pppd is told, and what its interface has become.

The carrier (an L2TP session, a telephone line) starts pppd and learns its exit status; it uses this
module for the rest.
"""

from __future__ import annotations

import fcntl
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from lab.linux.nodes import Node
from lab.topology.model import PppAccount
from tunnels._pppd import (
    ExitStatus,
    Options,
    complaints,
    describe_exit,
    render_options,
    render_secrets,
)

__all__ = [
    "ExitStatus",
    "Link",
    "Options",
    "complaints",
    "describe_exit",
    "find_link",
    "write_options",
    "write_secrets",
]

_SIOCGIFFLAGS = 0x8913
_SIOCGIFADDR = 0x8915
_SIOCGIFDSTADDR = 0x8917
_SIOCGIFMTU = 0x8921
_IFF_UP = 0x1


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A PPP interface over which IP can go: IPCP has opened (RFC 1332)."""

    interface: str
    local_ip: str
    peer_ip: str
    mtu: int


def write_options(node: Node, path: str, options: Options) -> None:
    """Write an options file for a pppd of the node, and make room for its log."""
    options.log.parent.mkdir(parents=True, exist_ok=True)
    node.write(path, render_options(options))


def write_secrets(node: Node, accounts: Iterable[PppAccount]) -> None:
    """Write the node's private secrets, for CHAP and PAP alike; the options say which is used."""
    text = render_secrets(accounts)
    node.write("/etc/ppp/chap-secrets", text)
    node.write("/etc/ppp/pap-secrets", text)
    # pppd reads it first, if it is there; nothing of the surrounding system may come in by it.
    node.write("/etc/ppp/options", "")


def find_link(node: Node, interface: str) -> Link | None:
    """The interface's addresses once pppd has put it up, which it does when IPCP opens."""
    return node.call(_find_link, interface)


def _find_link(interface: str) -> Link | None:
    name = interface.encode()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:

        def ask(request: int) -> bytes:
            return fcntl.ioctl(control, request, struct.pack("16s24x", name))[16:]

        try:
            (flags,) = struct.unpack_from("H", ask(_SIOCGIFFLAGS))
            if not flags & _IFF_UP:
                return None
            local_ip = socket.inet_ntoa(ask(_SIOCGIFADDR)[4:8])
            peer_ip = socket.inet_ntoa(ask(_SIOCGIFDSTADDR)[4:8])
            (mtu,) = struct.unpack_from("i", ask(_SIOCGIFMTU))
        except OSError:
            # It has gone, or has no address yet.
            return None
    return Link(interface=interface, local_ip=local_ip, peer_ip=peer_ip, mtu=mtu)
