"""A server behind IBM's front end: does the errands that the front end hands to it (OUT-37).

HTTPS on a wire inside IBM's own network; what is said is ``conversation``'s and ``errands``'s.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, cast

from lab.ibm import tls
from lab.ibm.conversation import Conversation, Limits, Shared
from lab.ibm.ledger import open_ledger
from lab.ibm.server import Server
from lab.linux import listening
from lab.topology.own_program import find
from lab.topology.roles import Role
from lab.topology.servers import BACK_END_PORT, BackEnd, ListedServer, Speaks

if TYPE_CHECKING:
    from pathlib import Path

    from lab.ibm.errand_desk import ErrandDesk
    from lab.ibm.receiver.desk import Receiver
    from lab.linux.nodes import Node
    from lab.ways.ground import Ground

CERTIFICATE = "back-ends.pem"
_BACKLOG = 64


@contextlib.contextmanager
def start(ground: Ground, node: Node) -> Iterator[Server]:
    """The server, on its node; writes ``logs/<node>/ledger.jsonl``."""
    topology = ground.topology
    plan = next(one for one in topology.back_ends if one.node == node.name)
    (front,) = topology.with_role(Role.sdc)
    own = find(topology.own_programs, front.name) is not None

    def receiver() -> Receiver:
        """The one of all of IBM's servers (R-11), when the first request has come by the front end."""
        return cast("Server", ground.services[front.name]).receiver

    with serving(plan, node, ground.run_dir, receiver=None if own else receiver) as server:
        yield server


@contextlib.contextmanager
def serving(
    plan: BackEnd,
    node: Node,
    run_dir: Path,
    port: int = BACK_END_PORT,
    receiver: Callable[[], Receiver] | None = None,
) -> Iterator[Server]:
    """The server, while the ``with`` block runs. Reads ``back-ends.pem`` in ``keys`` of the run directory.

    ``receiver``: whose store the operations below ``/service/`` are done on; the front end closes it.
    """
    listed = ListedServer(
        name=plan.node,
        address=plan.address,
        port=port,
        rows=(),
        speaks=Speaks.inner,
        tls="",
        serves=plan.serves,
    )
    with contextlib.ExitStack() as stack:
        ledger = stack.enter_context(open_ledger(run_dir / "logs" / plan.node / "ledger.jsonl"))
        hint = "the front end looks for it there: see the node's links in the topology"
        places = [(plan.address, port)]
        (listener,) = node.call(listening.by_tcp, plan.node, places, _BACKLOG, hint)
        stack.enter_context(listener)
        keys_dir = os.fspath(run_dir / "keys")
        key_log = stack.enter_context(tls.KeyLog(keys_dir))
        contexts = tls.inner_contexts(plan.node, f"{keys_dir}/{CERTIFICATE}", key_log)
        shared = Shared(ledger, key_log, None, Limits(), lambda: _desk(node), receiver)
        server = Server(
            plan.node, shared, lambda caller, at: Conversation(caller, at, contexts, shared)
        )
        yield stack.enter_context(server.accepting({listener: listed}))


def _desk(node: Node) -> ErrandDesk:
    """It does itself what comes to it: who is enrolled, the front end knows."""
    from lab.ibm.errand_desk import ErrandDesk

    return ErrandDesk(node, ())
