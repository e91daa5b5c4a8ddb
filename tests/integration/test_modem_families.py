"""Modems of other makers in real runs: the path comes up by each, and programs meet the maker's words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.telephony import family_file
from lab.topology import modem_family
from tests.integration.labs import ROOT, Runs
from tests.integration.test_own_dialler import ALONE, dial

pytestmark = pytest.mark.kernel

NAMES = modem_family.names()
DIAL = ROOT / "topologies" / "dial.yaml"
BESIDE = ROOT / "tests" / "data" / "modems" / "modems.yaml"

# chat(8) EXIT STATUS: 4 is the first ABORT, and so on; 0 is the last string that was expected.
CHAT = r"""
call() {
    chat -S ABORT BUSY ABORT 'NO CARRIER' ABORT 'NO DIALTONE' ABORT 'NO DIAL TONE' TIMEOUT 90 \
        '' "$1" OK ATDT18005550100 "$2" '\d\c' </dev/modem0 >/dev/modem0
    echo "$1: $?"
}
"""


def topology(folder: Path, source: Path, *changes: tuple[str, str]) -> str:
    text = source.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = folder / "families.yaml"
    path.write_text(text)
    return os.fspath(path)


def of(hmc: str, lig: str = "") -> list[tuple[str, str]]:
    whose = {'"1-507': hmc, '"1-800-555-0100"': lig}
    return [
        (f"{{ number: {number}", f"{{ modem: {modem}, number: {number}")
        for number, modem in whose.items()
        if modem
    ]


@pytest.mark.parametrize(
    ("caller", "called"), [*zip(NAMES, [*NAMES[1:], NAMES[0]], strict=True), ("./mine.yaml", "")]
)
def test_the_path_comes_up_and_every_finding_holds(
    caller: str, called: str, runs: Runs, tmp_path: Path
) -> None:
    """Each family calls once, and answers once."""
    given = modem_family.folder().joinpath("usr-courier.yaml").read_text(encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(given.replace("155", "250"))
    family = family_file.load(tmp_path / caller, caller)
    ran = runs.get(topology(tmp_path, DIAL, *of(caller, called)))

    assert ran.status == 0, ran.told
    assert ran.failed == set()
    assert {attempt.result for attempt in ran.record.dialled} == {"CONNECT 33600"}
    assert "diagnosis" not in ran.verdict
    dialogue = (ran.run_dir / "wire" / "pstn.txt").read_text()
    assert f"hmc       > {family.init}<CR>\n" in dialogue
    assert "ERROR" not in dialogue
    answering = family_file.load(tmp_path, called).init if called else "ATZ"
    assert f"lig-1     > {answering}<CR>\n" in dialogue
    # By ZyXEL's own default, and by Hayes's, CONNECT has the port's rate.
    assert {call.rate_bit_s for call in ran.record.lig} == {33600}


def test_a_dead_line_in_two_words(runs: Runs, tmp_path: Path) -> None:
    path = topology(tmp_path, DIAL, *of("usr-courier"))
    ran = runs.get(path, "--fault", "no-dialtone")

    assert ran.status == 1
    assert [attempt.result for attempt in ran.record.dialled] == ["NO DIAL TONE"]
    assert "heard no dial tone" in ran.verdict["diagnosis"]


def test_a_modem_that_is_held_to_a_rate_by_its_own_command_is_no_slow_line(
    runs: Runs, tmp_path: Path
) -> None:
    """``&N4`` of a Courier is 4800 bit/s."""
    changes = [*of("usr-courier"), ("kind: dial\n", "kind: dial\n    init: AT&F1&N4\n")]
    ran = runs.get(topology(tmp_path, DIAL, *changes))

    assert ran.status == 0, ran.told
    assert {attempt.result for attempt in ran.record.dialled} == {"CONNECT 4800"}
    assert "diagnosis" not in ran.verdict


def test_an_init_string_for_others_is_refused_and_the_right_one_named(
    runs: Runs, tmp_path: Path
) -> None:
    changes = [*of("multitech"), ("kind: dial\n", "kind: dial\n    init: AT&F&K3\n")]
    ran = runs.get(topology(tmp_path, DIAL, *changes))

    assert ran.status == 1
    assert ran.record.dialled[-1].result == ""
    assert "a multitech, answers AT&F&K3 with ERROR" in ran.verdict["diagnosis"]
    assert "for a multitech it is AT&FE1V1Q0X4&C1&D2&E1&E4&E13&E15$BA0" in ran.verdict["diagnosis"]


@pytest.mark.parametrize(
    ("init", "told"),
    [
        ("'AT&F1&C1&D2&K1&M4'", ""),
        ("'AT&F&C1&D2&K3&Q5'", "a usr-courier, answers AT&F&C1&D2&K3&Q5 with ERROR"),
    ],
)
def test_a_dialler_of_the_users_own(init: str, told: str, runs: Runs, tmp_path: Path) -> None:
    path = topology(tmp_path, DIAL, *of("usr-courier"))
    ran = runs.get(path, "--no-path", "--", "sh", "-c", f"{ALONE}; {dial(init=init, wait=40)}")

    assert (ran.status == 0) is not bool(told), ran.told
    assert told in ran.verdict.get("diagnosis", "")
    assert not ran.failed


def test_chat_meets_the_words_of_the_maker(runs: Runs, tmp_path: Path) -> None:
    path = topology(tmp_path, BESIDE, *of("usr-courier"))
    lines = "call 'AT&F1&B1&K1' 'CONNECT 33600'; call 'AT&F1&N6' 'CONNECT 9600'"
    ran = runs.get(path, "--", "bash", "-c", f"{CHAT}{lines}")
    assert ran.stdout.splitlines()[:2] == ["AT&F1&B1&K1: 0", "AT&F1&N6: 0"], ran.told

    dead = runs.get(path, "--fault", "no-dialtone", "--", "bash", "-c", f"{CHAT}call ATZ CONNECT")
    assert dead.stdout.splitlines()[0] == "ATZ: 7", dead.told


def test_a_program_reads_the_makers_numbers(runs: Runs, tmp_path: Path) -> None:
    """What is dialled is the HMC's own number, which its other modem answers."""
    script = r"""
        exec 3<>/dev/modem0 4<>/dev/modem1
        stty -F /dev/modem0 clocal; stty -F /dev/modem1 clocal
        . "$1"
        say 4 ATE0S0=1; hear 4 OK
        say 3 'ATE0'; hear 3 OK
        printf 'ATV0&N14DT15075550101\r' >&3
        head -c 4 <&3 | tr '\r' '\n'
    """
    path = topology(tmp_path, BESIDE, *of("usr-courier"))
    said = os.fspath(BESIDE.with_name("lines.sh"))
    ran = runs.get(path, "--", "bash", "-c", script, "bash", said)

    assert ran.stdout.splitlines()[:3] == ["4: OK", "3: OK", "107"], ran.told
