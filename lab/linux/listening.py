"""Sockets that listen; each function runs in the node that has the address."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Iterable
from typing import NamedTuple

from lab.errors import KernelError
from lab.linux import proc

_MAPPED = bytes(10) + b"\xff\xff"
"""How an address of IPv6 begins that stands for one of IPv4 (RFC 4291 2.5.5.2)."""


def by_tcp(
    node: str, places: Iterable[tuple[str, int]], backlog: int, hint: str
) -> list[socket.socket]:
    """Non-blocking listeners at all addresses and ports, or none; raises KernelError with the hint."""
    with contextlib.ExitStack() as undo:
        listeners = []
        for address, port in places:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            listener = undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setblocking(False)
            try:
                listener.bind((address, port))
                listener.listen(backlog)
            except OSError as error:
                raise KernelError(
                    "listen on",
                    f"{address} port {port} in node {node}",
                    error.strerror or str(error),
                    hint=hint,
                ) from error
            listeners.append(listener)
        undo.pop_all()
        return listeners


def by_path(path: str, mode: int, backlog: int) -> socket.socket:
    """A Unix socket with the permissions ``mode``."""
    with contextlib.ExitStack() as undo:
        listener = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        listener.bind(path)
        os.chmod(path, mode)  # noqa: PTH101 - the node's own file
        listener.listen(backlog)
        undo.pop_all()
        return listener


class Sockets(NamedTuple):
    """What listens in a node: protocol, address and port of each socket."""

    open: frozenset[tuple[str, str, int]]

    def hears(self, protocol: str, address: str, port: int) -> bool:
        """Whether what comes to an address and port finds a socket; one for all IPv6 hears IPv4, too."""
        wild = ("::",) if ":" in address else ("0.0.0.0", "::")
        return any((protocol, each, port) in self.open for each in (address, *wild))


def sockets() -> Sockets:
    """What listens here: of TCP, and of UDP what is bound (/proc/net, proc(5))."""
    found: set[tuple[str, str, int]] = set()
    for protocol, state in (("tcp", "0A"), ("udp", "07")):
        for table in (protocol, f"{protocol}6"):
            # Without IPv6 there is no such file.
            with contextlib.suppress(FileNotFoundError):
                lines = proc.read(f"thread-self/net/{table}").splitlines()[1:]
                words = [line.split() for line in lines]
                found |= {(protocol, *_place(row[1])) for row in words if row[3] == state}
    return Sockets(frozenset(found))


def _place(text: str) -> tuple[str, int]:
    """``0100007F:1F90``: words in the machine's own order, and the port in the network's."""
    address, _, port = text.partition(":")
    words = (int(address[i : i + 8], 16) for i in range(0, len(address), 8))
    packed = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
    if packed.startswith(_MAPPED) and len(packed) == 16:
        packed = packed[len(_MAPPED) :]
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, packed), int(port, 16)
