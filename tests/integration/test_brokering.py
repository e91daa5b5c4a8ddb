"""Whole runs in which servers die, are slow or closed, as drawn: each request is one ticket (M-07, R-03).

The pure part is drawn by hypothesis, in tests/unit/consoles/test_forwarding.py. Any number of seeds will do.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from lab import codec
from lab.agent.heartbeat import system_of
from lab.consoles.events import RequestDelivered, RequestForwarded
from lab.record.record import Record
from lab.run.run import Run
from lab.topology.consoles import Console
from lab.verify.case import Case
from lab.ways.consoles.faults import SLOW_S
from tests.integration.labs import changed

pytestmark = pytest.mark.kernel

SEEDS = 0, 1, 2, 3, 4, 11
SERVERS, CLIENT = ("hmc-a", "hmc-b", "hmc-d"), "hmc-c"


def three(folder: Path) -> str:
    """consoles-failover with a third server."""
    return changed(
        folder,
        "consoles-failover",
        ("  cec-1:    { role: cec }", "  hmc-d:    { role: hmc }\n  cec-1:    { role: cec }"),
        ("hmc-b: 192.168.10.11,", "hmc-b: 192.168.10.11, hmc-d: 192.168.10.12,"),
        ("hmc-b: 192.168.128.2,", "hmc-b: 192.168.128.2, hmc-d: 192.168.128.3,"),
        ("  hmc-b: [internet]\n", "  hmc-b: [internet]\n  hmc-d: [internet]\n"),
        (
            "  hmc-c: { manages: [cec-1] }",
            "  hmc-c: { manages: [cec-1] }\n  hmc-d: { manages: [cec-1], call_home_server: true }",
        ),
        to="three",
    )


def befallen(console: Console, what: str) -> Console:
    """A server as it was drawn."""
    if what == "dies":
        return replace(console, dies_busy=True)
    if what == "slow":
        return replace(console, answers_after_s=SLOW_S)
    if what == "closed":
        return replace(console, closed=("tcp/9920",))
    return console


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_befalls_the_servers_each_request_is_one_ticket(seed: int, tmp_path: Path) -> None:
    drawn = random.Random(seed)
    fates = {name: drawn.choice(("works", "dies", "slow", "closed")) for name in SERVERS}
    run = Run.prepare(three(tmp_path), out=tmp_path / "run")
    consoles = (befallen(each, fates.get(each.node, "")) for each in run.topology.consoles)
    run.topology = replace(run.topology, consoles=tuple(consoles), fault="drawn", expect=())

    run.carry_out(quiet=True)

    record = codec.load(Record, (run.run_dir / "record.json").read_text())
    case = Case(run.topology, record, run.run_dir)
    (call,) = (call for call in record.calls if call.agent == CLIENT)
    assert call.succeeded is ("works" in fates.values()), fates
    heard = [entry for entry in record.ledger if entry.system == system_of(CLIENT) and entry.key]
    tickets = Counter(entry.key for entry in heard if not entry.again)
    had_it = [name for name, fate in fates.items() if fate in ("dies", "slow", "works")]
    assert {*tickets.values()} <= {1}
    assert bool(tickets) is bool(had_it), "who dies or is slow has sent it"
    tried = Counter((e.key, e.console) for e in case.told(RequestForwarded))
    assert {*tried.values()} == {1}, "each server once at most"
    delivered = case.told(RequestDelivered)
    assert [fates[e.console] for e in delivered] == (["works"] if call.succeeded else [])
    assert {e.transaction for e in delivered} <= {call.attempts[-1].transaction}
