"""What a front end and a server behind it tell each other of a request to the receiver, and of who is on the
caller's connection (OUT-37): fields of the head, inside TLS on IBM's own wire. Nothing is decided here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

from lab.ibm.answers import Answer, HttpRequest, refusal
from lab.ibm.back_ends import BackEnds, BackEndSaid
from lab.ibm.receiver.credentials import Peer
from lab.ibm.receiver.document import Operation
from lab.topology.servers import BackEnd

_REQUEST = ("content-type", "authorization", "upload-offset")
"""What an operation may look at, by the document."""
_ANSWER = ("Content-Type", "WWW-Authenticate", "Upload-Offset", "Allow")
"""What an answer may have for the caller."""
_ID, _NUMBER, _SYSTEM = "authenticated-as", "password-number", "system"


def take_peer(peer: Peer, fields: Mapping[str, str]) -> None:
    """Behind the front end: who is on the caller's connection. ``fields`` are those of the request."""
    number = fields.get(_NUMBER, "")
    peer.id = fields.get(_ID, "")
    peer.number = int(number) if number.isascii() and number.isdigit() else 0
    peer.system = fields.get(_SYSTEM, "")


def with_peer(answer: Answer, peer: Peer) -> Answer:
    """Behind the front end: an answer that says who is on the connection, and which machine it is about."""
    told = [(_SYSTEM, answer.system), *_known(peer)]
    return replace(answer, fields=(*(answer.fields or ()), *told))


def answer(
    back_ends: BackEnds,
    back_end: BackEnd,
    operation: Operation,
    request: HttpRequest,
    fields: Mapping[str, str],
    peer: Peer,
    kind: str,
) -> Answer:
    """At the front end: what the server behind it answers; who authenticated there is known from now on."""
    # HEAD is answered as GET, without the content: the front end leaves that away.
    asked = replace(request, method="GET") if request.method == "HEAD" else request
    told = [(name, fields[name]) for name in _REQUEST if name in fields]
    if peer.id:
        told += [*_known(peer), (_SYSTEM, peer.system)]
    said = back_ends.ask(back_end, asked, told)
    if said.problem:
        problem = f"{back_end.node}, which does {operation.errand}, {said.problem}"
        made = replace(refusal(said.status, problem, kind=kind), system=peer.system)
    else:
        made = _understood(operation, said, peer, kind)
    return replace(
        made, authenticated_as=peer.id, back_end=back_end.node, back_end_port=said.came_from
    )


def _understood(operation: Operation, said: BackEndSaid, peer: Peer, kind: str) -> Answer:
    about = said.fields.get(_SYSTEM, "")
    if said.fields.get(_ID):
        system = about if operation.authenticated else peer.system
        take_peer(peer, {**said.fields, _SYSTEM: system})
    members = _members(said.content) if said.content_type == "application/json" else {}
    fixes = members.get("fixes")
    return Answer(
        status=said.status,
        content=said.content,
        kind=kind,
        system=about,
        detail=str(members.get("problem", "")) if said.status >= 400 else "",
        fields=(
            ("Server", "callhome-lab"),
            *((n, said.fields[n.lower()]) for n in _ANSWER if n.lower() in said.fields),
        ),
        promised=next(iter(fixes.values()), "") if isinstance(fixes, dict) else "",
        understood=True,
    )


def _known(peer: Peer) -> Iterable[tuple[str, str]]:
    return [(_ID, peer.id), (_NUMBER, str(peer.number))] if peer.id else []


def _members(content: bytes) -> dict[str, object]:
    """Of a JSON text from one of our own servers; nothing where it is none."""
    try:
        told = json.loads(content)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
