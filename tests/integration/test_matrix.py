"""`lab verify`: several labs at once, each in a process of its own, and what is left of them on one page."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pexpect
import pytest

from lab.errors import UsageError
from lab.report.kept import frames_of
from lab.wait import wait_until
from lab.ways import faults
from lab.wire import pcapng
from tests.integration.labs import DEADLINE_S, changed, lab
from tests.integration.users import Surroundings, User, end, processes
from tests.unit.verify.stage import topology

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> User:
    return User.settle(tmp_path_factory.mktemp("home"))


@pytest.mark.long
def test_every_fault_of_a_topology_is_told_as_the_one_that_it_is(tmp_path: Path) -> None:
    done = lab("verify", "--faults", "proxy", "--out", os.fspath(tmp_path / "out"))

    wanted = [fault.name for fault in faults.applicable(topology("proxy"))]
    assert len(wanted) > 5
    lines = [line.split()[:3] for line in done.stdout.splitlines()]
    assert lines == [["proxy", name, "right"] for name in wanted], done.stdout + done.stderr
    assert done.returncode == 0
    data = json.loads((tmp_path / "out" / "verify.json").read_text())
    assert data["counts"] == {"right": len(wanted)}
    assert {run["cause"] for run in data["runs"]} == {run["cause_expected"] for run in data["runs"]}
    assert len({run["cause"] for run in data["runs"]}) == len(wanted)
    # Findings did fail: with a fault in that is no failure.
    assert any("fail" in run["findings"].values() for run in data["runs"])
    root = fromstring((tmp_path / "out" / "junit.xml").read_text())
    assert {(suite.get("failures"), suite.get("errors")) for suite in root} == {("0", "0")}
    page = (tmp_path / "out" / "matrix.html").read_text()
    for name in wanted:
        assert f'href="proxy.{name}/' in page


def test_one_that_does_not_come_up_loses_nothing_of_the_other(user: User) -> None:
    ends = "sdc:      { role: sdc }", "sdc:      { role: sdc, run: [/bin/false] }"
    own = changed(user.home, "direct", ends, to="own")
    out = user.home / "out"

    done = user.lab("verify", own, "direct", "--out", os.fspath(out))

    lines = done.stdout.decode().splitlines()
    found = [line.split()[:2] for line in lines if "held" in line]
    assert found == [["own", "error"], ["direct", "pass"]], done.stdout + done.stderr
    assert any("sdc's false ended with exit status 1" in line for line in lines)
    assert done.returncode == UsageError.exit_status
    data = json.loads((out / "verify.json").read_text())
    assert [run["came"] for run in data["runs"]] == ["broke", "right"]
    root = fromstring((out / "junit.xml").read_text())
    assert [suite.get("errors") for suite in root] == ["1", "0"]


def test_a_topology_that_is_not_there_is_told_before_anything_runs(user: User) -> None:
    done = user.lab("verify", "direct", "dircet", "--out", os.fspath(user.home / "none"))

    assert done.returncode == UsageError.exit_status
    assert b"dircet" in done.stderr
    assert not (user.home / "none").exists()


def _typed(process: subprocess.Popen[bytes]) -> None:
    """^C at a terminal reaches every process of the foreground."""
    os.killpg(process.pid, signal.SIGINT)


def _asked(process: subprocess.Popen[bytes]) -> None:
    process.terminate()


def _told(process: subprocess.Popen[bytes]) -> None:
    """As another program does, which tells nobody but the one that was started."""
    process.send_signal(signal.SIGINT)


def half_written(folder: Path) -> list[str]:
    """Files that somebody has begun to write, and that are not whole."""
    found = []
    for path in (each for each in folder.rglob("*") if each.is_file()):
        data = path.read_bytes()
        try:
            if path.suffix == ".json":
                json.loads(data)
            if path.suffix == ".jsonl":
                [*map(json.loads, data.splitlines())]
            if path.suffix == ".html":
                assert data.rstrip().endswith(b"</html>")
            if path.suffix == ".pcapng":
                problems: list[str] = []
                frames_of(path, path.stem, problems)
                assert problems == []
            assert path.suffix not in (".part", ".new")
            assert path.name != pcapng.SPOOL
        except (AssertionError, ValueError) as error:
            found.append(f"{path.relative_to(folder)}: {error!r}")
    return found


@pytest.mark.parametrize("interrupt", [_typed, _told, _asked], ids=["typed", "told", "asked"])
def test_an_interrupt_leaves_no_lab_and_writes_what_there_is(
    user: User, tmp_path: Path, interrupt: Callable[[subprocess.Popen[bytes]], None]
) -> None:
    before = Surroundings.look(user)
    out = tmp_path / "out"
    names = ("direct", "dial", "service-modem", "failover", "service-vpn", "vpn-dial")
    words = ("verify", *names, "--jobs", "2", "--out", os.fspath(out))
    process = user.start(*words)
    try:
        # One has ended, and two labs are up.
        third = out / "service-modem" / "events.jsonl"
        wait_until("the third lab", third.exists, DEADLINE_S)
        interrupt(process)
        _, said = process.communicate(timeout=DEADLINE_S)
    finally:
        end(process)

    assert process.returncode == 130, said
    assert not processes(os.fspath(out))
    assert before.changes(user) == {}
    data = json.loads((out / "verify.json").read_text())
    assert data["interrupted"]
    assert {*data["counts"]} == {"right", "ended"}
    assert [run["topology"] for run in data["runs"]] == [*names]
    assert "service-vpn" not in {run["topology"] for run in data["runs"] if run["came"] == "right"}
    left = {run["topology"] for run in data["runs"] if run["problem"] == "it was not begun"}
    assert "vpn-dial" in left
    assert not [name for name in left if (out / name).exists()]
    assert "It was interrupted" in (out / "matrix.html").read_text()
    fromstring((out / "junit.xml").read_text())
    assert half_written(out) == []
    # A run that was ended says so in its own folder, too.
    ended = [run for run in data["runs"] if run["came"] == "ended" and run["topology"] not in left]
    assert ended
    assert {run["problem"] for run in ended} == {"it was ended before it was done"}


def test_nothing_is_left_of_a_matrix_that_was_killed(user: User, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = user.start("verify", "direct", "vpn", "--jobs", "2", "--out", os.fspath(out))
    try:
        begun = [out / name / "events.jsonl" for name in ("direct", "vpn")]
        wait_until("both labs", lambda: all(each.exists() for each in begun), DEADLINE_S)
        process.kill()
        process.wait()
        wait_until("the end of both", lambda: not processes(os.fspath(out)), DEADLINE_S)
    finally:
        end(process)


def test_on_a_terminal_there_is_a_line_a_run_as_wide_as_the_terminal(
    user: User, tmp_path: Path
) -> None:
    python, *argv = user.argv("verify", "direct", "vpn", "--out", os.fspath(tmp_path / "out"))
    env = {**user.env, "TERM": "xterm"}
    terminal: pexpect.spawn[bytes] = pexpect.spawn(
        python, argv, env=env, cwd=os.fspath(user.home), dimensions=(24, 80), timeout=DEADLINE_S
    )
    try:
        terminal.expect(rb"direct.*\d s .*\r\n.*vpn.*\d s .*\r\n.*0 of 2 done, after \d+ s")
        terminal.setwinsize(24, 40)
        # A line that is as wide as the terminal is now, whatever it says; it may have been drawn before.
        line = " " * 80
        while len(line) > 40:
            terminal.expect(rb"\r\x1b\[2K\x1b\[1A\x1b\[2K(.{30,120}?)\r\n\d of 2 done")
            assert isinstance(terminal.match, re.Match)
            line = re.sub(rb"\x1b\[[0-9;]*[A-Za-z]", b"", terminal.match.group(1)).decode()
        terminal.expect(pexpect.EOF)
        terminal.wait()
        assert terminal.exitstatus == 0
        rest = bytes(terminal.before or b"")
    finally:
        terminal.close(force=True)
    # The cursor is back, nothing of the display stays, and the results are there.
    assert b"\x1b[?25h" in rest
    assert b"\x1b" not in rest.rpartition(b"\x1b[2K")[2]
    assert b"2 runs: 2 right" in rest
