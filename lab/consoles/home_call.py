"""A console's own call home: the reference agent on its node sends one message, by the way that is in use."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from lab import codec
from lab.agent.inter_console import packed
from lab.agent.message import Attempt, Message
from lab.errors import LabError
from lab.linux.process import PIPE, Popen, TimeoutExpired
from lab.record.cause import AgentCause

if TYPE_CHECKING:
    from lab.linux.nodes import Node

HOME_S = 1200.0
"""For the reference agent to try all of IBM's servers, twice."""

Environment = Callable[[str], dict[str, str]]
"""What a command on a node is told, now."""


class HomeCall:
    """Of one console; any thread may send, and several at once."""

    def __init__(self, node: Node, environment: Environment) -> None:
        self._node = node
        self._environment = environment
        self._lock = threading.Lock()
        self._calls: set[Popen[bytes]] = set()
        self._stopped = False

    def send(self, message: Message) -> Attempt:
        """Have the reference agent send a message to IBM; its last attempt."""
        told = packed(message, forwarded=True).content
        argv = [sys.executable, "-m", "lab.agent", "--json", "--relay", message.key]
        environment = {"PYTHONPATH": ":".join(sys.path), **self._environment(self._node.name)}
        try:
            with self._started(argv, environment) as popen:
                output, _ = popen.communicate(told, timeout=HOME_S)
        except TimeoutExpired:
            return _failed(AgentCause.timed_out, f"{HOME_S:g}")
        except (LabError, OSError) as error:  # The node is on the way down, or has no room.
            return _failed(AgentCause.broken, f"the agent that calls home did not start: {error}")
        try:
            return _last(output)
        except (ValueError, LookupError, TypeError):  # It was ended while it wrote.
            return _failed(AgentCause.broken, "the agent that calls home has ended")

    @contextlib.contextmanager
    def _started(self, argv: list[str], environment: Mapping[str, str]) -> Iterator[Popen[bytes]]:
        with self._lock:
            popen = self._node.start(argv, environment, stdin=PIPE, stdout=PIPE)
            self._calls.add(popen)
            if self._stopped:
                popen.kill()
        try:
            with popen:
                try:
                    yield popen
                finally:
                    popen.kill()
        finally:
            with self._lock:
                self._calls.discard(popen)

    def stop(self) -> None:
        """End what calls home just now, and whatever is to."""
        with self._lock:
            self._stopped = True
            for popen in self._calls:
                popen.kill()


def _last(output: bytes) -> Attempt:
    """The last attempt of what the reference agent put out; raises what its reading raises."""
    last = json.loads(output)["attempts"][-1]
    attempt = Attempt(last["server"])
    if last["acknowledged"]:
        attempt.acknowledgement = {"transaction": last["transaction"]}
    else:
        attempt.fail(codec.build(AgentCause, last["cause"]), last["detail"])
    return attempt


def _failed(cause: AgentCause, detail: str) -> Attempt:
    attempt = Attempt("")
    attempt.fail(cause, detail)
    return attempt
