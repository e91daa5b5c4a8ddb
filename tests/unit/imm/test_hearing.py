"""What a service makes of a management module: its settings, its subscription, a report of each failure."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pywbem

from lab.agent.book import lines
from lab.agent.imm import hearing, subscribing
from lab.agent.settings import SettingsError
from lab.agent.state import AgentState
from lab.errors import PrerequisiteError
from lab.wait import wait_until
from tests.ports import free_port
from tests.unit.agent.examples import settings
from tests.unit.imm.module import PASSWORD, USER, ManagementModule, alert, listening

DEADLINE_S = 60.0
IMM = {"host": "127.0.0.1", "user": USER, "password": PASSWORD}


class Ward:
    """An agent that hears a module which has HTTP alone."""

    def __init__(self, folder: Path, module: ManagementModule) -> None:
        self.module = module
        self.port = free_port()
        more = {"generation": "esa-linux-7.1.5", "imm": {**IMM, "port": self.port}}
        self.told: list[str] = []
        self.woken = threading.Event()
        self.state = AgentState(settings(folder, **more), self.told.append)

    def export(self, instance: pywbem.CIMInstance) -> None:
        url = f"https://127.0.0.1:{self.port}"
        with pywbem.WBEMConnection(url, no_verification=True) as connection:
            connection.ExportIndication(instance)

    def events(self) -> list[str]:
        return [str(each["event"]) for each in lines(self.state.book.path)]


@contextmanager
def heard(ward: Ward) -> Iterator[None]:
    former = signal.signal(signal.SIGHUP, lambda number, frame: ward.woken.set())
    try:
        with hearing.hearing(ward.state):
            yield
    finally:
        signal.signal(signal.SIGHUP, former)


@pytest.fixture
def ward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ward]:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(subscribing, "HTTPS_PORT", free_port())
    module = ManagementModule()
    with listening(module, None) as port:
        monkeypatch.setattr(subscribing, "HTTP_PORT", port)
        made = Ward(tmp_path, module)
        with made.state:
            yield made


def test_a_failure_becomes_a_problem_and_wakes_the_service(ward: Ward) -> None:
    with heard(ward):
        wait_until("a subscription", lambda: len(ward.module.created) == 3, DEADLINE_S)
        assert ward.module.created[1]["Destination"] == f"https://127.0.0.1:{ward.port}/"
        ward.export(alert(EventID="B1817201 (fan)"))
        assert ward.woken.wait(DEADLINE_S)
    problem, *data = ward.state.spool.entries()
    assert problem.kind == "problem"
    assert problem.report.startswith("imm-")
    assert {entry.about for entry in data} == {problem.report}
    known = ward.state.problems.all()[problem.report]
    assert (known["reference_code"], known["severity"]) == ("B1817201--fan-", 1)
    assert known["text"] == "Fan 3 has failed"
    assert known["occurred"] == 1796017200.0


def test_what_is_told_twice_is_one_problem(ward: Ward) -> None:
    with heard(ward):
        ward.export(alert())
        before = len(ward.state.spool)
        ward.export(alert())
        assert len(ward.state.spool) == before
        (report,) = ward.state.problems.all()

        for entry in ward.state.spool.entries():  # it was sent meanwhile
            ward.state.spool.remove(entry)
        ward.state.problems.note(report, state="open", pmh="PMH1")
        ward.export(alert())
    assert len(ward.state.spool) == 0
    assert ward.state.problems.all()[report]["state"] == "open"


def test_a_full_state_folder_has_the_module_tell_again(ward: Ward) -> None:
    with heard(ward):
        ward.state.folder.mkdir(exist_ok=True)
        (ward.state.folder / "queue").write_text("in the way")
        with pytest.raises(pywbem.CIMError, match="cannot keep it just now"):
            ward.export(alert())
        (ward.state.folder / "queue").unlink()
        ward.export(alert())
    assert next(entry.kind for entry in ward.state.spool.entries()) == "problem"


def test_a_module_that_is_not_there_is_tried_again(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hearing, "RETRY_S", 0.05)
    there = subscribing.HTTP_PORT
    monkeypatch.setattr(subscribing, "HTTP_PORT", free_port())
    with heard(ward):
        wait_until("a try", lambda: "imm-not-subscribed" in ward.events(), DEADLINE_S)
        assert "does not notify" in ward.state.alerts.all()["no-management-module"]["message"]
        monkeypatch.setattr(subscribing, "HTTP_PORT", there)
        wait_until("a subscription", lambda: "imm-subscribed" in ward.events(), DEADLINE_S)
        assert ward.state.alerts.all() == {}
    assert any("does not notify the agent: 127.0.0.1 port" in line for line in ward.told)
    assert PASSWORD not in "".join(ward.told)


def test_the_end_does_not_wait_for_the_next_try(ward: Ward) -> None:
    with heard(ward):
        wait_until("a subscription", lambda: "imm-subscribed" in ward.events(), DEADLINE_S)
    assert not [each for each in threading.enumerate() if each.name in ("imm", "web")]


def test_a_port_that_somebody_has(ward: Ward) -> None:
    with (
        socket.create_server(("", ward.port)),
        pytest.raises(PrerequisiteError, match=f"port {ward.port}") as caught,
        hearing.hearing(ward.state),
    ):
        pass
    assert "[imm], port" in caught.value.hint


def test_without_the_table_nothing_is_heard(tmp_path: Path) -> None:
    with AgentState(settings(tmp_path)) as state, hearing.hearing(state):
        assert not state.folder.exists()


def test_every_mistake_in_the_settings_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        hearing.plan(settings(tmp_path, imm={"hots": "x", "user": 1, "password": "", "port": 0}))
    assert caught.value.problems == [
        "imm.hots is not known; did you mean host?",
        'imm.host is missing or no text; write host = "..."',
        'imm.user is missing or no text; write user = "..."',
        'imm.password is missing or no text; write password = "..."',
        "imm.port is no port; write a number from 1 to 65535, such as 5990",
    ]


def test_the_settings(tmp_path: Path) -> None:
    found = hearing.plan(settings(tmp_path, imm={**IMM, "ca_file": "imm.pem"}))
    assert found is not None
    assert found.port == 5990
    assert found.access.ca_file == str(tmp_path / "imm.pem")
    assert PASSWORD not in repr(found)
