"""The Events Manager and the consoles of a lab, at work: HTTPS at TCP port 443 of each, and what is sent.

The sockets are opened inside the nodes, the threads are the lab's own. IBM is called by the reference agent
on the console that has the event, and never on the manager (M-14).
"""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lab.agent.client import read_acknowledgement
from lab.agent.heartbeat import AGENT, system_of
from lab.agent.message import Message
from lab.agent.web import listening as web
from lab.agent.web.exchange import Answering
from lab.consoles.home_call import Environment, HomeCall
from lab.errors import DaemonError, LabBroke
from lab.events_manager import orders
from lab.events_manager.console_desk import HoldingDesk
from lab.events_manager.events import EventHeld, EventNotSent, EventSent
from lab.events_manager.manager import EventsManager
from lab.events_manager.page import ManagerPage
from lab.events_manager.peer import PeerCaller
from lab.events_manager.waiting import HeldEvent, WaitingEvents
from lab.ibm.threads import SmallThread
from lab.ibm.tls import note_secrets
from lab.linux import listening
from lab.linux.worker import Broke
from lab.paths import CA_FILE
from lab.record.event import Tell
from lab.topology.errand_kinds import PATHS, ErrandKind
from lab.topology.held_events import EVENTS_PORT, HeldEvents

if TYPE_CHECKING:
    from lab.linux.nodes import Node
    from lab.ways.ground import Ground

KEYS = "events.pem"
AUDIT = "approvals.jsonl"
"""In the run directory."""
NAME = "the Events Manager"
"""Under which it is among the services of a lab; no node has such a name."""
ASK_S = 86400.0
"""The manager asks each registered console so often, beside when somebody looks."""
RETRY_S = 3600.0
"""So long after a call home has failed there is another."""
PROBLEM = "B3036620"
"""The reference code of what fails: the lab's own choice."""
SEVERITY = 2
_BACKLOG = 16
_END_S = 30.0


@contextlib.contextmanager
def start(ground: Ground, environment: Environment) -> Iterator[EventsAtWork]:
    """As long as the context lasts; the manager has registered its consoles when it is entered."""
    plan = ground.topology.events
    assert plan is not None, "the topology has an Events Manager"
    served, calling = _contexts(ground.run_dir, plan)
    tell = ground.story.tell
    caller = PeerCaller(ground.nodes[plan.manager], calling)
    manager = EventsManager(plan, caller.ask, tell, _trail(ground.run_dir / AUDIT))
    work = EventsAtWork(plan, manager)
    with contextlib.ExitStack() as undo:
        for console in plan.consoles:
            node = ground.nodes[console.node]
            own = ConsoleEvents(node, environment, tell)
            work.consoles[console.node] = own
            undo.callback(own.stop)
            desk = HoldingDesk(console, own.events, own.send, tell)
            work.threads += _served(undo, node, console.addresses, desk, served)
            work.broke.append(undo.enter_context(orders.opened(node, orders.of_console(own.fail))))
        node = ground.nodes[plan.manager]
        page = ManagerPage(plan, manager)
        work.threads += _served(undo, node, plan.addresses, page, served)
        manager.collect()
        undo.callback(work.stop)
        undo.callback(caller.stop)
        work.daily.start()
        work.broke.append(undo.enter_context(orders.opened(node, orders.of_manager(manager))))
        ground.services[NAME] = work
        undo.callback(ground.services.pop, NAME)
        yield work


class EventsAtWork:
    """All of it; made by ``start``."""

    def __init__(self, plan: HeldEvents, manager: EventsManager) -> None:
        self.plan = plan
        self.manager = manager
        self.consoles: dict[str, ConsoleEvents] = {}
        self.threads: list[threading.Thread] = []
        """Those that accept."""
        self.broke: list[Broke] = []
        self._stopping = threading.Event()
        self.daily = SmallThread(name="events-daily", target=self._ask_daily, daemon=True)

    def check(self) -> None:
        """Raise LabBroke if nobody can ask any more."""
        if not all(thread.is_alive() for thread in self.threads):
            raise DaemonError(self.plan.manager, "a console with events accepts no connections")
        for each in self.broke:
            each.check()

    def _ask_daily(self) -> None:
        while not self._stopping.wait(ASK_S):
            self.manager.collect(daily=True)

    def stop(self) -> None:
        """End what is asked."""
        self._stopping.set()
        self.daily.join(_END_S)


class ConsoleEvents:
    """One console: its hardware, what waits, and what calls home."""

    def __init__(self, node: Node, environment: Environment, tell: Tell) -> None:
        self.events = WaitingEvents()
        self._name = node.name
        self._tell = tell
        self._home = HomeCall(node, environment)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._sending: dict[str, threading.Thread] = {}
        self._failures = 0

    def fail(self, text: str) -> str:
        """Hardware fails: an event that waits. Returns the event's identifier."""
        with self._lock:
            self._failures += 1
            identifier = f"{self._name}-{self._failures}"
        now = time.time()
        members = {
            "kind": str(ErrandKind.problem),
            "system": system_of(self._name),
            "agent": AGENT,
            "reference_code": PROBLEM,
            "severity": SEVERITY,
            "text": text,
            "occurred": now,
        }
        data = json.dumps(members, indent=1).encode() + b"\n"
        event = HeldEvent(identifier, SEVERITY, text, now, data)
        self.events.add(event)
        self._tell(
            EventHeld(
                source=self._name,
                event=identifier,
                severity=SEVERITY,
                text=text,
                sha256=event.sha256,
            )
        )
        return identifier

    def send(self, identifier: str) -> None:
        """Have an approved event called home, in a thread of its own; once, however often that is asked."""
        with self._lock:
            waits = self.events.to_send(identifier) is None
            if waits or identifier in self._sending or self._stopping.is_set():
                return
            thread = SmallThread(
                name="events-home", target=self._send, args=(identifier,), daemon=True
            )
            self._sending[identifier] = thread
            thread.start()

    def _send(self, identifier: str) -> None:
        while (event := self.events.to_send(identifier)) is not None:
            path = f"{PATHS}{ErrandKind.problem}"
            message = Message(
                "POST", path, event.data, read_acknowledgement, str(ErrandKind.problem), identifier
            )
            attempt = self._home.send(message)
            if self._stopping.is_set() and not attempt.acknowledgement:
                return
            if attempt.acknowledgement:
                self.events.note_sent(identifier)
                transaction = f"{attempt.acknowledgement.get('transaction', '')}"
                self._tell(EventSent(source=self._name, event=identifier, transaction=transaction))
                return
            self._tell(EventNotSent(source=self._name, event=identifier, problem=attempt.why))
            if self._stopping.wait(RETRY_S):
                return

    def stop(self) -> None:
        """End what calls home."""
        self._stopping.set()
        self._home.stop()
        with self._lock:
            threads = list(self._sending.values())
        for thread in threads:
            thread.join(_END_S)


def _served(
    undo: contextlib.ExitStack,
    node: Node,
    addresses: tuple[str, ...],
    desk: Answering,
    tls: ssl.SSLContext,
) -> list[threading.Thread]:
    """Answer at TCP port 443 of each address; the threads that accept."""
    places = [(address, EVENTS_PORT) for address in addresses]
    hint = "take events: out of the topology, or what else has TCP port 443 there"
    threads = []
    for listener in node.call(listening.by_tcp, node.name, places, _BACKLOG, hint):
        undo.enter_context(listener)
        threads.append(undo.enter_context(web.serving(desk, tls, listener, SmallThread)))
    return threads


def _trail(path: Path) -> Callable[[dict[str, object]], None]:
    """What adds an entry to the audit trail, a line of JSON each."""
    lock = threading.Lock()

    def note(entry: dict[str, object]) -> None:
        with lock, path.open("a") as trail:
            trail.write(f"{json.dumps(entry)}\n")

    return note


def _contexts(run_dir: Path, plan: HeldEvents) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of who is called, and of who calls."""
    keys = run_dir / "keys"
    try:
        served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        served.load_cert_chain(keys / KEYS)
        calling = ssl.create_default_context(cafile=f"{run_dir / CA_FILE}")
        for context in (served, calling):
            context.minimum_version = ssl.TLSVersion.TLSv1_2
        note_secrets(keys, served, calling)
    except OSError as error:  # SSLError is one
        raise LabBroke(
            f"{plan.manager} cannot use its certificate {keys / KEYS}: {error.strerror or error}",
            hint="authority.issue writes it before the lab boots",
        ) from error
    return served, calling
