"""Enrolling, reporting, passwords and failures, against IBM's receiver."""

from __future__ import annotations

import json

import pytest

from lab.agent.credentials import AgentLogIn
from lab.agent.reports import EXTENDED
from lab.agent.settings import Monitored
from lab.secret import Secret
from tests.unit.agent.examples import MACHINE, NAME
from tests.unit.agent.lives import DAY, AgentLife


def test_the_first_communication_is_the_enrolment_and_all_others_are_authenticated(
    alive: AgentLife,
) -> None:
    """E-06, E-08."""
    agent = alive.agent()
    sent = agent.beat()

    assert [entry.kind for entry in sent.acknowledged] == ["enrolment", "heartbeat"]
    assert [t.kind for t in alive.site.transactions] == [
        "service: enrolment",
        "service: heartbeat",
    ]
    log_in = agent.state.credentials.of(NAME)
    assert log_in is not None
    assert alive.site.transactions[1].authenticated_as == log_in.id
    assert len(agent.state.spool) == 0


def test_each_machine_has_an_id_of_its_own(alive: AgentLife) -> None:
    """E-06, E-07: and a new installation has the same ID after a reset."""
    other = {**MACHINE, "serial": "21FFFFF"}
    agent = alive.agent(alive.settings(machines=[MACHINE, other]))
    for machine in agent.state.settings.machines:
        agent.reports.regular("heartbeat", machine)
    sent = agent.courier.send()
    assert len(sent.acknowledged) == 4
    ids = {t.authenticated_as for t in alive.site.transactions} - {""}
    assert len(ids) == 2


def test_one_session_has_one_log_in_and_carries_several_reports(alive: AgentLife) -> None:
    """E-08."""
    agent = alive.agent()
    agent.beat()
    for kind in ("heartbeat", "inventory", "performance"):
        agent.reports.regular(kind, agent.machine)
    agent.courier.send()
    ports = {t.peer_port for t in alive.site.transactions[2:]}
    assert len(alive.site.transactions) == 5
    assert len(ports) == 1


def test_a_problem_has_its_number_and_its_data(alive: AgentLife) -> None:
    """E-20, E-24, OUT-18: collected, queued, sent."""
    agent = alive.agent()
    entry = agent.reports.problem(agent.machine, {"reference_code": "B3036620", "severity": 2})
    assert agent.reports.has(EXTENDED)
    files = agent.reports.extended(agent.machine, entry.report)
    sent = agent.courier.send()

    assert sent.kept == 0
    problem = agent.state.problems.all()[entry.report]
    assert problem["pmh"].startswith("PMH")
    assert problem["state"] == "open"
    names = {each.name for each in files}
    assert "hmc.eed" in names
    order = [
        (e["event"], e.get("kind", e.get("reason")))
        for e in agent.events("collected", "queued", "acknowledged")
    ]
    assert order.index(("collected", "problem")) < order.index(("queued", "problem"))
    assert order.index(("queued", "problem")) < order.index(("acknowledged", "problem"))
    assert len([e for e in agent.events("acknowledged") if e["kind"] == "data"]) == len(files)


def test_data_of_many_parts_arrives_whole(alive: AgentLife) -> None:
    agent = alive.agent()
    entry = agent.reports.problem(agent.machine, {"reference_code": "B3036620"})
    content = bytes(range(256)) * 5000  # more than is held in memory while it waits
    agent.reports.data(agent.machine, entry.report, "iqyylog.log", content)
    assert agent.courier.send().kept == 0
    patches = [t for t in alive.site.transactions if t.method == "PATCH"]
    assert sum(t.body_bytes for t in patches) == len(content)
    assert len(patches) == 20


def test_two_servers_know_the_same_password(alive: AgentLife) -> None:
    """R-02, R-11: where the first site is down, the second one takes the same log-in."""
    agent = alive.agent()
    agent.beat()
    dead = "https://127.0.0.1:9"
    other = alive.agent(alive.settings(urls=[dead, alive.site.urls[1]]))
    sent = other.beat()
    assert sent.kept == 0
    assert alive.site.transactions[-1].server_ip == "127.0.0.2"
    failed = other.events("failed")
    assert [(e["server"], e["phase"]) for e in failed] == [(dead, "connect")]

    agent.beat()
    assert alive.site.transactions[-1].server_ip == "127.0.0.1", (
        "the next session prefers the first"
    )


def test_without_a_server_everything_waits_and_then_arrives_once(alive: AgentLife) -> None:
    """OUT-34."""
    cut_off = alive.agent(alive.settings(urls=["https://127.0.0.1:9"]))
    for kind in ("heartbeat", "inventory"):
        cut_off.reports.regular(kind, cut_off.machine)
    for _ in range(3):
        sent = cut_off.courier.send()
    assert sent.kept == 3
    assert "connection refused" in sent.why
    assert [*cut_off.state.alerts.all()] == ["no-way-home"]
    assert len([line for line in alive.told if "what is queued is kept" in line]) == 1

    agent = alive.agent()
    assert agent.courier.send().kept == 0
    assert agent.courier.send().acknowledged == []
    kinds = [t.kind for t in alive.accepted]
    assert kinds == ["service: enrolment", "service: heartbeat", "service: inventory"]
    assert agent.state.alerts.all() == {}


def test_passwords_change_before_half_a_year_without_a_gap(alive: AgentLife) -> None:
    """E-09: three years, a heartbeat every two weeks."""
    agent = alive.agent()
    changes = []
    for turn in range(79):
        assert agent.beat().kept == 0, f"heartbeat {turn}"
        log_in = agent.state.credentials.of(NAME)
        assert log_in is not None
        assert log_in.offered is None
        changes.append(log_in.changed)
        assert alive.now - log_in.changed < 183 * DAY
        alive.pass_time(14 * DAY)
    assert len(set(changes)) == 8
    assert not [t for t in alive.site.transactions if t.status >= 400]


def test_a_lost_answer_to_the_first_use_of_a_password_costs_nothing(alive: AgentLife) -> None:
    """E-09: the receiver has ended the old password, and the agent does not know it."""
    agent = alive.agent()
    agent.beat()
    log_in = agent.state.credentials.of(NAME)
    assert log_in is not None
    alive.site.receiver.change_password_now(log_in.id)
    agent.beat()
    new = agent.state.credentials.of(NAME)
    assert new is not None
    assert new.password != log_in.password

    # As it was before the answer came.
    before = AgentLogIn(id=log_in.id, password=log_in.password, offered=new.password)
    agent.state.credentials.keep(NAME, before)
    assert agent.beat().kept == 0
    after = agent.state.credentials.of(NAME)
    assert after is not None
    assert (after.password, after.offered) == (new.password, None)
    assert not [t for t in alive.site.transactions if t.status == 401]


def test_an_offer_that_was_never_kept_comes_again(alive: AgentLife) -> None:
    agent = alive.agent()
    agent.beat()
    log_in = agent.state.credentials.of(NAME)
    assert log_in is not None
    alive.site.receiver.change_password_now(log_in.id)
    agent.reports.regular("heartbeat", agent.machine)

    def lost(*_: object) -> bool:
        return False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agent.state.credentials, "offer", lost)
        agent.courier.send()
    assert agent.beat().kept == 0
    assert agent.beat().kept == 0
    after = agent.state.credentials.of(NAME)
    assert after is not None
    assert after.password != log_in.password


def test_an_agent_that_was_off_for_a_year_changes_its_password_first(alive: AgentLife) -> None:
    """E-09: at 183 days nothing but the change is served."""
    agent = alive.agent()
    agent.beat()
    alive.pass_time(400 * DAY)
    assert agent.beat().kept == 0
    assert [t.status for t in alive.site.transactions[2:]] == [403, 201]
    assert {t.server_ip for t in alive.site.transactions} == {"127.0.0.1"}, (
        "no other site is needed"
    )
    assert agent.events("password-changed")


def test_a_wrong_password_is_told_and_a_reset_is_asked_for_and_everything_waits(
    alive: AgentLife,
) -> None:
    """E-10."""
    agent = alive.agent()
    agent.beat()
    known = agent.state.credentials.of(NAME)
    assert known is not None
    agent.state.credentials.keep(NAME, AgentLogIn(id=known.id, password=Secret("s3cr3t-4711")))
    for _ in range(3):
        sent = agent.beat()
        assert not [e for e in sent.acknowledged if e.kind == "heartbeat"]
    assert [t.kind for t in alive.site.transactions].count("service: reset") == 1
    alerts = agent.state.alerts.all()
    assert {*alerts} == {f"password-{NAME}", f"reset-{NAME}", "no-way-home"}
    assert "asks IBM for a reset by itself" in alerts[f"password-{NAME}"]["fix"]
    waiting = [entry.kind for entry in agent.state.spool.entries()]
    assert waiting.count("heartbeat") == 3
    assert "4711" not in json.dumps([*agent.events("refused"), *alive.told])

    alive.site.receiver.reset(known.id)
    assert agent.courier.send().kept == 0
    after = agent.state.credentials.of(NAME)
    assert after is not None
    assert after.id == known.id, "E-07"
    assert agent.state.alerts.all() == {}
    assert [t.kind for t in alive.accepted].count("service: heartbeat") == 4


def test_a_new_installation_asks_for_a_reset(alive: AgentLife) -> None:
    """E-07, E-10: the state folder is gone, and IBM knows the machine."""
    first = alive.agent()
    first.beat()
    fresh = alive.agent(alive.settings(state="fresh"))
    assert fresh.beat().acknowledged == []
    assert {*fresh.state.alerts.all()} == {f"reset-{NAME}", "no-way-home"}
    known = first.state.credentials.of(NAME)
    assert known is not None
    alive.site.receiver.reset(known.id)
    assert fresh.courier.send().kept == 0
    got = fresh.state.credentials.of(NAME)
    assert got is not None
    assert got.id == known.id


def test_a_report_that_ibm_never_takes_is_kept_aside_and_the_others_go_on(alive: AgentLife) -> None:
    agent = alive.agent()
    agent.beat()
    bad = agent.reports.regular("heartbeat", agent.machine, "same")
    agent.courier.send()
    alive.pass_time(1)
    again = agent.reports.regular("heartbeat", agent.machine, "same")
    assert again.content != bad.content
    agent.reports.regular("inventory", agent.machine)
    sent = agent.courier.send()
    assert [entry.report for entry in sent.refused] == ["same"]
    assert [entry.kind for entry in sent.acknowledged] == ["inventory"]
    assert agent.state.spool.aside("refused") == [again.place]
    assert "refused-same" in agent.state.alerts.all()


def test_a_problem_that_ibm_never_takes_has_ended(alive: AgentLife) -> None:
    """It is shown as refused, and forgotten after a time as one that is closed (E-21)."""
    agent = alive.agent(alive.settings(keep={"problems": DAY}))
    agent.beat()
    agent.reports.problem(agent.machine, {"reference_code": "B1"}, "same")
    agent.courier.send()
    agent.reports.problem(agent.machine, {"reference_code": "B2"}, "same")
    assert [entry.report for entry in agent.courier.send().refused] == ["same"]
    assert agent.state.problems.all()["same"]["state"] == "refused"
    alive.pass_time(DAY)
    agent.state.problems.forget_old()
    assert agent.state.problems.all() == {}


def test_data_of_a_problem_that_ibm_does_not_have_is_kept_aside(alive: AgentLife) -> None:
    agent = alive.agent()
    agent.beat()
    entry = agent.reports.data(agent.machine, "no-such-problem", "iqyylog.log", b"x")
    sent = agent.courier.send()
    assert [each.report for each in sent.refused] == [entry.report]
    assert sent.kept == 0
    assert agent.state.spool.aside("refused") == [entry.place]


def test_a_machine_of_which_nothing_is_known_says_which_server_is_missing(alive: AgentLife) -> None:
    agent = alive.agent(alive.settings(servers={}))
    sent = agent.beat()
    assert sent.why == "no server is known for enrolment: add one to [servers]"
    assert sent.kept == 2
    assert Monitored(**MACHINE).name == NAME
