"""Events read on, as they come: sentences, failures, and the calls that stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.record.cause import IkeCause, PppCause
from lab.record.event import IkeFailed, LabUp, PppDown, PppUp, WayFailed, WayUp
from lab.record.story import EVENTS, Story
from lab.telephony.events import CallConnected, CallRings, HungUp, ModemSaid
from lab.watch.told import ToldSoFar


def test_events_are_sentences_and_failures_are_marked(tmp_path: Path) -> None:
    story = Story(tmp_path, silent=True)
    told = ToldSoFar(tmp_path)
    assert not told.read_on()

    story.tell(LabUp(topology="vpn", nodes=("hmc", "vpn1")))
    story.tell(IkeFailed(source="hmc", gateway="vpn1", cause=IkeCause.silent, detail="4"))
    story.tell(ModemSaid(source="hmc", line="hmc-modem0", text="OK"))
    assert told.read_on()
    assert [(e.kind, e.topic, e.text, e.bad) for e in told.events] == [
        ("lab-up", "lab", "vpn: hmc, vpn1", False),
        (
            "ike-failed", "IKE",
            "hmc to vpn1: the other end does not answer, not to 4 retransmissions either", True,
        ),
    ]  # fmt: skip

    story.tell(WayFailed(source="hmc", way="vpn", only=False))
    story.tell(WayUp(source="hmc", way="modem"))
    assert told.read_on()
    assert [(e.text, e.bad) for e in told.events[2:]] == [("hmc has no way home by vpn", True)]
    assert not told.read_on()


def test_a_line_that_is_not_whole_waits_for_the_rest(tmp_path: Path) -> None:
    Story(tmp_path, silent=True).tell(LabUp(topology="vpn", nodes=("hmc",)))
    whole = (tmp_path / EVENTS).read_bytes()
    (tmp_path / EVENTS).write_bytes(whole[:30])
    told = ToldSoFar(tmp_path)

    told.read_on()
    assert told.events == []
    (tmp_path / EVENTS).write_bytes(whole)
    told.read_on()
    assert [e.text for e in told.events] == ["vpn: hmc"]


def test_what_another_version_wrote_is_told_by_its_name(tmp_path: Path) -> None:
    (tmp_path / EVENTS).write_text(
        '{"time": 1.0, "source": "hmc", "kind": "flux-capacitated"}\n'
        'no JSON\n{"kind": "way-up"}\n'
        '{"time": 2.0, "source": "hmc", "kind": "lab-up", "other": 1}\n'
    )
    told = ToldSoFar(tmp_path)
    told.read_on()

    assert [e.text for e in told.events] == ["flux capacitated", "lab up"]


def test_calls_stand_until_they_are_over(tmp_path: Path) -> None:
    story = Story(tmp_path, silent=True)
    for call, line in ((1, "hmc"), (2, "hmc-b")):
        story.tell(
            CallRings(source="exchange", call=call, line=line, number="5550100", called="lig")
        )
    story.tell(
        CallConnected(
            source="exchange", call=1, line="hmc", called="lig", rate_bit_s=33600, time=7.0
        )
    )
    told = ToldSoFar(tmp_path)
    told.read_on()
    assert [(c.call, c.line, c.number, c.state) for c in told.standing_calls] == [
        (1, "hmc", "5550100", "connected"),
        (2, "hmc-b", "5550100", "rings"),
    ]
    assert told.calls[1].since == 7.0

    story.tell(HungUp(source="exchange", call=1, line="lig"))
    told.read_on()
    assert [c.call for c in told.standing_calls] == [2]


def test_what_the_lab_ends_itself_is_no_failure_to_tell(tmp_path: Path) -> None:
    story = Story(tmp_path, silent=True)
    facts = {
        "source": "hmc",
        "gateway": "vpn1",
        "interface": "ppp0",
        "exit_status": 5,
        "detail": "",
    }
    story.tell(PppDown(**facts, cause=PppCause.terminated))  # type: ignore[arg-type]
    up = {
        "gateway": "vpn1",
        "interface": "ppp0",
        "local_ip": "1.1.1.2",
        "peer_ip": "1.1.1.1",
        "mtu": 1400,
    }
    story.tell(PppUp(source="hmc", **up))  # type: ignore[arg-type]
    told = ToldSoFar(tmp_path)
    told.read_on()

    assert [e.kind for e in told.events] == ["ppp-up"]


def test_times_count_from_where_the_story_counts(tmp_path: Path) -> None:
    story = Story(tmp_path, silent=True)
    told = ToldSoFar(tmp_path)
    assert told.origin == 0.0
    story.tell(WayUp(source="hmc", way="vpn", time=story.started + 5))
    told.read_on()
    assert told.origin == story.started + 5
    story.tell(LabUp(topology="vpn", nodes=("hmc",), started=story.started))
    story.tell(WayUp(source="hmc", way="vpn"))
    told.read_on()
    assert told.origin == story.started


def test_times_count_on_after_the_first_events_have_been_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.watch.told.MOST_EVENTS", 2)
    story = Story(tmp_path, silent=True)
    # As an earlier version tells it.
    for number in range(5):
        story.tell(LabUp(topology="vpn", nodes=("hmc",), time=story.started + number))
    told = ToldSoFar(tmp_path)
    told.read_on()
    assert [each.time - story.started for each in told.events] == pytest.approx([3, 4])
    assert told.origin == story.started
