"""How ways through proxies come up: the proxies run from the start, and agents are told of them."""

from __future__ import annotations

import base64
import errno
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, runtime_checkable

from lab.linux.refusals import Refusals
from lab.topology.own_program import find
from lab.topology.proxy import HttpProxy, ProxyAccount
from lab.ways.direct.plan import DirectPlan
from lab.ways.ground import Ground, WayDriver
from lab.ways.proxy.events import ConnectTried, DirectTried, ProxiesTaken
from lab.ways.proxy.plan import ProxyPlan

TRY_S = 10.0
UNLISTED = ("192.0.2.1:443", "www.example.com:443")
"""An address for documentation (RFC 5737) and a host (RFC 2606), which no table lists."""
ELSEWHERE = "198.18.0.1"
"""An address for tests (RFC 2544), which no table lists: where a listed name is made to lead (OUT-17)."""
WRONG_PORT = 22
_ANSWER_BYTES = 4096


@runtime_checkable
class Misleadable(Protocol):
    """A proxy that can be told another address for a name."""

    def misled(self, name: str, address: str) -> AbstractContextManager[None]:
        """Inside of the context the proxy takes this address for the name's."""


@contextmanager
def start(ground: Ground) -> Iterator[ProxyDriver]:
    """The proxies run already: each is what runs on its node."""
    yield ProxyDriver(ground)


class ProxyDriver(WayDriver):
    """Every agent's proxies. Which of them serves a call is found out by the agent (OUT-14)."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._closed = Refusals(ground.nodes)
        self._misled: set[str] = set()
        """The proxies that have been told another address once: whose request that is makes no difference."""

    def up(self, way: ProxyPlan, agent: str) -> None:
        """Nothing has to be set up: the way is a matter of each call."""
        self._closed.open(agent)
        proxies = ", ".join(stop.node for stop in way.stops(self._ground.topology))
        self._ground.story.tell(ProxiesTaken(source=agent, proxies=proxies))

    def up_again(self, way: ProxyPlan, agent: str) -> None:
        """It is up."""

    def give_up(self, way: ProxyPlan, agent: str) -> None:
        """The agent is told of another way."""

    def take_down(self, way: ProxyPlan, agent: str) -> None:
        """The proxies run on, and the agent's host has no route to them."""
        self._closed.close(agent, (stop.address for stop in way.stops(self._ground.topology)))

    def healthy(self, way: ProxyPlan, agent: str) -> bool:
        """A proxy says nothing but when it is asked."""
        return True

    def lost(self, way: ProxyPlan, agent: str) -> bool:
        """A call that failed has tried every proxy."""
        return False

    def put_to_test(self, lab: Any, agents: Sequence[str]) -> None:
        """The agents' hosts try to get past the proxies (F-10), and to other places by them (OUT-12)."""
        topology = self._ground.topology
        for agent in agents:
            way = lab.homeward.in_use(agent)
            assert isinstance(way, ProxyPlan), "that kind of way is in use"
            if not any(isinstance(own, DirectPlan) for own in topology.ways_of(agent)):
                self._try_direct(way, agent)
            for stop in way.stops(topology):
                if not stop.down:
                    self._try_other_places(way, stop, agent)

    def _try_direct(self, way: ProxyPlan, agent: str) -> None:
        server, started = way.endpoints[0], time.time()
        fault = self._ground.nodes[agent].call(_connect, server.address, server.port)
        self._ground.story.tell(
            DirectTried(
                source=agent,
                started=started,
                destination=server.address,
                port=server.port,
                connected=not fault,
                routed=fault not in (errno.ENETUNREACH, errno.EHOSTUNREACH),
            )
        )

    def _try_other_places(self, way: ProxyPlan, stop: HttpProxy, agent: str) -> None:
        targets = [f"{way.endpoints[0].name}:{WRONG_PORT}"]
        if stop.destinations:
            targets += UNLISTED
        for target in targets:
            self._try_place(stop, agent, target)
        squid = self._ground.services[stop.node]
        if stop.service and isinstance(squid, Misleadable) and stop.node not in self._misled:
            self._misled.add(stop.node)
            name = way.endpoints[0].name
            with squid.misled(name, ELSEWHERE):
                self._try_place(stop, agent, f"{name}:{way.endpoints[0].port}", resolved=ELSEWHERE)

    def _try_place(self, stop: HttpProxy, agent: str, target: str, *, resolved: str = "") -> None:
        started = time.time()
        # The lab's own proxies look at the place first; others may want a log-in before all else.
        own = find(self._ground.topology.own_programs, stop.node)
        account = stop.account if own is not None else None
        status = self._ground.nodes[agent].call(_ask, stop, target, account)
        self._ground.story.tell(
            ConnectTried(
                source=agent,
                started=started,
                proxy=stop.node,
                target=target,
                status=status,
                resolved=resolved,
            )
        )


def _connect(address: str, port: int) -> int:
    """The error number with which no TCP connection comes about; 0 if one does."""
    with socket.socket() as asker:
        asker.settimeout(TRY_S)
        try:
            asker.connect((address, port))
        except OSError as error:
            return error.errno or errno.ETIMEDOUT
        return 0


def _ask(proxy: HttpProxy, target: str, account: ProxyAccount | None) -> int:
    """What a proxy says to CONNECT, perhaps with a log-in; 0 if it says nothing."""
    request = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
    if account is not None:
        both = f"{account.user}:{account.password.reveal()}".encode()
        request += f"Proxy-Authorization: Basic {base64.b64encode(both).decode()}\r\n"
    request += "\r\n"
    try:
        with socket.create_connection((proxy.address, proxy.port), TRY_S) as asker:
            asker.sendall(request.encode())
            answer = asker.recv(_ANSWER_BYTES).split(b" ", 2)
    except OSError:
        return 0
    return int(answer[1]) if len(answer) > 1 and answer[1].isdigit() else 0
