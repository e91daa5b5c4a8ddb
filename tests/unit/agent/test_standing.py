"""The service: schedule, hardware's events, retries, one instance, and an end in order."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import lab
from lab.agent import activation, storage
from lab.agent.book import lines
from lab.agent.courier import Courier
from lab.agent.fixes import Fixes
from lab.agent.settings import SCHEDULE, load
from lab.agent.standing import wake
from lab.errors import PathError
from lab.ibm import errands
from lab.ibm.receiver.configuration import Spoiled
from lab.wait import wait_until
from tests.unit.agent.examples import MACHINE
from tests.unit.agent.lives import DAY, T0, AgentLife, LiveAgent

DEADLINE_S = 30.0


def activated(alive: AgentLife, **more: Any) -> LiveAgent:
    agent = alive.agent(alive.settings(**more))
    activation.activate(agent.state, agent.courier, alive.told.append)
    return alive.agent(alive.settings(**more))


def live(alive: AgentLife, agent: LiveAgent, seconds: float) -> int:
    """Let time pass as the service's own waiting does; how often it woke."""
    end, woke = alive.counted + seconds, 0
    while True:
        agent.standing.step()
        woke += 1
        wait = agent.standing.wait_s()
        if alive.counted + wait >= end:
            alive.pass_time(end - alive.counted)
            return woke
        alive.pass_time(wait)


def kinds(alive: AgentLife) -> list[str]:
    return [t.kind.removeprefix("service: ") for t in alive.accepted]


def test_four_weeks_have_as_many_reports_as_the_papers_say(alive: AgentLife) -> None:
    """E-14, E-15; and the service wakes for what is due alone."""
    agent = activated(alive)
    woke = live(alive, agent, 28 * DAY - 60)
    got = kinds(alive)
    assert got.count("heartbeat") == 28
    assert got.count("inventory") == 4
    assert got.count("performance") == 28
    assert got.count("enrolment") == 1
    assert len([t for t in alive.site.transactions if t.kind == "service: configuration"]) == 28
    # The key is for 180 days: asked for once, and not daily.
    assert len([t for t in alive.site.transactions if t.kind == "service: access-key"]) == 1
    assert woke < 120
    assert agent.state.alerts.all() == {}


def test_an_access_key_is_renewed_before_its_end(alive: AgentLife) -> None:
    """E-19."""
    never = dict.fromkeys(("heartbeat", "inventory", "performance", "configuration"), 5000 * DAY)
    agent = activated(alive, schedule=never)
    for _ in range(13):
        live(alive, agent, 30 * DAY)
        key = json.loads((agent.state.folder / "access-key.json").read_text())
        assert next(iter(key.values()))["expires"] > alive.now + 29 * DAY
    asked = [t for t in alive.site.transactions if t.kind == "service: access-key"]
    assert len(asked) == 3


def test_a_failure_is_tried_again_every_half_hour_and_loses_nothing(alive: AgentLife) -> None:
    agent = activated(alive)
    live(alive, agent, 3600.0)
    before = len(alive.accepted)
    way = {"kind": "proxy", "url": "http://127.0.0.1:9"}
    cut_off = alive.agent(alive.settings(ways=[way], retry=1800))
    live(alive, cut_off, 2 * DAY)
    tries = cut_off.events("way-passed-over")
    assert 47 <= len(tries) <= 50, "from the first report that failed on, every half hour"
    assert "connection refused" in tries[0]["why"]
    assert cut_off.state.alerts.all()["no-way-home"]["since"] < T0 + DAY + 7200

    back = alive.agent()
    back.standing.step()
    assert len(back.state.spool) == 0
    assert len(alive.accepted) == before + 4, "two heartbeats, two of performance, once each"
    assert back.state.alerts.all() == {}


NEVER = dict.fromkeys(SCHEDULE, 5000 * DAY)
HOUR = 3600.0


def shut(*_: object) -> None:
    raise ConnectionRefusedError(111, "Connection refused")


def tried(agent: LiveAgent, kind: str) -> list[float]:
    """When calls for something failed: hours after the first one, once for each time it was asked for."""
    times = [e["time"] for e in agent.events("failed") if e["kind"] == kind]
    return [*dict.fromkeys(round((time - times[0]) / HOUR, 2) for time in times)]


def test_a_configuration_that_nobody_gives_has_pauses_of_its_own(alive: AgentLife) -> None:
    """While a report waits and is tried each half hour: ten tries in 40 hours, and not 80."""
    never = {**NEVER, "configuration": DAY}
    servers = {"enrolment": ["https://127.0.0.1:9"], "configuration": ["https://127.0.0.1:9"]}
    activated(alive)
    agent = alive.agent(alive.settings(schedule=never, servers=servers))
    agent.reports.regular("heartbeat", agent.machine)
    alive.pass_time(DAY)
    live(alive, agent, 40 * HOUR)
    assert tried(agent, "configuration") == [0, 0.5, 1.5, 3.5, 7.5, 13.5, 19.5, 25.5, 31.5, 37.5]
    assert len(tried(agent, "heartbeat")) == 80
    assert "step-configuration" in agent.state.alerts.all()


def test_a_configuration_comes_as_soon_as_a_report_has_arrived(
    alive: AgentLife, monkeypatch: pytest.MonkeyPatch
) -> None:
    activated(alive)
    agent = alive.agent(alive.settings(schedule={**NEVER, "configuration": DAY}))
    live(alive, agent, 23 * HOUR)
    with monkeypatch.context() as patch:
        patch.setattr("lab.agent.session.reach", shut)
        live(alive, agent, 10 * HOUR)
        assert tried(agent, "configuration") == [0, 0.5, 1.5, 3.5, 7.5]
        agent.reports.regular("heartbeat", agent.machine)
        agent.standing.step()
    asked = asked_for(alive, "configuration")
    live(alive, agent, HOUR)
    assert asked_for(alive, "configuration") == asked + 1
    assert agent.state.alerts.all() == {}
    live(alive, agent, 3 * DAY)
    assert asked_for(alive, "configuration") == asked + 4, "daily again, and no pause is left"


def test_a_configuration_that_is_refused_is_not_asked_for_with_each_report(
    alive: AgentLife,
) -> None:
    """IBM is reached, and gives no good one: a report that arrives changes nothing."""
    activated(alive)
    alive.site.receiver.publish({"enrolment": [*alive.site.urls]}, Spoiled.signature)
    agent = alive.agent(
        alive.settings(schedule={**NEVER, "configuration": DAY, "heartbeat": 900.0})
    )
    alive.pass_time(DAY)
    before = asked_for(alive, "configuration")
    live(alive, agent, 12 * HOUR)
    sites = len(alive.site.urls)
    assert asked_for(alive, "configuration") - before == 5 * sites, "0, 0.5, 1.5, 3.5, 7.5 h"
    assert kinds(alive).count("heartbeat") > 40


def test_a_sending_that_cannot_begin_is_not_tried_all_the_time(
    alive: AgentLife, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where nothing waits but what IBM is to give; what nobody wants any more wakes nobody."""
    activated(alive)
    agent = alive.agent(alive.settings(schedule={**NEVER, "configuration": DAY}))
    agent.standing.step()
    alive.pass_time(DAY)
    fixes = Fixes(agent.state)
    with monkeypatch.context() as patch:
        patch.setattr(Courier, "trip", no_room)
        fixes.want(agent.machine)
        assert live(alive, agent, 2 * HOUR) <= 6
    storage.write_json(agent.state.file("fixes-wanted.json"), [])
    assert live(alive, agent, 10 * HOUR) <= 4


def no_room(*_: object) -> None:
    raise storage.StorageError("the agent cannot write: no room", hint="make room")


def test_the_clock_leaps_and_nothing_storms_or_falls_silent(alive: AgentLife) -> None:
    agent = activated(alive)
    live(alive, agent, 2 * DAY)
    before = kinds(alive).count("heartbeat")
    alive.now += 90 * DAY  # the machine's clock alone
    live(alive, agent, 2 * DAY)
    assert kinds(alive).count("heartbeat") - before in (2, 3)
    alive.now -= 300 * DAY
    middle = kinds(alive).count("heartbeat")
    live(alive, agent, 3 * DAY)
    assert kinds(alive).count("heartbeat") - middle == 3
    # A new program, whose clock is behind all that was stored.
    alive.now -= 100 * DAY
    late = kinds(alive).count("heartbeat")
    live(alive, alive.agent(), 2 * DAY - 60)
    assert kinds(alive).count("heartbeat") - late == 2
    assert [e["seconds"] for e in agent.events("clock-leapt")] == [90 * DAY, -300 * DAY]
    assert [line for line in alive.told if "set by -25920000 s: nothing is lost" in line]


@contextmanager
def told(path: Path) -> Iterator[int]:
    """The hardware's end of the FIFO, which stays open."""
    if not path.exists():
        os.mkfifo(path)
    file = os.open(path, os.O_RDWR)
    try:
        yield file
    finally:
        os.close(file)


def test_what_the_hardware_tells_is_reported(alive: AgentLife) -> None:
    agent = activated(alive, events="events", generation="hmc-2007")
    events = agent.standing._events
    assert events is not None
    with told(alive.folder / "events") as fifo:
        events.open()
        os.write(
            fifo, b'{"reference_code": "B3036620", "severity": 2, "text": "fan", "occurred": 5}\n'
        )
        os.write(fifo, b'not JSON\n{"reference_code": "B1", "machine": "nobody"}\n{"reason": "perf')
        agent.standing.step()
        os.write(fifo, b'ormance"}\n[]\n')
        agent.standing.step()
        agent.standing.step()
        events.close()
    problems = agent.state.problems.all()
    assert len(problems) == 1
    (problem,) = problems.values()
    assert problem["reference_code"] == "B3036620"
    assert problem["occurred"] == 5
    assert problem["pmh"].startswith("PMH")
    left_out = [e["why"] for e in agent.events("event-left-out")]
    assert len(left_out) == 3
    assert "not JSON" in left_out[0]
    assert "nobody" in left_out[1]
    assert kinds(alive).count("performance") == 2, "the schedule's, and the event's"


def test_a_problem_waits_for_nothing(alive: AgentLife) -> None:
    agent = activated(alive, events="events")
    live(alive, agent, 3600.0)
    events = agent.standing._events
    assert events is not None
    with told(alive.folder / "events") as fifo:
        events.open()
        os.write(fifo, b'{"reference_code": "B3036620"}\n')
        assert select.select([events.fileno()], [], [], 0)[0]
        agent.standing.step()
        assert not select.select([events.fileno()], [], [], 0)[0]
        events.close()
    assert kinds(alive).count("problem") == 1


def wanting_fixes(alive: AgentLife, **more: Any) -> LiveAgent:
    """Somebody has asked for the fixes, and the service has heard it and done what it could."""
    never = dict.fromkeys(
        ("heartbeat", "inventory", "performance", "configuration", "access-key"), 5000 * DAY
    )
    agent = activated(alive, events="events", schedule=never)
    agent.standing.step()
    agent = alive.agent(alive.settings(events="events", schedule=never, **more))
    events = agent.standing._events
    assert events is not None
    with told(alive.folder / "events") as fifo:
        events.open()
        os.write(fifo, b'{"kind": "fix", "reason": "fix"}\n')
        agent.standing.step()
        events.close()
    return agent


def asked_for(alive: AgentLife, kind: str) -> int:
    return len([t for t in alive.site.transactions if t.kind == f"service: {kind}"])


def test_fixes_that_somebody_wants_are_fetched_once(alive: AgentLife) -> None:
    """OUT-41, OUT-42; asked for again, what is here is not fetched again."""
    agent = wanting_fixes(alive)
    stored = agent.state.file("fixes") / errands.FIX
    assert stored.read_bytes() == errands.fix(errands.FIX)
    live(alive, agent, 3 * DAY)
    assert (asked_for(alive, "fixes"), asked_for(alive, "fix")) == (1, 1)

    again = Fixes(agent.state)
    again.want(agent.machine)
    agent.standing.step()
    assert (asked_for(alive, "fixes"), asked_for(alive, "fix")) == (2, 1)
    stored.write_bytes(b"another content")
    again.want(agent.machine)
    agent.standing.step()
    assert stored.read_bytes() == errands.fix(errands.FIX)
    assert again.wanted == []


def test_fixes_stay_wanted_until_they_are_here(alive: AgentLife) -> None:
    """Also where the program ends meanwhile; nobody is asked all the time."""
    shut = wanting_fixes(alive, ways=[{"kind": "proxy", "url": "http://127.0.0.1:9"}])
    live(alive, shut, 7300.0)
    assert len(shut.events("way-passed-over")) == 5, "at once, and every half hour"
    assert Fixes(shut.state).wanted == [shut.machine.name]
    assert "step-fix" in shut.state.alerts.all()

    alive.agent().standing.step()
    assert Fixes(shut.state).wanted == []
    assert asked_for(alive, "fix") == 1


def test_a_generation_without_fixes_leaves_the_wish_out(alive: AgentLife) -> None:
    agent = wanting_fixes(alive, generation="esa-aix-2025")
    (left_out,) = agent.events("event-left-out")
    assert "esa-aix-2025 does not connect for 'fix'" in left_out["why"]
    assert asked_for(alive, "fixes") == 0


def wanting_a_test(alive: AgentLife, line: bytes, **more: Any) -> LiveAgent:
    """Somebody has asked for a test of connections, and the service has heard it."""
    events = alive.folder / "tests"
    agent = activated(alive, events=str(events), **more)
    with told(events) as fifo:
        os.write(fifo, line + b"\n")
        agent.standing._events.open()  # type: ignore[union-attr]
        try:
            agent.standing.step()
        finally:
            agent.standing._events.close()  # type: ignore[union-attr]
    return agent


def test_a_test_that_somebody_wants_has_its_result_in_a_file(alive: AgentLife) -> None:
    """E-13: each path once, by name and by address; and the wish is over then."""
    result = alive.folder / "result.json"
    line = json.dumps({"kind": "test", "result": str(result)}).encode()
    agent = wanting_a_test(alive, line)
    found = json.loads(result.read_text())
    assert found
    assert all(each["reached"] for each in found)
    assert {each["way"] for each in found} == {"direct"}
    assert any(each["address"] for each in found)
    assert "test" not in agent.state.alerts.all()
    result.unlink()
    live(alive, agent, DAY)
    assert not result.exists()


def test_a_path_that_is_shut_is_an_alert_and_not_tried_for_ever(alive: AgentLife) -> None:
    """F-13: calls home go on."""
    result = alive.folder / "result.json"
    line = json.dumps({"kind": "test", "result": str(result)}).encode()
    shut = {"name": "shut", "kind": "proxy", "url": "http://127.0.0.1:9"}
    agent = wanting_a_test(alive, line, ways=[{"name": "open", "kind": "direct"}, shut])
    found = {each["way"]: each["reached"] for each in json.loads(result.read_text())}
    assert found == {"open": True, "shut": False}
    alert = agent.state.alerts.all()["test"]
    assert "way shut: FAILURE" in alert["message"]
    assert "redundancy is lost" in alert["fix"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"kind": "test"}', "has no `result`"),
        (b'{"kind": "test", "result": "/nowhere/result.json"}', "/nowhere/result.json"),
    ],
)
def test_a_test_without_a_place_for_the_result(alive: AgentLife, line: bytes, why: str) -> None:
    agent = wanting_a_test(alive, line)
    assert any(why in each for each in alive.told), alive.told
    assert agent.standing.wait_s() > 0


def test_the_service_does_not_run_before_the_activation(alive: AgentLife) -> None:
    """E-12."""
    agent = alive.agent()
    with pytest.raises(PathError, match="not activated") as refused:
        agent.standing.run()
    assert "lab agent activate" in refused.value.hint
    assert alive.site.transactions == ()


@contextmanager
def program(alive: AgentLife, *words: str) -> Iterator[subprocess.Popen[str]]:
    """It has ended at the end of the block, however that goes."""
    root = str(Path(lab.__file__).parents[1])
    with subprocess.Popen(
        [sys.executable, "-m", "lab.agent", *words, "--settings", alive.folder / "agent.toml"],
        env={"PYTHONPATH": root, "PATH": os.environ["PATH"]},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as popen:  # fmt: skip
        try:
            yield popen
        finally:
            popen.kill()


def write_settings(alive: AgentLife, **more: str) -> None:
    urls = json.dumps([*alive.site.urls])
    extra = "".join(f"{key} = {value}\n" for key, value in more.items())
    (alive.folder / "agent.toml").write_text(
        f'state = "agent"\nca_file = "{alive.site.ca_file}"\nevents = "events"\n{extra}'
        + "[[machines]]\n"
        + "".join(f'{key} = "{value}"\n' for key, value in MACHINE.items())
        + f"[servers]\nenrolment = {urls}\n"
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, 0])
def test_the_program_serves_alone_and_ends_in_order(alive: AgentLife, number: int) -> None:
    write_settings(alive)
    alive.now = time.time()
    with program(alive, "serve", "--activate") as serving:
        ledger = alive.folder / "agent" / "ledger.jsonl"
        wait_until(
            "the first reports",
            lambda: "performance" in [e.get("kind") for e in lines(ledger) if e["event"] == "acknowledged"],
            DEADLINE_S,
            seen=lambda: str(serving.poll()),
        )  # fmt: skip
        with program(alive, "serve") as second:
            _, stderr = second.communicate(timeout=DEADLINE_S)
            assert second.returncode == 2
            assert "is running already" in stderr
        with told(alive.folder / "events") as fifo:
            os.write(fifo, b'{"reference_code": "B3036620"}\n')
            wait_until(
                "the problem", lambda: "problem" in kinds(alive), DEADLINE_S,
                seen=lambda: str(kinds(alive)),
            )  # fmt: skip
        if number:
            serving.send_signal(number)
        else:
            with program(alive, "deactivate") as deactivating:
                assert deactivating.wait(DEADLINE_S) == 0
        _, stderr = serving.communicate(timeout=DEADLINE_S)
    assert serving.returncode == 0, stderr
    assert "the service has ended" in stderr
    assert ("deactivated" in stderr) is (not number)
    assert "Traceback" not in stderr


def test_a_step_that_finds_no_room_is_told_and_done_later(
    alive: AgentLife, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = activated(alive)
    write = os.write

    def full(file: int, data: bytes) -> int:
        if Path(f"/proc/self/fd/{file}").readlink().is_relative_to(alive.folder / "agent"):
            raise OSError(28, "No space left on device")
        return write(file, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        agent.standing.step()
    assert [line for line in alive.told if "No space left" in line and "make room" in line]
    assert kinds(alive) == ["enrolment", "heartbeat"]

    alive.pass_time(1800.0)
    agent.standing.step()
    assert kinds(alive).count("inventory") == 1
    assert kinds(alive).count("performance") == 1
    assert agent.state.alerts.all() == {}


def from_file(alive: AgentLife, more: str = "") -> LiveAgent:
    """An agent whose settings are a file, which somebody may change."""
    write_settings(alive)
    path = alive.folder / "agent.toml"
    path.write_text(f"{path.read_text()}{more}")
    return alive.agent(load(path))


def test_a_service_goes_by_a_file_that_was_changed_and_loses_nothing(alive: AgentLife) -> None:
    proxy = '[[ways]]\nkind = "proxy"\nurl = "http://127.0.0.1:9"\n'
    agent = from_file(alive, proxy)
    agent.reports.regular("heartbeat", agent.machine)
    agent.standing._renew()
    agent.standing.step()
    assert alive.accepted == []
    assert len(agent.events("settings-taken-up")) == 0
    waiting = [entry.report for entry in agent.state.spool.entries()]
    assert len(waiting) > 1

    from_file(alive, "[schedule]\nheartbeat = 3600\n[keep]\nledger = 70000\nproblems = 60\n")
    agent.standing._renew()
    assert (agent.state.book.limit_bytes, agent.state.problems.keep_s) == (70000, 60)
    assert len(agent.events("settings-taken-up")) == 1
    alive.pass_time(1800)
    agent.standing.step()
    assert {t.report for t in alive.accepted} >= {*waiting}
    before = kinds(alive).count("heartbeat")
    live(alive, agent, 10 * HOUR)
    assert kinds(alive).count("heartbeat") - before == 10
    assert agent.state.alerts.all() == {}


def test_a_file_that_is_wrong_leaves_the_former_settings(alive: AgentLife) -> None:
    agent = from_file(alive)
    former = agent.state.settings
    from_file(alive)
    path = alive.folder / "agent.toml"
    good = path.read_text()
    path.write_text(f"retry = 0\n{good}")
    agent.standing._renew()
    agent.standing._renew()
    assert agent.state.settings is former
    assert "retry is no number" in agent.state.alerts.all()["settings"]["message"]
    assert len([line for line in alive.told if "former settings hold" in line]) == 1
    path.write_text(good)
    agent.standing._renew()
    assert agent.state.alerts.all() == {}


def test_what_holds_after_a_restart_is_told_until_then(alive: AgentLife) -> None:
    agent = from_file(alive, "[web]\nport = 5024\n")
    path = alive.folder / "agent.toml"
    path.write_text(path.read_text().replace("5024", "6000").replace('"events"', '"other"'))
    agent.standing._renew()
    assert agent.state.settings.web is not None
    assert agent.state.settings.web.port == 5024
    assert agent.state.settings.events == alive.folder / "events"
    alert = agent.state.alerts.all()["settings-restart"]
    assert alert["message"].endswith("after a restart of the service: events, web")
    path.write_text(path.read_text().replace("6000", "5024").replace('"other"', '"events"'))
    agent.standing._renew()
    assert agent.state.alerts.all() == {}


def test_servers_of_a_changed_file_are_called_at_once(alive: AgentLife) -> None:
    agent = from_file(alive)
    path = alive.folder / "agent.toml"
    former = json.dumps([*alive.site.urls])
    path.write_text(path.read_text().replace(former, '["https://another.example"]'))
    agent.standing._renew()
    (server,) = agent.state.directory.servers("enrolment")
    assert server.url == "https://another.example"


def test_the_program_goes_by_a_file_that_was_changed(alive: AgentLife) -> None:
    """SIGHUP, from the pages or from anybody; another program of the agent finds a restart's alert over."""
    write_settings(alive)
    ledger = alive.folder / "agent" / "ledger.jsonl"
    with program(alive, "serve", "--activate") as serving:
        wait_until(
            "the first reports", lambda: "performance" in kinds(alive), DEADLINE_S,
            seen=lambda: str(serving.poll()),
        )  # fmt: skip
        write_settings(alive, retry="60")
        serving.send_signal(signal.SIGHUP)
        wait_until(
            "the settings",
            lambda: "settings-taken-up" in [e["event"] for e in lines(ledger)],
            DEADLINE_S,
            seen=lambda: str(serving.poll()),
        )
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(DEADLINE_S) == 0


def test_sighup_has_the_service_send_what_is_queued(alive: AgentLife) -> None:
    """What a command could not send, a service that runs tries at once."""
    write_settings(alive)
    with program(alive, "serve", "--activate") as serving:
        wait_until(
            "the first reports", lambda: "performance" in kinds(alive), DEADLINE_S,
            seen=lambda: str(serving.poll()),
        )  # fmt: skip
        agent = alive.agent()
        agent.reports.regular("heartbeat", agent.machine)
        wait_until("a service", lambda: wake(agent.state), DEADLINE_S)
        wait_until("the heartbeat", lambda: kinds(alive).count("heartbeat") == 2, DEADLINE_S)
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(DEADLINE_S) == 0
    assert not wake(agent.state)


def test_what_a_killed_agent_left_half_written_goes_and_nothing_else(alive: AgentLife) -> None:
    agent = activated(alive)
    folder = agent.state.folder
    ended = subprocess.Popen(["true"])
    ended.wait()
    dead = [folder / f".new-{ended.pid}-credentials.json", folder / "fixes" / f".new-{ended.pid}-a"]
    kept = [folder / f".new-{os.getpid()}-credentials.json", folder / ".new-of-somebody"]
    for path in (*dead, *kept):
        path.parent.mkdir(exist_ok=True)
        path.write_text("half")

    live(alive, alive.agent(), 1.0)

    assert not [path for path in dead if path.exists()]
    assert all(path.exists() for path in kept)
