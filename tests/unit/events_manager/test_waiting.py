"""What becomes of a console's events, whatever is decided, and in whatever order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.events_manager.waiting import (
    EventState,
    HeldEvent,
    NoSuchEvent,
    NotToBeDecided,
    WaitingEvents,
)
from tests.unit.examples import examples

NAMES = "hmc-a-1", "hmc-a-2", "hmc-a-3"


def event(name: str) -> HeldEvent:
    return HeldEvent(name, 2, "Fan 3 has failed", 1.0, f"data of {name}".encode())


def events() -> WaitingEvents:
    made = WaitingEvents()
    for name in NAMES:
        made.add(event(name))
    return made


def test_an_event_waits_until_it_is_decided() -> None:
    own = events()
    assert [each.identifier for each in own.waiting()] == [*NAMES]
    assert own.to_send("hmc-a-1") is None

    assert own.decide("hmc-a-1", event("hmc-a-1").sha256, "eve", approved=True)
    assert own.decide("hmc-a-2", event("hmc-a-2").sha256, "eve", approved=False)

    assert [each.identifier for each in own.waiting()] == ["hmc-a-3"]
    assert own.to_send("hmc-a-2") is None
    sent = own.to_send("hmc-a-1")
    assert sent is not None
    assert (sent.data, sent.by) == (b"data of hmc-a-1", "eve")


def test_a_decision_may_come_again_and_holds() -> None:
    own, digest = events(), event("hmc-a-1").sha256
    assert own.decide("hmc-a-1", digest, "eve", approved=False)
    assert not own.decide("hmc-a-1", digest, "adam", approved=False)
    with pytest.raises(NotToBeDecided, match="hmc-a-1 is rejected by eve"):
        own.decide("hmc-a-1", digest, "adam", approved=True)


def test_only_the_data_that_was_seen_is_approved() -> None:
    own = events()
    with pytest.raises(NotToBeDecided, match="has data with the SHA-256"):
        own.decide("hmc-a-1", event("hmc-a-2").sha256, "eve", approved=True)
    assert own.to_send("hmc-a-1") is None


def test_there_is_no_other_event() -> None:
    with pytest.raises(NoSuchEvent, match="hmc-b-1"):
        events().find("hmc-b-1")


STEPS = st.tuples(st.sampled_from(NAMES), st.sampled_from(("approve", "reject", "send", "wrong")))


@examples(300)
@given(st.lists(STEPS, max_size=20))
def test_nothing_is_sent_but_what_was_approved_first(steps: list[tuple[str, str]]) -> None:
    """Whatever comes in whatever order: the first decision holds, and each event is sent once at most."""
    own = events()
    first: dict[str, str] = {}
    sent: list[str] = []
    for name, step in steps:
        if step == "send":
            if own.to_send(name) is not None:
                sent.append(name)
                own.note_sent(name)
            continue
        digest = event(name).sha256 if step != "wrong" else "00"
        try:
            own.decide(name, digest, "eve", approved=step != "reject")
        except NotToBeDecided:
            assert step == "wrong" or first[name] != step
        else:
            assert step != "wrong"
            assert first.setdefault(name, step) == step
    assert len(sent) == len({*sent})
    assert {first[name] for name in sent} <= {"approve"}
    assert {each.identifier for each in own.waiting()} == {*NAMES} - {*first}
    for name, step in first.items():
        wanted = {
            "approve": {EventState.approved, EventState.sent},
            "reject": {EventState.rejected},
        }
        assert own.find(name).state in wanted[step]
