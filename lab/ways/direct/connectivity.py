"""The test of connections, as a console's own (S3 Appendix, Simplified, note 1): to every listed server.

It is a TCP connection that is ended at once. Nothing is said on it.
"""

from __future__ import annotations

import contextlib
import socket
import time

from lab.errors import DaemonError
from lab.linux.nodes import Node
from lab.topology.model import Endpoint
from lab.ways.direct.events import ConnectionsTested, ServerTested
from lab.ways.direct.plan import DirectPlan
from lab.ways.ground import Ground

TEST_S = 5.0
"""Lab time for one connection."""
LOOK_UP_S = 60.0
"""More than the C library takes to give a silent name server up."""


def test_all(ground: Ground, way: DirectPlan, agent: str) -> None:
    """Test every server that is listed for the agent, and then those of other regions, in their order."""
    connected = [_test(ground, agent, endpoint) for endpoint in way.tested]
    told = ConnectionsTested(source=agent, connected=sum(connected), servers=len(connected))
    ground.story.tell(told)
    for endpoint in way.elsewhere:
        _test(ground, agent, endpoint)


def _test(ground: Ground, agent: str, endpoint: Endpoint) -> bool:
    started = time.time()
    node, firewall = ground.nodes[agent], ground.topology.firewall
    if firewall is not None and any(rule.is_by_name for rule in firewall.rules):
        # A firewall that opens names opens an address when its resolver has told it (F-05).
        _look_up(node, endpoint)
    connected = node.call(_connect, endpoint.address, endpoint.port)
    ground.story.tell(
        ServerTested(
            source=agent,
            started=started,
            server=endpoint.name,
            address=endpoint.address,
            port=endpoint.port,
            connected=connected,
        )
    )
    return connected


def _look_up(node: Node, endpoint: Endpoint) -> None:
    """Ask for the addresses of a name; that there are none is seen by the connection.

    In a process of its own: the C library has one ``resolv.conf`` for all threads, and nodes are threads.
    """
    with contextlib.suppress(DaemonError):
        node.run(["getent", "ahosts", endpoint.name], deadline_s=LOOK_UP_S)


def _connect(address: str, port: int) -> bool:
    """Whether a TCP connection comes about."""
    try:
        socket.create_connection((address, port), TEST_S).close()
    except OSError:
        return False
    return True
