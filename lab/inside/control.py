"""Orders to a lab that stands: ways home up and down, by a socket of the inside, one order at a time.

An order is a line of JSON. The answer is lines of JSON, too: each sentence of the story as it is told, and
the outcome at last. ``ask`` is the asking end, in a process of its own beside the lab's.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

from lab.errors import LabBroke, LabError, PathError, UsageError
from lab.linux import listening as sockets

if TYPE_CHECKING:
    from lab.inside.running import RunningLab

PLACE = "/run/lab-orders.sock"
_BACKLOG = 8
_MOST_BYTES = 1 << 12
_ORDER_S = 5.0


@contextlib.contextmanager
def listening() -> Iterator[socket.socket]:
    """The lab's end."""
    with closing(sockets.by_path(PLACE, 0o600, _BACKLOG)) as listener:
        try:
            yield listener
        finally:
            os.unlink(PLACE)  # noqa: PTH108 - no Path for one name


def carry_out(lab: RunningLab, listener: socket.socket) -> None:
    """Take the next order and do it. Whoever asked may have gone meanwhile: the order is carried out."""
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(_ORDER_S)

        def answer(**fields: object) -> None:
            with contextlib.suppress(OSError):
                connection.sendall(json.dumps(fields).encode() + b"\n")

        try:
            order = json.loads(connection.makefile("rb").readline(_MOST_BYTES))
            verb, way, agent = (str(order[key]) for key in ("verb", "way", "agent"))
        except (OSError, ValueError, LookupError, TypeError):
            answer(status=UsageError.exit_status, message="this is no order", hint="")
            return
        lab.story.also = lambda sentence: answer(told=sentence)
        try:
            answer(**_outcome(lab, verb, way, agent))
        finally:
            lab.story.also = None


def bring_up(lab: RunningLab, way: str = "", agent: str = "") -> str:
    """Bring a way up by command; what is up since, in words. Raises as ``Homeward.bring_up``."""
    try:
        up = lab.homeward.bring_up(way, agent)
    except PathError as error:
        lab.check()
        lab.path_failed(error, again=lab.record.path_up > 0)
        raise
    lab.record.path_up = time.time()
    lab.record.forgive()
    return "\n".join(f"{each}: {home.name} is up" for each, home in up)


def take_down(lab: RunningLab, way: str = "", agent: str = "") -> str:
    """Take a way down by command; what is down since, in words. Raises UsageError if none is up."""
    down = lab.homeward.take_down(way, agent)
    return "\n".join(f"{each}: {home.name} is down" for each, home in down)


def _outcome(lab: RunningLab, verb: str, way: str, agent: str) -> dict[str, Any]:
    try:
        done = bring_up(lab, way, agent) if verb == "path-up" else take_down(lab, way, agent)
    except LabError as error:
        hint = error.hint
        if isinstance(error, PathError):
            hint = "the lab stands; lab down judges what was seen and says more"
        return {"status": error.exit_status, "message": error.message, "hint": hint}
    return {"status": 0, "message": done, "hint": ""}


def ask(verb: str, way: str, agent: str) -> int:
    """Give the lab an order: the story to standard error, the outcome to standard output; its status."""
    outcome: dict[str, Any] = {
        "status": LabBroke.exit_status, "message": "the lab is going down", "hint": "lab status",
    }  # fmt: skip
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as lab, contextlib.suppress(OSError):
        lab.connect(PLACE)
        order = {"verb": verb, "way": way, "agent": agent}
        lab.sendall(json.dumps(order).encode() + b"\n")
        for line in lab.makefile("rb"):
            answer = json.loads(line)
            if "told" in answer:
                sys.stderr.write(f"{answer['told']}\n")
                sys.stderr.flush()
            else:
                outcome = answer
    sys.stdout.write(f"{json.dumps(outcome)}\n")
    return int(outcome["status"])
