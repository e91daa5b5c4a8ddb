"""The store: all or nothing, bounds, and a disk that is full."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.ibm.answers import Answer
from lab.ibm.receiver.desk import STORE_FILE
from lab.ibm.receiver.refused import NotDone
from lab.ibm.receiver.store import Store
from tests.unit.ibm.receiver.asking import (
    HEARTBEAT,
    INVENTORY,
    PROBLEM,
    Desk,
    Machine,
    enrolment,
    offered,
    said,
)
from tests.unit.ibm.receiver.test_uploads import DATA, declared

BIG = {**INVENTORY, "files": {"hmc.eed": "x" * 100_000}}


def test_a_full_store_says_so_and_loses_nothing(tmp_path: Path) -> None:
    """507, and nothing half: a number or a report that was told of is there, others are not."""
    desk = Desk(tmp_path, store_bytes=400_000)
    machine = desk.enrolled()
    statuses = [machine.put(f"inventories/i{n}", BIG).status for n in range(6)]
    assert statuses == sorted(statuses)
    assert set(statuses) == {201, 507}

    refused = machine.put("inventories/i9", BIG)
    assert "full" in said(refused)["problem"]
    assert "make room" in said(refused)["problem"]
    assert machine.put("heartbeats/h1", HEARTBEAT).status == 201, "what is small has room"
    again = [machine.put(f"inventories/i{n}", BIG).status for n in range(6)]
    assert again == [200 if status == 201 else 507 for status in statuses]
    desk.receiver.close()
    check(tmp_path, reports=statuses.count(201) + 1)


def check(folder: Path, reports: int) -> None:
    """By SQLite alone: the file is whole, and has so many reports."""
    opened = sqlite3.connect(folder / "logs" / STORE_FILE)
    assert opened.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert opened.execute("SELECT count(*) FROM reports").fetchone() == (reports,)
    opened.close()


FILLED = """
import sys
from pathlib import Path
from tests.unit.ibm.receiver.asking import *
from tests.unit.ibm.receiver.test_store import BIG
desk = Desk(Path(sys.argv[1]))
machine = desk.enrolled()
statuses = [machine.put(f"inventories/i{n}", BIG).status for n in range(20)]
refused = machine.put("inventories/i99", BIG)
assert "full" in said(refused)["problem"], refused
(desk.folder / "ballast").unlink()
again = [machine.put(f"inventories/i{n}", BIG).status for n in range(20)]
assert again == [200 if status == 201 else 201 for status in statuses]
desk.receiver.close()
print(statuses.count(201), statuses.count(507))
"""


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it mounts a small disk")
def test_a_full_disk_says_so_and_what_waits_is_taken_when_there_is_room(tmp_path: Path) -> None:
    """A real disk of 3 MB, of which most is taken."""
    disk = tmp_path / "disk"
    disk.mkdir()
    repo = Path(__file__).resolve().parents[4]
    script = (
        'mount -t tmpfs -o size=3m none "$1" && head -c 2000000 /dev/zero >"$1/ballast" && '
        'exec "$2" -c "$3" "$1"'
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", disk, sys.executable, FILLED],
        capture_output=True, text=True, check=False, cwd=repo,
        env={**os.environ, "PYTHONPATH": os.fspath(repo)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    taken, refused = map(int, done.stdout.split())
    assert taken
    assert refused
    assert taken + refused == 20


WRITES = 11
"""Of the requests below, from the first to the last."""


@pytest.mark.parametrize("number", range(1, WRITES + 2))
def test_a_request_that_fails_at_any_write_is_taken_back_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Whichever write finds no room: 507, everything is as before, and the sender may ask again."""
    desk = Desk(tmp_path)
    machine = desk.enrolled()
    machine.put("problems/p1", PROBLEM)
    machine.put("problems/p1/data/d", declared(DATA))
    machine.patch("problems/p1/data/d", 0, DATA[:100])
    desk.receiver.change_password_now(machine.id)
    left = number

    def failing(sound: Callable[..., int]) -> Callable[..., int]:
        def write(*arguments: Any, **named: Any) -> int:
            nonlocal left
            left -= 1
            if left == 0:
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorcode = sqlite3.SQLITE_FULL
                raise error
            return sound(*arguments, **named)

        return write

    requests: list[Callable[[], Answer]] = [
        lambda: machine.put("heartbeats/h1", HEARTBEAT),
        lambda: machine.patch("problems/p1/data/d", 100, DATA[100:]),
        lambda: machine.get("access-key"),
        lambda: desk.connection().put("enrolments/e1", enrolment(serial="21ABCDF")),
        lambda: Machine(desk, machine.id, offered(machine.get("fixes"))).get("fixes"),
    ]
    failed = 0
    for request in requests:
        before = everything(desk)
        with monkeypatch.context() as patch:
            for name in ("insert", "write", "number"):
                patch.setattr(Store, name, failing(getattr(Store, name)))
            answer = request()
        if answer.status == 507:
            failed += 1
            assert everything(desk) == before
            assert request().status in (200, 201)
        else:
            assert answer.status in (200, 201)
    assert failed == (number <= WRITES)
    assert said(machine.desk.connection().put("enrolments/e1", enrolment(serial="21ABCDF")))
    desk.receiver.close()
    check(tmp_path, reports=2)


def everything(desk: Desk) -> list[str]:
    """All that the store has, as SQL."""
    with desk.receiver._store.transaction() as opened:
        return [*opened._open.iterdump()]


def test_a_store_that_cannot_be_opened_says_which_and_why(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / STORE_FILE).mkdir()
    answer = desk.connection().get("configuration")
    assert answer.status == 503
    assert "unable to open" in said(answer)["problem"]

    shutil.rmtree(tmp_path / "logs" / STORE_FILE)
    assert desk.connection().get("configuration").status == 200


def test_a_file_that_is_no_store_is_left_alone(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    (tmp_path / "logs").mkdir()
    path = tmp_path / "logs" / STORE_FILE
    path.write_text("a user's notes\n" * 100)
    answer = desk.connection().get("configuration")
    assert answer.status == 503
    assert "not a database" in said(answer)["problem"]
    assert path.read_text() == "a user's notes\n" * 100


def test_many_threads_at_a_time(desk: Desk) -> None:
    """Each agent's messages are there once, whoever came first."""
    machines = [desk.enrolled(serial=f"21ABC{n:02}") for n in range(8)]
    statuses: list[int] = []

    def report(machine: Machine) -> None:
        for n in range(5):
            statuses.extend(machine.put(f"heartbeats/h{n}", HEARTBEAT).status for _ in range(2))

    threads = [threading.Thread(target=report, args=(each,)) for each in machines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (statuses.count(201), statuses.count(200)) == (40, 40)


def test_what_is_refused_stays_noted_and_what_fails_does_not(desk: Desk) -> None:
    """NotDone keeps what was written before it: that a password was used, for one."""
    store = desk.receiver._store
    for error in (NotDone(404, "x"), KeyError()):
        with contextlib.suppress(NotDone, KeyError), store.transaction() as opened:
            opened.number()
            raise error
    with store.transaction() as opened:
        assert opened.number() == 2


def test_the_key_is_its_owners_only(desk: Desk, machine: Machine) -> None:
    path = desk.folder / "keys" / "receiver.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_size == 32


TABLES = "reports", "uploads", "parts", "systems"
"""With many rows."""


def test_no_request_looks_at_every_report(desk: Desk, machine: Machine) -> None:
    """With 200 machines and a year, that would be 100,000 rows for each."""
    machine.get("fixes")
    with desk.receiver._store.transaction() as opened:
        connection = opened._open
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    fix = next(iter(said(machine.get("fixes"))["fixes"]))
    machine.put("heartbeats/h1", HEARTBEAT)
    machine.put("problems/p1", PROBLEM)
    machine.put("problems/p1/data/d", declared(DATA))
    machine.patch("problems/p1/data/d", 0, DATA)
    machine.get("access-key")
    desk.connection().get("configuration")
    desk.connection().get(f"fixes/{fix}")
    desk.receiver.keep_time()
    desk.receiver.purge()
    connection.set_trace_callback(None)

    selects = {each for each in asked if each.startswith("SELECT")}
    assert len(selects) > 14
    for select in selects:
        plan = [row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {select}")]
        few = ("reports_closed", "uploads_since")
        scans = [step for step in plan if step.startswith("SCAN") and not step.endswith(few)]
        assert not [step for step in scans if step.split()[1] in TABLES], (select, plan)
        if "sum(bytes)" in select:
            assert any("COVERING INDEX reports_held" in step for step in plan), plan
            assert any("INDEX uploads_held" in step for step in plan), plan
