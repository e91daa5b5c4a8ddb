"""Uploads that are cut off anywhere and go on, and what is no upload."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.ibm.receiver import store
from tests.unit.ibm.receiver.asking import PROBLEM, Desk, Machine, said

DATA = bytes(range(256)) * 40


def declared(data: bytes) -> dict[str, Any]:
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


@pytest.fixture
def at(machine: Machine) -> str:
    """Where the file of a problem goes."""
    assert machine.put("problems/p1", PROBLEM).status == 201
    return "problems/p1/data/dump.eed"


def kept(desk: Desk) -> bytes:
    """What the store has of all uploads."""
    with desk.receiver._store.transaction() as opened:
        rows = opened.read("SELECT content FROM parts ORDER BY upload, start")
    return b"".join(row["content"] for row in rows)


def test_declared_sent_and_complete(desk: Desk, machine: Machine, at: str) -> None:
    first, again = machine.put(at, declared(DATA)), machine.put(at, declared(DATA))
    assert (first.status, again.status) == (201, 200)
    assert said(first) == said(again) == {"offset": 0, "complete": False}

    assert said(machine.patch(at, 0, DATA[:1000])) == {"offset": 1000, "complete": False}
    assert said(machine.get(at)) == {"offset": 1000, "bytes": len(DATA), "complete": False}
    machine.site = 1
    assert said(machine.patch(at, 1000, DATA[1000:])) == {"offset": len(DATA), "complete": True}
    assert kept(desk) == DATA
    assert said(machine.put(at, declared(DATA))) == {"offset": len(DATA), "complete": True}


@given(cuts=st.lists(st.integers(0, len(DATA)), max_size=6), again=st.booleans())
def test_cut_off_anywhere_it_goes_on(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], again: bool
) -> None:
    """Of a request that breaks, what came is kept; whoever asks where it stands sends no byte twice."""
    desk = Desk(Path(tmp_path_factory.mktemp("desk")))
    try:
        machine = desk.enrolled()
        machine.put("problems/p1", PROBLEM)
        at = "problems/p1/data/dump"
        machine.put(at, declared(DATA))
        for cut in sorted(cuts):
            offset = said(machine.get(at))["offset"]
            machine.patch(at, offset, DATA[offset:cut])
            if again:  # the same once more: its answer was lost
                refused = machine.patch(at, offset, DATA[offset:cut])
                assert refused.status == (200 if offset == max(cut, offset) else 409)
            desk.receiver.close()
            desk.open()
        offset = said(machine.get(at))["offset"]
        assert offset == max(cuts, default=0)
        machine.patch(at, offset, DATA[offset:])
        assert said(machine.get(at)) == {
            "offset": len(DATA),
            "bytes": len(DATA),
            "complete": True,
        }
        assert kept(desk) == DATA
    finally:
        desk.receiver.close()


def test_another_offset_is_refused_and_the_right_one_is_said(machine: Machine, at: str) -> None:
    machine.put(at, declared(DATA))
    machine.patch(at, 0, DATA[:100])
    for offset in (0, 99, 101, len(DATA)):
        answer = machine.patch(at, offset, b"x")
        assert answer.status == 409
        assert dict(answer.fields or ())["Upload-Offset"] == "100"
    assert said(machine.get(at))["offset"] == 100


def test_other_bytes_than_declared_begin_anew(desk: Desk, machine: Machine, at: str) -> None:
    machine.put(at, declared(DATA))
    machine.patch(at, 0, DATA[:-1])
    answer = machine.patch(at, len(DATA) - 1, b"?")
    assert answer.status == 422
    assert said(machine.get(at)) == {"offset": 0, "bytes": len(DATA), "complete": False}
    assert kept(desk) == b""
    assert said(machine.patch(at, 0, DATA))["complete"] is True


def test_more_bytes_than_declared_are_not_taken(desk: Desk, machine: Machine, at: str) -> None:
    machine.put(at, declared(DATA))
    assert machine.patch(at, 0, DATA + b"x").status == 413
    assert kept(desk) == b""
    machine.patch(at, 0, DATA)
    assert machine.patch(at, len(DATA), b"x").status == 413
    assert said(machine.patch(at, len(DATA), b""))["complete"] is True


def test_a_file_is_declared_for_a_problem_and_once(machine: Machine, at: str) -> None:
    assert machine.put("problems/p2/data/dump", declared(DATA)).status == 404
    assert machine.get(at).status == 404
    assert machine.patch(at, 0, b"x").status == 404
    machine.put(at, declared(DATA))
    assert machine.put(at, declared(DATA + b"x")).status == 409
    assert machine.put(at + "2", declared(DATA + b"x")).status == 201


@pytest.mark.parametrize(
    "content",
    [
        {"bytes": 0, "sha256": "0" * 64},
        {"bytes": -1, "sha256": "0" * 64},
        {"bytes": 1.5, "sha256": "0" * 64},
        {"bytes": (64 << 20) + 1, "sha256": "0" * 64},
        {"bytes": 1, "sha256": "A" * 64},
        {"bytes": 1},
    ],
)
def test_what_is_no_declaration(machine: Machine, at: str, content: dict[str, Any]) -> None:
    assert machine.put(at, content).status == 400


@pytest.mark.parametrize("offset", ["", "-1", "x", "1" * 19, "٣"])
def test_what_is_no_offset(desk: Desk, machine: Machine, at: str, offset: str) -> None:
    machine.put(at, declared(DATA))
    answer = desk.connection().ask(
        "PATCH", at, b"x", machine.auth,
        content_type="application/offset+octet-stream", upload_offset=offset,
    )  # fmt: skip
    assert answer.status == 400


def test_a_machine_has_so_much_room_and_no_more(
    machine: Machine, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.put(at, declared(DATA))
    monkeypatch.setattr("lab.ibm.receiver.reports.SYSTEM_BYTES", len(DATA) + 200)
    machine.patch(at, 0, DATA)
    refused = machine.put("problems/p2", {**PROBLEM, "text": "x" * 300})
    assert refused.status == 507
    assert "that it may have" in said(refused)["problem"]
    assert machine.put(at + "2", declared(DATA)).status == 507
    assert 100 * len(DATA) < store.SYSTEM_BYTES
