"""The discovery of all consoles and managed systems of a lab, at work: one thread with their sockets.

What is said is decided by ``directory`` and ``managed_system``. Each socket is opened in the node's network.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from math import inf
from typing import TYPE_CHECKING

from lab.consoles.directory import ConsoleDirectory
from lab.consoles.events import ConsoleDiscovered, ConsoleLost
from lab.consoles.hello import MOST_BYTES, PORT
from lab.consoles.managed_system import ManagedSystem
from lab.consoles.outputs import Found, Lost, Output, Send
from lab.errors import KernelError
from lab.linux.nodes import Node
from lab.linux.worker import Broke, start_worker
from lab.record.event import Tell
from lab.teardown import Teardown
from lab.topology.consoles import Console, help_out
from lab.topology.model import NodePlan

if TYPE_CHECKING:
    from lab.consoles.inter_console import InterConsolePort, LabOfConsoles
    from lab.ways.ground import Ground

ANSWERS_S = 1.0
"""For how long a console that has come waits for answers, before the consoles that it knows are all."""
STACK_BYTES = 256 * 1024
_DEADLINE_S = 30.0


@contextlib.contextmanager
def start(ground: Ground, lab: LabOfConsoles) -> Iterator[Discovery]:
    """Discovery as long as the context lasts; every console has had its answers when it is entered."""
    with Teardown() as teardown:
        discovery = Discovery(ground.story.tell, teardown)
        for console in ground.topology.consoles:
            end = ConsoleAtWork(ground.nodes[console.node], console, discovery)
            ground.services[console.node] = end
            discovery.ends.append(end)
        systems = {s.name for console in ground.topology.consoles for s in console.systems}
        for name in sorted(systems):
            system = SystemAtWork(ground.nodes[name], ground.topology.node(name), discovery)
            ground.services[name] = system
            discovery.ends.append(system)
        teardown.add("the consoles", discovery.check)
        discovery.launch()
        if help_out(ground.topology.consoles):
            from lab.consoles import inter_console  # Few consoles help others out.

            for each in discovery.consoles:
                own = inter_console.start(ground, each.console, each.directory, lab)
                each.port = teardown.enter(f"TCP port 9920 of {each.name}", own)
        yield discovery


class Discovery:
    """All of it: what the nodes' ends have in common."""

    def __init__(self, tell: Tell, teardown: Teardown) -> None:
        self.tell = tell
        self.ends: list[ConsoleAtWork | SystemAtWork] = []
        self.broke = Broke("the discovery of consoles")
        self._teardown = teardown
        self._answered = threading.Event()
        self._began = 0.0

    @property
    def consoles(self) -> list[ConsoleAtWork]:
        return [end for end in self.ends if isinstance(end, ConsoleAtWork)]

    def check(self) -> None:
        """Raise, once, what ended the thread before its time."""
        self.broke.check()

    def launch(self) -> None:
        """Open all sockets, make every console known, and wait for the answers."""
        selector = self._teardown.enter("its selector", selectors.DefaultSelector())
        for end in self.ends:
            self._teardown.add(f"{end.name}'s sockets", end.close)
            end.open(selector)
        worker = start_worker(
            lambda told: self._run(told, selector), "consoles", stack_bytes=STACK_BYTES
        )
        self._teardown.enter("its thread", worker)
        self._answered.wait(_DEADLINE_S)
        self.check()

    def _run(self, told: int, selector: selectors.BaseSelector) -> None:
        try:
            with self.broke:
                selector.register(told, selectors.EVENT_READ)
                self._began = time.monotonic()
                for end in self.ends:
                    end.begin(self._began)
                while self._turn(selector):
                    pass
        finally:
            self._answered.set()

    def _turn(self, selector: selectors.BaseSelector) -> bool:
        """Wait for something, and do all that is to be done then; False when it was the end."""
        now = time.monotonic()
        dues = [end.next_due for end in self.ends if not end.is_dead]
        if not self._answered.is_set():
            dues.append(self._began + ANSWERS_S)
        due = min(dues, default=inf)  # Systems have nothing to do by themselves.
        for key, _ in selector.select(max(0.0, due - now) if due < inf else None):
            if key.data is None:
                return False
            key.data()
        now = time.monotonic()
        for end in self.ends:
            end.tick(now)
        if now >= self._began + ANSWERS_S:
            self._answered.set()
        return True


class _End:
    """What consoles and managed systems have in common: sockets, by card, and that they can die."""

    def __init__(self, node: Node, discovery: Discovery) -> None:
        self.name = node.name
        self.is_dead = False
        self._node = node
        self._discovery = discovery
        self._sockets: dict[str, socket.socket] = {}

    def check(self) -> None:
        """Raise, once, what ended the thread of all consoles before its time."""
        self._discovery.check()

    def die(self) -> None:
        """Be gone as a machine without power: nobody is told anything."""
        self.is_dead = True

    def close(self) -> None:
        for each in self._sockets.values():
            each.close()

    def _open(
        self,
        cards: Mapping[str, str],
        selector: selectors.BaseSelector,
        take: Callable[[str], None],
    ) -> None:
        """A socket for each card; to an address of the card it takes what is sent to that address alone."""
        for card, address in cards.items():
            opened = self._node.call(_open_socket, self.name, card, address)
            self._sockets[card] = opened
            selector.register(opened, selectors.EVENT_READ, partial(take, card))

    def _receive(self, card: str) -> tuple[bytes, str] | None:
        """A datagram and whose it is; None if there is none after all."""
        # Beside BlockingIOError: what the network of a console that died says of it, once.
        with contextlib.suppress(OSError):
            data, (source, port) = self._sockets[card].recvfrom(MOST_BYTES + 1)
            if port == PORT and not self.is_dead:
                return data, source
        return None

    def _send(self, output: Send) -> None:
        # A network that is down, or rules that let nothing out, are no defect of the console.
        with contextlib.suppress(OSError):
            self._sockets[output.card].sendto(output.data, (output.address, PORT))


class ConsoleAtWork(_End):
    """A console at UDP port 9900 of each of its cards."""

    def __init__(self, node: Node, console: Console, discovery: Discovery) -> None:
        super().__init__(node, discovery)
        self.console = console
        self.port: InterConsolePort | None = None
        """Where other consoles ask; None in a lab in which nobody does."""
        self.directory = ConsoleDirectory(console)

    @property
    def next_due(self) -> float:
        return self.directory.next_due

    def open(self, selector: selectors.BaseSelector) -> None:
        self._open({card.segment: "" for card in self.console.cards}, selector, self._take)

    def begin(self, now: float) -> None:
        self._do(self.directory.start(now))

    def die(self) -> None:
        super().die()
        if self.port is not None:
            self.port.stop()

    def tick(self, now: float) -> None:
        if not self.is_dead:
            self._do(self.directory.tick(now))

    def _take(self, card: str) -> None:
        if (received := self._receive(card)) is not None:
            self._do(self.directory.receive(*received, card, time.monotonic()))

    def _do(self, outputs: Iterable[Output]) -> None:
        tell = self._discovery.tell
        for output in outputs:
            match output:
                case Send():
                    self._send(output)
                case Found(name=name, address=address, via=via):
                    tell(
                        ConsoleDiscovered(source=self.name, console=name, address=address, via=via)
                    )
                case Lost(name=name, silent_s=silent_s):
                    tell(ConsoleLost(source=self.name, console=name, silent_s=silent_s))


class SystemAtWork(_End):
    """A managed system at UDP port 9900: it speaks when a console has spoken."""

    next_due = inf

    def __init__(self, node: Node, plan: NodePlan, discovery: Discovery) -> None:
        super().__init__(node, discovery)
        self._ports = {plug.name: plug.ip for plug in plan.interfaces}
        self.system = ManagedSystem(node.name)

    def open(self, selector: selectors.BaseSelector) -> None:
        # No broadcast is for it.
        self._open(self._ports, selector, self._take)

    def begin(self, now: float) -> None:
        """Nothing: a managed system answers."""

    def tick(self, now: float) -> None:
        """Nothing is ever due."""

    def _take(self, card: str) -> None:
        if (received := self._receive(card)) is not None:
            for output in self.system.receive(*received, card, time.monotonic()):
                self._send(output)


def _open_socket(node: str, card: str, address: str) -> socket.socket:
    """A non-blocking socket at UDP port 9900 of a card, at one address or all; runs in the node."""
    with contextlib.ExitStack() as undo:
        opened = undo.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, os.fsencode(card) + b"\0")
        try:
            opened.bind((address, PORT))
        except OSError as error:
            raise KernelError(
                "bind",
                f"UDP port {PORT} in node {node}",
                error.strerror or str(error),
                hint=f"take consoles: out of the topology, or what else has UDP port {PORT} there",
            ) from error
        undo.pop_all()
        return opened
