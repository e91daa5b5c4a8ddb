"""Many agents behind one proxy: each gets home at a time of its own, and one address leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.ways.proxy.tunnels import own_tunnels
from lab.wire.decode import Frame
from tests.integration.labs import Ran, Runs, changed

pytestmark = pytest.mark.kernel

NUMBER = 12
HOUR_S = 3600


@pytest.fixture(scope="module")
def ran(runs: Runs, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The bundled fleet with fewer agents, in an hour."""
    file = changed(
        tmp_path_factory.mktemp("fleet"),
        "fleet",
        ("count: 200", f"count: {NUMBER}"),
        ("over: 24h", "over: 1h"),
    )
    return runs.get(file)


def test_each_agent_gets_home_once_at_its_time(ran: Ran) -> None:
    assert ran.status == 0, ran.told
    due = {agent.name: agent.calls_at_s for agent in ran.topology.callers}
    calls = {call.agent: call for call in ran.record.calls}

    assert len(ran.record.calls) == len(calls) == NUMBER
    assert all(call.succeeded for call in calls.values())
    assert sorted(due, key=due.__getitem__) == [call.agent for call in ran.record.calls]
    for agent, time in due.items():
        # One that is still at it keeps the next one waiting, a second at most.
        assert time <= calls[agent].started - ran.record.path_up < time + 1
    assert max(due.values()) > HOUR_S / 2


def test_the_servers_have_heard_each_of_them_by_the_proxy(ran: Ran) -> None:
    told = [entry for entry in ran.record.ledger if entry.kind == "heartbeat"]
    assert len(told) == len({entry.system for entry in told}) == NUMBER
    assert {entry.peer_ip for entry in told} == {"203.0.113.221"}


def test_one_address_leaves(ran: Ran) -> None:
    """OUT-16, from the frames and independently of the finding: there is no NAT that would hide others."""
    assert ran.topology.firewall is not None
    assert not ran.topology.firewall.snat
    frames: list[Frame] = ran.case.wire["fw-inet"]
    own = {f.ip.source for f in frames if f.ip and f.ip.source.startswith("203.0.113.")}
    assert own == {"203.0.113.221"}
    finding = ran.findings["OUT-16"]
    assert finding["verdict"] == "pass"
    assert f"{NUMBER} tunnels of esa-1 to esa-{NUMBER}, {NUMBER} connections" in finding["seen"]


def test_each_host_has_an_agent_of_its_own(ran: Ran) -> None:
    """Though one process starts them all: its name, its address, its log."""
    asked = [tunnel.agent for tunnel in own_tunnels(ran.case)]
    assert sorted(asked) == sorted(ran.topology.agents)
    for agent in ran.topology.agents:
        log = (ran.run_dir / "logs" / agent / "agent.log").read_text()
        assert log.count("acknowledged as") == 1
    assert (ran.run_dir / "logs" / "agents.log").read_text() == ""


def test_messages_tell_of_all_in_few_words(ran: Ran) -> None:
    assert f"esa-1 to esa-{NUMBER}" in ran.stderr
    assert max(map(len, ran.stdout.splitlines())) <= 110
    assert len(json.dumps(ran.verdict)) < 60_000


def test_a_proxy_that_is_down_is_named_and_nobody_gets_home(runs: Runs, tmp_path: Path) -> None:
    file = changed(tmp_path, "fleet", ("count: 200", "count: 5"), ("over: 24h", "over: 1min"))
    broken = runs.get(file, "--fault", "proxy-down")

    assert broken.status == 1
    assert [call.succeeded for call in broken.record.calls] == [False] * 5
    assert "ss-proxy" in broken.verdict["diagnosis"]
    assert broken.findings["OUT-16"]["verdict"] == "fail"


def test_a_member_is_a_node_like_all_others(runs: Runs, tmp_path: Path) -> None:
    file = changed(tmp_path, "fleet", ("count: 200", "count: 3"))
    said = runs.get(file, "--node", "esa-2", "--", "sh", "-c", "hostname; hostname -I")

    assert said.status == 0, said.told
    assert said.stdout.split() == ["esa-2", "203.0.113.11"]
