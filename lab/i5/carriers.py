"""UDP 1701 of a partition, and the L2TP tunnels of its kernel: descriptors only, no control messages.

One socket on each of the partition's addresses hears everybody. A tunnel that is up has a socket of its own,
on the same address and port and connected to the peer: the kernel takes data packets off one socket for each
tunnel, and hands control messages on. Everything here is done in the partition's thread, within the node's
network.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from lab.linux import ppp_channels
from lab.linux.ppp_channels import TunnelIds

PORT = 1701
Peer = tuple[str, int]
_DATAGRAM_BYTES = 65535
_MOST_AT_ONCE = 64
"""Datagrams of one socket, before others, and the clock, have their turn."""


@dataclass(slots=True)
class _KernelTunnel:
    """A tunnel's socket, and what the kernel has of the tunnel."""

    carrier: socket.socket
    manager: socket.socket
    peer: Peer
    ids: TunnelIds
    sessions: dict[int, socket.socket] = field(default_factory=dict)
    """By the partition's own number."""


class Carriers:
    """The partition's sockets and kernel tunnels; ``close`` leaves none."""

    def __init__(
        self, selector: selectors.BaseSelector, receive: Callable[[bytes, Peer], None]
    ) -> None:
        """With each socket the selector has a function that hands the socket's datagrams to ``receive``."""
        self._selector = selector
        self._receive = receive
        self._listeners: dict[str, socket.socket] = {}
        self._tunnels: dict[int, _KernelTunnel] = {}
        """By the partition's own number of the tunnel."""

    def listen(self, address: str) -> None:
        """Hear whoever speaks to UDP 1701 of an address; raises OSError."""
        if address not in self._listeners:
            self._listeners[address] = self._bound(address)

    def _bound(self, address: str) -> socket.socket:
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            opened.setblocking(False)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind((address, PORT))
            self._selector.register(opened, selectors.EVENT_READ, partial(self._read, opened))
        except OSError:
            opened.close()
            raise
        return opened

    # Datagrams.

    def _read(self, opened: socket.socket) -> None:
        # Nothing waits any more, or an ICMP error of an earlier datagram: the peer's silence tells as much.
        with contextlib.suppress(OSError):
            for _ in range(_MOST_AT_ONCE):
                self._receive(*opened.recvfrom(_DATAGRAM_BYTES))

    def send(self, data: bytes, address: str, peer: Peer) -> None:
        """Send a control message from an address of the partition's; lost if the network takes none."""
        with contextlib.suppress(OSError):
            self._listeners[address].sendto(data, peer)

    # What the kernel carries.

    def open_tunnel(self, address: str, peer: Peer, ids: TunnelIds) -> None:
        """Have the kernel carry a tunnel's data; raises OSError."""
        carrier = self._bound(address)
        try:
            carrier.connect(peer)
            manager = ppp_channels.open_tunnel(carrier, peer, ids)
        except OSError:
            self._close_socket(carrier)
            raise
        self._tunnels[ids.own] = _KernelTunnel(carrier, manager, peer, ids)

    def open_session(self, tunnel: int, ids: TunnelIds) -> socket.socket:
        """A session's channel, which is closed with ``close_session`` or its tunnel; raises OSError."""
        own = self._tunnels[tunnel]
        session = ppp_channels.open_session(own.carrier, own.peer, own.ids, ids)
        own.sessions[ids.own] = session
        return session

    def close_session(self, tunnel: int, session: int) -> None:
        """End a session, if there is one."""
        own = self._tunnels.get(tunnel)
        if own is not None and (opened := own.sessions.pop(session, None)) is not None:
            opened.close()

    def close_tunnel(self, tunnel: int) -> None:
        """End a tunnel with its sessions, if there is one."""
        own = self._tunnels.pop(tunnel, None)
        if own is not None:
            for session in own.sessions.values():
                session.close()
            own.manager.close()
            self._close_socket(own.carrier)

    def _close_socket(self, opened: socket.socket) -> None:
        self._selector.unregister(opened)
        opened.close()

    def close(self) -> None:
        """End everything."""
        for tunnel in list(self._tunnels):
            self.close_tunnel(tunnel)
        for listener in self._listeners.values():
            self._close_socket(listener)
        self._listeners.clear()
