"""The receiver on one connection: who has authenticated there, and how much of a body is taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lab.ibm.answers import Answer, HttpRequest
from lab.ibm.receiver import document, handing_on
from lab.ibm.receiver.credentials import Peer
from lab.ibm.receiver.refused import NotDone
from lab.topology.servers import ListedServer, Speaks

if TYPE_CHECKING:
    from lab.ibm.back_ends import BackEnds
    from lab.ibm.receiver.desk import Receiver


class ConnectionDesk:
    """Made for the first request below ``/service/`` of a connection."""

    def __init__(
        self, receiver: Receiver, listed: ListedServer, back_ends: BackEnds | None = None
    ) -> None:
        """``back_ends``: the servers behind this one, which do their own operations."""
        self._receiver = receiver
        self._listed = listed
        self._back_ends = back_ends
        self._peer = Peer(encrypted=listed.speaks is not Speaks.http)

    def most_bytes(self, method: str, target: str) -> int:
        """How long a request's body may be."""
        try:
            operation, _ = document.find(method, target)
        except NotDone:
            return document.OTHER_BYTES
        return operation.most_bytes

    def answer(self, request: HttpRequest, fields: Mapping[str, str]) -> Answer:
        """What is answered to a request whose body is whole."""
        if self._listed.speaks is not Speaks.inner:
            receiver, peer = self._receiver, self._peer
            return receiver.answer(request, fields, peer, self._listed, self._back_ends)
        # Each connection of the front end's is for one request, and one caller.
        handing_on.take_peer(self._peer, fields)
        answer = self._receiver.answer(request, fields, self._peer, self._listed)
        return handing_on.with_peer(answer, self._peer)

    def cut_off(self, request: HttpRequest, fields: Mapping[str, str]) -> None:
        """Keep what came of an upload's part before the connection broke; nobody hears an answer."""
        if request.method == "PATCH" and request.body:
            self.answer(request, fields)
