"""The dialler against a serial port on which the test itself is the modem."""

from __future__ import annotations

import os
import threading
import tty
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab.errors import ProtocolError
from lab.linux.nodes import Node
from lab.record.cause import DialCause
from lab.record.event import Event
from lab.record.record import Record
from lab.ways.dial.plan import dialers
from tests.unit.verify.stage import topology
from tunnels import calling
from tunnels.calling import SET_UP
from tunnels.modem import Dialler


class Port:
    """A pseudo terminal whose far end says OK to every command but one, and to that another result."""

    def __init__(self, refused: str, result: str = "ERROR") -> None:
        self._far, self._near = os.openpty()
        tty.setraw(self._near)
        self.device = os.ttyname(self._near)
        self._refused = refused
        self._result = f"\r\n{result}\r\n".encode()
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()

    def _answer(self) -> None:
        said = b""
        while not said.endswith(b"the end"):
            said += os.read(self._far, 256)
            while b"\r" in said:
                command, _, said = said.partition(b"\r")
                wrong = command == self._refused.encode()
                os.write(self._far, self._result if wrong else b"\r\nOK\r\n")

    def close(self) -> None:
        os.write(self._near, b"the end")
        self._thread.join()
        os.close(self._near)
        os.close(self._far)


@pytest.fixture
def port(request: pytest.FixtureRequest) -> Iterator[Port]:
    port = Port(*request.param.split(": "))
    yield port
    port.close()


def here(tmp_path: Path) -> Node:
    """A node that is where the test is."""

    def call(work: Callable[..., Any], *arguments: object) -> object:
        return work(*arguments)

    return cast(Node, SimpleNamespace(name="hmc", call=call, log_dir=tmp_path))


@pytest.mark.parametrize(
    ("port", "refused"), [("AT+MS=V99", "AT+MS=V99"), (SET_UP, SET_UP)], indirect=["port"]
)
def test_a_refused_command_ends_the_attempt(port: Port, refused: str, tmp_path: Path) -> None:
    (plan,) = dialers(topology("dial"))
    plan = replace(plan, devices=(port.device,), init="AT+MS=V99")
    record = Record()
    told: list[Event] = []
    dialler = Dialler(here(tmp_path), plan, "lig", record, told.append)
    assert dialler.find_modem() == port.device

    with pytest.raises(ProtocolError, match="ERROR"):
        dialler.dial()

    (attempt,) = record.dialled
    assert attempt.why == f"{refused} was answered with ERROR"
    assert attempt.cause is DialCause.command_refused
    assert (attempt.command, attempt.detail) == (refused, "ERROR")
    assert told == [*record.modems, attempt]
    assert attempt.result == ""
    assert 0 < attempt.started <= attempt.time


@pytest.mark.parametrize(
    "port",
    ["ATDT18005550100: NO DIALTONE", "ATDT18005550100: NO DIAL TONE"],
    indirect=True,
)
def test_a_dead_line_in_either_spelling_is_no_reason_for_another_number(
    port: Port, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calling, "CALL_S", 20.0)
    (plan,) = dialers(topology("dial"))
    plan = replace(plan, devices=(port.device,), numbers=("18005550100", "18005550199"))
    record = Record()
    dialler = Dialler(here(tmp_path), plan, "lig", record, lambda event: None)
    dialler.find_modem()

    with pytest.raises(ProtocolError, match="no dial tone"):
        dialler.dial()

    (attempt,) = record.dialled
    assert attempt.cause is DialCause.no_dialtone
    assert attempt.result.replace(" ", "") == "NODIALTONE"
