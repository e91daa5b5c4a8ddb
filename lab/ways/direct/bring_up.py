"""How ways over the Internet come up: the agent's default route is there from the start."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from lab.linux.process import PIPE
from lab.linux.refusals import Refusals
from lab.topology.family import Family
from lab.topology.model import Firewall
from lab.topology.servers import Speaks
from lab.ways.direct.events import DefaultRouteTaken, FileUploaded
from lab.ways.direct.plan import DirectPlan
from lab.ways.ground import Ground, WayDriver

UPLOAD = "OUT-43"
UPLOAD_NAME, UPLOAD_BYTES = "hmc.snap", 10_000
UPLOAD_S = 120.0
"""More than the agent's own deadline for each step."""


@contextmanager
def start(ground: Ground) -> Iterator[Direct]:
    """Nothing has to run but a firewall that inspects; hosts that are to prefer IPv4 are told so."""
    for way in ground.topology.ways:
        if isinstance(way, DirectPlan) and way.families == (Family.ipv4, Family.ipv6):
            from lab.linux import address_order  # Few topologies have both.

            for agent in way.agents:
                address_order.prefer_ipv4(ground.nodes[agent])
    firewall = ground.topology.firewall
    with _inspecting(ground, firewall) if firewall and firewall.inspects else nullcontext():
        yield Direct(ground)


@contextmanager
def _inspecting(ground: Ground, firewall: Firewall) -> Iterator[None]:
    """The customer's firewall breaks TLS open."""
    from lab.linux import inspection  # Only a fault needs it.
    from tunnels import started
    from tunnels.interceptor import Interceptor

    own = inspection.addresses(ground.topology, firewall)
    node = ground.nodes[firewall.node]
    with started(Interceptor(node, inspection.PORT, own, ground.run_dir / "keys")):
        yield


class Direct(WayDriver):
    """Every agent's default route."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._closed = Refusals(ground.nodes)

    def up(self, way: DirectPlan, agent: str) -> None:
        """The route is there, and open if a command had closed it."""
        self._closed.open(agent)
        self._ground.story.tell(DefaultRouteTaken(source=agent))

    def up_again(self, way: DirectPlan, agent: str) -> None:
        """The route is still there."""

    def give_up(self, way: DirectPlan, agent: str) -> None:
        """The route stays; another way goes before it."""

    def take_down(self, way: DirectPlan, agent: str) -> None:
        """The route stays, and the servers are refused in spite of it, where no other way leads to them."""
        self._closed.close(agent, (endpoint.address for endpoint in way.endpoints))

    def healthy(self, way: DirectPlan, agent: str) -> bool:
        """A route says nothing about what it leads to."""
        return True

    def lost(self, way: DirectPlan, agent: str) -> bool:
        """A route is not lost."""
        return False

    def put_to_test(self, lab: Any, agents: Sequence[str]) -> None:
        """Each agent tests its connections (F-12) and uploads a file (OUT-43), where that is wanted."""
        for agent in agents:
            way = lab.homeward.in_use(agent)
            # Another kind of way may have this driver, and a plan of its own.
            if isinstance(way, DirectPlan) and way.tests:
                # Not at the top: most ways over the Internet are not tested so.
                from lab.ways.direct import connectivity

                connectivity.test_all(self._ground, way, agent)
        servers = [s for s in self._ground.topology.servers if s.speaks is Speaks.ftps]
        if UPLOAD in self._ground.topology.expect and servers:
            for agent in agents:
                self._upload(lab, agent, servers[0].name)

    def _upload(self, lab: Any, agent: str, server: str) -> None:
        started = time.time()
        argv = [sys.executable, "-m", "lab.agent.upload", server, UPLOAD_NAME, f"{UPLOAD_BYTES}"]
        environment = {"PYTHONPATH": ":".join(sys.path), **lab.environment(agent)}
        popen = self._ground.nodes[agent].start(argv, environment, stdout=PIPE, stderr=PIPE)
        _, errors = popen.communicate(timeout=UPLOAD_S)
        lines = errors.decode(errors="replace").splitlines()
        taken = popen.returncode == 0
        detail = "" if taken else (lines or [f"exit status {popen.returncode}"])[-1]
        self._ground.story.tell(
            FileUploaded(source=agent, server=server, started=started, taken=taken, detail=detail)
        )
