"""Packets put onto a point-to-point interface of a node as if they had come by it.

A scan of 131,000 packets would take half an hour on a telephone line, and the line holds nothing back: the
lock-down is on the console's interface. So the scan is put onto that interface, and all that answers goes by
the line. A veth's far end redirects all that it gets to the interface's ingress (tc-mirred(8)).
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
from collections.abc import Callable, Iterator

from lab.linux import packets
from lab.linux.nodes import Node
from lab.linux.packets import PacketRow, SendSome

NEAR, FAR = "scan-near", "scan-far"
_SIOCGIFHWADDR = 0x8927
_ETHERTYPE_IPV4 = 0x0800


@contextlib.contextmanager
def onto(node: Node, interface: str) -> Iterator[Callable[[PacketRow], SendSome]]:
    """A function that gets IPv4 packets ready to be put onto an interface, from any thread."""
    node.run(["ip", "link", "add", NEAR, "type", "veth", "peer", "name", FAR])
    with contextlib.ExitStack() as undo:
        undo.callback(node.run, ["ip", "link", "delete", NEAR])
        for name in (NEAR, FAR):
            node.run(["ip", "link", "set", name, "up"])
        node.run(["tc", "qdisc", "add", "dev", FAR, "ingress"])
        add = ["tc", "filter", "add", "dev", FAR, "parent", "ffff:", "protocol", "ip"]
        every = ["u32", "match", "u32", "0", "0"]
        redirect = ["action", "mirred", "ingress", "redirect", "dev", interface]
        node.run([*add, *every, *redirect])
        sender = undo.enter_context(node.socket(socket.AF_PACKET, socket.SOCK_RAW))
        node.call(sender.bind, (NEAR, _ETHERTYPE_IPV4))
        header = b"".join(node.call(_hardware_address, name) for name in (FAR, NEAR))
        header += struct.pack("!H", _ETHERTYPE_IPV4)
        yield lambda row: packets.sender(sender, row, header)


def _hardware_address(interface: str) -> bytes:
    with socket.socket() as control:
        asked = struct.pack("256s", interface.encode())
        return fcntl.ioctl(control, _SIOCGIFHWADDR, asked)[18:24]
