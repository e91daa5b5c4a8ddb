"""The agent's ledger: each line is whole or not there."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from pathlib import Path

import pytest

from lab.agent import storage
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


def fill(book: Book, first: int, last: int, **fields: object) -> None:
    for number in range(first, last):
        book.note("step", n=number, text="x" * 80, **fields)


LIMIT = 64 << 10


@pytest.fixture
def unforced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that forces nothing: thousands of fsync(2) would take half a minute, and prove no more here."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.mark.usefixtures("unforced")
def test_a_ledger_that_has_grown_keeps_the_newer_half_and_what_is_told_of_the_rest(
    tmp_path: Path,
) -> None:
    """The status tells of the last report of each kind, and of the last try of each way."""
    book = Book(tmp_path, limit_bytes=LIMIT)
    book.note("acknowledged", kind="heartbeat", way="a", transaction="old")
    book.note("acknowledged", kind="inventory", way="a", transaction="T1")
    book.note("acknowledged", kind="heartbeat", way="a", transaction="T2")
    book.note("failed", kind="heartbeat", way="b", why="refused")
    book.note("answered", kind="configuration", way="b")
    fill(book, 0, 3000)
    book.close()
    entries = [*lines(book.path)]
    assert book.path.stat().st_size <= LIMIT + 1000
    assert [(e["event"], e.get("kind"), e.get("transaction")) for e in entries[:3]] == [
        ("acknowledged", "inventory", "T1"),
        ("acknowledged", "heartbeat", "T2"),
        ("answered", "configuration", None),
    ]
    numbers = [e["n"] for e in entries[3:]]
    assert numbers == [*range(numbers[0], 3000)]
    assert book.path.read_bytes().count(b"\n") == len(entries)
    assert book.path.stat().st_size > LIMIT // 2 - 1000
    assert book.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("unforced")
def test_who_writes_while_another_one_shortens_loses_no_line(tmp_path: Path) -> None:
    """Each has a descriptor of its own, as processes have; after a renaming it leads nowhere."""
    books = [Book(tmp_path, limit_bytes=LIMIT) for _ in range(4)]

    def write(number: int) -> None:
        for each in range(600):
            books[number].note("step", by=number, n=each, text="x" * 80)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, book in enumerate(books):
        book.note("last", by=number)
        book.close()
    entries = [*lines(books[0].path)]
    assert len(entries) < 1200, "it was shortened"
    for number in range(4):
        own = [e["n"] for e in entries if e["by"] == number and e["event"] == "step"]
        assert own == [*range(own[0] if own else 600, 600)]
        assert [e for e in entries if e["by"] == number][-1]["event"] == "last"
    assert [p.name for p in tmp_path.iterdir()] == ["ledger.jsonl"]


def test_nobody_writes_while_the_ledger_is_shortened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line between reading and renaming would be lost."""
    write, tried = storage.write_whole, []

    def write_watched(path: Path, content: bytes) -> None:
        with path.open("rb") as another, pytest.raises(BlockingIOError):
            fcntl.flock(another, fcntl.LOCK_EX | fcntl.LOCK_NB)
        tried.append(path)
        write(path, content)

    monkeypatch.setattr(storage, "write_whole", write_watched)
    book = Book(tmp_path, limit_bytes=100)
    fill(book, 0, 3)
    assert tried
    with book.path.open("rb") as another:
        fcntl.flock(another, fcntl.LOCK_EX | fcntl.LOCK_NB)
    book.close()


@pytest.mark.usefixtures("unforced")
def test_without_room_for_another_file_the_ledger_stays_and_is_shortened_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    book = Book(tmp_path, told.append, limit_bytes=LIMIT)

    def full(path: Path, content: bytes) -> None:
        raise storage.cannot_write(path, OSError(errno.ENOSPC, "No space left on device"))

    with monkeypatch.context() as patch:
        patch.setattr(storage, "write_whole", full)
        fill(book, 0, 700)
        assert [e["n"] for e in lines(book.path)] == [*range(700)]
    book.note("after")
    assert told == []
    assert book.path.stat().st_size < LIMIT
    assert events(book.path)[-1] == "after"
    book.close()


def test_a_ledger_that_somebody_took_away_is_begun_anew(tmp_path: Path) -> None:
    book = Book(tmp_path)
    book.note("before")
    book.path.unlink()
    book.note("after")
    assert events(book.path) == ["after"]
    book.close()
