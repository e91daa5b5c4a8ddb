"""What a console makes of the agent that calls IBM for it."""

from __future__ import annotations

import json
import shlex
import subprocess
import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab.agent.client import read_acknowledgement
from lab.agent.message import Message
from lab.consoles import home_call
from lab.consoles.home_call import HomeCall
from lab.errors import KernelError
from lab.record.cause import AgentCause

MESSAGE = Message("POST", "/heartbeat", b"{}", read_acknowledgement, key="k1")
TRIED = {
    "server": "https://192.0.2.20",
    "acknowledged": False,
    "transaction": "",
    "cause": "unreached",
    "detail": "no route to host",
}


def calling(script: str, started: threading.Event | None = None) -> HomeCall:
    """A console on whose node a shell's script runs in the place of the agent."""

    def start(argv: list[str], environment: dict[str, str], **streams: Any) -> Any:
        if not script:
            raise KernelError("start", "a program in node hmc-b", "no room", hint="")
        popen = subprocess.Popen(["sh", "-c", f"cat >/dev/null; {script}"], **streams)
        if started is not None:
            started.set()
        return popen

    return HomeCall(cast(Any, SimpleNamespace(name="hmc-b", start=start)), lambda name: {})


def says(*attempts: dict[str, object]) -> str:
    return f"echo {shlex.quote(json.dumps({'attempts': attempts}))}"


def test_the_last_attempt_counts() -> None:
    sent = TRIED | {"acknowledged": True, "transaction": "SDC0000001", "cause": None}

    attempt = calling(says(TRIED, sent)).send(MESSAGE)

    assert attempt.acknowledgement == {"transaction": "SDC0000001"}


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        (says(TRIED), AgentCause.unreached),
        ("true", AgentCause.broken),
        ("echo '{\"attempts\": ['", AgentCause.broken),
        (says(), AgentCause.broken),
        (says({}), AgentCause.broken),
        ("echo 1", AgentCause.broken),
        (says(TRIED | {"cause": "weather"}), AgentCause.broken),
        ("", AgentCause.broken),
    ],
)
def test_whatever_else_it_says_is_a_request_that_failed(script: str, cause: AgentCause) -> None:
    attempt = calling(script).send(MESSAGE)

    assert (attempt.acknowledgement, attempt.cause) == ({}, cause)
    assert attempt.why


def test_an_agent_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home_call, "HOME_S", 0.1)

    attempt = calling("exec sleep 1000").send(MESSAGE)

    assert attempt.cause is AgentCause.timed_out


def test_a_console_that_dies_ends_what_calls_home() -> None:
    started = threading.Event()
    dying = calling("exec sleep 1000", started)
    attempts: list[Any] = []
    thread = threading.Thread(target=lambda: attempts.append(dying.send(MESSAGE)))
    thread.start()
    assert started.wait(60)

    dying.stop()
    thread.join(60)

    assert [attempt.cause for attempt in attempts] == [AgentCause.broken]
    assert dying.send(MESSAGE).cause is AgentCause.broken, "nor does it later"
