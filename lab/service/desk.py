"""How a command in a node is carried out by the lab's own process: one request by a socket of the node.

A request is a line of JSON with a verb and options, the answer one with an exit status and words. The client
is ``inbound``.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lab.errors import LabBroke, LabError, UsageError
from lab.linux import listening
from lab.linux.nodes import Node
from lab.linux.worker import Broke, readable, start_worker

FOLDER = "/run/lab"
Verb = Callable[[Mapping[str, Any]], str]
"""Gets the options, and returns the words; a LabError is told with its exit status."""
_BACKLOG = 8
_MOST_BYTES = 1 << 16
_REQUEST_S = 5.0
_MOST_BRACKETS = 8


def place(name: str) -> str:
    """Where a desk's socket is in its node."""
    return f"{FOLDER}/{name}.sock"


@contextlib.contextmanager
def start(node: Node, name: str, verbs: Mapping[str, Verb]) -> Iterator[Broke]:
    """Serve a desk inside of the context, one request at a time; what broke it, if anything does."""
    listener = node.call(listening.by_path, place(name), 0o600, _BACKLOG)
    broke = Broke(f"{node.name}'s desk {name}")

    def serve(told: int) -> None:
        with broke:
            _serve(listener, told, verbs)

    with listener, start_worker(serve, f"desk {name}"):
        yield broke


def _serve(listener: socket.socket, told: int, verbs: Mapping[str, Verb]) -> None:
    poller = readable(listener, told)
    while True:
        if told in (descriptor for descriptor, _ in poller.poll()):
            return
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.settimeout(_REQUEST_S)
            request = connection.makefile("rb").readline(_MOST_BYTES)
            connection.sendall(json.dumps(_answer(request, verbs)).encode() + b"\n")


def parse(request: bytes) -> Any:
    """What a line of JSON asks for; raises ValueError for what is none."""
    # Brackets in brackets may end the reader's stack.
    if request.count(b"[") + request.count(b"{") > _MOST_BRACKETS:
        raise ValueError("no request is like that")
    return json.loads(request)


def _answer(request: bytes, verbs: Mapping[str, Verb]) -> dict[str, object]:
    try:
        asked = parse(request)
        name, options = str(asked["verb"]), dict(asked["options"])
    except (ValueError, LookupError, TypeError):
        return {"status": UsageError.exit_status, "words": "this is no request"}
    verb = verbs.get(name)
    if verb is None:
        known = ", ".join(verbs)
        return {"status": UsageError.exit_status, "words": f"no {name} here: there is {known}"}
    try:
        return {"status": 0, "words": verb(options)}
    except LabError as error:
        return {"status": error.exit_status, "words": str(error)}


def ask(name: str, program: str, verb: str, options: Mapping[str, object]) -> int:
    """Have a desk of this node do something, as a program: say the words; the exit status."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as desk:
        try:
            desk.connect(place(name))
        except OSError:
            return _end(program, UsageError.exit_status, "there is no remote service in this node")
        desk.sendall(json.dumps({"verb": verb, "options": dict(options)}).encode() + b"\n")
        line = desk.makefile("rb").readline()
    if not line:
        return _end(program, LabBroke.exit_status, "the lab is going down")
    answer = json.loads(line)
    return _end(program, int(answer["status"]), str(answer["words"]))


def _end(program: str, status: int, words: str) -> int:
    if status:
        sys.stderr.write(f"{program}: {words}\n")
    else:
        sys.stdout.write(f"{words}\n")
    return status
