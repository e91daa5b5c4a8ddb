"""What IBM's servers answer to errands: functions from a request to an answer, no sockets.

Which errands a server does, the address tables say (OUT-38); another one gets 421 there. Which systems are
enrolled, all servers of a lab know.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from binascii import unhexlify

from lab.ibm import nesting
from lab.ibm.answers import Answer, HttpRequest, refusal
from lab.topology.errand_kinds import DOWNLOADS, PATHS, PROMISING, ErrandKind
from lab.topology.servers import ListedServer

FIX = "MH01720"
UPDATES = ("esa-7.1.6", "dsa-9.65")
"""Of Electronic Service Agent, and of Dynamic System Analysis (S0 "Data retrieved from IBM by ESA")."""
"""The one fix that there is for every system."""
FIX_BYTES = 5_000
KIND = "errand: "
"""How the ledger's ``kind`` begins."""

_METHODS = {
    **dict.fromkeys(ErrandKind, "POST"),
    **dict.fromkeys(DOWNLOADS, "GET"),
    ErrandKind.upload: "PUT",
}


class Orders:
    """The systems that have enrolled, and the number under which each gets its fixes; any thread may ask.

    A fix comes in clear, so its path has the order's number and not the name of the system (g5).
    """

    def __init__(self, servers: tuple[ListedServer, ...]) -> None:
        self._lock = threading.Lock()
        self._of: dict[str, str] = {}
        self._wanted_by = {
            server.variants
            for server in servers
            if not server.serves or ErrandKind.enrolment in server.serves
        }

    def number(self, kind: ErrandKind, listed: ListedServer, system: str) -> str | None:
        """What a system that is being served is told to ask with; empty where anybody gets a fix, as by URSF;
        None for a system that has not enrolled."""
        if listed.variants not in self._wanted_by:
            return ""
        with self._lock:
            if kind is ErrandKind.enrolment:
                return self._of.get(system) or os.urandom(8).hex()
            return self._of.get(system)

    def enrol(self, system: str, number: str) -> None:
        with self._lock:
            self._of[system] = number

    def refuses(self, listed: ListedServer, number: str) -> bool:
        """Whether nobody who has enrolled has an order of that number (OUT-42)."""
        with self._lock:
            return listed.variants in self._wanted_by and number not in self._of.values()

    def system(self, number: str) -> str:
        """Whose order it is; empty if nobody's."""
        with self._lock:
            return next((system for system, own in self._of.items() if own == number), "")


def kind_of(target: str) -> ErrandKind | None:
    """The errand that a request's target names; None if it names none."""
    path = target.partition("?")[0]
    if not path.startswith(PATHS):
        return None
    name = path.removeprefix(PATHS).partition("/")[0]
    return ErrandKind(name) if name in [*ErrandKind] else None


def order_of(target: str) -> str:
    """The order's number in the path of a fix: ``/transaction/fix/NUMBER/MH01720``; empty without one."""
    rest = target.partition("?")[0].removeprefix(f"{PATHS}{ErrandKind.fix}/")
    return rest.rpartition("/")[0]


def turned_away(
    kind: ErrandKind, request: HttpRequest, listed: ListedServer, orders: Orders
) -> Answer | None:
    """Why an errand is not done at a server; None if it is."""
    if listed.serves and kind not in listed.serves:
        does = ", ".join(listed.serves)
        problem = f"{listed.name} does not do {kind}, but {does}"
        return refusal(421, problem, kind=KIND + kind)
    if request.method != _METHODS[kind]:
        return refusal(405, f"{kind} is asked for by {_METHODS[kind]}", kind=KIND + kind)
    if kind is ErrandKind.fix and orders.refuses(listed, order_of(request.target)):
        problem = "no enrolled system has this order: a system enrols before it gets a fix"
        return refusal(403, problem, kind=KIND + kind)
    if kind not in DOWNLOADS and not system_of(request):
        return refusal(400, f"the {kind} does not name its system", kind=KIND + kind)
    return None


def system_of(request: HttpRequest) -> str:
    """Who calls, by the query or by the JSON text; empty if neither says so."""
    query = request.target.partition("?")[2]
    named = [part.partition("=")[2] for part in query.split("&") if part.startswith("system=")]
    if named:
        system: object = _unquoted(named[0])
    else:
        try:
            members = nesting.parse(request.body)
        except ValueError:
            return ""
        system = members.get("system") if isinstance(members, dict) else None
    fitting = isinstance(system, str) and 0 < len(system) <= 64 and system.isprintable()
    return str(system) if fitting else ""


def _unquoted(text: str) -> str:
    """Percent-encoded text (RFC 3986 2.1); empty if it is none."""
    first, *rest = text.split("%")
    try:
        parts = [unhexlify(each[:2]) + each[2:].encode() for each in rest]
        return (first.encode() + b"".join(parts)).decode()
    except ValueError:
        return ""


def answer(kind: ErrandKind, request: HttpRequest, transaction: str, order: str | None) -> Answer:
    """Do an errand; ``order`` is what the system is to ask for fixes with (see ``Orders.number``)."""
    if kind is ErrandKind.fix:
        return _fix(request)
    system = system_of(request)
    members: dict[str, object] = {"status": "acknowledged", "transaction": transaction}
    if system:
        members["system"] = system
    if kind in PROMISING and order is not None:
        path = f"{order}/{FIX}" if order else FIX
        members["fixes"] = {path: hashlib.sha256(fix(FIX)).hexdigest()}
    if kind is ErrandKind.upload:
        members["bytes_received"] = request.body_bytes
    if kind is ErrandKind.problem:
        members["pmh"] = f"PMH{transaction.removeprefix('SDC')}"
    content = json.dumps(members).encode() + b"\n"
    return Answer(status=200, content=content, kind=KIND + kind, system=system)


def promised(kind: ErrandKind, answer: Answer) -> str:
    """The SHA-256 of the fix that an answer names; empty if it names none."""
    if kind not in PROMISING or answer.status != 200:
        return ""
    try:
        members = nesting.parse(answer.content)
    except ValueError:
        return ""
    fixes = members.get("fixes") if isinstance(members, dict) else None
    return next((str(each) for each in fixes.values()), "") if isinstance(fixes, dict) else ""


def _fix(request: HttpRequest) -> Answer:
    name = request.target.partition("?")[0].rpartition("/")[2]
    if name != FIX:
        return refusal(404, f"there is no fix {name[:40]!r}", kind=KIND + ErrandKind.fix)
    return Answer(
        status=200,
        content=fix(name),
        kind=KIND + ErrandKind.fix,
        fields=(("Server", "callhome-lab"), ("Content-Type", "application/octet-stream")),
    )


def fix(name: str) -> bytes:
    """A fix's content: the same for each name, and not to be compressed."""
    blocks = (hashlib.sha256(f"{name} {n}".encode()).digest() for n in range(FIX_BYTES // 32 + 1))
    return b"".join(blocks)[:FIX_BYTES]
