"""A relay on loopback, and both of its ends: real sockets, and real TLS by a CA of the test's own."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import trustme

from lab.linux.nodes import Node
from lab.linux.worker import start_worker
from lab.record.event import Event
from lab.relay import calling, frames, server
from lab.relay.calling import RelayLine, RelayPlace
from lab.relay.flow import client_context
from lab.relay.forwarding import ConsoleEnd, RepresentativeEnd, SessionEnd, SessionOver
from lab.relay.frames import Party, RelayFrame, RelayKind
from lab.wait import wait_until
from tests.ports import free_port
from tests.unit.ibm.sites import HostNode

ADDRESS = f"127.5.{os.getpid() // 250 % 250 + 1}.{os.getpid() % 250 + 1}"
"""Of this process alone: tests beside it find free ports, too."""
NAME = "relay"
NEVER = 60.0


class RelaySite:
    """A run directory with its keys, and what was told."""

    def __init__(self, run_dir: Path, ports: int = 1) -> None:
        self.keys = run_dir / "keys"
        self.keys.mkdir()
        self.events: list[Event] = []
        self.ports = tuple(free_port() for _ in range(ports))
        self.authority = trustme.CA()
        self.authority.cert_pem.write_to_path(self.keys / "ca.pem")
        self.certify(NAME)

    def certify(self, *names: str, authority: trustme.CA | None = None) -> None:
        """The relay's certificate, for these names."""
        made = (authority or self.authority).issue_cert(*names)
        made.private_key_and_cert_chain_pem.write_to_path(self.keys / "relay.pem")

    @contextlib.contextmanager
    def relay(self, *, silent: bool = False, only: int | None = None) -> Iterator[server.Relay]:
        ports = self.ports if only is None else (self.ports[only],)
        node = cast(Node, HostNode())
        places = [(ADDRESS, port) for port in ports]
        with server.serving(
            node, places, self.keys, self.events.append, silent=ADDRESS if silent else ""
        ) as relay:
            yield relay
            relay.check()
        relay.check()

    @contextlib.contextmanager
    def line(self, part: Party, told: int, *, name: str = NAME) -> Iterator[RelayLine]:
        place = RelayPlace(name, ADDRESS, self.ports)
        context = client_context(self.keys / "ca.pem")
        with calling.at_relay(
            place, part, socket.socket, context, told, self.events.append, part.name
        ) as line:
            yield line

    def told(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    def tls(self, version: ssl.TLSVersion | None = None) -> ssl.SSLSocket:
        """A client of the test's own."""
        context = ssl.create_default_context(cafile=str(self.keys / "ca.pem"))
        if version is not None:
            context.minimum_version = context.maximum_version = version
            context.set_ciphers("ALL:@SECLEVEL=0")
        raw = socket.create_connection((ADDRESS, self.ports[0]), timeout=10)
        # It closes the socket if the handshake fails.
        return context.wrap_socket(raw, server_hostname=NAME)


class EndAtWork:
    """A session's end in its thread."""

    def __init__(self, end: SessionEnd) -> None:
        self.end = end
        self.over: SessionOver | None = None

    def run(self, told: int) -> None:
        self.over = self.end.run(told)

    def wait_until_over(self) -> SessionOver:
        return wait_until("the session is over", lambda: self.over, 20.0)


class LoopbackSession:
    """A session between both ends, joined by a relay."""

    def __init__(self, site: RelaySite, ports: tuple[int, ...], told: int) -> None:
        self.site = site
        self._stack = contextlib.ExitStack()
        self._ports = ports
        self._told = told

    def __enter__(self) -> LoopbackSession:
        with self._stack as stack:
            line = stack.enter_context(self.site.line(Party.representative, self._told))
            code, _ = calling.invite(line)
            console_line = stack.enter_context(self.site.line(Party.console, self._told))
            calling.redeem(console_line, code)
            line.expect(RelayKind.joined)
            console = ConsoleEnd(console_line.flow, console_line.rest(), self._ports, reach)
            representative = RepresentativeEnd(line.flow, line.rest(), self._listen)
            stack.callback(representative.close)
            self.forwards: dict[int, tuple[str, int]] = {}
            self.console, self.representative = EndAtWork(console), EndAtWork(representative)
            self.undo_console = stack.enter_context(contextlib.ExitStack())
            self.undo_representative = stack.enter_context(contextlib.ExitStack())
            self.undo_console.enter_context(start_worker(self.console.run, "relay test console"))
            self.undo_representative.enter_context(
                start_worker(self.representative.run, "relay test representative")
            )
            wait_until("ports are permitted", lambda: representative.permitted, 60.0)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        self.forwards[port] = listener.getsockname()
        return listener

    def ask(self, port: int) -> str:
        """Why a port is not opened; empty if it is."""
        answers: list[str] = []
        end = self.representative.end
        assert isinstance(end, RepresentativeEnd)
        end.wish(lambda: end.ask(port, lambda _, answer: answers.append(answer or "open")))
        return wait_until("an answer", lambda: answers, 60.0)[0]


def reach(port: int) -> socket.socket:
    made = socket.socket()
    made.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        made.connect(("127.0.0.1", port))
    return made


def frame(kind: RelayKind, body: bytes = b"") -> bytes:
    return RelayFrame(kind, body=body).encode()


def read_all(client: ssl.SSLSocket) -> list[RelayFrame]:
    """The relay's frames until it ends the connection."""
    reader, found = frames.RelayReader(), []
    while data := client.recv(65_536):
        reader.feed(data)
        while (next_frame := reader.next()) is not None:
            found.append(next_frame)
    return found


def relay_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "relay" in thread.name]
