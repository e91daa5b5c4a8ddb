"""Alerts: told once, kept until they are over, also with several who raise them."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from lab.agent import storage
from lab.agent.alerts import Alerts
from lab.agent.book import Book, lines


def test_an_alert_is_told_once_and_is_over_once(tmp_path: Path) -> None:
    told: list[str] = []
    book = Book(tmp_path)
    alerts = Alerts(tmp_path, book, told.append, lambda: 7.0)
    assert alerts.sound("k", "it broke", "mend it")
    assert not alerts.sound("k", "it broke", "mend it")
    assert told == ["it broke\n  hint: mend it"]
    assert not alerts.sound("k", "it broke again", "mend it")
    assert len(told) == 2
    assert alerts.all() == {"k": {"since": 7.0, "message": "it broke again", "fix": "mend it"}}
    assert alerts.clear("k")
    assert not alerts.clear("k")
    assert alerts.all() == {}
    assert [e["event"] for e in lines(book.path)] == ["alert", "alert", "alert-over"]
    book.close()


def test_alerts_of_several_threads_are_all_there(tmp_path: Path) -> None:
    book = Book(tmp_path)
    alerts = Alerts(tmp_path, book)
    threads = [
        threading.Thread(target=alerts.sound, args=(f"k-{number}", "m", "f"))
        for number in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(alerts.all()) == 20
    book.close()


def test_without_room_an_alert_is_told_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def full(path: Path, content: object) -> None:
        raise storage.StorageError("the disk is full")

    monkeypatch.setattr(storage, "write_json", full)
    Alerts(tmp_path, Book(tmp_path), told.append).sound("k", "it broke", "mend it")
    assert told == ["the disk is full", "it broke\n  hint: mend it"]
