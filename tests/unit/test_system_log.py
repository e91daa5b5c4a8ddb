"""What programs say becomes lines, in the order and with the time in which they have said it."""

from __future__ import annotations

import os
import re
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from lab.errors import DaemonError, ThreadBroke
from lab.linux import system_log
from lab.linux.daemon_log import Log
from lab.linux.process import Daemon
from lab.linux.system_log import SystemLog
from lab.wait import wait_until

AT_S = 1796157979.7968


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (b"<13>Nov 29 20:26:19 agent: hello", "<13>Nov 29 20:26:19 agent: hello"),
        (b"<14>a: ends\n\0", "<14>a: ends"),
        (b"<14>a: two\nlines\tand a tab", "<14>a: two#012lines#011and a tab"),
        ("<14>1 - hmc a - - - \ufeffgr\u00fcn".encode(), "<14>1 - hmc a - - - \ufeffgr\u00fcn"),
        (b"<14>a: \xff", "<14>a: \\xff"),
        (b"", ""),
    ],
)
def test_a_message_is_a_line_as_it_came(message: bytes, line: str) -> None:
    assert system_log.render(message, AT_S) == f"2026-12-01T20:46:19.796800Z {line}\n"


def _bound(place: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind(os.fspath(place))
    return sock


def _send(place: Path, *messages: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect(os.fspath(place))
        for message in messages:
            sock.send(message)


def test_each_nodes_messages_are_in_a_file_of_its_own(tmp_path: Path) -> None:
    files = {name: tmp_path / "logs" / name / "syslog" for name in ("hmc", "sdc", "silent")}
    places = {name: tmp_path / name for name in files}
    with system_log.start() as log:
        added = {name: log.add(_bound(places[name]), file) for name, file in files.items()}
        # More than the socket holds: the sender waits, and loses nothing.
        _send(places["hmc"], *(b"<14>a: %d" % number for number in range(300)))
        wait_until("a line", files["hmc"].exists, 60.0)
        _send(places["sdc"], b"<14>b: once")
        for each in added.values():
            log.remove(each)
        with pytest.raises(ConnectionRefusedError):
            _send(places["hmc"], b"too late")
        log.check()
    lines = files["hmc"].read_text().splitlines()
    assert [line.partition("Z ")[2] for line in lines] == [f"<14>a: {n}" for n in range(300)]
    assert re.fullmatch(r"20\S+Z <14>b: once\n", files["sdc"].read_text())
    assert not files["silent"].parent.exists(), "no file without a message"


def test_a_disk_that_is_full_is_told(tmp_path: Path) -> None:
    place = tmp_path / "hmc"
    with system_log.start() as log:
        log.add(_bound(place), Path("/dev/full"))
        _send(place, b"<14>a: lost")
        wait_until("the end", lambda: log.broke.error is not None, 60.0)
        with pytest.raises(ThreadBroke, match="No space left"):
            log.check()
    with pytest.raises(ConnectionRefusedError):
        _send(place, b"<14>a: nobody waits for a file that cannot be written")


# What daemons write to their standard output and error.


@contextmanager
def running(tmp_path: Path, log: SystemLog, script: str) -> Iterator[Daemon]:
    daemon = Daemon.start(["sh", "-c", script], name="daemon", log_dir=tmp_path / "logs", clock=log)
    try:
        yield daemon
    finally:
        daemon.stop()


def parts(text: str) -> list[tuple[float, str]]:
    """Time and words of each line."""
    found = [line.partition(" ") for line in text.splitlines()]
    return [(datetime.fromisoformat(stamp).timestamp(), words) for stamp, _, words in found]


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        (["one\n", "two\n"], ["one", "two"]),
        (["one\ntwo\n"], ["one", "two"]),
        (["ha", "lf\n", "two\n"], ["half", "two"]),
        (["one\nha", "lf\n"], ["one", "half"]),
        (["\n", "\n\n", "one\n"], ["", "", "", "one"]),
        (["an end without a newline"], ["an end without a newline"]),
    ],
)
def test_each_line_of_a_daemon_has_one_time(
    tmp_path: Path, written: list[str], lines: list[str]
) -> None:
    said = "; ".join(f"printf {text!r}" for text in written)
    with system_log.start() as log, running(tmp_path, log, said) as daemon:
        daemon.wait(60)
        assert [words for _, words in parts(daemon.log.text())] == lines


def test_the_time_is_the_one_of_the_write_however_late_it_is_read(tmp_path: Path) -> None:
    with system_log.start() as log:
        taken, output = log.add_output(tmp_path / "log")
        # As if the thread that reads did not get on.
        with taken._lock, output:
            before = time.time()
            output.send(b"early\n")
            between = time.time()
            while time.time() < between + 0.01:
                pass
            output.send(b"late\n")
        wait_until("the end", lambda: taken.ended, 60.0)
        (early, _), (late, _) = parts((tmp_path / "log").read_text())
    # Both are rounded to microseconds.
    assert before - 1e-6 <= early <= between + 1e-6
    assert late > between + 0.009


def test_whoever_reads_the_log_finds_all_that_was_written_before(tmp_path: Path) -> None:
    """No thread of the log's need have come to it: an answer of the daemon's is proof that it wrote."""
    with system_log.start() as log:
        taken, output = log.add_output(tmp_path / "log")
        mine = Log(tmp_path / "log", taken.take)
        with output:
            for number in range(200):
                size = mine.size
                output.send(b"line %d\n" % number)
                assert mine.text(size).endswith(f" line {number}\n")
                assert mine.size > size


def test_a_daemon_that_says_more_than_the_socket_holds_waits_and_loses_nothing(
    tmp_path: Path,
) -> None:
    script = "for i in $(seq 5000); do echo line $i; done; exit 3"
    with system_log.start() as log, running(tmp_path, log, script) as daemon:
        assert daemon.wait(60) == 3
        lines = parts(daemon.log.text())
    assert [words for _, words in lines] == [f"line {number}" for number in range(1, 5001)]
    assert lines == sorted(lines, key=lambda line: line[0])
    with pytest.raises(DaemonError, match="exit status 3") as ended:
        daemon.check()
    assert ended.value.log_tail.endswith("line 5000")


def test_the_log_goes_on_until_the_last_that_a_daemon_has_started_ends(tmp_path: Path) -> None:
    with system_log.start() as log:
        script = "(sleep 0.2; echo child) & echo parent"
        with running(tmp_path, log, script) as daemon:
            assert daemon.wait(10) == 0
            wait_until("the child's line", lambda: "child" in daemon.log.text(), 60.0)
        with running(tmp_path, log, "echo again") as second:
            second.wait(60)
            # What an earlier daemon of that name said does not count.
            assert [words for _, words in parts(second.log.text())] == ["again"]


def test_an_end_that_a_forked_process_has_too_wakes_nobody_for_ever(tmp_path: Path) -> None:
    """An epoll goes on telling of a socket that was closed here, as long as somebody has it."""
    with system_log.start() as log:
        taken, output = log.add_output(tmp_path / "log")
        copy = os.dup(taken.number)
        try:
            output.close()
            wait_until("the end", lambda: taken.ended, 60.0)
            assert log._epoll.poll(0.05) == []
        finally:
            os.close(copy)


def test_the_end_of_one_log_is_not_the_end_of_another_that_has_its_number(tmp_path: Path) -> None:
    with system_log.start() as log:
        first, output = log.add_output(tmp_path / "first")
        with output:
            second, other = log.add_output(tmp_path / "second")
        with other:
            first.number = second.number
            log._forget(first)
            other.send(b"here\n")
            wait_until("a line", (tmp_path / "second").exists, 60.0)


def test_once_a_daemon_has_stopped_all_that_it_said_is_in_the_file(tmp_path: Path) -> None:
    with select.epoll() as epoll:
        # Nobody reads here but whoever stops the daemon.
        log = SystemLog(epoll)
        with running(tmp_path, log, "echo one; exit 0") as daemon:
            daemon.wait(60)
            assert not daemon.log.path.exists()
        assert daemon.log.path.read_text().endswith("Z one\n")
        log.drop()
