"""The command and its standard streams: what they cannot take, or do not have, is never a traceback."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from lab.cli import COMMANDS, capture, main
from lab.cli import list as listing
from lab.errors import UsageError
from lab.run import run as runs
from lab.run import standing
from tests.unit.verify.stage import topology

ROOT = Path(__file__).parents[3]


def argv(*words: str) -> list[str]:
    return [sys.executable, "-m", "lab", *words]


def lab(*words: str, **settings: str) -> subprocess.CompletedProcess[bytes]:
    return run(argv(*words), **settings)


def run(argv: list[str], **settings: str) -> subprocess.CompletedProcess[bytes]:
    """Run a program with nothing in its environment but this."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.fspath(ROOT), **settings}
    return subprocess.run(
        argv, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )


@cache
def drawn(name: str) -> str:
    """A topology's picture on a stream that takes everything."""
    return lab("show", name, PYTHONUTF8="1").stdout.decode()


@pytest.mark.parametrize("encoding", ["ascii", "ascii:strict", "latin-1"])
@pytest.mark.parametrize("name", ["vpn-two-hmcs", "dial"])
def test_a_stream_without_unicode_gets_the_picture_in_ascii(name: str, encoding: str) -> None:
    plain = lab("show", name, PYTHONIOENCODING=encoding)

    assert (plain.returncode, plain.stderr) == (0, b"")
    assert b"customer  * hmc" in plain.stdout
    # Every character has one that stands for it, in the same place.
    assert b"\\u" not in plain.stdout
    shown = drawn(name)
    assert not shown.isascii()
    assert [len(line) for line in shown.splitlines()] == [
        len(line) for line in plain.stdout.decode(encoding.partition(":")[0]).splitlines()
    ]


@pytest.mark.parametrize("verb", ["list", "schema", "faults", "show"])
def test_whoever_stops_reading_causes_no_complaint(verb: str) -> None:
    words = [verb, *(["vpn-nat", "--json"] if verb == "show" else [])]
    with subprocess.Popen(
        argv(*words), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 141


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_told_in_words(unbuffered: str) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            argv("list"), cwd=ROOT, env=environment, stdout=full, stderr=subprocess.PIPE, check=False
        )  # fmt: skip

    assert done.returncode == 3
    assert b"lab: the output cannot be written: No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_no_obstacle(closed: str) -> None:
    script = f"{sys.executable} -m lab list {closed}"
    done = subprocess.run(["sh", "-c", script], cwd=ROOT, capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (0, b"")


HELP = """
import os, sys
from lab import cli

for verb in cli.COMMANDS:
    sys.stdout.flush()
    if not os.fork():
        sys.argv = ["lab", verb, "--help"]
        sys.exit(cli.main())
    print("\\nended:", verb, os.waitstatus_to_exitcode(os.wait()[1]))
"""
"""A process for each verb, and one start of the interpreter for all."""


def test_help_needs_no_home_no_terminal_and_no_locale() -> None:
    done = run([sys.executable, "-c", HELP], COLUMNS="1", TERM="", LC_ALL="no_SUCH.locale")

    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    used = [line.split()[2] for line in lines if line.startswith("usage: lab ")]
    ended = [line.split()[1:] for line in lines if line.startswith("ended: ")]
    assert used == list(COMMANDS)
    assert ended == [[verb, "0"] for verb in COMMANDS]


def test_a_segment_that_does_not_exist_is_told_on_a_terminal_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lab.engine.registry.find", lambda _: None)
    monkeypatch.setattr(standing, "model_of", lambda _: topology("vpn"))
    monkeypatch.setattr(os, "isatty", lambda fd: fd == 1)

    with pytest.raises(UsageError, match="there is no segment 'nosuch'"):
        capture.run(argparse.Namespace(lab="", segment="nosuch"))
    with pytest.raises(UsageError, match="packets would garble the terminal"):
        capture.run(argparse.Namespace(lab="", segment="lan"))


def test_a_folder_of_path_that_may_not_be_looked_into_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Root may look everywhere; so the refusal is made up.
    look = Path.stat

    def refuse(self: Path, **how: bool) -> os.stat_result:
        if self.is_relative_to("/closed"):
            raise PermissionError(13, "Permission denied", os.fspath(self))
        return look(self, **how)

    monkeypatch.setattr(Path, "stat", refuse)
    monkeypatch.setenv("PATH", f"/closed:{os.environ['PATH']}")

    runs._check_program("sh")
    with pytest.raises(UsageError, match="there is no program 'no-such-program'"):
        runs._check_program("no-such-program")


def test_a_mistake_of_the_labs_own_is_no_failed_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(args: argparse.Namespace) -> int:
        raise KeyError("sdc")

    monkeypatch.setattr(listing, "run", run)

    assert main(["list"]) == 4
    told = capsys.readouterr().err
    assert told.startswith("lab: the lab has a mistake of its own: KeyError at test_streams.py:"), (
        told
    )
    assert "'sdc'" in told
    with pytest.raises(KeyError):
        main(["--debug", "list"])
