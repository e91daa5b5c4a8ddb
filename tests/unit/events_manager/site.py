"""A manager and two consoles without sockets: each request goes straight to the console's desk."""

from __future__ import annotations

from lab.agent.web.exchange import WebRequest
from lab.events_manager.console_desk import HoldingDesk
from lab.events_manager.manager import EventsManager
from lab.events_manager.peer import PeerAnswer, PeerError
from lab.events_manager.waiting import HeldEvent, WaitingEvents
from lab.record.event import Event
from lab.secret import Secret
from lab.topology.held_events import HeldEvents, HoldingConsole

MANAGER = "192.0.2.10"


def console(name: str, number: int, *, registered: bool = True) -> HoldingConsole:
    address = f"192.0.2.{number}"
    token = Secret(f"token-of-{name}")
    return HoldingConsole(
        node=name, address=address, addresses=(address,), registered=registered, token=token
    )


class EventsSite:
    def __init__(self) -> None:
        consoles = (
            console("hmc-a", 11),
            console("hmc-b", 12),
            console("hmc-c", 13, registered=False),
        )
        self.plan = HeldEvents(
            manager="hmc-m",
            addresses=(MANAGER,),
            user="hscroot",
            password=Secret("abc123"),
            consoles=consoles,
            waits_s=60.0,
        )
        self.told: list[Event] = []
        self.trail: list[dict[str, object]] = []
        self.sent: list[str] = []
        self.asked: list[tuple[str, str, str]] = []
        self.silent: set[str] = set()
        self.events = {each.node: WaitingEvents() for each in consoles}
        self.desks = {
            each.node: HoldingDesk(each, self.events[each.node], self.sent.append, self.told.append)
            for each in consoles
        }
        self.manager = EventsManager(self.plan, self.ask, self.told.append, self.trail.append)
        for each in consoles:
            self.fail(each.node)

    def fail(self, name: str) -> str:
        own = self.events[name]
        identifier = f"{name}-{len(own.waiting()) + 1}"
        own.add(HeldEvent(identifier, 2, "Fan <3> has failed", 1.0, b'{"text": "<fan>"}\n'))
        return identifier

    def ask(
        self, console: HoldingConsole, method: str, path: str, content: bytes = b""
    ) -> PeerAnswer:
        self.asked.append((console.node, method, path))
        if console.node in self.silent:
            raise PeerError("no answer")
        fields = {"authorization": f"Bearer {console.token.reveal()}"}
        request = WebRequest(method, path, fields, content, MANAGER)
        reply = self.desks[console.node].answer(request)
        answer = PeerAnswer(reply.status, reply.content, 40000)
        if reply.status != 200:
            raise PeerError(str(answer.members()["problem"]))
        return answer
