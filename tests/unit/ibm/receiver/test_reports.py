"""Messages that are put once, and problems' numbers (E-20)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.ibm.answers import REASONS, render
from lab.ibm.receiver import document
from tests.unit.ibm.receiver.asking import (
    HEARTBEAT,
    INVENTORY,
    JSON,
    PART,
    PROBLEM,
    Desk,
    Machine,
    said,
)

KINDS = {
    "heartbeats": HEARTBEAT,
    "inventories": INVENTORY,
    "performance": INVENTORY,
    "problems": PROBLEM,
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_again_has_the_same_answer(desk: Desk, machine: Machine, kind: str) -> None:
    first = machine.put(f"{kind}/r1", KINDS[kind])
    machine.site = 1
    again = machine.put(f"{kind}/r1", KINDS[kind])
    other = machine.put(f"{kind}/r1", {**KINDS[kind], "reason": "another"})
    further = machine.put(f"{kind}/r2", KINDS[kind])

    assert [each.status for each in (first, again, other, further)] == [201, 200, 409, 201]
    assert said(first) == said(again)
    assert said(first)["transaction"] != said(further)["transaction"]
    assert first.report == "r1"


def test_blanks_and_order_do_not_make_another_message(desk: Desk, machine: Machine) -> None:
    body = b'{"reason": "x", "agent": "a", "collected": 1}'
    spaced = b' {"agent":"a",\n "collected":1,"reason":"x"}'
    statuses = [
        desk.connection().ask("PUT", "heartbeats/h1", each, machine.auth, content_type=JSON).status
        for each in (body, spaced)
    ]
    assert statuses == [201, 200]


def test_kinds_do_not_share_identifiers(machine: Machine) -> None:
    answers = [machine.put(f"{kind}/r1", content) for kind, content in KINDS.items()]

    assert {each.status for each in answers} == {201}
    assert len({said(each)["transaction"] for each in answers}) == len(KINDS)


def test_a_problem_has_a_number_and_can_be_closed(desk: Desk, machine: Machine) -> None:
    pmh = said(machine.put("problems/p1", PROBLEM))["pmh"]
    assert said(machine.get("problems/p1")) == {"pmh": pmh, "state": "open"}

    desk.receiver.close_problem(pmh)
    assert said(machine.get("problems/p1")) == {"pmh": pmh, "state": "closed"}
    assert machine.get("problems/p2").status == 404
    for wrong in ("PMH", "PMH9999999", "x", "PMH" + "9" * 30, "PMH²"):
        with pytest.raises(Exception, match="there is no problem"):
            desk.receiver.close_problem(wrong)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"agent": "a", "collected": 1}',
        b'{"agent": "a", "collected": 1, "reason": "x", "more": 1}',
        b'{"agent": "a", "collected": "1", "reason": "x"}',
        b'{"agent": "a", "collected": true, "reason": "x"}',
        b'{"agent": "a", "collected": NaN, "reason": "x"}',
        b'{"agent": "a", "collected": 1e999, "reason": "x"}',
        b'{"agent": "a", "collected": -1, "reason": "x"}',
        b'{"agent": "\\ud800", "collected": 1, "reason": "x"}',
        b'{"agent": "a\\n", "collected": 1, "reason": "x"}',
        b'{"agent": "a", "collected": 1, "reason": ""}',
        b'{"agent": "a", "collected": 1, "reason": ' + b"[" * 2000 + b"]" * 2000 + b"}",
        b'{"agent": "a", "collected": ' + b"9" * 5000 + b', "reason": "x"}',
    ],
)
def test_what_is_no_heartbeat(desk: Desk, machine: Machine, body: bytes) -> None:
    answer = desk.connection().ask("PUT", "heartbeats/h1", body, machine.auth, content_type=JSON)

    assert answer.status == 400, answer
    assert said(answer)["problem"]


def test_a_text_with_half_a_character_is_none(desk: Desk, machine: Machine) -> None:
    body = b'{"collected": 1, "reason": "x", "files": {"hmc.eed": "\\ud800"}}'
    answer = desk.connection().ask("PUT", "inventories/i1", body, machine.auth, content_type=JSON)
    assert answer.status == 400


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/jsonx"])
def test_a_type_of_content_is_asked_for(desk: Desk, machine: Machine, content_type: str) -> None:
    fields = {"content_type": content_type} if content_type else {}
    answer = desk.connection().ask("PUT", "heartbeats/h1", b"{}", machine.auth, **fields)
    assert answer.status == 415


@pytest.mark.parametrize("report", [".", "..", "a%20b", "a%2", "%00", "x" * 65, "ä", "a%C3%A4"])
def test_an_identifier_has_letters_digits_and_a_few_signs(machine: Machine, report: str) -> None:
    answer = machine.put(f"heartbeats/{report}", HEARTBEAT)
    assert answer.status == 400
    assert len(answer.report) <= 64


def test_an_identifier_may_be_written_with_percent_signs(machine: Machine) -> None:
    assert machine.put("heartbeats/%681", HEARTBEAT).status == 201
    assert machine.put("heartbeats/h1", HEARTBEAT).status == 200


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "nothing", 404),
        ("GET", "problems/p1/data", 404),
        ("DELETE", "problems/p1", 405),
        ("PATCH", "heartbeats/h1", 405),
        ("HEAD", "fixes", 200),
    ],
)
def test_what_the_document_does_not_have(
    desk: Desk, machine: Machine, method: str, target: str, status: int
) -> None:
    answer = desk.connection().ask(method, target, auth=machine.auth)
    assert answer.status == status
    if status == 405:
        assert "Allow" in dict(answer.fields or ())


TARGETS = st.one_of(
    st.sampled_from([each.path for each in document.operations()]).map(
        lambda path: re.sub(r"{\w+}", "r1", path).removeprefix("/service/")
    ),
    st.text(st.characters(codec="latin-1"), max_size=40),
)
FIELDS = st.dictionaries(
    st.sampled_from(["authorization", "content-type", "upload-offset", "host"]),
    st.one_of(
        st.text(st.characters(codec="latin-1"), max_size=40),
        st.sampled_from([JSON, PART, "Basic eDp5", "0", "Basic " + "A" * 1000]),
    ),
)
BODIES = st.one_of(
    st.binary(max_size=200),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=9)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=9), inner, max_size=4)
        ),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode()),
)


@given(
    method=st.sampled_from(["GET", "PUT", "POST", "PATCH", "HEAD", "DELETE", "", "x"]),
    target=TARGETS,
    fields=FIELDS,
    body=BODIES,
    known=st.booleans(),
)
def test_whatever_comes_has_an_answer_that_is_no_fault_of_the_receivers(
    wild: Machine, method: str, target: str, fields: dict[str, str], body: bytes, known: bool
) -> None:
    head = {name.replace("-", "_"): value for name, value in fields.items()}
    if known:
        head.pop("authorization", None)
    answer = wild.desk.connection().ask(method, target, body, wild.auth if known else None, **head)
    assert answer.status in REASONS
    assert answer.status < 500
    assert render(answer, with_content=True, keep_alive=True)


@pytest.fixture(scope="module")
def wild(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """One machine for all that comes."""
    desk = Desk(tmp_path_factory.mktemp("wild"))
    yield desk.enrolled()
    desk.receiver.close()
