"""A call by FTP: what stands ready for it costs nothing, and pyftpdlib is imported when somebody calls."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

from lab.ibm.conversation import Shared
from lab.topology.servers import ListedServer, TlsPlan

if TYPE_CHECKING:
    from lab.linux.nodes import Node

STACK_BYTES = 1024 * 1024
"""Of the thread: it imports pyftpdlib, pyOpenSSL and what they import, one from within the other."""


class FtpsTalk:
    """A connection to a server of FTP by TLS; runs in a thread of its own."""

    stack_bytes = STACK_BYTES

    def __init__(
        self,
        connection: socket.socket,
        listed: ListedServer,
        plan: TlsPlan,
        keys_dir: str,
        node: Node,
        shared: Shared,
    ) -> None:
        self.connection = connection
        self.listed = listed
        self.plan = plan
        self.keys_dir = keys_dir
        self.node = node
        """Where the sockets for data are opened."""
        self.shared = shared
        self._lock = threading.Lock()
        self._open = True

    def run(self) -> None:
        """Speak with the client until one side ends it."""
        from lab.ibm import ftps_session

        try:
            ftps_session.speak(self)
        finally:
            with self._lock:
                self._open = False
                self.connection.close()

    def abort(self) -> None:
        """Make ``run`` return: the end of the control connection ends all that belongs to it."""
        with self._lock, contextlib.suppress(OSError):
            if self._open:
                self.connection.shutdown(socket.SHUT_RDWR)
