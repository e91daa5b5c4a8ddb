"""TCP port 9920 of the consoles of a lab, at work: TLS by Diffie-Hellman key exchange alone (P-17, M-03).

A console listens at each of its addresses. Threads of a console are in its node's network, so that they may
call others. IBM is called by the reference agent on the node, by whatever way is in use there.
"""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lab.agent.inter_console import FORWARD_S, ConsoleCaller, caller_context, suites_for
from lab.agent.message import Message
from lab.agent.web import listening as web
from lab.consoles.directory import ConsoleDirectory
from lab.consoles.forwarding import ForwardedTry, ForwardingDesk
from lab.consoles.home_call import Environment, HomeCall
from lab.errors import LabBroke
from lab.ibm.threads import SmallThread
from lab.ibm.tls import note_secrets
from lab.linux import listening, syscalls
from lab.paths import CA_FILE
from lab.record.event import NodeDied
from lab.topology.consoles import INTER_CONSOLE_PORT as PORT
from lab.topology.consoles import Console

if TYPE_CHECKING:
    from lab.linux.nodes import Node
    from lab.ways.ground import Ground

KEYS = "inter-console.pem"
DH_PARAMETERS = Path(__file__).parents[1] / "data" / "ffdhe2048.pem"
"""The group of RFC 7919 A.1."""
_BACKLOG = 16


class LabOfConsoles(Protocol):
    """What consoles need of the lab that they are in."""

    def environment(self, node: str) -> dict[str, str]:
        """What a command on a node is told, now."""

    def die(self, name: str) -> None:
        """A node has no power any more."""


@contextlib.contextmanager
def start(
    ground: Ground, console: Console, directory: ConsoleDirectory, lab: LabOfConsoles
) -> Iterator[InterConsolePort]:
    """Listen as long as the context lasts; raises LabBroke if a certificate cannot be used."""
    node = ground.nodes[console.node]
    served, calling = _contexts(ground.run_dir, console)
    port = InterConsolePort(node, calling, lab.environment)
    tell = ground.story.tell

    def die() -> None:
        tell(NodeDied(source=node.name))
        lab.die(node.name)

    desk = ForwardingDesk(console, directory, port.send_home, port.forward, tell, die)
    port.desk = desk
    # Its own agent calls by an address of a card, too.
    places = [(address, PORT) for address in console.addresses]
    hint = "take call_home_server: out of the topology, or what else has TCP port 9920 there"
    with contextlib.ExitStack() as undo:
        for listener in node.call(listening.by_tcp, node.name, places, _BACKLOG, hint):
            undo.enter_context(listener)
            serving = web.serving(desk, served, listener, _threads_in(node), web.CALLERS // 2)
            undo.enter_context(serving)
        undo.callback(port.stop)
        yield port


class InterConsolePort:
    """One console's: whom it calls, and by what it is told to stop."""

    desk: ForwardingDesk

    def __init__(self, node: Node, context: ssl.SSLContext, environment: Environment) -> None:
        self._home = HomeCall(node, environment)
        self._context = context

    def forward(self, message: Message, address: str) -> ForwardedTry:
        """Ask another console; in a thread of the node's network."""
        caller = ConsoleCaller(
            f"https://{address}:{PORT}", self._context, total_s=FORWARD_S, forwarded=True
        )
        (attempt,) = caller.send(message, ())
        return attempt

    def send_home(self, message: Message) -> ForwardedTry:
        """Have the reference agent on the node send a message to IBM; its last attempt."""
        return self._home.send(message)

    def stop(self) -> None:
        """End what calls home just now, and whatever is to."""
        self.desk.die()
        self._home.stop()


def _contexts(run_dir: Path, console: Console) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of who is called, and of who calls."""
    keys = run_dir / "keys"
    try:
        served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        served.load_dh_params(f"{DH_PARAMETERS}")
        suites_for(served, anonymous=console.anonymous)
        if not console.anonymous:
            served.load_cert_chain(keys / KEYS)
        calling = caller_context(f"{run_dir / CA_FILE}", anonymous=console.anonymous)
        note_secrets(keys, served, calling)
    except OSError as error:  # SSLError is one
        raise LabBroke(
            f"{console.node} cannot use its certificate {keys / KEYS}: {error.strerror or error}",
            hint="authority.issue writes it before the lab boots",
        ) from error
    return served, calling


def _threads_in(node: Node) -> type[SmallThread]:
    """Threads in the node's network."""

    class NodeThread(SmallThread):
        def run(self) -> None:
            network = node.open_network()
            try:
                syscalls.set_namespace(network, syscalls.CLONE_NEWNET)
            finally:
                os.close(network)
            super().run()

    return NodeThread
