"""A command in a lab is like one on this terminal: its exit status and its three streams."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import time
from pathlib import Path

import pytest

from tests.integration.labs import DEADLINE_S, SYSTEM_PYTHON
from tests.integration.users import User, end, read_until

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> User:
    return User.settle(tmp_path_factory.mktemp("home"))


@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 0", 0), ("exit 1", 1), ("exit 7", 7), ("nosuch", 127), ("kill -KILL $$", 137)],
)
def test_exit_status(user: User, script: str, status: int) -> None:
    done = user.lab("run", "direct", "--quiet", "--", "sh", "-c", script)
    assert done.returncode == status, done.stderr


def test_outputs_are_apart_and_clean(user: User) -> None:
    script = "import sys; sys.stdout.buffer.write(bytes(range(256))); sys.stderr.buffer.write(b'\\xff\\0')"
    done = user.lab("run", "direct", "--quiet", "--", SYSTEM_PYTHON, "-c", script)
    assert done.stdout == bytes(range(256))
    assert done.stderr == b"\xff\0"


def test_much_output(user: User) -> None:
    script = "import os; [os.write(1, bytes([n % 251]) * 20000) for n in range(1000)]"
    done = user.lab("run", "direct", "--quiet", "--", SYSTEM_PYTHON, "-c", script)
    expected = b"".join(bytes([n % 251]) * 20000 for n in range(1000))
    assert done.returncode == 0
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(expected).digest()


def test_much_input(user: User) -> None:
    # More than a full serial line holds (4 KiB), more than a Unix socket does, and every byte.
    data = random.Random(1).randbytes(3_000_000)
    done = user.lab("run", "direct", "--quiet", "--", "sha256sum", input=data)
    assert done.stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()


def test_much_input_that_comes_back(user: User) -> None:
    # Neither end may wait for the other to read first.
    data = random.Random(2).randbytes(1_000_000)
    done = user.lab("run", "direct", "--quiet", "--", "cat", input=data)
    assert done.stdout == data


def test_input_that_nobody_reads(user: User) -> None:
    done = user.lab("run", "direct", "--quiet", "--", "true", input=bytes(1_000_000))
    assert done.returncode == 0, done.stderr


def test_a_large_environment(user: User) -> None:
    # It travels in one frame, larger than a serial line holds.
    env = {**user.env, **{f"WORD_{n}": "x" * 1000 for n in range(30)}}
    done = user.lab("run", "direct", "--quiet", "--", "sh", "-c", "echo $WORD_29", env=env)
    assert done.stdout == b"x" * 1000 + b"\n"


def test_output_is_live(user: User) -> None:
    process = user.start(
        "run", "direct", "--quiet", "--", "sh", "-c", "echo first; read word; echo $word", stdin=-1
    )
    try:
        # Only once the first line is here does the program get what lets it end.
        read_until(process, b"first\n")
        out, _ = process.communicate(b"second\n", timeout=DEADLINE_S)
        assert out == b"second\n"
    finally:
        end(process)


def test_no_input(user: User) -> None:
    assert user.lab("run", "direct", "--quiet", "--", "wc", "-c").stdout.strip() == b"0"


@pytest.mark.parametrize("closed", ["<&-", "<&- >&- 2>&-"])
def test_closed_standard_streams(user: User, closed: str) -> None:
    # What the lab opens next must not become its standard input or output.
    words = " ".join(user.argv("run", "direct", "--quiet", "--", "sh", "-c", "'cat; exit 7'"))
    done = subprocess.run(
        ["sh", "-c", f"{words} {closed}"],
        env=user.env,
        cwd=user.home,
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 7, done.stderr


def test_a_reader_that_goes(user: User, tmp_path: Path) -> None:
    process = user.start(
        "run", "direct", "--quiet", "--out", os.fspath(tmp_path / "o"), "--", "yes"
    )
    try:
        read_until(process, b"y\n")
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(timeout=DEADLINE_S) == 141
    finally:
        end_quietly(process)
    # Not cut off: taken down in order, and judged.
    assert json.loads((tmp_path / "o" / "record.json").read_text())["leftovers"] == []
    assert (tmp_path / "o" / "verdict.json").exists()


def end_quietly(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()
    assert process.stderr is not None
    process.stderr.close()


def test_a_program_by_its_path(user: User) -> None:
    script = user.home / "hello"
    script.write_text("#!/bin/sh\necho hello from $LAB_NODE\n")
    script.chmod(0o755)
    done = user.lab("run", "direct", "--quiet", "--", "./hello")
    assert done.stdout == b"hello from hmc\n", done.stderr


def test_a_slow_reader(user: User) -> None:
    # In virtual time the guest's kernel writes without a wait queue: it has to stand still meanwhile.
    process = user.start("run", "direct", "--quiet", "--", "head", "-c", "2000000", "/dev/zero")
    try:
        first = read_until(process, b"\0")
        time.sleep(1.5)
        rest, _ = process.communicate(timeout=DEADLINE_S)
        assert len(first) + len(rest) == 2_000_000
    finally:
        end(process)
