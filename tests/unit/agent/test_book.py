"""The agent's ledger: each line is whole or not there."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from lab.agent.book import Book, lines


def events(path: Path) -> list[str]:
    return [str(line["event"]) for line in lines(path)]


def test_a_line_says_what_happened_and_when(tmp_path: Path) -> None:
    book = Book(tmp_path, now=lambda: 5.0)
    book.note("queued", report="r", why="")
    assert [*lines(book.path)] == [{"time": 5.0, "event": "queued", "report": "r"}]
    assert book.path.stat().st_mode & 0o777 == 0o600
    book.close()


@pytest.mark.parametrize("cut", range(1, 40, 6))
def test_a_torn_last_line_costs_no_other_line(tmp_path: Path, cut: int) -> None:
    with_torn = Book(tmp_path)
    for number in range(3):
        with_torn.note(f"e-{number}", text="x" * 20)
    with_torn.close()
    whole = with_torn.path.read_bytes()
    with_torn.path.write_bytes(whole[:-cut])

    after = Book(tmp_path)
    after.note("after")
    after.note("later")
    after.close()
    assert events(after.path) == ["e-0", "e-1", *(["e-2"] if cut == 1 else []), "after", "later"]


def test_each_line_is_forced_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forced: list[bytes] = []
    fsync = os.fsync
    book = Book(tmp_path)

    def noted(file: int) -> None:
        forced.append(book.path.read_bytes())
        fsync(file)

    monkeypatch.setattr(os, "fsync", noted)
    book.note("one")
    book.note("two")
    assert [content.count(b"\n") for content in forced] == [1, 2]
    book.close()


def test_without_room_lines_wait_and_are_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    book = Book(tmp_path, told.append)
    book.note("before")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        book.note("without room")
        book.note("still")
    assert len(told) == 1
    assert "No space left" in told[0]
    book.note("after")
    assert events(book.path) == ["before", "without room", "still", "after"]
    assert len(told) == 2
    book.close()


def test_a_part_of_a_line_that_found_no_room_is_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = Book(tmp_path)
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, data: write(file, data[:10]))
        book.note("first")
    book.note("second")
    assert events(book.path) == ["first", "second"]
    book.close()


def test_no_file_has_no_lines(tmp_path: Path) -> None:
    assert [*lines(tmp_path / "none")] == []


def test_many_threads_write_each_line_once(tmp_path: Path) -> None:
    book = Book(tmp_path)

    def write(number: int) -> None:
        for each in range(40):
            book.note(f"{number}-{each}")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    book.close()
    assert sorted(events(book.path)) == sorted(f"{n}-{e}" for n in range(6) for e in range(40))
