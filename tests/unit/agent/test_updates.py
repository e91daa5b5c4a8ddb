"""Updates of the agent and of its tools: by TLS, with a log-in, and once (E-23)."""

from __future__ import annotations

import itertools

import pytest

from lab.agent.inquiry import NotGiven
from lab.agent.updates import Updates
from lab.ibm import errands
from tests.unit.agent.lives import DAY, AgentLife
from tests.unit.agent.test_activation import lab_agent, read, write
from tests.unit.agent.test_standing import activated, asked_for, live

ESA = "esa-linux-7.1.5"


def test_the_service_looks_for_updates_once_a_week_and_fetches_each_once(alive: AgentLife) -> None:
    agent = activated(alive, generation=ESA)
    agent.standing.step()

    folder = agent.state.file("updates")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        name: errands.fix(name) for name in errands.UPDATES
    }
    live(alive, agent, 15 * DAY)
    assert (asked_for(alive, "updates"), asked_for(alive, "update")) == (3, 2)
    asked = [
        t for t in alive.site.transactions if t.kind in ("service: updates", "service: update")
    ]
    assert all(t.authenticated_as and t.tls_version.startswith("TLS") for t in asked)

    (folder / errands.UPDATES[0]).write_bytes(b"another content")
    live(alive, agent, 7 * DAY)
    assert (folder / errands.UPDATES[0]).read_bytes() == errands.fix(errands.UPDATES[0])
    assert asked_for(alive, "update") == 3


def test_a_generation_without_updates_asks_for_none(alive: AgentLife) -> None:
    agent = activated(alive)
    agent.standing.step()
    live(alive, agent, 8 * DAY)

    assert asked_for(alive, "updates") == 0


def test_an_update_with_another_content_is_not_kept(
    alive: AgentLife, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = alive.agent(alive.settings(generation=ESA))
    agent.beat()
    number = itertools.count()
    monkeypatch.setattr(errands, "fix", lambda name: f"{name} {next(number)}".encode())
    updates = Updates(agent.state)

    with agent.courier.trip() as trip, pytest.raises(NotGiven, match="and the list has"):
        updates.fetch(agent.machine, trip.roads)
    assert not updates.folder.exists()


def test_the_command_fetches_them_and_says_which(
    alive: AgentLife, capsys: pytest.CaptureFixture[str]
) -> None:
    write(alive, top=f'generation = "{ESA}"')
    assert lab_agent(alive, "update", "--json") == 0
    assert read(capsys)["fetched"] == sorted(errands.UPDATES)
    assert lab_agent(alive, "update", "--json") == 0
    assert read(capsys)["fetched"] == []
    kinds = [t.kind for t in alive.site.transactions]
    assert kinds[0] == "service: enrolment"


def test_the_command_is_refused_where_the_generation_has_none(
    alive: AgentLife, capsys: pytest.CaptureFixture[str]
) -> None:
    write(alive)
    assert lab_agent(alive, "update") == 2
    assert "does not connect for 'update'" in capsys.readouterr().err
    assert alive.site.transactions == ()
