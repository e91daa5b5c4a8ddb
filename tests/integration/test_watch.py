"""`lab watch` on a terminal of its own: what is on the screen, what keys do, how the terminal is left."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from lab.cli.watch import EVENTS_ONCE
from lab.run.standing import LOG
from lab.wait import wait_until
from tests.integration.labs import DEADLINE_S
from tests.integration.users import User

pytestmark = pytest.mark.kernel

Terminal = pexpect.spawn
FOOT = rb"q leave[^\x1b]*\x1b"


class Glass:
    """The characters on a terminal, by the few control sequences that a full screen needs (ECMA-48)."""

    def __init__(self, rows: int, columns: int) -> None:
        self.lines = [[" "] * columns for _ in range(rows)]
        self.alternate = self.hidden = False
        self._row = self._column = 0

    def show(self, data: str) -> None:
        for place, control, mark, text in re.findall(
            r"\x1b\[(\??[0-9;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)", data
        ):
            if text:
                self._put(text)
            elif control == "H":
                row, column = (int(each) - 1 for each in place.split(";"))
                self._row, self._column = row, column
            elif control == "K":
                self.lines[self._row][self._column :] = " " * (len(self.lines[0]) - self._column)
            elif control == "J":
                for line in self.lines[self._row + 1 :]:
                    line[:] = " " * len(line)
            elif control in ("h", "l"):
                self.alternate = control == "h" if place == "?1049" else self.alternate
                self.hidden = control == "l" if place == "?25" else self.hidden
            else:
                assert control == "m" or mark, (place, control)

    def _put(self, text: str) -> None:
        for letter in text:
            # Without wrapping the last column takes what is too much.
            column = min(self._column, len(self.lines[0]) - 1)
            self.lines[min(self._row, len(self.lines) - 1)][column] = letter
            self._column += 1

    @property
    def text(self) -> list[str]:
        return ["".join(line).rstrip() for line in self.lines]


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> User:
    return User.settle(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def standing(user: User) -> Iterator[str]:
    with user.standing("vpn-nat") as name:
        yield name


def watching(user: User, *words: str, size: tuple[int, int] = (40, 110)) -> Terminal[bytes]:
    python, *argv = user.argv("watch", *words)
    env = {**user.env, "TERM": "xterm"}
    return pexpect.spawn(
        python, argv, env=env, cwd=os.fspath(user.home), dimensions=size, timeout=DEADLINE_S
    )


@pytest.fixture
def watched(user: User, standing: str) -> Iterator[Terminal[bytes]]:
    # Nothing is asked again by itself: what comes is the answer to a key.
    terminal = watching(user, standing, "--every", "3600")
    try:
        yield terminal
    finally:
        terminal.close(force=True)


def said(terminal: Terminal[bytes]) -> bytes:
    """What came before what was expected."""
    assert isinstance(terminal.before, bytes)
    return terminal.before


def next_screen(terminal: Terminal[bytes], rows: int = 40, columns: int = 110) -> Glass:
    """What is there once the line of keys, which comes last, has been drawn anew."""
    terminal.expect(FOOT)
    glass = Glass(rows, columns)
    glass.show((said(terminal) + b"q leave").decode())
    return glass


def test_the_screen_shows_the_lab_and_obeys_keys(user: User, watched: Terminal[bytes]) -> None:
    glass = next_screen(watched)

    assert glass.alternate
    assert glass.hidden
    assert re.match(r"vpn-nat: up \d+:\d\d, uml, real clock$", glass.text[0])
    assert "Ways home" in glass.text
    assert any(re.match(r"  hmc: way home up, .* \(vpn up\)", line) for line in glass.text)
    assert any(
        re.match(r"  PPP  hmc: 10\.\S+ on ppp0, peer 10\.\S+, for \d", line) for line in glass.text
    )
    sas = [
        line
        for line in glass.text
        if re.match(r"  (hmc|vpn1): \S+ > \S+ 0x[0-9a-f]{8} tunnel, age \d", line)
    ]
    assert len(sas) == 4
    assert any("allow-F-07-1 (F-07)" in line for line in glass.text)
    events = [line for line in glass.text if re.match(r" +\d+\.\d{3} s  ", line)]
    assert any("  IKE " in line for line in events)

    watched.send(b"?")
    assert any("this, and back" in line for line in next_screen(watched).text)
    watched.send(b"?")
    assert not any("this, and back" in line for line in next_screen(watched).text)

    # A packet more by the user's hand, and the lab is asked when the user says so.
    assert user.lab("exec", "hmc", "--", "ping", "-c", "1", "129.42.160.48").returncode == 0
    watched.send(b"r")
    later = next_screen(watched)
    assert packets(later) > packets(glass)

    watched.setwinsize(12, 50)
    small = next_screen(watched, 12, 50)
    assert any("lines more: a higher terminal" in line for line in small.text)
    shown = [line for line in small.text if re.match(r" +\d+\.\d{3} s  ", line)]
    watched.send(b"\x1b[A")
    up = next_screen(watched, 12, 50)
    assert "Events (1 more below)" in up.text
    assert [line for line in up.text if re.match(r" +\d+\.\d{3} s  ", line)][1:] == shown[:-1]

    watched.send(b"q")
    watched.expect(pexpect.EOF)
    watched.wait()
    assert watched.exitstatus == 0
    assert b"\x1b[?25h\x1b[?1049l" in said(watched)
    assert b"vpn-nat is still up" in said(watched)


def packets(glass: Glass) -> int:
    return sum(
        int(found) for line in glass.text for found in re.findall(r"(\d+) packets?, \d", line)
    )


@pytest.mark.parametrize("how", ["q", "^C", "SIGINT", "SIGTERM", "SIGHUP", "a mistake of ours"])
def test_the_terminal_is_left_as_it_was(user: User, standing: str, how: str) -> None:
    env = {**user.env, "PS1": "$ ", "TERM": "xterm"}
    if how == "a mistake of ours":
        broken = user.home / "sitecustomize.py"
        broken.write_text(
            "import sys\n"
            "if 'watch' in sys.argv:\n"
            "    from lab.watch import lines\n"
            "    def fail(*_): raise RuntimeError('a defect')\n"
            "    lines.body = fail\n"
        )
        env["PYTHONPATH"] = f"{user.home}:{env['PYTHONPATH']}"
    shell: Terminal[bytes] = pexpect.spawn(
        "sh", env=env, cwd=os.fspath(user.home), dimensions=(30, 100), timeout=DEADLINE_S
    )
    try:
        shell.expect_exact(b"$ ")
        words = " ".join(user.argv("watch", standing))
        line = f"stty -g >before; {words}; echo sta''tus $?; stty -g >after; "
        shell.sendline(f"{line}cmp before after && echo sa''me".encode())
        if how == "a mistake of ours":
            shell.expect_exact(b"\x1b[?1049h")
        else:
            shell.expect(FOOT)
        if how in TYPED:
            shell.send(TYPED[how])
        elif how.startswith("SIG"):
            (pid,) = [int(each) for each in children(shell.pid or 0)]
            os.kill(pid, getattr(signal, how))
        shell.expect_exact(b"\x1b[?25h\x1b[?1049l")
        status = {"q": b"status 0", "a mistake of ours": b"status 4"}
        shell.expect_exact(status.get(how, b"status 130"))
        shell.expect_exact(b"same")
    finally:
        (user.home / "sitecustomize.py").unlink(missing_ok=True)
        shell.close(force=True)


TYPED = {"q": b"q", "^C": b"\x03"}


def children(pid: int) -> list[str]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:  # noqa: PTH123
        return file.read().split()


def test_the_end_of_the_lab_is_told(user: User) -> None:
    with user.standing("direct") as name:
        terminal = watching(user, name)
        try:
            terminal.expect(FOOT)
            assert user.lab("down", name).returncode == 0
            terminal.expect(pexpect.EOF)
            terminal.wait()
            assert terminal.exitstatus == 0
            assert b"\x1b[?1049l" in said(terminal)
            assert f"{name} went down".encode() in said(terminal)
        finally:
            terminal.close(force=True)


def test_once_and_json_are_for_scripts(user: User, standing: str) -> None:
    done = user.lab("watch", standing, "--json")
    seen = json.loads(done.stdout)
    assert (seen["name"], seen["ways"][0]["ways"]) == (standing, {"vpn": "up"})
    hmc = next(node for node in seen["nodes"] if node["node"] == "hmc")
    assert [sa["mode"] for sa in hmc["sas"]] == ["tunnel", "tunnel"]
    assert all(0 <= sa["age_s"] < 3600 for sa in hmc["sas"])
    assert {"lab-up", "ike-established", "ppp-up"} <= {event["kind"] for event in seen["events"]}

    once = user.lab("watch", standing, "--once")
    assert b"\x1b" not in once.stdout
    assert b"Security associations" in once.stdout
    # The keys of the SAs are nowhere: the kernel was not even asked for them.
    keys = user.lab("exec", "hmc", "--", "ip", "xfrm", "state").stdout
    secrets = re.findall(rb"0x([0-9a-f]{32,})", keys)
    assert len(secrets) == 4
    assert not [each for each in secrets if each in once.stdout + done.stdout]

    # Into a pipe there is no screen.
    piped = user.lab("watch", standing)
    assert piped.returncode == 2
    assert b"lab watch --once" in piped.stderr


def test_times_are_those_of_the_story(user: User, standing: str) -> None:
    """Of a real clock, on which building a lab takes a while: both count from the run's start."""
    done = user.lab("watch", standing, "--json")
    run_dir = Path(json.loads(done.stdout)["run_dir"])

    def events(text: str) -> list[tuple[str, str]]:
        return re.findall(r"^ *(\d+\.\d{3}) s  (.*)$", text, re.MULTILINE)

    def between_two_events() -> tuple[list[tuple[str, str]], list[tuple[str, str]]] | None:
        before = (run_dir / LOG).read_text()
        once = user.lab("watch", standing, "--once").stdout.decode()
        return (events(before), events(once)) if (run_dir / LOG).read_text() == before else None

    story, seen = wait_until("a look between two events", between_two_events, DEADLINE_S)
    assert len(story) > 3
    assert seen == story[-len(seen) :]
    assert len(seen) == min(len(story), EVENTS_ONCE)
    # The first event is not where the clock starts.
    assert float(story[0][0]) > 0


def test_a_lab_by_a_virtual_clock_is_watched_while_it_runs_ahead(user: User) -> None:
    with user.standing("vpn-nat", "--clock", "virtual") as name:
        terminal = watching(user, name, "--every", "0.5")
        try:
            ages = []
            for _ in range(3):
                glass = next_screen(terminal)
                assert "Ways home" in glass.text
                found = re.match(
                    rf"{name}: up \d+:\d\d, ((?:\d+:)?\d+:\d\d) by its own clock, uml, virtual clock$",
                    glass.text[0],
                )
                assert found, glass.text[0]
                ages.append(in_seconds(found[1]))
                terminal.send(b"r")
            # An idle lab goes through its timers: hours in the seconds of this test, and never back.
            assert ages == sorted(ages)
            # PPP stands since the first second of the lab. The HMC is asked first at each look, the
            # clock of the first line is the last node's: hours may pass between two of these.
            (ppp,) = [
                re.search(r"  PPP  hmc: .*, for (\S+)$", t) for t in glass.text if "  PPP  hmc" in t
            ]
            assert ppp
            assert ages[-2] - 2 <= in_seconds(ppp[1]) <= ages[-1]
            assert any("  PPP      hmc is " in line for line in glass.text)
            terminal.send(b"q")
            terminal.expect(pexpect.EOF)
            terminal.wait()
            assert terminal.exitstatus == 0
        finally:
            terminal.close(force=True)


def in_seconds(told: str) -> int:
    """Of ``0:12`` or ``26:00:00``."""
    seconds = 0
    for part in told.split(":"):
        seconds = seconds * 60 + int(part)
    return seconds


def test_nobody_to_watch(user: User) -> None:
    done = user.lab("watch", "nobody")

    assert done.returncode == 2


def test_watching_changes_nothing_that_is_judged(user: User) -> None:
    """No packet, no command: a lab that was watched is judged as one that was not."""
    judged = []
    for watched in (False, True):
        with user.standing("direct") as name:
            if watched:
                for _ in range(3):
                    assert user.lab("watch", name, "--json").returncode == 0
            done = user.lab("down", name, "--json")
            judged.append(json.loads(done.stdout))
    plain, seen = judged
    assert seen["verdict"] == plain["verdict"]
    assert [(f["requirement"], f["verdict"], f["seen"]) for f in seen["findings"]] == [
        (f["requirement"], f["verdict"], f["seen"]) for f in plain["findings"]
    ]
