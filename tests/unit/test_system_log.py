"""What programs tell syslog(3) becomes lines, in the order and at the time in which it comes."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest

from lab.errors import ThreadBroke
from lab.linux import system_log
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
    assert system_log.render(message, AT_S) == f"2026-12-01T20:46:19.796Z {line}\n"


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
        wait_until("a line", files["hmc"].exists, 10.0)
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
        wait_until("the end", lambda: log.broke.error is not None, 10.0)
        with pytest.raises(ThreadBroke, match="No space left"):
            log.check()
    with pytest.raises(ConnectionRefusedError):
        _send(place, b"<14>a: nobody waits for a file that cannot be written")
