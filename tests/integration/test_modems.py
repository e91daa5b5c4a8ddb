"""Programs that know nothing of the lab drive its modems: chat, pppd, a terminal program, the shell."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pexpect
import pytest

from tests.integration.labs import ROOT, SYSTEM_PYTHON, Runs
from tests.integration.users import User

pytestmark = pytest.mark.kernel

DATA = ROOT / "tests" / "data" / "modems"
TOPOLOGY = os.fspath(DATA / "modems.yaml")


def script(name: str) -> tuple[str, ...]:
    interpreter = SYSTEM_PYTHON if name.endswith(".py") else "bash"
    return (TOPOLOGY, "--", interpreter, os.fspath(DATA / name))


SCRIPTS = ("chat.sh", "ppp.sh", "shell.sh", "hang_up.sh", "picocom.sh", "both_ways.py")


@pytest.fixture(scope="module", autouse=True)
def started(runs: Runs) -> None:
    runs.start(map(script, SCRIPTS))


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_program_drives_its_modem_and_leaves_nothing(runs: Runs, name: str) -> None:
    ran = runs.get(*script(name))
    assert ran.status == 0, ran.told
    assert ran.record.leftovers == []
    assert not ran.record.error


def test_the_ports_are_the_same_in_the_labs_own_kernel(runs: Runs) -> None:
    module = os.fspath(ROOT / "tests" / "unit" / "telephony" / "test_equipment.py")
    pytest_inside = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", module)
    paths = os.pathsep.join([os.fspath(ROOT), *filter(None, sys.path)])
    ran = runs.get("direct", "--", "env", f"PYTHONPATH={paths}", *pytest_inside)
    assert ran.status == 0, ran.told
    assert "skipped" not in ran.stdout


def test_chat_dials_and_knows_what_became_of_it(runs: Runs) -> None:
    told = runs.get(*script("chat.sh")).stdout.splitlines()
    # chat(8) EXIT STATUS: 4 is the first ABORT, and so on.
    assert told == [
        "ATDT18005550100: 0",
        "ATS7=20DT18005550177: 5",
        "ATDT15075550101: 4",
        "ERROR: 4",
    ]


def test_pppd_with_chat_comes_up_with_pap_and_goes_through_the_fence(runs: Runs) -> None:
    ran = runs.get(*script("ppp.sh"))
    assert "local  IP address 203.0.113.130" in ran.stdout
    assert "3 packets transmitted, 3 received" in ran.stdout
    assert "2 packets transmitted, 0 received" in ran.stdout

    (call,) = ran.record.lig
    assert call.user == "usibm.hmc01"
    assert call.address == "203.0.113.130"
    assert call.rate_bit_s == 33600
    assert 0 < call.rang < call.answered < call.admitted < call.opened < call.closed
    counted = ran.record.counters["lig"]
    assert {name: count for name, count in counted.items() if "unlisted" in name and count} == {
        "L-02-unlisted": 2
    }
    assert re.search(r"^ *\d+$", ran.stdout, re.MULTILINE), "the lock file has pppd's number"
    dialogue = (ran.run_dir / "wire" / "pstn.txt").read_text()
    assert "hmc-1 hangs up" in dialogue, "pppd's last deed is to drop DTR"


def test_a_shell_escapes_resumes_and_hangs_up(runs: Runs) -> None:
    told = runs.get(*script("shell.sh")).stdout.splitlines()
    assert told == [
        "the caller hangs up",
        "4: RING",
        "3: CONNECT 33600",
        "4: CONNECT 33600",
        "4: from three",
        "3: OK",
        "3: CONNECT 33600",
        "3: while three was away",
        "3: OK",
        "3: OK",
        "4: NO CARRIER",
        "the called one hangs up",
        "4: OK",
        "3: CONNECT 33600",
        "4: CONNECT 33600",
        "4: OK",
        "3: NO CARRIER",
        "the last one closes its port",
        "3: CONNECT 33600",
        "3: NO CARRIER",
        "without clocal the carrier ends a program",
        "4: OK",
        "3: CONNECT 33600",
        "cat: 1",
        "3: OK",
    ]


def test_programs_hang_up_by_b0_and_an_idle_call_costs_little(runs: Runs) -> None:
    ran = runs.get(*script("hang_up.sh"))
    called = ["3: CONNECT 33600", "4: CONNECT 33600"]
    gone = ["3: NO CARRIER", "4: NO CARRIER"]
    assert ran.stdout.splitlines() == [
        *("4: OK", "3: OK"),
        "an hour without a word",
        *("3: +MCR: V34", "3: +MRR: 33600", "3: +ILRR: 57600", *called),
        "a second of B0",
        *(*gone, "at once", "3: OK"),
        "by python",
        *(*called, *gone),
        "with &D1 it is an escape",
        *("3: OK", *called, "3: OK", "3: OK", "4: NO CARRIER"),
        "thirty seconds without data",
        *("3: OK", *called, "3: a word", "3: NO CARRIER", "after 50 s"),
    ]
    assert ran.wall_s < ran.verdict["lab_s"], "virtual time"


def test_a_terminal_program_shows_what_the_modem_says(runs: Runs) -> None:
    shown = runs.get(*script("picocom.sh")).stdout
    said = [line.strip() for line in shown.partition("Terminal ready")[2].splitlines()]
    dialogue = [line for line in said if line and line.isprintable()]
    assert dialogue[:7] == ["ATI", "V.34 modem", "OK", "ATS0?", "000", "OK", "ATDT18005550100"]
    assert dialogue[7] == "CONNECT 33600"
    # Between them is what a PPP server sends to somebody who types.
    assert dialogue[-6:-1] == [
        "OK",
        "ATH",
        "OK",
        "** read zero bytes from stdin **",
        "Terminating...",
    ]


def test_a_million_bytes_each_way_take_as_long_as_on_the_line(runs: Runs) -> None:
    ran = runs.get(*script("both_ways.py"))
    told = json.loads(ran.stdout)
    for way in ("there", "back"):
        assert told[way]["same"]
        # Eight bits a byte at 33.6 kbit/s, and 20 ms under way.
        assert told[way]["seconds"] == pytest.approx(1_000_000 * 8 / 33600, abs=1.0)
    assert ran.wall_s < ran.verdict["lab_s"], "virtual time"

    dialogue = (ran.run_dir / "wire" / "pstn.txt").read_text()
    assert dialogue.count("... data: 1000000 bytes, call 1") == 4


def test_numeric_result_codes_of_ibms_table(runs: Runs, tmp_path: Path) -> None:
    text = (ROOT / "topologies" / "dial.yaml").read_text()
    text = text.replace("role: hmc, modems: 1", "role: hmc, modems: 3")
    text = text.replace('555-0101", rate: 33600', '555-0101", rate: 2400')
    text = text.replace("role: exchange", "role: exchange, result_codes: ibm")
    topology = tmp_path / "slow.yaml"
    topology.write_text(text)

    # The first modem has the path of the lab itself.
    ran = runs.get(os.fspath(topology), "--", "bash", os.fspath(DATA / "numbers.sh"))
    told = [line for line in ran.stdout.splitlines() if line[:2] not in ("3:", "4:")]
    assert told == [
        "ATV0: 0",
        "ATDT15075550101: 9",
        "+++: 0",
        "ATX0O: 1",
        "+++: 0",
        "ATX4H: 0",
        "ATDT15075550101: 7",
        "AT%Y7: 4",
        "ATS7=1DT18005550177: 3",
        "ATS7=5DT15075550101: 8",
    ], ran.told


def test_somebody_types_to_a_modem_of_a_lab_that_is_up(tmp_path: Path) -> None:
    user = User.settle(tmp_path)
    with user.standing(TOPOLOGY) as name:
        typed = user.terminal("exec", "--lab", name, "hmc", "--", "picocom", "/dev/modem0")
        typed.expect_exact("Terminal ready\r\n")
        typed.send("ATI4\r")
        typed.expect_exact("callhome-lab\r\n\r\nOK\r\n")
        typed.send("ATDT1 800 555-0100\r")
        typed.expect_exact("CONNECT 33600\r\n")
        # LCP's first request, which the gateway repeats (RFC 1661 4.6).
        typed.expect_exact(b"\x7e\xff\x7d\x23\xc0\x21")
        typed.send("\x01\x11")
        typed.expect(pexpect.EOF)
        typed.close()
        assert typed.exitstatus == 0
