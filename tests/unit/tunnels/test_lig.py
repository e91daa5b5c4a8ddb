"""The LIG's pure parts: talking to a modem that answers, what pppd and dnsmasq are told, the scripts."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lab.topology import load, resolve
from lab.topology.telephone import Lig
from tunnels import _dnsmasq, _notices, lig, ppp
from tunnels._answering import ANSWER_S, COMMAND_S, RING_GAP_S, TRIES, Answering, AnsweringState

LOG = Path("/run/lab/logs/lig/pppd-lig-1.log")


def planned() -> Lig:
    resolved = resolve.resolve(load.load("dial"), b"golden").lig
    assert resolved is not None
    return resolved


def waiting() -> Answering:
    modem = Answering()
    assert modem.begin(0.0) == b"ATZ\r"
    assert modem.hear(b"ATZ\r\r\nOK\r\n", 0.1, may_answer=True) == b"ATE0V1S0=0&C1&D2\r"
    assert modem.hear(b"ATE0V1S0=0&C1&D2\r\r\nOK\r\n", 0.2, may_answer=True) == b""
    return modem


def test_a_modem_is_set_up_and_then_costs_nothing() -> None:
    modem = waiting()

    assert modem.state is AnsweringState.waiting
    assert modem.deadline is None


def test_a_call_is_answered_byte_by_byte() -> None:
    modem = waiting()
    sent = b"".join(
        modem.hear(bytes((byte,)), 1.0, may_answer=True) for byte in b"\r\nRING\r\n\r\nRING\r\n"
    )
    assert sent == b"ATA\r"

    for byte in b"\r\nCONNECT 28800\r\n~\xff}#":
        assert modem.hear(bytes((byte,)), 5.0, may_answer=True) == b""
    assert modem.state is AnsweringState.connected
    assert modem.rate_bit_s == 28800
    assert modem.deadline is None


def test_connect_may_come_without_a_rate() -> None:
    modem = waiting()
    modem.hear(b"\r\nRING\r\n", 1.0, may_answer=True)
    modem.hear(b"\r\nCONNECT\r\n", 2.0, may_answer=True)

    assert (modem.state, modem.rate_bit_s) == (AnsweringState.connected, 0)


def test_without_an_address_it_rings_and_each_call_counts_once() -> None:
    modem = waiting()
    for at in (10.0, 16.0, 22.0, 22.0 + RING_GAP_S + 1):
        assert modem.hear(b"\r\nRING\r\n", at, may_answer=False) == b""

    assert modem.unanswered == 2
    assert modem.state is AnsweringState.waiting


def test_an_address_that_becomes_free_answers_the_next_ring() -> None:
    modem = waiting()
    modem.hear(b"\r\nRING\r\n", 10.0, may_answer=False)

    assert modem.hear(b"\r\nRING\r\n", 16.0, may_answer=True) == b"ATA\r"


@pytest.mark.parametrize("end", [b"NO CARRIER", b"ERROR", b"NO ANSWER"])
def test_a_call_that_comes_to_nothing_sets_the_modem_up_again(end: bytes) -> None:
    modem = waiting()
    modem.hear(b"\r\nRING\r\n", 1.0, may_answer=True)

    assert modem.hear(b"\r\n" + end + b"\r\n", 3.0, may_answer=True) == b"ATZ\r"
    assert modem.state is AnsweringState.setting_up


def test_an_answer_that_never_ends_is_given_up() -> None:
    modem = waiting()
    modem.hear(b"\r\nRING\r\n", 1.0, may_answer=True)
    assert modem.deadline == 1.0 + ANSWER_S

    assert modem.expire(modem.deadline) == b"ATZ\r"


def test_a_modem_that_does_not_answer_is_dead_after_some_tries() -> None:
    modem = Answering()
    modem.begin(0.0)
    tries = 1
    while modem.deadline is not None:
        assert modem.deadline == tries * COMMAND_S
        tries += bool(modem.expire(modem.deadline))

    assert tries == TRIES
    assert modem.state is AnsweringState.dead
    assert modem.hear(b"\r\nRING\r\n", 99.0, may_answer=True) == b""


def test_noise_is_no_modem_and_fills_no_memory() -> None:
    modem = Answering()
    modem.begin(0.0)
    for _ in range(100):
        assert modem.hear(bytes(range(0x80, 0x100)), 1.0, may_answer=True) == b""

    assert modem.state is AnsweringState.setting_up
    assert modem.hear(b"\r\nOK\r\n", 2.0, may_answer=True) != b""


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
    lines = _dnsmasq.render(planned().utility).splitlines()

    assert {"listen-address=203.0.113.53", "bind-interfaces", "no-resolv", "local=/#/"} <= set(
        lines
    )
    assert not [line for line in lines if line.startswith(("server", "dhcp"))]


def test_a_script_says_who_calls_and_waits_for_the_answer(tmp_path: Path) -> None:
    pipe, answer = tmp_path / "notices", tmp_path / "answer-7"
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
    text = _notices.PRE_UP.replace(_notices.DIRECTORY, os.fspath(tmp_path))
    with subprocess.Popen(["/bin/sh", "-c", text], env=environment) as script:
        assert os.read(notices, 200) == b"asks 7 ppp1 203.0.113.131 us ibm.$(false)\n"
        with pytest.raises(subprocess.TimeoutExpired):
            script.wait(0.1)
        os.write(answers, b"\n")
        assert script.wait(5) == 0
    os.close(notices)
    os.close(answers)
