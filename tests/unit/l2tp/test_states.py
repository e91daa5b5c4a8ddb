"""The table of states against those of RFC 2661 7.2.1, 7.4 and 7.5, written a second time."""

from __future__ import annotations

from collections import deque

import pytest

from lab.l2tp.states import (
    _ROWS,
    OF_CALLS,
    TRANSITIONS,
    L2tpSignal,
    L2tpState,
    LocalSignal,
    Machine,
    Tell,
)
from lab.wire.l2tp_codes import ControlType

# Machine, state, signal: message that is sent, new state. In the RFC's own words, "idle" behind a clean-up
# being "closed" here; what has several events there has several rows here.
RFC = """
control idle open: SCCRQ wait-ctl-reply
control idle SCCRQ: SCCRP wait-ctl-conn
control wait-ctl-reply SCCRP: SCCCN established
control wait-ctl-reply lose_tie: - closed
control wait-ctl-reply SCCCN: StopCCN closed
control wait-ctl-conn SCCCN: - established
control wait-ctl-conn SCCRP: StopCCN closed
control wait-ctl-conn SCCRQ: StopCCN closed
control established close: StopCCN closed
control established SCCRQ: StopCCN closed
control established SCCRP: StopCCN closed
control established SCCCN: StopCCN closed
control wait-ctl-reply StopCCN: - closed
control wait-ctl-conn StopCCN: - closed
control established StopCCN: - closed
incoming_lac idle open: - wait-tunnel
incoming_lac wait-tunnel close: - closed
incoming_lac wait-tunnel tunnel_open: ICRQ wait-reply
incoming_lac wait-reply ICRP: - wait-bearer
incoming_lac wait-bearer connect: ICCN established
incoming_lac wait-reply ICRQ: CDN closed
incoming_lac wait-reply CDN: - closed
incoming_lac wait-reply ICCN: - closed
incoming_lac wait-reply close: CDN closed
incoming_lac established CDN: - closed
incoming_lac established ICRQ: CDN closed
incoming_lac established ICRP: CDN closed
incoming_lac established ICCN: CDN closed
incoming_lac established close: CDN closed
incoming_lns idle ICRQ: - wait-decision
incoming_lns wait-decision answer: ICRP wait-connect
incoming_lns wait-decision close: CDN closed
incoming_lns wait-decision ICRP: CDN closed
incoming_lns wait-connect ICCN: - established
incoming_lns wait-connect ICRQ: CDN closed
incoming_lns wait-connect ICRP: CDN closed
incoming_lns wait-connect CDN: - closed
incoming_lns established CDN: - closed
incoming_lns wait-connect close: CDN closed
incoming_lns established close: CDN closed
incoming_lns established ICRQ: CDN closed
incoming_lns established ICRP: CDN closed
incoming_lns established ICCN: CDN closed
outgoing_lac idle OCRQ: - wait-decision
outgoing_lac wait-decision answer: OCRP wait-cs-answer
outgoing_lac wait-decision close: CDN closed
outgoing_lac wait-cs-answer connect: OCCN established
outgoing_lac wait-cs-answer close: CDN closed
outgoing_lac wait-cs-answer OCRQ: CDN closed
outgoing_lac wait-cs-answer OCRP: CDN closed
outgoing_lac wait-cs-answer OCCN: CDN closed
outgoing_lac established OCRQ: CDN closed
outgoing_lac established OCRP: CDN closed
outgoing_lac established OCCN: CDN closed
outgoing_lac wait-cs-answer CDN: - closed
outgoing_lac established CDN: - closed
outgoing_lac established close: CDN closed
outgoing_lns idle open: - wait-tunnel
outgoing_lns wait-tunnel tunnel_open: OCRQ wait-reply
outgoing_lns wait-reply OCRP: - wait-connect
outgoing_lns wait-reply OCCN: CDN closed
outgoing_lns wait-reply OCRQ: CDN closed
outgoing_lns wait-connect OCCN: - established
outgoing_lns wait-connect OCRQ: CDN closed
outgoing_lns wait-connect OCRP: CDN closed
outgoing_lns wait-reply CDN: - closed
outgoing_lns wait-connect CDN: - closed
outgoing_lns established CDN: - closed
outgoing_lns established OCRQ: CDN closed
outgoing_lns established OCRP: CDN closed
outgoing_lns established OCCN: CDN closed
outgoing_lns wait-reply close: CDN closed
outgoing_lns wait-connect close: CDN closed
outgoing_lns established close: CDN closed
outgoing_lns wait-tunnel close: - closed
"""


def signal_of(name: str) -> L2tpSignal:
    return ControlType[name] if name in ControlType.__members__ else LocalSignal[name]


@pytest.mark.parametrize("row", RFC.strip().splitlines())
def test_the_rfc_has_this_row(row: str) -> None:
    where, what = row.split(": ")
    machine, state, signal = where.split()
    send, to = what.split()
    transition = TRANSITIONS[Machine[machine], L2tpState(state), signal_of(signal)]
    assert (transition.send.name if transition.send else "-", transition.to.value) == (send, to)


def states_of(machine: Machine) -> set[L2tpState]:
    """What can be reached from idle."""
    found, todo = {L2tpState.idle}, deque([L2tpState.idle])
    while todo:
        here = todo.popleft()
        after = {t.to for (m, state, _), t in TRANSITIONS.items() if m is machine and state is here}
        todo.extend(after - found)
        found |= after
    return found


def test_no_row_is_written_twice() -> None:
    rows = [
        (machine, state, signal)
        for machine, rows in _ROWS.items()
        for states, signals, *_ in rows
        for state in states
        for signal in signals
    ]
    assert len(rows) == len(set(rows)) == len(TRANSITIONS)


@pytest.mark.parametrize("machine", [*Machine])
def test_every_state_can_be_reached_and_left(machine: Machine) -> None:
    named = {state for m, state, _ in TRANSITIONS if m is machine} | {L2tpState.closed}
    assert states_of(machine) == named
    for state in named - {L2tpState.closed}:
        ends = {
            s
            for s in LocalSignal
            if (t := TRANSITIONS.get((machine, state, s))) and t.to.value == "closed"
        }
        # Before anything was said there is nothing to be closed.
        wanted = {LocalSignal.close, LocalSignal.lost} if state is not L2tpState.idle else set()
        assert ends - {LocalSignal.lose_tie} == wanted, state


@pytest.mark.parametrize("machine", [*Machine])
def test_no_message_falls_through(machine: Machine) -> None:
    """In a state in which a peer can be heard, each message that can come there has its row."""
    silent = {L2tpState.idle, L2tpState.wait_tunnel}
    messages: set[ControlType] = {*ControlType} if machine is Machine.control else {*OF_CALLS}
    for state in states_of(machine) - silent:
        if machine is not Machine.control and state is L2tpState.closed:
            continue  # The call is no more.
        found = {s for m, there, s in TRANSITIONS if m is machine and there is state}
        missing = messages - found
        if machine is Machine.control and state is L2tpState.established:
            missing -= {*OF_CALLS}  # These go to calls.
        assert not missing, state


def test_who_ends_it_is_told_once() -> None:
    for transition in TRANSITIONS.values():
        if transition.tell is Tell.down:
            assert transition.to is L2tpState.closed
        if transition.send in (ControlType.CDN, ControlType.StopCCN):
            assert transition.tell is Tell.down
        if transition.tell is Tell.up:
            assert transition.to is L2tpState.established
