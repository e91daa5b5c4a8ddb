"""The agent learns with the daily heartbeat, over the same session, which problems IBM has closed (E-20)."""

from __future__ import annotations

from typing import Any

import pytest

from lab.agent.message import Attempt
from lab.agent.session import ReceiverSession, ServiceReply, Unanswered
from tests.unit.agent.examples import MACHINE
from tests.unit.agent.lives import DAY, AgentLife, LiveAgent

STATE = "service: problem-state"


def with_problems(alive: AgentLife, *reports: str, **more: Any) -> LiveAgent:
    agent = alive.agent(alive.settings(**more))
    agent.beat()
    for report in reports:
        agent.reports.problem(agent.machine, {"reference_code": "B1"}, report)
    assert agent.courier.send().kept == 0
    return agent


def states(agent: LiveAgent) -> dict[str, str]:
    return {report: told["state"] for report, told in agent.state.problems.all().items()}


def test_each_open_problem_is_asked_for_with_the_heartbeat_until_it_is_closed(
    alive: AgentLife,
) -> None:
    agent = with_problems(alive, "a", "b")
    before = len(alive.site.transactions)
    agent.beat()
    beat, *asked = alive.site.transactions[before:]
    assert beat.kind == "service: heartbeat"
    assert [(t.kind, t.report, t.status) for t in asked] == [(STATE, "a", 200), (STATE, "b", 200)]
    assert {t.peer_port for t in asked} == {beat.peer_port}, "over the session of the heartbeat"
    assert states(agent) == {"a": "open", "b": "open"}

    pmh = agent.state.problems.all()["a"]["pmh"]
    alive.site.receiver.close_problem(pmh)
    alive.pass_time(DAY)
    agent.beat()
    assert states(agent) == {"a": "closed", "b": "open"}
    assert [(e["report"], e["pmh"]) for e in agent.events("problem-closed")] == [("a", pmh)]
    assert agent.state.problems.all()["a"]["ended"] == alive.now

    before = len(alive.site.transactions)
    agent.beat()
    assert [t.report for t in alive.site.transactions[before:] if t.kind == STATE] == ["b"]


def test_without_an_open_problem_nothing_is_asked(alive: AgentLife) -> None:
    agent = with_problems(alive)
    agent.reports.problem(agent.machine, {"reference_code": "B1"})
    agent.courier.send()
    assert [t for t in alive.site.transactions if t.kind == STATE] == []


def test_a_problem_that_ibm_has_deleted_is_closed(alive: AgentLife) -> None:
    """The agent was away for longer than IBM keeps a report."""
    agent = with_problems(alive, "a")
    alive.site.receiver.close_problem(agent.state.problems.all()["a"]["pmh"])
    alive.pass_time(61 * DAY)
    agent.beat()
    assert states(agent) == {"a": "closed"}


def test_each_machine_asks_for_problems_of_its_own(alive: AgentLife) -> None:
    other = {**MACHINE, "serial": "21ABCDF"}
    agent = with_problems(alive, "a", machines=[MACHINE, other])
    agent.reports.regular("heartbeat", agent.state.settings.machines[1])
    agent.courier.send()
    assert [t for t in alive.site.transactions if t.kind == STATE] == []


def test_a_problem_that_ibm_does_not_know_stays_open_and_the_next_is_asked_for(
    alive: AgentLife,
) -> None:
    agent = with_problems(alive, "b")
    agent.state.problems.note("a", machine=agent.machine.name, state="open")
    alive.site.receiver.close_problem(agent.state.problems.all()["b"]["pmh"])
    agent.beat()
    assert states(agent) == {"a": "open", "b": "closed"}
    (refused,) = agent.events("refused")
    assert (refused["kind"], refused["report"]) == ("problem-state", "a")


def test_a_session_that_breaks_then_costs_nothing(
    alive: AgentLife, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The heartbeat has arrived, and is not sent again; the state is asked for with the next one."""
    agent = with_problems(alive, "a", "b")
    ask = ReceiverSession.ask

    def broken(self: ReceiverSession, method: str, *args: Any, **more: Any) -> ServiceReply:
        if method == "GET":
            self.over = True
            raise Unanswered(Attempt("https://x", ""))
        return ask(self, method, *args, **more)

    before = len(alive.accepted)
    with monkeypatch.context() as patch:
        patch.setattr(ReceiverSession, "ask", broken)
        sent = agent.beat()
    assert sent.kept == 0
    assert [t.kind for t in alive.accepted[before:]] == ["service: heartbeat"]
    assert len(agent.events("failed")) == 1
    assert states(agent) == {"a": "open", "b": "open"}


def test_an_offer_of_a_password_with_a_state_is_heeded(
    alive: AgentLife, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E-09: every answer may have one; here this one is the first that has."""
    agent = with_problems(alive, "a")
    log_in = agent.state.credentials.of(agent.machine.name)
    assert log_in is not None
    ask = ReceiverSession.ask

    def offered(self: ReceiverSession, method: str, *args: Any, **more: Any) -> ServiceReply:
        if method == "GET":
            alive.site.receiver.change_password_now(log_in.id)
        return ask(self, method, *args, **more)

    monkeypatch.setattr(ReceiverSession, "ask", offered)
    agent.beat()
    assert [e["event"] for e in agent.events("password-offered", "password-changed")] == [
        "password-offered", "password-changed",
    ]  # fmt: skip
