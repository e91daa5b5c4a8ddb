"""A user's stubs, as the servers use them: which of them answers a request, and what. Pure."""

from __future__ import annotations

import re
from binascii import a2b_base64
from collections.abc import Iterable

from lab.ibm.answers import Answer
from lab.topology.servers import Stub


class Stubs:
    """The stubs of a topology, in the order of trying."""

    def __init__(self, stubs: Iterable[Stub]) -> None:
        self._tried = [
            (stub, re.compile(stub.host) if stub.host else None, re.compile(stub.path))
            for stub in stubs
        ]

    def answer(self, called: Iterable[str], method: str, target: str) -> Answer | None:
        """What the first stub that fits answers; None if none does. ``called``: every name of the server."""
        path = path_of(target)
        for stub, host, pattern in self._tried:
            if stub.method not in ("", method) or not pattern.fullmatch(path):
                continue
            if host is None or any(host.fullmatch(name) for name in called):
                return _answer(stub, f"{method} {target}"[:200])
        return None


def _answer(stub: Stub, detail: str) -> Answer:
    return Answer(
        status=stub.status,
        reason=stub.reason,
        fields=stub.headers,
        content=a2b_base64(stub.body_base64),
        kind="stub",
        stub=stub.name,
        delay_s=stub.delay_s,
        failure=stub.failure,
        detail=detail,
    )


def path_of(target: str) -> str:
    """The path of a request's target, also of one in absolute form (RFC 9112 3.2.2), without its query."""
    scheme, colon, rest = target.partition("://")
    if colon and scheme.isalnum():
        target = "/" + rest.partition("/")[2]
    return target.partition("?")[0]
