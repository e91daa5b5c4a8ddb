"""The dialler of a borrowed modem, before an xl2tpd whose log the test writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab.errors import ProtocolError
from lab.linux import pace
from lab.linux.nodes import Node
from lab.linux.resolving import RESOLV_CONF
from lab.record.cause import DialCause, PppCause
from lab.record.event import Event, PppDown
from lab.record.record import Record
from lab.ways.dial.plan import dialers
from lab.ways.pass_through.plan import plans
from tests.partitions import partition_topology
from tunnels import _xl2tpd, ppp, redialling, remote_modem
from tunnels.ppp import Link
from tunnels.remote_modem import RemoteDialler

FIRST, SECOND = "18005550100", "18005550199"
UP = "Connection established to 192.0.2.2, 1701.  Local: 9895, Remote: 77 (ref=0/0)."
CONNECTED = (
    "tx_speed_avp: transmit baud rate is 28800\n"
    "parameters: Local: 18149 , Remote: 55 , Serial: 1 , Pid: 3 , Tunnelid: 9895 , Phoneid: 18005550100"
)


def cdn(result: int, words: str, error: int = 0) -> str:
    """What xl2tpd 1.3.18 logs of a CDN, with ``debug avp``."""
    return (
        f"result_code_avp: peer closing for reason {result} (Call failed), error = {error} ({words})\n"
        f"control_finish: Connection closed to 192.0.2.2, serial 1 ({words})"
    )


class Calls:
    """An xl2tpd: each number that it is to ask for brings the next piece of the log."""

    made: list[Calls]
    says: list[str]

    def __init__(self, *settings: object) -> None:
        self._log = ""
        self.alive = False
        self.asked: list[str] = []
        self.running = SimpleNamespace(check=lambda: None)
        Calls.made.append(self)

    def launch(self) -> None:
        self.alive = True

    def ready(self) -> None: ...

    def say(self, text: str) -> None:
        self._log += f"{text}\n"

    def facts(self) -> tuple[_xl2tpd.Fact, ...]:
        return tuple(_xl2tpd.parse_log(self._log))

    def ask(self, number: str) -> None:
        self.asked.append(number)
        self.say(Calls.says.pop(0))

    def hang_up(self) -> None:
        self.say("child_handler : pppd exited for call 55 with code 5")

    def stop(self) -> None:
        self.alive = False


@pytest.fixture(autouse=True)
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Calls]]:
    Calls.made, Calls.says = [], []
    monkeypatch.setattr(remote_modem, "OutgoingCalls", Calls)
    monkeypatch.setattr(remote_modem, "CALL_S", 0.1)
    monkeypatch.setattr(remote_modem, "LINK_S", 0.1)
    monkeypatch.setattr(remote_modem, "read_kernel_table", lambda: SESSIONS)
    monkeypatch.setattr(redialling, "let_pass", lambda seconds: None)
    yield Calls
    assert not any(made.alive for made in Calls.made), "an xl2tpd is left"


SESSIONS = "  SESSION 'sess' C0A80A14/1701 26A7/46E5 -> 004D/0037 00000004 LNS\n   interface ppp7\n"


class Bed:
    """A dialler on a node that is where the test is."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files: dict[str, str] = {}
        self.held: list[tuple[str, int]] = []
        self.told: list[Event] = []
        self.record = Record()
        self.log = folder / "pppd.log"
        self.link: Link | None = Link(
            interface="ppp7", local_ip="203.0.113.130", peer_ip="203.0.113.129", mtu=1456
        )
        monkeypatch.setattr(ppp, "find_link", lambda node, interface: self.link)

        def hold_back(node: object, interface: str, rate: int) -> None:
            self.held.append((interface, rate))

        monkeypatch.setattr(pace, "hold_back", hold_back)
        lent = partition_topology("modem")
        (plan, _), (below,) = dialers(lent), plans(lent)
        self.plan = replace(plan, numbers=(FIRST, SECOND), rounds=1)
        node = SimpleNamespace(
            call=self._call,
            log_dir=folder,
            write=self._write,
            check=lambda: None,
            resolver="192.0.2.53",
        )
        self.dialler = RemoteDialler(
            cast(Node, node),
            self.plan,
            below.borrower("hmc"),
            "lig",
            self.record,
            self.told.append,
        )

    @staticmethod
    def _call(work: Callable[..., Any], *arguments: object) -> object:
        return work(*arguments)

    def _write(self, path: str, text: str, mode: int = 0o600) -> None:
        self.files[path] = text


@pytest.fixture
def bed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bed:
    return Bed(tmp_path, monkeypatch)


def test_a_call_that_comes_is_a_session_at_the_lines_pace(bed: Bed) -> None:
    Calls.says = [f"{UP}\n{CONNECTED}"]

    session = bed.dialler.dial()

    (attempt,) = bed.record.dialled
    assert (attempt.source, attempt.number, attempt.device) == ("hmc", FIRST, "")
    assert (attempt.result, attempt.rate_bit_s, attempt.cause) == ("CONNECT 28800", 28800, None)
    assert (session.client, session.gateway, session.interface) == ("hmc", "lig", "ppp7")
    assert bed.held == [("ppp7", 25200)]  # 7/8 of the line
    assert bed.dialler.healthy()
    assert RESOLV_CONF in bed.files

    bed.dialler.hang_up()
    assert not bed.dialler.alive
    assert session.closed
    assert "192.0.2.53" in bed.files[RESOLV_CONF]


@pytest.mark.parametrize(
    ("result", "words", "cause", "said"),
    [
        (7, "NO CARRIER", DialCause.no_carrier, "NO CARRIER"),
        (8, "BUSY", DialCause.busy, "BUSY"),
        (10, "NO ANSWER", DialCause.no_answer, "NO ANSWER"),
        (4, "the modem is in use", DialCause.lender_busy, ""),
    ],
)
def test_after_these_the_next_number_is_asked_for_in_the_same_tunnel(
    bed: Bed, result: int, words: str, cause: DialCause, said: str
) -> None:
    Calls.says = [f"{UP}\n{cdn(result, words)}", CONNECTED]

    bed.dialler.dial()

    first, second = bed.record.dialled
    assert (first.cause, first.result, first.number) == (cause, said, FIRST)
    assert (second.cause, second.number) == (None, SECOND)
    (made,) = Calls.made
    assert made.asked == [FIRST, SECOND]
    bed.dialler.hang_up()


@pytest.mark.parametrize(
    ("log", "cause", "why"),
    [
        (f"{UP}\n{cdn(9, 'NO DIALTONE')}", DialCause.no_dialtone, "no dial tone"),
        (
            f"{UP}\n{cdn(5, 'the partition has no modem')}",
            DialCause.lender_refused,
            "the partition does not call: the partition has no modem",
        ),
        (f"{UP}\n{cdn(2, '', 4)}", DialCause.lender_refused, "result 2, error 4"),
        (
            "Maximum retries exceeded for tunnel 39094.  Closing.",
            DialCause.lender_silent,
            "does not answer by L2TP",
        ),
        (
            "Connection closed to 192.0.2.2, port 1701 (this host borrows nothing here), Local: 1, Remote: 2",
            DialCause.lender_closed,
            "was closed: this host borrows nothing here",
        ),
        (UP, DialCause.lender_silent, "does not answer by L2TP"),
    ],
)
def test_after_these_no_other_number_would_do_better(
    bed: Bed, log: str, cause: DialCause, why: str
) -> None:
    Calls.says = [log]

    with pytest.raises(ProtocolError, match=why):
        bed.dialler.dial()

    assert [attempt.cause for attempt in bed.record.dialled] == [cause]
    assert not bed.record.ppp
    assert not bed.dialler.healthy()


def test_ppp_that_does_not_come_up_is_no_way_home(bed: Bed) -> None:
    bed.link = None
    Calls.says = [f"{UP}\n{CONNECTED}", f"{UP}\n{CONNECTED}"]

    with pytest.raises(ProtocolError):
        bed.dialler.dial()

    assert [attempt.cause for attempt in bed.record.dialled] == [DialCause.no_ppp] * 2
    assert all(session.closed for session in bed.record.ppp)
    assert len(Calls.made) == 2  # the tunnel of a call that was given up is closed


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        (cdn(1, "the carrier was lost"), PppCause.hangup),
        ("Connection 77 closed to 192.0.2.2, port 1701 (Goodbye!)", PppCause.hangup),
        ("child_handler : pppd exited for call 55 with code 15", PppCause.no_echo),
    ],
)
def test_a_session_that_ends_says_why(bed: Bed, log: str, cause: PppCause) -> None:
    Calls.says = [f"{UP}\n{CONNECTED}"]
    session = bed.dialler.dial()
    bed.log.write_text(
        "No response to 4 echo-requests\n"
        if cause is PppCause.no_echo
        else "Terminating on signal 15\n"
    )
    Calls.made[0].say(log)

    assert not bed.dialler.healthy()
    assert session.cause is cause
    assert [event.cause for event in bed.told if isinstance(event, PppDown)] == [cause]
    bed.dialler.hang_up()


def test_another_call_that_ends_is_none_of_its_business(bed: Bed) -> None:
    Calls.says = [f"{UP}\n{CONNECTED}"]
    bed.dialler.dial()
    Calls.made[0].say("child_handler : pppd exited for call 56 with code 5")
    assert bed.dialler.healthy()
    bed.dialler.hang_up()
