"""Ways in their order: what "not configured, busy, unavailable" means for each (OUT-14)."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.agent import connection, roads, session
from lab.agent.access_key import AccessKeys
from lab.agent.credentials import AgentLogIn
from lab.agent.inquiry import NotGiven
from lab.agent.message import ServerUrl
from lab.agent.proxied import ProxyUrl
from lab.errors import PrerequisiteError
from lab.secret import Secret
from tests.unit.agent.examples import NAME
from tests.unit.agent.lives import AgentLife, LiveAgent

BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
NO_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
LOG_IN = b'HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'


class Proxy:
    """A proxy on loopback, which notes what it is asked for."""

    def __init__(self, answer: Callable[[str], bytes]) -> None:
        """``answer``: to a target; nothing: connect."""
        self.asked: list[str] = []
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(caller,), daemon=True).start()

    def _talk(self, caller: socket.socket) -> None:
        with caller:
            head = b""
            while b"\r\n\r\n" not in head:
                head += caller.recv(4096)
            target = head.split()[1].decode()
            self.asked.append(target)
            if answer := self._answer(target):
                caller.sendall(answer)
                return
            host, _, port = target.rpartition(":")
            with socket.create_connection((host, int(port))) as far:
                caller.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                back = threading.Thread(target=copy, args=(far, caller), daemon=True)
                back.start()
                copy(caller, far)
                back.join()

    def close(self) -> None:
        # The thread would else wait on, by a number that the next listener has.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@contextmanager
def proxy(answer: Callable[[str], bytes] = lambda target: b"") -> Iterator[Proxy]:
    made = Proxy(answer)
    try:
        yield made
    finally:
        made.close()


def by(alive: AgentLife, *ways: dict[str, Any]) -> LiveAgent:
    return alive.agent(alive.settings(ways=[{"name": f"w{n}", **w} for n, w in enumerate(ways, 1)]))


def slot(url: str) -> dict[str, Any]:
    return {"kind": "proxy", "url": url}


EMPTY = slot("")


def passed_over(agent: LiveAgent) -> list[tuple[str, str]]:
    return [(e["way"], e["why"]) for e in agent.events("way-passed-over")]


def test_an_empty_slot_is_not_configured(alive: AgentLife) -> None:
    with proxy() as second, proxy() as third:
        agent = by(alive, EMPTY, slot(second.url), slot(third.url))
        assert agent.beat().kept == 0
        assert len(second.asked) == 2, "the enrolment and the heartbeat"
        assert third.asked == []
    assert passed_over(agent) == [("w1", "not configured: the slot for a proxy is empty")]
    assert {e["way"] for e in agent.events("acknowledged")} == {"w2"}


def test_a_proxy_that_is_busy_is_asked_for_each_server_before_the_next_one(
    alive: AgentLife,
) -> None:
    with proxy(lambda target: BUSY) as first, proxy() as second, proxy() as third:
        agent = by(alive, slot(first.url), slot(second.url), slot(third.url))
        assert agent.beat().kept == 0
        sites = [url.removeprefix("https://") for url in alive.site.urls]
        assert first.asked == sites * 2, "for the enrolment and for the heartbeat"
        assert len(second.asked) == 2
        assert third.asked == []
    assert "503" in {e["way"]: e["why"] for e in agent.events("failed")}["w1"]


def test_a_proxy_that_lets_nobody_in_is_asked_once(alive: AgentLife) -> None:
    with proxy(lambda target: LOG_IN) as first, proxy() as second:
        agent = by(alive, slot(first.url), slot(second.url))
        assert agent.beat().kept == 0
        assert len(first.asked) == 1, "not once for each server"
        assert len(second.asked) == 2
    assert [way for way, _ in passed_over(agent)] == ["w1"]
    assert "407" in passed_over(agent)[0][1]


def test_a_proxy_that_resets_is_unavailable(alive: AgentLife) -> None:
    with proxy() as second:
        agent = by(alive, slot("http://127.0.0.1:9"), slot(second.url))
        assert agent.beat().kept == 0
        assert len(second.asked) == 2
    assert "connection refused" in passed_over(agent)[0][1]


def test_a_proxy_that_hangs_up_is_unavailable(alive: AgentLife) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, proxy() as second:

        def hang_up() -> None:
            caller, _ = listener.accept()
            caller.close()

        threading.Thread(target=hang_up, daemon=True).start()
        agent = by(alive, slot(f"http://127.0.0.1:{listener.getsockname()[1]}"), slot(second.url))
        assert agent.beat().kept == 0
        assert len(second.asked) == 2
    assert [way for way, _ in passed_over(agent)] == ["w1"]


@pytest.mark.parametrize("answer", [FORBIDDEN, NO_GATEWAY, BUSY])
def test_a_proxy_that_does_not_lead_to_one_server_may_lead_to_the_next(
    alive: AgentLife, answer: bytes
) -> None:
    """R-02 behind a proxy."""
    first_server = alive.site.urls[0].removeprefix("https://")
    with proxy(lambda target: answer if target == first_server else b"") as only:
        agent = by(alive, slot(only.url))
        assert agent.beat().kept == 0
    assert {t.server_ip for t in alive.site.transactions} == {"127.0.0.2"}
    assert passed_over(agent) == []


def test_direct_is_tried_before_or_after_a_proxy_as_configured(alive: AgentLife) -> None:
    """OUT-15."""
    with proxy() as other:
        agent = by(alive, {"kind": "direct"}, slot(other.url))
        assert agent.beat().kept == 0
        assert other.asked == []
        agent = by(alive, slot(other.url), {"kind": "direct"})
        assert agent.beat().kept == 0
        assert len(other.asked) == 1
    assert [e["way"] for e in agent.events("acknowledged")] == ["w1"] * 3


def test_a_password_that_ibm_does_not_take_is_no_reason_for_another_way(alive: AgentLife) -> None:
    """OUT-14: the way is not unavailable; each server of it may know the password (R-11)."""
    with proxy() as other:
        agent = by(alive, {"kind": "direct"}, slot(other.url))
        agent.beat()
        known = agent.state.credentials.of(NAME)
        assert known is not None
        agent.state.credentials.keep(NAME, AgentLogIn(id=known.id, password=Secret("s3cr3t")))
        assert agent.beat().kept
        refused = {e["server"] for e in agent.events("refused") if e["kind"] == "heartbeat"}
        assert refused == {*alive.site.urls}
        with agent.courier.trip() as trip, pytest.raises(NotGiven):
            AccessKeys(agent.state).update(agent.machine, trip.roads)
        refused = {e["server"] for e in agent.events("refused") if e["kind"] == "access-key"}
        assert refused == {*alive.site.urls}
        assert other.asked == []


class LabWay:
    """Stands in for the command ``lab-way``."""

    def __init__(self, *fails: str) -> None:
        self.calls: list[str] = []
        self._fails = fails

    def __call__(self, verb: str, way: str) -> tuple[int, str]:
        self.calls.append(f"{verb} {way}")
        return (1, "the modem is busy") if f"{verb} {way}" in self._fails else (0, "")


def lab_ways(alive: AgentLife, command: LabWay, *names: str) -> LiveAgent:
    ways = [
        {"name": "dead", "kind": "proxy", "url": "http://127.0.0.1:9"},
        *({"name": name, "kind": "lab-way", "way": name} for name in names),
    ]
    return alive.agent(alive.settings(ways=ways), command)


def test_a_lab_way_is_up_while_it_is_needed(alive: AgentLife) -> None:
    command = LabWay()
    agent = lab_ways(alive, command, "vpn", "modem")
    agent.reports.regular("inventory", agent.machine)
    assert agent.beat().kept == 0
    assert command.calls == ["up vpn", "down vpn"], "once, for all that is sent"
    assert not (agent.state.folder / "way-up").exists()


def test_a_lab_way_that_stays_down_is_passed_over(alive: AgentLife) -> None:
    command = LabWay("up vpn")
    agent = lab_ways(alive, command, "vpn", "modem")
    assert agent.beat().kept == 0
    assert command.calls == ["up vpn", "down vpn", "up modem", "down modem"]
    assert passed_over(agent)[1] == (
        "vpn",
        "busy or unavailable: lab-way up vpn: the modem is busy",
    )


def test_one_lab_way_is_down_before_the_next_one_comes_up(alive: AgentLife) -> None:
    command = LabWay()
    dead = alive.settings(
        urls=["https://127.0.0.1:9"],
        ways=[{"name": name, "kind": "lab-way", "way": name} for name in ("vpn", "modem")],
    )
    assert alive.agent(dead, command).beat().kept == 2
    assert command.calls == ["up vpn", "down vpn", "up modem", "down modem"]


def test_what_a_killed_agent_left_up_goes_down_first(alive: AgentLife) -> None:
    command = LabWay()
    agent = lab_ways(alive, command)
    agent.state.folder.mkdir()
    (agent.state.folder / "way-up").write_text("modem")
    agent.beat()
    assert command.calls == ["down modem"]


def test_no_program_lab_way_is_no_way(alive: AgentLife) -> None:
    def missing(verb: str, way: str) -> tuple[int, str]:
        raise PrerequisiteError("there is no program lab-way")

    agent = lab_ways(alive, missing, "vpn")  # type: ignore[arg-type]
    sent = agent.beat()
    assert sent.kept == 2
    assert passed_over(agent)[1] == ("vpn", "not configured: there is no program lab-way")


def test_the_program_is_found_on_the_path_and_its_last_line_is_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "lab-way"
    program.write_text(
        '#!/bin/sh\necho "$@" >> "$0.log"\necho first >&2\necho "no carrier" >&2\nexit 1\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert roads.run_lab_way("up", "modem") == (1, "no carrier")
    assert (tmp_path / "lab-way.log").read_text() == "up modem\n"


@pytest.mark.parametrize(("phase", "of_way"), [("proxy", True), ("CONNECT", False), ("TLS", False)])
def test_a_silent_proxy_is_unavailable_and_a_silent_server_is_not_its_fault(
    alive: AgentLife, monkeypatch: pytest.MonkeyPatch, phase: str, of_way: bool
) -> None:
    def silent(approach: connection.Approach) -> socket.socket:
        approach.enter(phase, "wait")
        raise TimeoutError

    monkeypatch.setattr(session, "reach", silent)
    context = alive.agent().state.context
    with pytest.raises(session.Unanswered) as failed:
        session.open_session(ServerUrl(alive.site.url), ProxyUrl("http://127.0.0.1:9"), context)
    assert failed.value.of_way is of_way
