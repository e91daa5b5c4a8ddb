"""Telephone calls are put together from what each side wrote, whatever one of them leaves out."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from pathlib import Path

import pytest

from lab.i5.events import PartitionDialled
from lab.record.dial_event import Dialled
from lab.record.event import Event
from lab.record.record import LigCall, PppSession, Record
from lab.telephony.events import (
    CallAnswered,
    CallConnected,
    CallRefused,
    CallRings,
    LineDropped,
    ModemSaid,
    TerminalSaid,
)
from lab.topology.telephone import ModemLine, Outcome, ResultTable, Telephone
from lab.verify.telephone_calls import (
    TelephoneCall,
    dialled,
    dials,
    put_together,
    read_carried,
)
from lab.wire import ppp
from lab.wire.calls import Carried
from lab.wire.decode import Frame
from lab.wire.ppp import PppFrame

NUMBER, OTHER = "18005550100", "18005550199"


def line(name: str, node: str, device: str, number: str) -> ModemLine:
    return ModemLine(
        name=name, node=node, device=device, number=number, rate_bit_s=33600, delay_s=0.01
    )


TELEPHONE = Telephone(
    node="pstn",
    lines=(
        line("hmc-1", "hmc", "/dev/modem0", "15075550101"),
        line("hmc-2", "hmc", "/dev/modem1", "15075550101"),
        line("lig-1", "lig", "/dev/modem0", NUMBER),
        line("lig-2", "lig", "/dev/modem1", NUMBER),
    ),
    result_table=ResultTable.hayes,
)


def placed(number: int = 1, caller: str = "hmc-1", called: str = "lig-1") -> list[Event]:
    """A call as the exchange and both modems tell it: it rings, is answered, connects, and is cut off."""
    return [
        TerminalSaid(line=caller, text=f"ATDT{NUMBER}<CR>", time=0.0),
        ModemSaid(line=caller, text=f"ATDT{NUMBER}<CR>", time=0.0),
        CallRings(call=number, line=caller, number=NUMBER, called=called, time=0.4),
        ModemSaid(line=called, text="<CR><LF>RING<CR><LF>", time=0.401),
        CallAnswered(call=number, line=called, time=0.402),
        CallConnected(call=number, line=caller, called=called, rate_bit_s=33600, time=5.5),
        ModemSaid(line=caller, text="<CR><LF>CONNECT 33600<CR><LF>", time=5.501),
        ModemSaid(line=called, text="<CR><LF>CONNECT 33600<CR><LF>", time=5.501),
        LineDropped(call=number, time=9.0),
    ]


def attempt(
    number: str = NUMBER, result: str = "CONNECT 33600", at: float = 100.0, device: int = 0
) -> Dialled:
    return Dialled(
        source="hmc",
        time=at + 6,
        started=at,
        device=f"/dev/modem{device}",
        number=number,
        result=result,
        rate_bit_s=0,
        cause=None,
        command="",
        detail="",
    )


def frame(
    call: int = 1, body: bytes = b"", *, outgoing: bool = True, protocol: int = ppp.IPCP
) -> Carried:
    kept = Frame("pstn", 1, 106.0 + len(body), b"", b"", b"", 0, None)
    return Carried(call, "hmc-1-lig-1", kept, outgoing, PppFrame(protocol, body), None)


def together(
    events: list[Event],
    *attempts: Dialled,
    frames: tuple[Carried, ...] = (),
    **facts: list[object],
) -> list[TelephoneCall]:
    record = Record(dialled=list(attempts))
    for name, values in facts.items():
        setattr(record, name, values)
    return put_together(TELEPHONE, record, events, frames)


def test_a_call_has_what_every_side_wrote() -> None:
    session = PppSession(client="hmc", gateway="lig", interface="ppp0", opened=107.0)
    at_gateway = LigCall(line="lig-1", number=4, rang=101.0, answered=106.0)

    (call,) = together(placed(), attempt(), frames=(frame(),), ppp=[session], lig=[at_gateway])

    assert str(call) == "call 1 of hmc"
    assert (call.caller, call.called, call.dialled) == ("hmc-1", "lig-1", NUMBER)
    assert call.command is not None
    assert (call.command.line, call.command.text) == ("hmc-1", f"ATDT{NUMBER}<CR>")
    assert (call.answer, call.result) == ("CONNECT 33600", "CONNECT 33600")
    assert call.connected
    assert call.rate_bit_s == 33600
    assert call.session is session
    assert call.at_gateway is at_gateway
    assert len(call.frames) == 1
    dropped, connected = call.noted(LineDropped), call.connection
    assert dropped is not None
    assert connected is not None
    assert dropped.time - connected.time == pytest.approx(3.5)


LENT = Telephone(
    node="pstn",
    lines=(
        line("hmc", "hmc", "/dev/modem0", "15075550101"),
        line("i5", "i5", "/dev/modem0", "15075550102"),
        line("lig-1", "lig", "/dev/modem0", NUMBER),
    ),
    result_table=ResultTable.hayes,
)


def lent(client: str, at: float, result: str = "CONNECT 33600", number: str = NUMBER) -> Event:
    """A partition's modem has dialled for an HMC."""
    return PartitionDialled(
        source="i5",
        time=at + 5,
        client=client,
        started=at,
        device="/dev/modem0",
        number=number,
        result=result,
        rate_bit_s=33600,
        cause=None,
        command="",
        detail="",
    )


def asked(client: str, at: float, result: str = "CONNECT 33600") -> Dialled:
    """An HMC without a modem had a partition dial."""
    return replace(attempt(result=result, at=at), source=client, device="")


def at(moment: float, events: list[Event]) -> list[Event]:
    return [replace(event, time=event.time + moment) for event in events]


def test_a_call_by_a_partitions_modem_is_the_hmcs_for_which_it_was() -> None:
    """Two HMCs borrow one modem, and one of them has a modem of its own beside."""
    events = [
        *at(101, placed(1, "i5")), lent("hmc-b", 100.5),
        *at(201, placed(2, "i5")), lent("hmc", 200.5),
        *at(301, placed(3, "hmc")),
    ]  # fmt: skip
    own = replace(attempt(at=300), device="/dev/modem0")
    attempts = [asked("hmc-b", 100), asked("hmc", 200), own]
    record = Record(
        dialled=attempts,
        ppp=[
            PppSession(client="hmc", gateway="vpn1", interface="ppp0", opened=50.0),
            PppSession(client="hmc-b", gateway="lig", interface="ppp0", opened=107.0),
            PppSession(client="hmc", gateway="lig", interface="ppp0", opened=207.0),
            PppSession(client="hmc", gateway="lig", interface="ppp0", opened=307.0),
        ],
    )
    calls = put_together(LENT, record, sorted(events, key=lambda event: event.time), [])

    assert [(c.number, c.client, c.caller) for c in calls] == [
        (1, "hmc-b", "i5"),
        (2, "hmc", "i5"),
        (3, "hmc", "hmc"),
    ]
    assert [c.lent is not None for c in calls] == [True, True, False]
    assert [c.session.opened for c in calls if c.session] == [107.0, 207.0, 307.0]


def test_what_the_partitions_modem_did_for_nobody_is_no_hmcs() -> None:
    """Its own people call by hand, before and after a call for an HMC, and an HMC's call is refused."""
    events = [
        *at(50, placed(1, "i5")),
        *at(101, placed(2, "i5")), lent("hmc", 100.5),
        *at(150, placed(3, "i5")),
    ]  # fmt: skip
    busy = asked("hmc", 80, "")
    record = Record(dialled=[busy, asked("hmc", 100)])

    calls = put_together(LENT, record, events, [])

    assert [(c.number, c.client, c.attempt is not None) for c in calls] == [
        (0, "hmc", True),
        (2, "hmc", True),
        (1, "i5", False),
        (3, "i5", False),
    ]


def test_a_call_for_a_program_of_the_users_on_an_hmc_is_that_hmcs() -> None:
    (call,) = put_together(LENT, Record(), [*at(101, placed(1, "i5")), lent("hmc", 100.5)], [])

    assert (call.client, call.attempt, call.rate_bit_s) == ("hmc", None, 33600)


def test_a_partition_without_dial_tone_has_placed_no_call() -> None:
    record = Record(dialled=[asked("hmc", 100, "NO DIALTONE")])
    (call,) = put_together(LENT, record, [lent("hmc", 100.5, "NO DIALTONE")], [])

    assert (call.number, call.client, call.caller, call.result) == (0, "hmc", "i5", "NO DIALTONE")


def test_a_call_on_another_modem_is_not_the_diallers() -> None:
    """A program of the user's has the second modem, and calls first."""
    foreign, own = placed(1, "hmc-2", "lig-2"), placed(2)

    calls = together(foreign + own, attempt())

    assert [(c.number, c.caller, c.attempt is not None) for c in calls] == [
        (2, "hmc-1", True),
        (1, "hmc-2", False),
    ]


@pytest.mark.parametrize("result", ["NO DIALTONE", "NO DIAL TONE", "ERROR", ""])
def test_what_the_exchange_never_heard_takes_no_call_from_the_next_attempt(result: str) -> None:
    calls = together(placed(), attempt(OTHER, result), attempt(at=110.0))

    assert [(c.dialled, c.number) for c in calls] == [(OTHER, 0), (NUMBER, 1)]


def test_a_modem_that_goes_while_it_rings_has_placed_a_call() -> None:
    (call,) = together(placed()[:3], attempt(result=""))

    assert (call.number, call.fate, call.called) == (1, None, "lig-1")
    assert not call.connected


def test_a_call_that_is_refused_has_its_fate_and_rings_nowhere() -> None:
    refused = CallRefused(call=1, line="hmc-1", number=OTHER, outcome=Outcome.busy, time=0.4)

    (call,) = together([refused], attempt(OTHER, "BUSY"))

    assert (call.number, call.fate, call.called) == (1, Outcome.busy, "")


def test_the_exchange_has_the_say_on_what_was_dialled() -> None:
    command = TerminalSaid(line="hmc-1", text=f"ATDT*70,{NUMBER}<CR>")
    rings = CallRings(call=1, line="hmc-1", number=f"*70{NUMBER}", called="lig-1")

    (call,) = together([command, rings], attempt())

    assert call.dialled == f"*70{NUMBER}"
    assert call.command is not None
    assert dialled(call.command) == f"*70{NUMBER}"


@pytest.mark.parametrize(
    ("text", "does", "number"),
    [
        (f"ATDT{NUMBER}<CR>", True, NUMBER),
        ("atd 1-800-555-0100<CR>", True, NUMBER),
        ("ATX1&C1&D2+MS=V32DT1,800W5550100;<CR>", False, ""),
        ("ATX1&C1&D2DP9,1(800)5550100<CR>", True, f"9{NUMBER}"),
        ("AT+DS44=0;DT911<CR>", True, "911"),
        ("ATDS=2<CR>", True, ""),
        ("ATDL<CR>", True, ""),
        ("ATE1V1Q0X4&C1&D2<CR>", False, ""),
        ("AT+DR=1<CR>", False, ""),
        ("ATZ<CR>", False, ""),
    ],
)
def test_a_command_that_dials_is_known(text: str, does: bool, number: str) -> None:
    said = TerminalSaid(line="hmc-1", text=text)

    assert (dials(said), dialled(said)) == (does, number)
    assert not dials(ModemSaid(line="hmc-1", text=text))


def test_ringing_is_no_final_answer() -> None:
    events = placed()
    events.insert(5, ModemSaid(line="hmc-1", text="<CR><LF>RINGING<CR><LF>", time=1.0))

    (call,) = together(events)

    assert call.answer == "CONNECT 33600"


def test_what_was_carried_and_not_noted_is_a_call_all_the_same() -> None:
    (call,) = together([], frames=(frame(7),))

    assert (call.number, call.client, call.called) == (7, "hmc", "lig-1")
    assert call.command is None
    assert call.answer == ""


@pytest.mark.parametrize(("acks", "opened"), [((True, False), 110.0), ((True, True), inf)])
def test_ipcp_is_open_when_both_sides_have_acknowledged(
    acks: tuple[bool, ...], opened: float
) -> None:
    frames = tuple(frame(body=b"\x02\x01\x00\x04", outgoing=outgoing) for outgoing in acks)

    (call,) = together(placed(), attempt(), frames=frames)

    assert call.opened == opened
    assert call.came_up == (opened < inf)


def test_without_frames_the_clients_pppd_says_whether_ppp_came_up() -> None:
    session = PppSession(client="hmc", gateway="lig", interface="ppp0", opened=107.0)

    (call,) = together(placed(), attempt(), ppp=[session])

    assert call.opened == inf
    assert call.came_up


def test_the_gateways_calls_are_told_apart_by_line_and_time() -> None:
    earlier = LigCall(line="lig-1", number=1, rang=50.0, answered=55.0, closed=90.0)
    elsewhere = LigCall(line="lig-2", number=2, rang=101.0, answered=106.0)
    left_to_ring = LigCall(line="lig-1", number=0, rang=101.0)
    later = LigCall(line="lig-1", number=3, rang=200.0, answered=206.0)

    (call,) = together(placed(), attempt(result="NO ANSWER"), lig=[earlier, elsewhere, later])
    assert call.at_gateway is None

    (call,) = together(placed(), attempt(result="NO ANSWER"), lig=[earlier, left_to_ring, later])
    assert call.at_gateway is left_to_ring


def test_where_there_is_no_telephone_nothing_is_read(tmp_path: Path) -> None:
    assert read_carried(tmp_path) == []
