"""Addresses of interfaces, as netlink messages (rtnetlink(7)); which address is whose, the model says."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator

from lab.linux import netlink
from lab.linux.netlink import NetlinkRequest, attribute
from lab.topology import model

_RTM_NEWADDR = 20
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST = 1, 2, 4
_IFA_F_NODAD = 0x02
"""No duplicate address detection (RFC 4862 5.4): it takes a second, in which the address is of no use."""
_RT_SCOPE_UNIVERSE = 0

_ADDRESS = struct.Struct("=BBBBI")
_LINK_LOCAL = ipaddress.IPv6Network("fe80::/64")


def of_interface(label: str, index: int, interface: model.Interface) -> Iterator[NetlinkRequest]:
    """An interface's IPv4 address, and where the model has one of IPv6, that and a link-local one.

    A router asks for its neighbours from its link-local address (RFC 4861 7.2.2); without one it asks nobody.
    """
    yield request(label, index, interface.address)
    if interface.address6:
        yield request(label, index, f"{link_local(interface.ip6)}/64")
        yield request(label, index, interface.address6)


def link_local(address: str) -> str:
    """The link-local address with the interface ID of a global one: ``fe80::10``."""
    return str(_LINK_LOCAL[int(ipaddress.IPv6Address(address)) % (1 << 64)])


def request(label: str, index: int, address: str) -> NetlinkRequest:
    """The message for one address, with or without prefix length; ``label`` names the interface."""
    interface = ipaddress.ip_interface(address)
    network = interface.network
    packed = interface.ip.packed
    family, flags = socket.AF_INET, 0
    if isinstance(network, ipaddress.IPv6Network):
        family, flags = socket.AF_INET6, _IFA_F_NODAD
    body = (
        _ADDRESS.pack(family, network.prefixlen, flags, _RT_SCOPE_UNIVERSE, index)
        + attribute(_IFA_LOCAL, packed)
        + attribute(_IFA_ADDRESS, packed)
    )
    if isinstance(network, ipaddress.IPv4Network) and network.prefixlen < 31:
        body += attribute(_IFA_BROADCAST, network.broadcast_address.packed)
    hint = "this kernel may have no IPv6; the lab's own has it (lab run --engine uml)"
    return NetlinkRequest(
        f"add address {address} to",
        label,
        _RTM_NEWADDR,
        netlink.CREATE | netlink.EXCL,
        body,
        hint=hint if family == socket.AF_INET6 else "",
    )
