"""What a console answers at TCP port 9920: requests of the agent beside it, and of other consoles (M-05).

A request of the agent beside the console is sent by a call-home server that the console knows; one that fails
there goes to the next server (M-07). A request that another console has forwarded is sent by this console, if
it is a call-home server. Several threads may ask at once.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Protocol

from lab.agent.inter_console import REQUESTS, unpacked
from lab.agent.message import Message
from lab.agent.web.exchange import WebReply, WebRequest
from lab.consoles.broker import Broker
from lab.consoles.directory import KnownConsole
from lab.consoles.events import (
    LevelsDiffer,
    RequestDelivered,
    RequestFailed,
    RequestForwarded,
    RequestTaken,
)
from lab.names import all_of
from lab.record.event import Event, Tell
from lab.topology.consoles import Console

CONTENT_BYTES = 1 << 20
LONGEST_KEY = 64


class ForwardedTry(Protocol):
    """What became of a request."""

    acknowledgement: dict[str, object]
    """IBM's; empty if it was not delivered."""

    @property
    def why(self) -> str:
        """Why it was not, in words."""


class Known(Protocol):
    """Whom a console knows."""

    def servers(self) -> list[KnownConsole]: ...

    def is_own(self, address: str) -> bool: ...

    def knows(self, address: str) -> bool: ...


class ForwardingDesk:
    """One console's; ``send_home`` calls IBM by the console's own way, ``forward`` asks another console."""

    path = "/"
    content_bytes = CONTENT_BYTES

    def __init__(
        self,
        console: Console,
        known: Known,
        send_home: Callable[[Message], ForwardedTry],
        forward: Callable[[Message, str], ForwardedTry],
        tell: Tell,
        die: Callable[[], None] = lambda: None,
    ) -> None:
        """``die``: the machine is without power from now on."""
        self._console = console
        self._known = known
        self._send_home = send_home
        self._forward = forward
        self._tell = tell
        self._lose_power = die
        self._broker = Broker()
        self._lock = threading.Lock()
        self._warned: frozenset[tuple[str, str]] = frozenset()
        self.takes_own = True
        """Whether it takes requests of the agent beside it; not while that way home is down."""
        self.by_others = False
        """Whether the agent beside it comes home by other consoles, also where this is a call-home server."""
        self._stopped = threading.Event()
        """Whether nobody is to be answered any more."""

    def die(self) -> None:
        """Ask nobody any more, and tell nothing: what is under way ends in silence."""
        self._stopped.set()

    def answer(self, request: WebRequest) -> WebReply:
        """Whatever the peer sends; only those are heard who are known (M-03)."""
        is_own = self._known.is_own(request.peer)
        if not is_own and not self._known.knows(request.peer):
            return _refusal(403, f"{request.peer} is no console that {self._name} has discovered")
        key = request.path.removeprefix(REQUESTS)
        if not request.path.startswith(REQUESTS) or not _is_key(key):
            return _refusal(404, f"there is nothing but {REQUESTS}KEY")
        if request.method != "PUT":
            return _refusal(405, "a request is PUT there")
        try:
            message, forwarded = unpacked(key, json.loads(request.body))
        except (ValueError, RecursionError) as error:
            return _refusal(400, f"the request makes no sense: {error}")
        if forwarded:
            return self._for_another(message, request.peer)
        if not is_own:
            # Else two consoles could send a request to and fro.
            return _refusal(403, f"{request.peer} is another console, and has not forwarded it")
        return self._of_own(message)

    @property
    def _name(self) -> str:
        return self._console.node

    def _for_another(self, message: Message, peer: str) -> WebReply:
        if not self._console.serves:
            return _refusal(403, f"{self._name} is no call-home server")
        if self.by_others:
            return _refusal(503, f"{self._name} comes home by other consoles itself at present")
        self._say(RequestTaken(source=self._name, address=peer, key=message.key))
        sent = self._send_home(message)
        if self._console.dies_busy and sent.acknowledgement:
            self._lose_power()
        self._stopped.wait(self._console.answers_after_s)
        return self._sent(sent)

    def _of_own(self, message: Message) -> WebReply:
        if self._console.serves and not self.by_others:
            return self._sent(self._send_home(message))
        if not self.takes_own:
            return _refusal(503, f"the way home of {self._name} by other consoles is down")
        problems = []
        for server in self._each_for(message):
            self._say(RequestForwarded(source=self._name, console=server.name, key=message.key))
            sent = self._forward(message, server.address)
            if sent.acknowledgement:
                transaction = str(sent.acknowledgement.get("transaction", ""))
                delivered = RequestDelivered(
                    source=self._name, console=server.name, key=message.key, transaction=transaction
                )
                self._say(delivered)
                return _reply(200, {**sent.acknowledgement, "by": server.name})
            failed = RequestFailed(
                source=self._name, console=server.name, key=message.key, problem=sent.why
            )
            self._say(failed)
            problems.append(f"{server.name}: {sent.why}")
        if not problems:
            return _refusal(503, f"{self._name} knows no call-home server")
        return _refusal(503, f"no call-home server sent it: {'; '.join(problems)}")

    def _each_for(self, message: Message) -> Iterator[KnownConsole]:
        """The servers for a request, each once: those that are known when the one before has failed."""
        tried: list[str] = []
        while True:
            servers = {each.name: each for each in self._known.servers()}
            with self._lock:
                picked = self._broker.pick(servers, tried)
                self._warn(servers)
            if picked is None or self._stopped.is_set():
                return
            tried.append(picked)
            yield servers[picked]

    def _warn(self, servers: dict[str, KnownConsole]) -> None:
        """Say once that call-home servers are not of one level (M-08)."""
        levels = frozenset((each.name, each.level) for each in servers.values() if each.level)
        if len({level for _, level in levels}) < 2 or levels <= self._warned:
            return
        self._warned = levels
        told = all_of([f"{name} {level}" for name, level in sorted(levels)])
        self._say(LevelsDiffer(source=self._name, levels=told))

    def _say(self, event: Event) -> None:
        if not self._stopped.is_set():
            self._tell(event)

    def _sent(self, sent: ForwardedTry) -> WebReply:
        if sent.acknowledgement:
            return _reply(200, {**sent.acknowledgement, "by": self._name})
        return _refusal(503, f"{self._name} does not reach IBM: {sent.why}")


def _is_key(key: str) -> bool:
    return 0 < len(key) <= LONGEST_KEY and all(
        c.isascii() and (c.isalnum() or c in "._-") for c in key
    )


def _refusal(status: int, problem: str) -> WebReply:
    return _reply(status, {"status": "refused", "problem": problem})


def _reply(status: int, members: dict[str, object]) -> WebReply:
    return WebReply(status, json.dumps(members) + "\n", kind="application/json")
