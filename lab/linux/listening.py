"""Sockets that listen; each function runs in the node that has the address."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable

from lab.errors import KernelError


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
