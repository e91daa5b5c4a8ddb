"""A console's entrance by Internet: it goes to IBM's relay itself, with the code that the customer enters.

The representative's bytes come inside of that one connection, and lead to ports of the console's own (I-26,
I-27). Nobody ever connects to the console.
"""

from __future__ import annotations

import contextlib
import socket
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from lab.errors import ProtocolError, UsageError
from lab.linux import firewall
from lab.linux.nodes import Node
from lab.record.event import Tell
from lab.relay import calling
from lab.relay.calling import RelayLine, RelayPlace, RelayRefused
from lab.relay.events import LedIn, LedOut
from lab.relay.flow import client_context
from lab.relay.forwarding import ConsoleEnd, SessionOver
from lab.relay.frames import Party, Refusal
from lab.service.events import spans
from lab.service.panel import CannotLetIn, Entrance, Panel
from lab.topology.model import RemoteService
from lab.topology.service import RELAY_PORTS

LOOPBACK = "127.0.0.1"
LOOPBACK_INTERFACE = "lo"


def at_relay(
    service: RemoteService,
    address: str,
    part: Party,
    node: Node,
    authority: Path,
    told: int,
    tell: Tell,
) -> AbstractContextManager[RelayLine]:
    """A node's connection to IBM's relay, at one of the relay's addresses (``calling.at_relay``)."""
    place = RelayPlace(service.relay, address, RELAY_PORTS)
    opened = partial(node.socket, socket.AF_INET, socket.SOCK_STREAM)
    return calling.at_relay(place, part, opened, client_context(authority), told, tell, node.name)


class InternetEntrance(Entrance):
    """The entrance of one HMC by a relay."""

    def __init__(self, node: Node, authority: Path, tell: Tell) -> None:
        self._node = node
        self._authority = authority
        self._tell = tell

    def prepare(self, settings: RemoteService) -> None:
        if not settings.code:
            raise UsageError(
                "remote service by Internet needs a code",
                hint="the representative has it: lab-inbound enable --by internet --code 1234567",
            )

    def serve(self, panel: Panel, settings: RemoteService, told: int) -> str:
        panel.note_enabled(ready=False)
        try:
            with at_relay(
                settings, settings.relay_address, Party.console,
                self._node, self._authority, told, self._tell,
            ) as line:  # fmt: skip
                calling.redeem(line, settings.code)
                panel.note_session()
                over = self._lead(line, settings, told)
        except RelayRefused as refused:
            raise CannotLetIn("code-refused", refused.message) from refused
        except ProtocolError as error:
            raise CannotLetIn("no-relay", error.message) from error
        return "disabled" if over.reason is Refusal.disabled else "used"

    def _lead(self, line: RelayLine, settings: RemoteService, told: int) -> SessionOver:
        """The session: the customer's rules are for the networks, and not for what the console leads on."""
        name = self._node.name
        end = ConsoleEnd(line.flow, line.rest(), settings.led_to, self._reach)
        firewall.override_customer_rules(self._node, LOOPBACK_INTERFACE)
        try:
            self._tell(LedIn(source=name, ports=spans(settings.led_to)))
            over = end.run(told)
        finally:
            firewall.override_customer_rules(self._node, LOOPBACK_INTERFACE, again=True)
        self._tell(
            LedOut(
                source=name,
                reason=over.name,
                words=over.words,
                ports=spans(end.led),
                denied=end.denied,
            )
        )
        return over

    def _reach(self, port: int) -> socket.socket:
        made = self._node.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            made.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                made.connect((LOOPBACK, port))
        except BaseException:
            made.close()
            raise
        return made
