"""What a server answers to a request: a pure function from a request to an answer, no sockets.

The reference agent's heartbeat is understood; any other agent's GET, HEAD, POST and PUT gets an
answer that a sensible client takes as success. By HTTP in clear there are downloads only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from lab.ibm import nesting
from lab.topology.servers import Failure

HEARTBEAT_PATH = "/heartbeat"
HEARTBEAT_BYTES = 1 << 20
"""What is held in memory is bounded far below other bodies: a heartbeat, or an errand."""

METHODS = "GET", "HEAD", "POST", "PUT"
REASONS = {
    200: "OK",
    201: "Created",
    202: "Accepted",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    417: "Expectation Failed",
    421: "Misdirected Request",
    422: "Unprocessable Content",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
    507: "Insufficient Storage",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request whose body has been read."""

    method: str
    target: str
    body: bytes
    """Of a heartbeat, an errand, or what the receiver is asked; other bodies are counted, not kept."""
    body_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A status and a content, and what the ledger says about it."""

    status: int
    content: bytes
    kind: str
    system: str = ""
    detail: str = ""
    reason: str = ""
    """Of a stub's status; empty: the usual one."""
    fields: tuple[tuple[str, str], ...] | None = None
    """A stub's own; None: those of a JSON text."""
    back_end: str = ""
    """The node behind the front end that answered, or should have."""
    back_end_port: int = 0
    """From which port of the front end it was asked; 0 if no connection came about."""
    promised: str = ""
    """The SHA-256 of the fix that the content names (OUT-41); empty if it names none."""
    report: str = ""
    """Of a message to the receiver: the sender's own identifier of it."""
    authenticated_as: str = ""
    """The ID by which the receiver knows who is on the connection (E-08)."""
    understood: bool = False
    """The receiver's answer to a request that was read to its end, whatever the answer is."""
    key: str = ""
    """By which the sender knows the request again, if it has to send it twice."""
    again: bool = False
    """Whether a request of this key had been done before, and this is what was answered then."""
    stub: str = ""
    delay_s: float = 0.0
    failure: Failure = Failure.none

    @property
    def served(self) -> bool:
        """Whether the request was understood, so that the connection may live on."""
        return self.status == 200 or self.understood or bool(self.stub)


def uploads(method: str, body_length: int | None) -> bool:
    """Whether a request carries data to the server, which nobody may in clear (OUT-33, P-19)."""
    return method in ("POST", "PUT", "PATCH") or bool(body_length)


def forbidden(method: str) -> Answer:
    """What such a request gets in clear."""
    return refusal(
        403, f"{method} by HTTP in clear: data is only uploaded by HTTPS", kind="refused"
    )


def is_heartbeat(method: str, target: str) -> bool:
    return method == "POST" and target.partition("?")[0] == HEARTBEAT_PATH


def answer(request: HttpRequest, number: int) -> Answer:
    """Answer a well-formed request; ``number`` is the transaction's."""
    transaction = f"SDC{number:07d}"

    if is_heartbeat(request.method, request.target):
        return _heartbeat(request, transaction)

    if request.method in ("POST", "PUT"):
        content = _json(
            status="acknowledged", transaction=transaction, bytes_received=request.body_bytes
        )
        return Answer(status=200, content=content, kind="upload", detail=_line(request))

    if request.method in METHODS:
        content = _json(status="ready", service="callhome-lab sdc", transaction=transaction)
        return Answer(status=200, content=content, kind="request", detail=_line(request))

    return refusal(405, f"{request.method} is not understood here", kind="request")


def refusal(status: int, problem: str, *, kind: str = "malformed") -> Answer:
    """Say no, and why."""
    content = _json(status="refused", problem=problem)
    return Answer(status=status, content=content, kind=kind, detail=problem)


def render(answer: Answer, *, with_content: bool, keep_alive: bool) -> bytes:
    """The answer as it goes over the wire (RFC 9110, RFC 9112)."""
    own = (
        [f"{name}: {value}" for name, value in answer.fields]
        if answer.fields is not None
        else ["Server: callhome-lab", "Content-Type: application/json"]
    )
    # RFC 9110 8.6: no length where there can be no content.
    length = [] if answer.status in (204, 304) else [f"Content-Length: {len(answer.content)}"]
    fields = [
        f"HTTP/1.1 {answer.status} {answer.reason or REASONS[answer.status]}",
        *own,
        *length,
        "Connection: keep-alive" if keep_alive else "Connection: close",
    ]
    if answer.status == 405 and not answer.understood:
        fields.append(f"Allow: {', '.join(METHODS)}")

    head = "\r\n".join(fields) + "\r\n\r\n"
    return head.encode("latin-1") + (answer.content if with_content else b"")


def _heartbeat(request: HttpRequest, transaction: str) -> Answer:
    try:
        heartbeat = nesting.parse(request.body)
    except ValueError:
        return refusal(400, "the heartbeat is not JSON", kind="heartbeat")

    system = heartbeat.get("system") if isinstance(heartbeat, dict) else None
    if not isinstance(system, str) or not 0 < len(system) <= 64 or not system.isprintable():
        return refusal(400, "the heartbeat does not name its system", kind="heartbeat")

    content = _json(status="acknowledged", transaction=transaction, system=system)
    return Answer(status=200, content=content, kind="heartbeat", system=system)


def _line(request: HttpRequest) -> str:
    return f"{request.method} {request.target}"[:200]


def _json(**members: str | int) -> bytes:
    return json.dumps(members).encode() + b"\n"
