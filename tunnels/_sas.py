"""ESP SAs as the kernel installs and removes them: recorded, with their keys in ``keys/esp.json``.

Layouts and parsing of the kernel's messages are ``_xfrm``'s.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from lab.errors import KernelError
from lab.linux.netlink import NETLINK_XFRM
from lab.linux.nodes import Node
from lab.linux.worker import readable, start_worker
from lab.record.record import EspSa
from tunnels._xfrm import (
    GROUP_EXPIRE,
    GROUP_SA,
    Added,
    Event,
    Flushed,
    Removed,
    parse_events,
)

_SOL_NETLINK = 270
_NETLINK_ADD_MEMBERSHIP = 1

# A day of rekeys fits many times over; losing a message would mean losing an SA's keys.
_RECEIVE_BUFFER = 1 << 20


class KeyFile:
    """``keys/esp.json``: every ESP key of the run, once, readable by its owner only."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, entry: dict[str, str | int | bool]) -> None:
        """Add the keys of an SA, unless the other end of the SA has done so already."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+") as file:
            # Each charon has a listener of its own, and all write here.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            keys = json.loads(file.read() or "[]")
            if entry in keys:
                return

            keys.append(entry)
            file.seek(0)
            file.truncate()
            json.dump(keys, file, indent=1)
            file.write("\n")


@contextlib.contextmanager
def listening(node: Node, record: list[EspSa], keys: KeyFile) -> Iterator[None]:
    """Record a node's ESP SAs, in a thread that sleeps between events."""
    with node.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_XFRM) as netlink:
        netlink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        netlink.bind((0, 0))
        for group in (GROUP_SA, GROUP_EXPIRE):
            netlink.setsockopt(_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, group)
        netlink.setblocking(False)
        listener = _Listener(netlink, node.name, record, keys)
        with start_worker(listener.work, f"xfrm {node.name}"):
            yield
    if listener.lost:
        raise KernelError("record SAs of", node.name, "the kernel dropped notifications")


class _Listener:
    """What is heard of SAs, and which of them are there now."""

    def __init__(
        self, netlink: socket.socket, node: str, record: list[EspSa], keys: KeyFile
    ) -> None:
        self.lost = False
        self._netlink = netlink
        self._node = node
        self._record = record
        self._keys = keys
        self._here: dict[tuple[int, str], EspSa] = {}

    def work(self, told: int) -> None:
        """Take in what happens, and at the end what has happened so far."""
        poller = readable(self._netlink, told)
        stopping = False
        while not stopping:
            stopping = any(descriptor == told for descriptor, _ in poller.poll())
            self._drain()

    def _drain(self) -> None:
        while True:
            try:
                datagram = self._netlink.recv(1 << 16)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.lost = True
                continue

            now = time.time()
            for event in parse_events(datagram):
                self._take(event, now)

    def _take(self, event: Event, now: float) -> None:
        match event:
            case Added(sa=sa, keys=keys):
                if (sa.spi, sa.destination) not in self._here:
                    self._here[sa.spi, sa.destination] = sa
                    sa.node, sa.added = self._node, now
                    self._record.append(sa)
                    self._keys.add(keys)
            case Removed(spi=spi, destination=destination):
                if (gone := self._here.pop((spi, destination), None)) is not None:
                    gone.removed = now
            case Flushed():
                for gone in self._here.values():
                    gone.removed = now
                self._here.clear()
