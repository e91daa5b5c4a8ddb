"""Daemons and their logs: waited for, ended and reaped, with errors that say what was seen."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.errors import DaemonError, PrerequisiteError
from lab.linux import process, process_table
from lab.linux.process import Daemon
from lab.wait import wait_until

DEADLINE_S = 60.0
FOREVER = "sleep 1000"
IDLE = "while :; do sleep 0.01; done"


def start(tmp_path: Path, script: str) -> Daemon:
    return Daemon.start(["sh", "-c", script], name="daemon", log_dir=tmp_path / "logs")


@contextmanager
def running(tmp_path: Path, script: str) -> Iterator[Daemon]:
    daemon = start(tmp_path, script)
    try:
        yield daemon
    finally:
        daemon.stop()


def test_a_line_is_found_although_it_came_before_the_question(tmp_path: Path) -> None:
    with running(tmp_path, f"echo ready on 42; echo more; {FOREVER}") as daemon:
        daemon.expect_line("more", DEADLINE_S)

        assert daemon.expect_line(r"ready on (\d+)", DEADLINE_S)[1] == "42"


def test_a_line_counts_only_when_it_is_whole(tmp_path: Path) -> None:
    with running(tmp_path, f"printf 'half a li'; {FOREVER}") as daemon:
        wait_until("half a line", daemon.log.text, DEADLINE_S)
        with pytest.raises(DaemonError, match="half a li"):
            daemon.expect_line("half", 0.1)


def test_what_an_earlier_daemon_of_that_name_said_does_not_count(tmp_path: Path) -> None:
    start(tmp_path, "echo ready").wait(DEADLINE_S)

    with running(tmp_path, "echo not yet; exit 3") as daemon:
        with pytest.raises(DaemonError, match="ended with exit status 3") as raised:
            daemon.expect_line("ready", DEADLINE_S)

        assert raised.value.log_tail == "not yet"


def test_a_daemon_that_a_signal_ended_is_said_so(tmp_path: Path) -> None:
    with running(tmp_path, "kill -SEGV $$") as daemon:
        daemon.wait(DEADLINE_S)

        with pytest.raises(DaemonError, match="SIGSEGV"):
            daemon.check()


def test_sigterm_is_tried_before_sigkill(tmp_path: Path) -> None:
    daemon = start(tmp_path, f"trap 'exit 5' TERM; echo ready; {FOREVER} & wait")
    daemon.expect_line("ready", DEADLINE_S)

    assert daemon.stop() == 5


def test_a_daemon_that_will_not_go_is_killed_with_its_children(tmp_path: Path) -> None:
    daemon = start(tmp_path, f"trap '' TERM; {FOREVER} & echo child $!; wait; wait")
    child = int(daemon.expect_line(r"child (\d+)", DEADLINE_S)[1])

    assert daemon.stop(grace_s=0.1) == -signal.SIGKILL
    assert not daemon.alive
    # It is a zombie of the reaper at most.
    left = process_table.take().get(child)
    assert left is None or left.ended


def test_what_a_daemon_leaves_behind_may_end_in_peace(tmp_path: Path) -> None:
    """An xl2tpd sends SIGTERM to its pppds, and ends before they do."""
    child = f"trap 'sleep 0.3; touch {tmp_path}/ended; exit' TERM; echo ready; {IDLE}"
    daemon = start(tmp_path, f"trap 'exit 0' TERM; ({child}) & wait")
    daemon.expect_line("ready", DEADLINE_S)

    assert daemon.stop() == 0

    assert (tmp_path / "ended").exists()


def test_what_a_daemon_leaves_behind_and_will_not_go_is_killed(tmp_path: Path) -> None:
    child = f"trap '' TERM; echo ready $(exec sh -c 'echo $PPID'); {IDLE}"
    daemon = start(tmp_path, f"trap 'exit 0' TERM; ({child}) & wait")
    number = int(daemon.expect_line(r"ready (\d+)", DEADLINE_S)[1])
    assert not process_table.take()[number].ended

    assert daemon.stop(grace_s=0.2) == 0

    left = process_table.take().get(number)
    assert left is None or left.ended


def test_a_daemon_has_no_input_and_none_of_our_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_TEST_SECRET", "s3cret")
    daemon = start(tmp_path, "cat; env")
    assert daemon.wait(DEADLINE_S) == 0

    text = daemon.log.text()
    assert "PATH=" in text
    assert "s3cret" not in text


def test_a_program_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match="no program lab-has-no-such"):
        Daemon.start(["lab-has-no-such"], name="x", log_dir=tmp_path)


def test_a_program_that_fails_is_told_with_its_last_words() -> None:
    with pytest.raises(DaemonError, match="exit status 4") as raised:
        process.run(["sh", "-c", "echo wrong >&2; exit 4"], deadline_s=DEADLINE_S)

    assert raised.value.log_tail.strip() == "wrong"


def test_a_program_that_takes_too_long_is_ended() -> None:
    with pytest.raises(DaemonError, match=r"did not end within 0\.1 s"):
        process.run(["sh", "-c", FOREVER], deadline_s=0.1)


def test_a_program_gets_its_input_and_gives_its_output() -> None:
    assert process.run(["tr", "a-z", "A-Z"], deadline_s=DEADLINE_S, input="abc") == "ABC"


class _Told(BaseException):
    """In the place of a SIGTERM for the lab."""


def test_a_command_ends_with_who_attends_it() -> None:
    with pytest.raises(_Told), process.attended(["sleep", "60"], os.environ, _at_once) as command:
        raise _Told
    assert command.returncode == -signal.SIGTERM


def test_a_signal_while_a_command_is_being_started() -> None:
    # Who waits for the start is told to end, and the start goes on in the thread that was asked for it.
    begun: list[process.Popen[bytes]] = []
    popen = subprocess.Popen

    def started(*words: object, **options: object) -> process.Popen[bytes]:
        begun.append(popen(*words, **options))  # type: ignore[call-overload]
        return begun[-1]

    threads: list[threading.Thread] = []

    def call(job: Callable[[], None]) -> None:
        for thread in threads:
            thread.join()
        if not threads:
            threads.append(threading.Thread(target=job))
            threads[0].start()
            raise _Told

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "Popen", started)
        with pytest.raises(_Told), process.attended(["sleep", "60"], os.environ, call):
            pytest.fail("it was told to end")
    (command,) = begun
    assert command.returncode == -signal.SIGTERM


def _at_once(job: Callable[[], None]) -> None:
    job()
