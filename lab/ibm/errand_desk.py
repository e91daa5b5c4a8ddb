"""Where errands are done: here, or by a server behind the front end, over a connection of its own (OUT-37).

Imported for the first errand of a lab.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lab.ibm import errands
from lab.ibm.answers import Answer, HttpRequest, refusal
from lab.ibm.back_ends import BackEnds
from lab.topology.errand_kinds import ErrandKind
from lab.topology.servers import BACK_END_PORT, BackEnd, ListedServer, Speaks

if TYPE_CHECKING:
    from lab.linux.nodes import Node

ORDER = "Order"
"""The field by which a front end says with what a system is to ask for fixes; empty: with nothing."""


class ErrandDesk:
    """Does errands, or has them done; any thread may ask."""

    def __init__(
        self,
        node: Node | None,
        servers: tuple[ListedServer, ...],
        back_ends: tuple[BackEnd, ...] = (),
        ca_file: str = "",
        port: int = BACK_END_PORT,
    ) -> None:
        """``node``: from where servers behind the front end are called; ``ca_file``: whom to trust there."""
        self._orders = errands.Orders(servers)
        self.back_ends = BackEnds(node, back_ends, ca_file, port)

    def answer(
        self,
        request: HttpRequest,
        listed: ListedServer,
        transaction: str,
        order: str | None = None,
    ) -> Answer:
        """Do the errand that a request at one of the servers is about.

        ``order`` is given by a front end only: what the system is to ask for fixes with.
        """
        kind = errands.kind_of(request.target)
        if kind is None:
            return refusal(404, "there is no errand of that name", kind="request")
        if turned_away := errands.turned_away(kind, request, listed, self._orders):
            return turned_away
        system = self._system(kind, request)
        if listed.speaks is not Speaks.inner:
            order = self._orders.number(kind, listed, system)
        back_end = self.back_ends.doing(kind)
        if back_end is None:
            answer = errands.answer(kind, request, transaction, order)
        else:
            answer = self._hand_on(kind, request, transaction, order, back_end)
        if kind is ErrandKind.enrolment and answer.status == 200 and order:
            self._orders.enrol(system, order)
        return replace(answer, system=system, promised=errands.promised(kind, answer))

    def _system(self, kind: ErrandKind, request: HttpRequest) -> str:
        if kind is ErrandKind.fix:
            return self._orders.system(errands.order_of(request.target))
        return errands.system_of(request)

    def _hand_on(
        self,
        kind: ErrandKind,
        request: HttpRequest,
        transaction: str,
        order: str | None,
        back_end: BackEnd,
    ) -> Answer:
        """Let a server behind the front end answer; 503 if it does not, and 502 if it makes no sense."""
        numbers = [("Transaction", transaction)]
        if order is not None:
            numbers.append((ORDER, order))
        said = self.back_ends.ask(back_end, request, numbers)
        if said.problem:
            problem = f"{back_end.node}, which does {kind}, {said.problem}"
            answer = refusal(said.status, problem, kind=errands.KIND + kind)
        else:
            answer = Answer(
                status=said.status,
                content=said.content,
                kind=errands.KIND + kind,
                fields=(("Server", "callhome-lab"), ("Content-Type", said.content_type)),
            )
        return replace(answer, back_end=back_end.node, back_end_port=said.came_from)
