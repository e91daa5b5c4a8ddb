"""The LIG's pure parts: talking to a modem that answers, what pppd and dnsmasq are told, the scripts."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
import tty
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from lab.linux.nodes import Node
from lab.record.event import Event
from lab.record.record import Record
from lab.topology import load, resolve
from lab.topology.telephone import Lig, ModemLine
from lab.ways.dial.events import LigLeftToRing
from tunnels import _dnsmasq, answering, lig, ppp
from tunnels import notices as notices_module
from tunnels.answering import TRIES, AnsweringModem, HungUpOn, ToldToEnd

LOG = Path("/run/lab/logs/lig/pppd-lig-1.log")


LINES = (
    ModemLine(
        name="lig-1", node="lig", device="/dev/modem0", number="1", rate_bit_s=33600, delay_s=0.0
    ),
)


def planned() -> Lig:
    resolved = resolve.resolve(load.load("dial"), b"golden").lig
    assert resolved is not None
    return resolved


class Line:
    """A modem as a test plays it, and the LIG's end of the port."""

    def __init__(self) -> None:
        self.gateway, self.modem = os.openpty()
        tty.setraw(self.modem)
        os.set_blocking(self.gateway, False)
        self.told = os.eventfd(0)
        self.end = AnsweringModem(self.gateway, self.told)

    def say(self, *lines: bytes) -> None:
        os.write(self.modem, b"".join(b"\r\n" + line + b"\r\n" for line in lines))

    def heard(self, count: int) -> bytes:
        with open(self.modem, "rb", closefd=False) as modem:
            return modem.read(count)

    def close(self) -> None:
        for descriptor in (self.gateway, self.modem, self.told):
            with contextlib.suppress(OSError):
                os.close(descriptor)


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    made.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """For answers that do not come."""
    monkeypatch.setattr(answering, "COMMAND_S", 0.1)
    monkeypatch.setattr(answering, "ANSWER_S", 0.1)


def test_a_modem_is_set_up_by_two_commands(line: Line) -> None:
    line.say(b"OK", b"RING", b"OK")

    assert line.end.set_up()
    told = b"ATZ\rATE0V1S0=0&C1&D2\r"
    assert line.heard(len(told)) == told


def test_a_modem_of_a_family_is_told_its_own_init_string_first(line: Line) -> None:
    line.say(b"OK", b"OK")

    assert AnsweringModem(line.gateway, line.told, "AT&F1").set_up()
    told = b"AT&F1\rATE0V1S0=0&C1&D2\r"
    assert line.heard(len(told)) == told


@pytest.mark.parametrize(
    ("said", "rate_bit_s"),
    [
        (b"CONNECT 28800", 28800),
        (b"CONNECT", 0),
        (b"CONNECT 9600/ARQ", 9600),
        (b"NO CARRIER", None),
        (b"ERROR", None),
        (b"NO ANSWER", None),
        (b"CONNECT 38400/V.34 33600", 38400),
    ],
)
def test_a_call_is_answered_or_comes_to_nothing(
    line: Line, said: bytes, rate_bit_s: int | None
) -> None:
    line.say(b"RING", said)

    assert line.end.hear() == "RING"
    assert line.end.answer() == rate_bit_s
    assert line.heard(4) == b"ATA\r"


@pytest.mark.usefixtures("impatient")
def test_half_an_answer_is_none(line: Line) -> None:
    line.say(b"RING", b"CONNE")

    assert line.end.hear() == "RING"
    assert line.end.answer() is None
    assert line.heard(4) == b"ATA\r"


def test_lines_may_come_byte_by_byte_and_with_the_callers_first_bytes(line: Line) -> None:
    for byte in b"\r\nRING\r\n":
        os.write(line.modem, bytes((byte,)))
    assert line.end.hear() == "RING"

    os.write(line.modem, b"\r\nCONNECT 28800\r\n~\xff}#")
    assert line.end.answer() == 28800


@pytest.mark.usefixtures("impatient")
def test_an_answer_that_never_ends_is_given_up(line: Line) -> None:
    began = time.monotonic()

    assert line.end.answer() is None
    assert time.monotonic() >= began + answering.ANSWER_S


@pytest.mark.usefixtures("impatient")
def test_a_modem_that_does_not_answer_is_dead_after_some_tries(line: Line) -> None:
    assert not line.end.set_up()
    assert line.heard(4 * TRIES) == b"ATZ\r" * TRIES


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("end", [b"", b"\r\n"], ids=["without an end", "in lines"])
def test_noise_is_no_modem_and_fills_no_memory(line: Line, end: bytes) -> None:
    def babble() -> None:
        while not over.is_set():
            with contextlib.suppress(BlockingIOError):
                os.write(line.modem, bytes(range(0x80, 0x100)) + end)

    over = threading.Event()
    os.set_blocking(line.modem, False)
    noise = threading.Thread(target=babble)
    noise.start()
    try:
        assert not line.end.set_up()
    finally:
        over.set()
        noise.join()
    assert len(line.end._partial) <= 80


def test_a_port_that_is_hung_up_on_tells_so(line: Line) -> None:
    os.close(line.modem)

    with pytest.raises(HungUpOn):
        line.end.hear()


def test_who_waits_for_a_modem_is_told_to_end(line: Line) -> None:
    os.eventfd_write(line.told, 1)

    with pytest.raises(ToldToEnd):
        line.end.hear()


class Ringing:
    """In the place of an ``AnsweringModem``: one that rings some times, and then is pulled out."""

    def __init__(self, rings: int) -> None:
        self.rings = rings
        self.answers = 0

    def set_up(self) -> bool:
        return True

    def hear(self) -> str:
        self.rings -= 1
        if self.rings < 0:
            raise HungUpOn
        return "RING"

    def answer(self) -> None:
        self.answers += 1


@pytest.mark.parametrize(("gap_s", "calls"), [(lig.RING_GAP_S, 1), (-1.0, 3)])
def test_without_an_address_it_rings_and_each_call_counts_once(
    gap_s: float, calls: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lig, "RING_GAP_S", gap_s)
    plan, told = planned(), list[Event]()
    empty = replace(plan, ppp=replace(plan.ppp, pool=()))
    record, modem = Record(), Ringing(3)
    bank = lig.Bank(Node("lig", tmp_path, ()), empty, LINES, record, told.append)

    with pytest.raises(HungUpOn):
        bank._take_calls(bank._lines[0], cast(AnsweringModem, modem))
    assert [call.number for call in record.lig] == [0] * calls
    assert [type(event) for event in told] == [LigLeftToRing] * calls
    assert not modem.answers


def test_an_address_is_free_again_after_a_call_that_came_to_nothing(tmp_path: Path) -> None:
    plan, modem = planned(), Ringing(2)
    one = replace(plan, ppp=replace(plan.ppp, pool=plan.ppp.pool[:1]))
    record = Record()
    bank = lig.Bank(Node("lig", tmp_path, ()), one, LINES, record, lambda event: None)

    with pytest.raises(HungUpOn):
        bank._take_calls(bank._lines[0], cast(AnsweringModem, modem))
    assert modem.answers == 2
    assert not record.lig


def options() -> list[str]:
    told = lig.call_options(planned(), LOG, "203.0.113.131", unit=1, number=7)
    return ppp.render_options(told).splitlines()


def test_a_caller_must_authenticate_by_pap_and_gets_an_address() -> None:
    lines = options()

    assert {"auth", "require-pap", "203.0.113.129:203.0.113.131", "unit 1"} <= set(lines)
    assert "ms-dns 203.0.113.53" in lines
    assert 'set "LAB_CALL=7"' in lines
    # P-12: an address of the caller's own is refused.
    assert not [line for line in lines if line.startswith("ipcp-accept")]


def test_no_secret_is_in_the_options() -> None:
    assert planned().ppp.accounts[0].secret.reveal() not in "\n".join(options())


def test_the_name_server_listens_on_its_address_only_and_asks_nobody() -> None:
    settings = _dnsmasq.DnsmasqSettings(addresses=(planned().utility,), table=_dnsmasq.HOSTS)
    lines = _dnsmasq.render(settings).splitlines()

    assert {"listen-address=203.0.113.53", "bind-interfaces", "no-resolv", "local=/#/"} <= set(
        lines
    )
    assert not [line for line in lines if line.startswith(("server", "dhcp"))]


def test_a_script_says_who_calls_and_waits_for_the_answer(tmp_path: Path) -> None:
    pipe, answer = tmp_path / "notices-7", tmp_path / "answer-7"
    os.mkfifo(pipe)
    os.mkfifo(answer)
    notices = os.open(pipe, os.O_RDWR)
    answers = os.open(answer, os.O_RDWR)
    environment = {
        "LAB_CALL": "7",
        "IFNAME": "ppp1",
        "IPREMOTE": "203.0.113.131",
        "PEERNAME": "us ibm.$(false)",
    }
    text = notices_module.PRE_UP.replace(notices_module.DIRECTORY, os.fspath(tmp_path))
    with subprocess.Popen(["/bin/sh", "-c", text], env=environment) as script:
        assert os.read(notices, 200) == b"asks ppp1 203.0.113.131 us ibm.$(false)\n"
        with pytest.raises(subprocess.TimeoutExpired):
            script.wait(0.1)
        os.write(answers, b"\n")
        assert script.wait(60) == 0
    os.close(notices)
    os.close(answers)
