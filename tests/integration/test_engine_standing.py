"""Labs that stay up: from other terminals, several at once, and down again."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pexpect
import pytest

from lab.engine.frames import FrameKind, json_frame
from lab.engine.session import Program
from lab.wait import wait_until
from tests.integration.labs import DEADLINE_S
from tests.integration.users import (
    Surroundings,
    User,
    end,
    kernels,
    processes,
    read_until,
    wait_gone,
)

pytestmark = pytest.mark.kernel

PROMPT = rb"[#$] "

INTERRUPTED = """\
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
print("up", flush=True)
signal.sigwait({signal.SIGINT})
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.kill(os.getpid(), signal.SIGINT)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
"""
"""Says that it is up, and ends by the interrupt that it waits for."""

# Nobody ever writes there. A sleep, however long, is no time in virtual time.
_FOR_EVER = "mkfifo /run/never && echo up && read _ </run/never"


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    with User.visiting(tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture
def home(tmp_path: Path) -> Iterator[User]:
    """Somebody else, for one test."""
    with User.visiting(tmp_path / "home") as made:
        yield made


@pytest.fixture(scope="module")
def standing(user: User) -> Iterator[str]:
    with user.standing("direct") as name:
        yield name


def status(user: User) -> list[dict[str, Any]]:
    return list(json.loads(user.lab("status", "--json").stdout))


def test_status(user: User, standing: str) -> None:
    (entry,) = status(user)
    assert (entry["name"], entry["topology"], entry["engine"], entry["clock"]) == (
        "direct", "direct", "uml", "real",
    )  # fmt: skip
    assert Path(entry["run_dir"]).parent == user.home / "runs"
    assert Path(f"/proc/{entry['pid']}").exists()
    assert entry["ways"] == [
        {
            "agent": "hmc",
            "modems": [],
            "state": "way home by the default route",
            "ways": {"internet": "up"},
        }
    ]
    assert b"direct" in user.lab("status").stdout


def test_exec_several_at_once(user: User, standing: str) -> None:
    scripts = {node: f"read word; echo {node} $LAB_NODE $(hostname); exit {n}"
               for n, node in enumerate(("hmc", "firewall", "internet", "sdc"), 3)}  # fmt: skip
    running = {
        node: user.start("exec", node, "--", "sh", "-c", script, stdin=subprocess.PIPE)
        for node, script in scripts.items()
    }
    try:
        for n, (node, process) in enumerate(running.items(), 3):
            out, _ = process.communicate(b"word\n", timeout=DEADLINE_S)
            assert (out.decode().strip(), process.returncode) == (f"{node} {node} {node}", n)
    finally:
        for process in running.values():
            end(process)


def test_exec_carries_streams(user: User, standing: str) -> None:
    data = bytes(range(256)) * 4000
    script = "cat; echo word >&2; exit 7"
    done = user.lab("exec", "hmc", "--", "sh", "-c", script, input=data)
    assert (done.stdout, done.stderr, done.returncode) == (data, b"word\n", 7)
    assert user.lab("exec", "hmc", "--", "sh", "-c", "kill -9 $$").returncode == 137
    for _ in range(3):
        # All of it is in the pipe still when the program ends.
        done = user.lab("exec", "hmc", "--", "head", "-c", "60000", "/dev/zero")
        assert len(done.stdout) == 60000


def test_exec_sees_the_users_folder(user: User, standing: str) -> None:
    script = user.home / "hello"
    script.write_text("#!/bin/sh\necho hello from $LAB_NODE\n")
    script.chmod(0o755)
    assert user.lab("exec", "sdc", "--", "./hello").stdout == b"hello from sdc\n"


def test_a_daemon_that_holds_the_pipes_holds_up_nobody(user: User, standing: str) -> None:
    """All of what the program said comes, and its end is not its daemon's end."""
    script = (
        "sleep 4321 & exec /usr/bin/python3 -c 'import os; os.write(1, bytes(60000)); os._exit(5)'"
    )
    done = user.lab("exec", "hmc", "--", "sh", "-c", script)
    assert done.returncode == 5
    assert done.stdout == bytes(60000)
    assert user.lab("exec", "hmc", "--", "pkill", "-f", "sleep 4321").returncode == 0


def test_interrupt_of_an_exec(user: User, standing: str) -> None:
    # Not by a shell, which forgets an interrupt just before it becomes the next program; nor by pause(),
    # which is not ended by an interrupt that came just before.
    process = user.start("exec", "hmc", "--", sys.executable, "-c", INTERRUPTED)
    try:
        read_until(process, b"up\n")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 130
    finally:
        end(process)


def test_a_killed_exec_takes_its_program_along(user: User, standing: str) -> None:
    process = user.start("exec", "hmc", "--", "sh", "-c", "echo up; sleep 4321")
    try:
        read_until(process, b"up\n")
        process.kill()
        look = ("exec", "hmc", "--", "pgrep", "-f", "sleep 4321")
        wait_until("the end of the program", lambda: user.lab(*look).returncode == 1, DEADLINE_S)
    finally:
        end(process)


def test_shell(user: User, standing: str) -> None:
    terminal = user.terminal("shell", "hmc", size=(31, 97))
    try:
        terminal.expect(PROMPT)
        terminal.sendline(b"echo $LAB_NODE; stty size; set -o | grep monitor")
        terminal.expect_exact(b"hmc\r\n31 97\r\n")
        terminal.expect(rb"monitor\s+on")
        terminal.sendline(b"exit 3")
        terminal.expect(pexpect.EOF)
        terminal.wait()
        assert terminal.exitstatus == 3
    finally:
        terminal.close(force=True)


def test_capture_into_another_program(user: User, standing: str) -> None:
    capture = user.start("capture", "lan", "--lab", standing)
    reader = subprocess.Popen(
        ["tcpdump", "-n", "-l", "-r", "-"],
        stdin=capture.stdout, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        read_until(capture, b"listening on lan", errors=True)
        ping = "ping -q -c 5 -i 0.2 $LAB_PROBE"
        assert user.lab("exec", "hmc", "--", "sh", "-c", ping).returncode == 0
        assert b"ICMP echo request" in read_until(reader, b"ICMP echo reply")
        # The reader goes, and with the next packet so does the capture.
        reader.kill()
        assert capture.stdout is not None
        capture.stdout.close()
        user.lab("exec", "hmc", "--", "sh", "-c", ping)
        assert capture.wait(timeout=DEADLINE_S) == 141
    finally:
        end(reader)
        capture.kill()
        capture.wait()
        assert capture.stderr is not None
        capture.stderr.close()


def test_capture_to_a_terminal(user: User, standing: str) -> None:
    terminal = user.terminal("capture", "lan")
    terminal.expect_exact(b"packets would garble the terminal")
    terminal.expect_exact(b"wireshark -k -i -")
    terminal.expect(pexpect.EOF)
    terminal.wait()
    assert terminal.exitstatus == 2


@pytest.mark.parametrize(
    ("words", "problem", "hint"),
    [
        (("exec", "hcm", "--", "true"), "there is no node 'hcm'", "did you mean hmc?"),
        (("exec", "hmc", "--", "nosuch"), "nosuch: no such program", "check its name"),
        (("exec", "hmc"), "no command is given", "lab exec hmc -- COMMAND"),
        (("shell", "nowhere"), "there is no node 'nowhere'", "known: "),
        (("capture", "lam"), "there is no segment 'lam'", "did you mean lan?"),
        (("exec", "--lab", "other", "hmc", "--", "true"), "no lab 'other' is up", "up: direct"),
    ],
)
def test_bad_input(
    user: User, standing: str, words: tuple[str, ...], problem: str, hint: str
) -> None:
    done = user.lab(*words)
    assert done.returncode == 2
    assert problem in done.stderr.decode()
    assert hint in done.stderr.decode()


def test_a_client_that_does_not_read_holds_up_nobody(user: User, standing: str) -> None:
    (entry,) = status(user)
    program = Program(
        argv=("head", "-c", "150000000", "/dev/zero"), env={"PATH": os.environ["PATH"]}, cwd="/", node="hmc",
    )  # fmt: skip
    with connect(entry) as deaf, connect(entry) as garbler:
        deaf.sendall(json_frame(FrameKind.open, 1, asdict(program)).encode())
        garbler.sendall(b"\xff" * 100)
        assert garbler.recv(1) == b"", "who does not speak our language is cut off"

        # Others are served before the deaf one has read a single byte: a supervisor that waited for
        # him would wait for ever, and these would never end.
        for _ in range(4):
            assert user.lab("exec", "hmc", "--", "true").returncode == 0
        cut_off = select.poll()
        cut_off.register(deaf, select.POLLRDHUP)
        assert cut_off.poll(DEADLINE_S * 1000)
        received = 0
        while data := deaf.recv(1 << 20):
            received += len(data)
        assert received < 150_000_000
        gone = ("exec", "hmc", "--", "pgrep", "-f", "head -c 150000000")
        wait_until("the end of the program", lambda: user.lab(*gone).returncode == 1, DEADLINE_S)


def test_a_client_of_another_version(user: User, standing: str) -> None:
    (entry,) = status(user)
    with connect(entry) as stranger:
        stranger.sendall(json_frame(FrameKind.open, 1, {"argv": ["true"]}).encode())
        assert b"the lab is of another version" in stranger.recv(1000)
    assert user.lab("exec", "hmc", "--", "true").returncode == 0


def connect(entry: dict[str, Any]) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(DEADLINE_S)
    folder = os.open(entry["run_dir"], os.O_PATH)
    connection.connect(f"/proc/self/fd/{folder}/control.sock")
    os.close(folder)
    return connection


def test_two_up_then_down_with_a_shell_open(user: User, standing: str) -> None:
    done = user.lab("up", "direct", "--out", "out-second")
    assert done.stdout == b"direct-2\n", done.stderr
    assert [entry["name"] for entry in status(user)] == ["direct", "direct-2"]

    ambiguous = user.lab("exec", "hmc", "--", "true")
    assert ambiguous.returncode == 2
    assert b"several labs are up: direct, direct-2" in ambiguous.stderr
    assert b"--lab NAME" in ambiguous.stderr

    run_dir = "sh", "-c", "echo $LAB_RUN_DIR"
    chosen = user.lab("exec", "--lab", "direct-2", "hmc", "--", *run_dir)
    assert chosen.stdout.decode().strip() == os.fspath(user.home / "out-second")

    shell = user.terminal("shell", "--lab", "direct-2", "hmc")
    try:
        shell.expect(PROMPT)
        down = user.lab("down", "--lab", "direct-2", "--json")
        assert down.returncode == 0, down.stdout
        verdict = json.loads(down.stdout)
        assert (verdict["verdict"], verdict["engine"], verdict["clock"]) == ("pass", "uml", "real")
        assert verdict == json.loads((user.home / "out-second" / "verdict.json").read_text())
        shell.expect(pexpect.EOF)
        shell.wait()
        assert shell.exitstatus == 128 + signal.SIGHUP
    finally:
        shell.close(force=True)

    assert [entry["name"] for entry in status(user)] == ["direct"]
    assert not processes(os.fspath(user.home / "out-second"))
    assert not (user.home / "out-second" / "control.sock").exists()
    # What was captured can be read by others.
    tcpdump = ["tcpdump", "-n", "-r", os.fspath(user.home / "out-second" / "wire" / "lan.pcapng")]
    assert subprocess.run(tcpdump, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("clock", ["real", "virtual"])
def test_a_killed_supervisor(home: User, clock: str) -> None:
    before = Surroundings.look(home)
    assert home.lab("up", "direct", "--clock", clock, "--out", "out").returncode == 0
    (entry,) = status(home)
    shell = home.start("exec", "hmc", "--", "sh", "-c", _FOR_EVER)
    try:
        read_until(shell, b"up\n")
        os.kill(entry["pid"], signal.SIGKILL)
        _, errors = shell.communicate(timeout=DEADLINE_S)
        assert shell.returncode == 4
        assert b"the lab direct has gone" in errors
    finally:
        end(shell)
    wait_gone(os.fspath(home.home / "out"))
    assert (home.home / "out" / "control.sock").exists(), "a stale socket, which does not matter"
    assert home.lab("status").stdout == b"no lab is up\n"
    assert not list((home.home / "cache" / "callhome-lab" / "labs").glob("*.json"))
    assert home.lab("down").returncode == 2
    assert not before.changes(home)


def test_supervisor_ends_in_order(home: User) -> None:
    assert home.lab("up", "direct", "--out", "out").returncode == 0
    (entry,) = status(home)
    os.kill(entry["pid"], signal.SIGTERM)
    wait_gone(os.fspath(home.home / "out"))
    assert (home.home / "out" / "record.json").exists()
    assert status(home) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_whoever_starts_a_lab_goes(home: User, number: signal.Signals) -> None:
    # It goes on for minutes: nobody answers.
    process = home.start("up", "vpn", "--fault", "gateways-silent", "--out", "out")
    try:
        wait_until("the kernel", lambda: kernels(home.home / "out"), DEADLINE_S)
        process.send_signal(number)
        process.communicate(timeout=DEADLINE_S)
        assert process.returncode == (130 if number is signal.SIGINT else -number)
        wait_gone(os.fspath(home.home / "out"))
        assert status(home) == []
    finally:
        end(process)


def test_nothing_is_up(home: User) -> None:
    for words in (("exec", "hmc", "--", "true"), ("shell", "hmc"), ("capture", "lan"), ("down",)):
        done = home.lab(*words)
        assert done.returncode == 2
        assert re.search(rb"no lab is up\n  hint: \S*lab up TOPOLOGY", done.stderr)
    assert status(home) == []


def test_a_lab_whose_run_directory_was_removed(home: User) -> None:
    """It is shown, and taken down; there is nothing left to judge it by."""
    assert home.lab("up", "direct", "--out", "out").returncode == 0
    shutil.rmtree(home.home / "out")

    shown = home.lab("status")
    assert shown.returncode == 0, shown.stderr
    assert b"the run directory of direct cannot be read" in shown.stdout
    assert json.loads(home.lab("status", "--json").stdout)[0]["ways"] == []

    down = home.lab("down")
    assert down.returncode == 2
    assert b"direct is down, and not judged" in down.stderr
    assert home.lab("status").stdout == b"no lab is up\n"


def test_a_lab_of_another_version(home: User) -> None:
    assert home.lab("up", "direct", "--out", "out").returncode == 0
    model = home.home / "out" / "keys" / "model.json"
    model.write_text(model.read_text().replace('"expect"', '"expects"'))

    assert b"direct was brought up by another version of the lab" in home.lab("status").stdout
    assert home.lab("down").returncode == 2
    assert home.lab("status").stdout == b"no lab is up\n"
