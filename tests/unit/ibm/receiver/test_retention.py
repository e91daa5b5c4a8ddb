"""What is deleted when, to the second (E-21), and what stays."""

from __future__ import annotations

import sqlite3

import pytest

from lab.ibm.receiver.credentials import DAY_S
from lab.ibm.receiver.desk import STORE_FILE
from tests.unit.ibm.receiver.asking import INVENTORY, PROBLEM, T0, Desk, Machine, said
from tests.unit.ibm.receiver.test_uploads import DATA, declared, kept


@pytest.fixture
def pmh(machine: Machine) -> str:
    return str(said(machine.put("problems/p1", PROBLEM))["pmh"])


def text_of_problem(desk: Desk) -> str | None:
    with desk.receiver._store.transaction() as opened:
        row = opened.one("SELECT content FROM reports WHERE kind = 'problem'")
    assert row is not None
    return None if row["content"] is None else str(row["content"])


def test_a_report_goes_60_days_after_its_problem_was_closed(
    desk: Desk, machine: Machine, pmh: str
) -> None:
    desk.days(100)
    assert desk.receiver.purge() == 0, "an open problem stays"
    desk.receiver.close_problem(pmh)
    desk.now += 60 * DAY_S - 1
    assert desk.receiver.purge() == 0
    assert "a fan has stopped" in (text_of_problem(desk) or "")
    desk.now += 1
    assert desk.receiver.purge() == 1
    assert text_of_problem(desk) is None
    assert desk.receiver.purge() == 0
    assert desk.receiver.listing("machines")[0]["held_bytes"] == 0, "there is room for others"

    (removal,) = desk.receiver.listing("removals")
    assert (removal["what"], removal["report"]) == ("problem", "p1")
    assert (removal["stored"], removal["removed"]) == (T0, desk.now)


def test_a_deleted_report_is_still_not_taken_twice(desk: Desk, machine: Machine, pmh: str) -> None:
    desk.receiver.close_problem(pmh)
    desk.days(60)
    again = machine.put("problems/p1", PROBLEM)
    assert (again.status, said(again)["pmh"]) == (200, pmh)
    assert text_of_problem(desk) is None
    assert machine.put("problems/p1", {**PROBLEM, "severity": 1}).status == 409
    assert said(machine.get("problems/p1")) == {"pmh": pmh, "state": "closed"}


def test_problem_data_go_three_days_after_their_first_byte(
    desk: Desk, machine: Machine, pmh: str
) -> None:
    at = "problems/p1/data/dump"
    machine.put(at, declared(DATA))
    desk.days(10)
    assert desk.receiver.purge() == 0, "nothing has come yet"
    machine.patch(at, 0, DATA)
    desk.now += 3 * DAY_S - 1
    assert desk.receiver.purge() == 0
    assert kept(desk) == DATA
    desk.now += 1
    assert desk.receiver.purge() == 1
    assert kept(desk) == b""
    assert said(machine.get(at)) == {"offset": len(DATA), "bytes": len(DATA), "complete": True}
    (removal,) = desk.receiver.listing("removals")
    assert (removal["what"], removal["name"]) == ("data", "dump")
    assert removal["removed"] - removal["stored"] == 3 * DAY_S


def test_half_an_upload_goes_as_well_and_begins_anew(
    desk: Desk, machine: Machine, pmh: str
) -> None:
    at = "problems/p1/data/dump"
    machine.put(at, declared(DATA))
    machine.patch(at, 0, DATA[:500])
    desk.days(2)
    machine.patch(at, 500, DATA[500:600])
    desk.days(1)
    assert said(machine.get(at))["offset"] == 0, "the first byte is three days old"
    assert said(machine.patch(at, 0, DATA))["complete"] is True
    assert kept(desk) == DATA


def test_every_request_deletes_what_is_due_first(desk: Desk, machine: Machine, pmh: str) -> None:
    machine.put("problems/p1/data/dump", declared(DATA))
    machine.patch("problems/p1/data/dump", 0, DATA)
    desk.days(3)
    desk.connection().get("openapi.json")
    assert kept(desk) == b""


def test_inventories_stay_for_years(desk: Desk, machine: Machine) -> None:
    machine.put("inventories/i1", INVENTORY)
    desk.days(10 * 365)
    assert desk.receiver.purge() == 0
    with desk.receiver._store.transaction() as opened:
        row = opened.one("SELECT content FROM reports WHERE kind = 'inventory'")
    assert row is not None
    assert "lshmc -V" in row["content"]


def test_what_is_deleted_is_not_in_the_file_any_more(
    desk: Desk, machine: Machine, pmh: str
) -> None:
    """SQLite would leave the bytes where they were."""
    path = desk.folder / "logs" / STORE_FILE
    marked = b"what must not be found " * 30
    machine.put("problems/p1/data/dump", declared(marked))
    machine.patch("problems/p1/data/dump", 0, marked)
    assert b"must not be found" in path.read_bytes()
    assert b"a fan has stopped" in path.read_bytes()
    desk.receiver.close_problem(pmh)
    desk.days(60)
    desk.receiver.purge()
    assert b"must not be found" not in path.read_bytes()
    assert b"a fan has stopped" not in path.read_bytes()


def test_the_store_is_a_plain_database(desk: Desk, machine: Machine) -> None:
    desk.receiver.close()
    with sqlite3.connect(desk.folder / "logs" / STORE_FILE) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert opened.execute("SELECT serial FROM systems").fetchall() == [("21ABCDE",)]
    opened.close()
