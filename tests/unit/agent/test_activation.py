"""Activation, connectivity test, fixes and access keys, by the commands."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from lab.agent import activation, commands, storage
from lab.agent.access_key import AccessKeys
from lab.agent.contact import LABELS
from lab.agent.courier import Trip
from lab.agent.fixes import Fixes
from lab.agent.inquiry import NotGiven
from lab.agent.spool import Queued, Spool
from lab.errors import LabError, PathError, UsageError
from lab.ibm import errands
from tests.unit.agent.examples import MACHINE, NAME
from tests.unit.agent.lives import DAY, AgentLife

SHUT = "https://127.0.0.1:9"


def write(alive: AgentLife, *urls: str, top: str = "", servers: str = "") -> None:
    """A configuration file for the commands."""
    told = json.dumps([*(urls or alive.site.urls)])
    machine = "".join(f'{key} = "{value}"\n' for key, value in MACHINE.items())
    (alive.folder / "agent.toml").write_text(
        f'state = "agent"\nca_file = "{alive.site.ca_file}"\n'
        f'configuration_key = "{alive.site.configuration_key}"\n{top}\n[[machines]]\n{machine}'
        f"[servers]\nenrolment = {told}\n{servers}"
    )


def lab_agent(alive: AgentLife, *words: str) -> int:
    return commands.main([*words, "--settings", str(alive.folder / "agent.toml")])


def read(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_activation_shows_the_test_and_registers(
    alive: AgentLife, capsys: pytest.CaptureFixture[str]
) -> None:
    """E-12."""
    write(alive)
    assert lab_agent(alive, "activate") == 0
    assert "Performing Connectivity Test ... SUCCESS\n" in capsys.readouterr().out
    assert [t.kind for t in alive.site.transactions] == ["service: enrolment", "service: heartbeat"]
    assert lab_agent(alive, "status", "--json") == 0
    assert read(capsys)["activated"] is True
    assert lab_agent(alive, "deactivate") == 0
    assert lab_agent(alive, "serve") == 1
    assert "not activated" in capsys.readouterr().err


def test_activation_without_a_way_registers_nothing(
    alive: AgentLife, capsys: pytest.CaptureFixture[str]
) -> None:
    """E-12."""
    write(alive, SHUT)
    assert lab_agent(alive, "activate") == 1
    told = capsys.readouterr()
    assert "Performing Connectivity Test ... FAILURE\n" in told.out
    assert "SUCCESS" not in told.out
    assert "the service is not registered" in told.err
    assert "connection refused" in told.err
    assert lab_agent(alive, "serve") == 1
    assert lab_agent(alive, "queue", "--json") == 0
    assert [entry["kind"] for entry in read(capsys)["waiting"]] == ["enrolment"]


def queued(alive: AgentLife) -> list[str]:
    return [entry.kind for entry in alive.agent().state.spool.entries()]


def no_room(*_: object) -> None:
    raise storage.StorageError("the agent cannot write: no room", hint="make room")


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("where", "does", "status"),
    [
        ("lab.agent.credentials.Credentials.keep", no_room, 3),
        ("lab.agent.state.trusting", no_room, 3),
        ("lab.agent.session.ReceiverSession.ask", interrupted, 130),
        ("lab.agent.spool.Spool.remove", None, 3),
    ],
)
def test_whatever_error_ends_an_activation_no_heartbeat_waits(
    alive: AgentLife,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    does: Callable[..., None] | None,
    status: int,
) -> None:
    """The test is over; an enrolment that IBM may have answered waits, and is answered alike."""
    write(alive)
    remove = Spool.remove

    def remove_once(spool: Spool, entry: Queued) -> None:
        if entry.kind == "enrolment":
            no_room()
        remove(spool, entry)

    with monkeypatch.context() as patch:
        patch.setattr(where, does or remove_once)
        assert lab_agent(alive, "activate") == status
    assert "Performing Connectivity Test ... FAILURE\n" in capsys.readouterr().out
    assert queued(alive) == ["enrolment"]
    (failed,) = alive.agent().events("activation-failed")
    assert ("KeyboardInterrupt" if status == 130 else "no room") in failed["why"]
    assert lab_agent(alive, "activate") == 0
    assert [t.kind for t in alive.accepted].count("service: heartbeat") == 1


def test_an_activation_with_two_systems_leaves_no_heartbeat_of_the_first(
    alive: AgentLife, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is room for the first one's heartbeat, and for no other."""
    machines = [MACHINE, {**MACHINE, "serial": "21ABCDF"}]
    agent = alive.agent(alive.settings(machines=machines))
    add = Spool.add

    def add_one(spool: Spool, entry: Queued) -> Queued:
        if len(spool):
            no_room()
        return add(spool, entry)

    monkeypatch.setattr(Spool, "add", add_one)
    with pytest.raises(storage.StorageError):
        activation.activate(agent.state, agent.courier, alive.told.append)
    assert queued(alive) == []


def test_an_activation_that_was_killed_leaves_nothing_for_the_next_one(
    alive: AgentLife, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What somebody queued by a command is no test, and is sent."""
    agent = alive.agent()
    mine = agent.reports.regular("heartbeat", agent.machine)
    with monkeypatch.context() as patch:
        patch.setattr(Spool, "remove", lambda *_: no_room())  # A kill leaves it, too.
        patch.setattr(Trip, "send", no_room)
        with pytest.raises(storage.StorageError, match="no room"):
            activation.activate(agent.state, agent.courier, alive.told.append)
    assert queued(alive) == ["heartbeat", "heartbeat"]
    assert "a heartbeat of the activation stays" in alive.told[-1]
    activation.activate(agent.state, agent.courier, alive.told.append)
    beats = [t.report for t in alive.accepted if t.kind == "service: heartbeat"]
    assert len(beats) == 2
    assert mine.report in beats


@pytest.mark.parametrize("vendor", ["Bull", "Hitachi", ""])
@pytest.mark.parametrize("command", ["activate", "enrol", "heartbeat", "test", "configuration"])
def test_a_system_of_another_vendor_sends_nothing(
    alive: AgentLife, capsys: pytest.CaptureFixture[str], vendor: str, command: str
) -> None:
    """E-17: 0 packets."""
    write(alive, top=f'vendor = "{vendor}"', servers=f'configuration = ["{alive.site.url}"]\n')
    connected: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("socket.socket.connect", lambda *a: connected.append(a))
        assert lab_agent(alive, command) == 2
    assert connected == []
    assert "does not activate" in capsys.readouterr().err
    assert alive.site.transactions == ()


def test_the_test_tries_every_address_by_each_way(
    alive: AgentLife, capsys: pytest.CaptureFixture[str]
) -> None:
    """E-13, F-12, F-13: one is shut, calls home work, and the test fails."""
    write(alive)
    assert lab_agent(alive, "enrol") == 0
    capsys.readouterr()
    assert lab_agent(alive, "test", "--json") == 0
    told = read(capsys)
    assert told["passed"] is True
    assert [(r["server"], r["address"]) for r in told["results"]] == [
        (alive.site.urls[0], ""), (alive.site.urls[0], "127.0.0.1"),
        (alive.site.urls[1], ""), (alive.site.urls[1], "127.0.0.2"),
    ]  # fmt: skip

    write(alive, alive.site.url, SHUT)
    with (alive.folder / "agent.toml").open("a") as file:
        file.write('[[ways]]\nname = "internet"\nkind = "direct"\n')
        file.write('[[ways]]\nname = "slot"\nkind = "proxy"\nurl = ""\n')
    assert lab_agent(alive, "heartbeat") == 0
    capsys.readouterr()
    assert lab_agent(alive, "test", "--json") == 1
    told = read(capsys)
    failed = [(r["way"], r["server"], r["why"]) for r in told["results"] if not r["reached"]]
    assert [(way, server) for way, server, _ in failed] == [
        ("internet", SHUT), ("internet", SHUT), ("slot", ""),
    ]  # fmt: skip
    assert "connection refused" in failed[0][2]
    assert "not configured" in failed[2][2]


def test_two_ibm_ids_go_with_the_enrolment(alive: AgentLife) -> None:
    """E-18."""
    agent = alive.agent(alive.settings(ibm_ids=["a@example.com", "b@example.com"]))
    assert agent.beat().kept == 0
    store = alive.site.receiver._store
    with store.transaction():
        row = store.one("SELECT ibm_ids FROM systems")
    assert row is not None
    assert json.loads(row["ibm_ids"]) == ["a@example.com", "b@example.com"]


def test_the_contact_goes_with_the_enrolment_and_with_each_inventory(alive: AgentLife) -> None:
    """S1 Table 1; IBM's people see it, and nothing else of what an agent sends."""
    kim = dict.fromkeys(LABELS, "555-0123") | {"name": "Kim", "email": "kim@example.com"}
    agent = alive.agent(alive.settings(contact=kim))
    assert agent.beat().kept == 0
    (machine,) = alive.site.receiver.listing("machines")
    assert machine["contact"] == kim

    ann = {**kim, "name": "Ann"}
    later = alive.agent(alive.settings(contact=ann))
    assert later.beat().kept == 0
    (machine,) = alive.site.receiver.listing("machines")
    assert machine["contact"] == kim, "a heartbeat has no contact"
    later.reports.regular("inventory", later.machine)
    assert later.courier.send().kept == 0
    (machine,) = alive.site.receiver.listing("machines")
    assert machine["contact"] == ann


def test_without_a_contact_none_is_sent(alive: AgentLife) -> None:
    assert alive.agent(alive.settings()).beat().kept == 0
    (machine,) = alive.site.receiver.listing("machines")
    assert machine["contact"] is None


def test_a_fix_is_fetched_anonymously_once_the_machine_is_enrolled(
    alive: AgentLife, capsys: pytest.CaptureFixture[str]
) -> None:
    """OUT-41, OUT-42."""
    write(alive, servers=f'fix = ["{alive.site.clear_url}"]\n')
    assert lab_agent(alive, "fix", "--json") == 0
    assert alive.site.transactions[0].kind == "service: enrolment"
    (name,) = read(capsys)["fixes"]
    assert lab_agent(alive, "fix", name) == 0
    fetched = alive.site.transactions[-1]
    assert fetched.kind == "service: fix"
    assert fetched.authenticated_as == ""
    assert alive.site.clear_url.endswith(f":{fetched.server_port}")
    stored = alive.folder / "agent" / "fixes" / errands.FIX
    assert stored.read_bytes() == errands.fix(errands.FIX)
    assert lab_agent(alive, "fix", "no/such") == 2


def test_no_enrolment_no_fix(alive: AgentLife, capsys: pytest.CaptureFixture[str]) -> None:
    """OUT-42."""
    write(alive, SHUT, servers=f'fix = ["{alive.site.clear_url}"]\n')
    assert lab_agent(alive, "fix") == 1
    assert "is not enrolled, so it asks for no fix" in capsys.readouterr().err
    assert alive.site.transactions == ()


def test_a_fix_with_another_content_is_not_kept(alive: AgentLife) -> None:
    """OUT-41."""
    agent = alive.agent()
    agent.beat()
    fixes = Fixes(agent.state)
    with agent.courier.trip() as trip:
        (path,) = fixes.offered(agent.machine, trip.roads)
        with pytest.raises(NotGiven, match="and IBM said"):
            fixes.fetch(path, "0" * 64, trip.roads)
    assert not fixes.folder.exists()


def test_who_is_not_enrolled_asks_for_no_key(alive: AgentLife) -> None:
    """E-06: the first communication is the enrolment."""
    agent = alive.agent()
    with agent.courier.trip() as trip, pytest.raises(NotGiven) as refused:
        AccessKeys(agent.state).update(agent.machine, trip.roads)
    assert refused.value.message.endswith(f"{NAME} is not enrolled")
    assert "enrol" in str(refused.value.hint)
    assert not [*alive.site.transactions]


def test_the_command_enrols_before_it_asks_for_a_key(alive: AgentLife) -> None:
    write(alive, servers=f"problem = {json.dumps([*alive.site.urls])}\n")
    assert lab_agent(alive, "access-key") == 0
    asked = [t.kind for t in alive.site.transactions]
    assert asked == ["service: enrolment", "service: access-key"]


def test_a_key_that_cannot_be_renewed_is_kept_and_told(alive: AgentLife) -> None:
    """E-19."""
    agent = alive.agent()
    agent.beat()
    with agent.courier.trip() as trip:
        assert AccessKeys(agent.state).update(agent.machine, trip.roads)
        assert not AccessKeys(agent.state).update(agent.machine, trip.roads), "not near"
    before = AccessKeys(agent.state).all()
    alive.pass_time(151 * DAY)
    cut_off = alive.agent(alive.settings(urls=[SHUT]))
    with cut_off.courier.trip() as trip, pytest.raises(NotGiven):
        AccessKeys(cut_off.state).update(cut_off.machine, trip.roads)
    assert AccessKeys(cut_off.state).all() == before
    alert = cut_off.state.alerts.all()[f"access-key-{NAME}"]
    expires = alive.now + 29 * DAY
    end = time.strftime("%Y-%m-%d", time.gmtime(expires))
    assert alert["message"].endswith(f"the old one is kept, and expires on {end}")
    with agent.courier.trip() as trip:
        assert AccessKeys(agent.state).update(agent.machine, trip.roads)
    assert AccessKeys(agent.state).all() != before
    assert agent.state.alerts.all() == {}


def test_a_command_that_cannot_send_says_that_it_is_queued(
    alive: AgentLife, capsys: pytest.CaptureFixture[str]
) -> None:
    write(alive, SHUT)
    assert lab_agent(alive, "problem", "--reference-code", "B3036620", "--json") == 1
    told = capsys.readouterr()
    assert not any(each["acknowledged"] for each in json.loads(told.out)["reports"])
    assert "is queued" in told.err
    write(alive)
    assert lab_agent(alive, "queue", "--send") == 0
    assert [t.kind for t in alive.accepted].count("service: problem") == 1
    assert lab_agent(alive, "ledger", "--json") == 0


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["problem", "--reference-code", ""], "no reference code"),
        (["problem", "--reference-code", "B1", "--severity", "9"], "severity 9"),
        (["heartbeat", "--reason", "problem"], "does not connect for 'problem' with a heartbeat"),
        (["heartbeat", "--machine", "nobody"], "there is no machine 'nobody'"),
        (["upload", "no-problem", "/etc/passwd"], "no problem 'no-problem' was reported"),
    ],
)
def test_wrong_use_says_what_is_right(
    alive: AgentLife, capsys: pytest.CaptureFixture[str], words: list[str], why: str
) -> None:
    write(alive)
    assert lab_agent(alive, *words) == 2
    assert why in capsys.readouterr().err
    assert alive.site.transactions == ()


def test_a_customers_file_cannot_be_uploaded(alive: AgentLife) -> None:
    """E-11."""
    agent = alive.agent()
    entry = agent.reports.problem(agent.machine, {"reference_code": "B1"})
    for name in ("passwd", "orders.db", "../hmc.eed", "hmc.eed/x"):
        with pytest.raises(UsageError, match="sends no file"):
            agent.reports.data(agent.machine, entry.report, name, b"canary")


def test_there_is_no_command_that_sets_a_password() -> None:
    """E-10."""
    assert not [name for name in commands.COMMANDS if "password" in name or "reset" in name]


def test_activation_is_asked_for_by_its_error(alive: AgentLife) -> None:
    with pytest.raises(PathError) as refused:
        activation.check_activated(alive.agent().state)
    assert isinstance(refused.value, LabError)
    assert "lab agent activate" in refused.value.hint


def test_a_partition_of_an_hmc_needs_no_activation(
    alive: AgentLife, capsys: pytest.CaptureFixture[str]
) -> None:
    """E-16: the HMC has it send the inventory, and nothing else is sent."""
    write(alive, top="hmc_managed = true")
    assert lab_agent(alive, "activate") == 0
    assert "No activation is needed" in capsys.readouterr().out
    assert lab_agent(alive, "serve", "--activate") == 2
    assert "no service runs on a partition" in capsys.readouterr().err
    assert lab_agent(alive, "problem", "--reference-code", "B1") == 2
    assert alive.site.transactions == ()
    assert lab_agent(alive, "inventory") == 0
    assert [t.kind for t in alive.accepted] == ["service: enrolment", "service: inventory"]


def test_a_service_that_runs_already_does_not_send_what_an_activation_waits_for(
    alive: AgentLife, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service goes to IBM as soon as the heartbeat is queued; it has to wait for its turn."""
    agent, service = alive.agent(), alive.agent()
    going: list[threading.Thread] = []
    add = Spool.add

    def add_and_go(spool: Spool, entry: Queued) -> Queued:
        added = add(spool, entry)
        if entry.kind == "heartbeat":
            going.append(threading.Thread(target=service.courier.send, daemon=True))
            going[-1].start()
            going[-1].join(1.0)
        return added

    monkeypatch.setattr(Spool, "add", add_and_go)
    activation.activate(agent.state, agent.courier, alive.told.append)
    for each in going:
        each.join(30.0)

    assert len(going) == 1
    assert "Performing Connectivity Test ... SUCCESS" in alive.told
    heartbeats = [t for t in alive.site.transactions if t.kind == "service: heartbeat"]
    assert len(heartbeats) == 1
