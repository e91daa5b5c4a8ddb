"""The lab's part of JSON Schema says what a library says, and the document uses no other part."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.ibm.receiver import document, schema
from tests.unit.ibm.receiver.asking import HEARTBEAT, INVENTORY, PROBLEM, enrolment

DOCUMENT = json.loads(document.text())
CONTENTS = {
    each.id: each.content for each in document.operations() if each.content and each.takes_json
}
GOOD: dict[str, Any] = {
    "enrolment": enrolment(),
    "reset": {"machine": enrolment()["machine"]},
    "password": {},
    "heartbeat": HEARTBEAT,
    "inventory": INVENTORY,
    "performance": INVENTORY,
    "problem": PROBLEM,
    "upload_declaration": {"bytes": 5, "sha256": "0" * 64},
}


def schemas(part: Any) -> Iterator[dict[str, Any]]:
    """Every schema of the document, however deep."""
    if isinstance(part, dict):
        if "type" in part and isinstance(part["type"], str):
            yield part
        for key, each in part.items():
            if key != "examples":
                yield from schemas(each)
    elif isinstance(part, list):
        for each in part:
            yield from schemas(each)


def test_the_document_uses_nothing_that_is_not_understood() -> None:
    parts = [*schemas(DOCUMENT["components"]["schemas"]), *schemas(CONTENTS)]
    assert len(parts) > 50
    for part in parts:
        assert set(part) <= schema.KEYWORDS | schema.NOTES, part


def test_every_pattern_is_of_all_of_a_text() -> None:
    patterns = [part["pattern"] for part in schemas(DOCUMENT) if "pattern" in part]
    assert len(patterns) > 20
    assert not [p for p in patterns if not (p.startswith("^") and p.endswith("$"))]
    assert not [p for p in patterns if "\\d" in p or "\\w" in p or "\\s" in p], (
        "not the same everywhere"
    )
    assert not [p for p in patterns if "|" in p and "(" not in p]


VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=20),
        st.sampled_from(["8284", "22A", "21ABCDE", "a\n", "0" * 64, "x" * 300, "é"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(max_size=5), inner, max_size=4),
    ),
    max_leaves=10,
)


@st.composite
def nearly_good(draw: st.DrawFn, good: Any) -> Any:
    """A content that is asked for, with one of its parts exchanged, taken out, or added."""
    value = json.loads(json.dumps(good))
    places = [value, *(part for part in value.values() if isinstance(part, dict))]
    place = draw(st.sampled_from(places))
    name = draw(st.sampled_from([*place, "more"]))
    what = draw(st.sampled_from(["leave", "exchange", "remove"]))
    if what == "exchange":
        place[name] = draw(VALUES)
    if what == "remove":
        place.pop(name, None)
    return value


@pytest.mark.parametrize("operation", CONTENTS)
@given(data=st.data())
def test_it_says_what_a_library_says(operation: str, data: st.DataObject) -> None:
    value = data.draw(st.one_of(VALUES, nearly_good(GOOD[operation])))
    complaints = [*schema.complaints(value, CONTENTS[operation])]
    assert (not complaints) == jsonschema_rs.is_valid(dict(CONTENTS[operation]), value), complaints


@pytest.mark.parametrize("operation", CONTENTS)
def test_what_is_asked_for_fits(operation: str) -> None:
    assert [*schema.complaints(GOOD[operation], CONTENTS[operation])] == []


def test_every_complaint_names_the_place() -> None:
    value = {**enrolment(), "ibm_ids": ["a", "b", "c"], "agent": 5, "more": 1}
    value["machine"]["type"] = "82"
    assert [*schema.complaints(value, CONTENTS["enrolment"])] == [
        "machine.type: does not fit ^[0-9A-Z]{4}$",
        "agent: is no string",
        "ibm_ids: has 3 items, and not 0 to 2",
        "the whole has 'more', which is none of the members, which are machine, agent, ibm_ids, contact",
    ]
