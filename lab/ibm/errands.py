"""What IBM's servers answer to errands: pure functions from a request to an answer, no sockets.

Which errands a server does, the address tables say (OUT-38); another one gets 421 there. What systems are
enrolled, all servers of a lab know.
"""

from __future__ import annotations

import hashlib
import json
import threading
from binascii import unhexlify

from lab.ibm import nesting
from lab.ibm.answers import Answer, HttpRequest, refusal
from lab.topology.errand_kinds import DOWNLOADS, PATHS, PROMISING, ErrandKind
from lab.topology.servers import ListedServer

FIX = "MH01720"
"""The one fix that there is for every system."""
FIX_BYTES = 30_000
KIND = "errand: "
"""How the ledger's ``kind`` begins."""

_METHODS = {
    **dict.fromkeys(ErrandKind, "POST"),
    **dict.fromkeys(DOWNLOADS, "GET"),
    ErrandKind.upload: "PUT",
}


class Enrolled:
    """The systems that have enrolled; any thread may ask."""

    def __init__(self, servers: tuple[ListedServer, ...]) -> None:
        self._lock = threading.Lock()
        self._systems: set[str] = set()
        self._wanted_by = {
            server.variants for server in servers if ErrandKind.enrolment in server.serves
        }

    def add(self, system: str) -> None:
        with self._lock:
            self._systems.add(system)

    def refuses(self, listed: ListedServer, system: str) -> bool:
        """Whether a system gets no fix from a server: URSF has no enrolment, and asks for none (OUT-42)."""
        with self._lock:
            return listed.variants in self._wanted_by and system not in self._systems


def kind_of(target: str) -> ErrandKind | None:
    """The errand that a request's target names; None if it names none."""
    path = target.partition("?")[0]
    if not path.startswith(PATHS):
        return None
    name = path.removeprefix(PATHS).partition("/")[0]
    return ErrandKind(name) if name in [*ErrandKind] else None


def turned_away(
    kind: ErrandKind, request: HttpRequest, listed: ListedServer, enrolled: Enrolled
) -> Answer | None:
    """Why an errand is not done at a server; None if it is."""
    if listed.serves and kind not in listed.serves:
        does = ", ".join(listed.serves)
        problem = f"{listed.name} does not do {kind}, but {does}"
        return refusal(421, problem, kind=KIND + kind)
    if request.method != _METHODS[kind]:
        return refusal(405, f"{kind} is asked for by {_METHODS[kind]}", kind=KIND + kind)
    system = system_of(request)
    if not system and kind is not ErrandKind.configuration:
        return refusal(400, f"the {kind} does not name its system", kind=KIND + kind)
    if kind is ErrandKind.fix and enrolled.refuses(listed, system):
        problem = f"{system} is not enrolled, and gets no fix before that"
        return refusal(403, problem, kind=KIND + kind)
    return None


def system_of(request: HttpRequest) -> str:
    """Who calls: by the query, or by the JSON text; empty if neither says so."""
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


def answer(kind: ErrandKind, request: HttpRequest, transaction: str) -> Answer:
    """Do an errand."""
    system = system_of(request)
    if kind is ErrandKind.fix:
        return _fix(request, system)
    members: dict[str, object] = {"status": "acknowledged", "transaction": transaction}
    if system:
        members["system"] = system
    if kind in PROMISING:
        members["fixes"] = {FIX: hashlib.sha256(fix(FIX)).hexdigest()}
    if kind is ErrandKind.upload:
        members["bytes_received"] = request.body_bytes
    if kind is ErrandKind.problem:
        members["pmh"] = f"PMH{transaction.removeprefix('SDC')}"
    content = json.dumps(members).encode() + b"\n"
    return Answer(status=200, content=content, kind=KIND + kind, system=system)


def _fix(request: HttpRequest, system: str) -> Answer:
    name = request.target.partition("?")[0].rpartition("/")[2]
    if name != FIX:
        return refusal(404, f"there is no fix {name[:40]!r}", kind=KIND + ErrandKind.fix)
    return Answer(
        status=200,
        content=fix(name),
        kind=KIND + ErrandKind.fix,
        system=system,
        fields=(("Server", "callhome-lab"), ("Content-Type", "application/octet-stream")),
    )


def fix(name: str) -> bytes:
    """A fix's content: the same for each name, and not to be compressed."""
    blocks = (hashlib.sha256(f"{name} {n}".encode()).digest() for n in range(FIX_BYTES // 32 + 1))
    return b"".join(blocks)[:FIX_BYTES]
