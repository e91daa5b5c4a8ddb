"""What is on the screen: keys as terminals send them, and lines that fit whatever the window is."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from lab.engine.registry import Entry
from lab.watch import lines, screen
from lab.watch.lines import StyledLine
from lab.watch.node_seen import parse
from lab.watch.screen import WatchScreen
from lab.watch.told import EventSeen
from lab.watch.view import LabView
from tests.unit.watch.test_node_seen import CLOCK, answer

ENTRY = Entry(
    name="vpn-nat",
    topology="vpn-nat",
    run_dir="/nowhere",
    engine="uml",
    clock="real",
    pid=1,
    started=0.0,
)
EVENTS = tuple(
    EventSeen(
        time=CLOCK - 100 + number, source="hmc", kind="probed", topic="probe", text=f"event {number}",
        bad=number == 39,
    )
    for number in range(40)
)  # fmt: skip
VIEW = LabView(
    name="vpn-nat", topology="vpn-nat", fault="wrong-psk", engine="uml", clock="real", run_dir="/nowhere",
    up_s=3700.0, started=EVENTS[0].time - 0.8, now=CLOCK, not_asked=2, calls=(), problem="",
    ways=(
        {"agent": "hmc", "modems": [], "state": "way home up, 10.254.1.2 on ppp0", "ways": {"vpn": "up"}},
        {"agent": "hmc-b", "modems": [], "state": "way home down", "ways": {"vpn": "failed"}},
    ),
    nodes=(parse("hmc", answer()),), events=EVENTS,
)  # fmt: skip


def made(view: LabView = VIEW) -> WatchScreen:
    shown = WatchScreen(ENTRY, 1.0)
    shown._view = view
    shown._told.events[:] = view.events
    return shown


@pytest.mark.parametrize("size", [(80, 24), (200, 60), (40, 12), (20, 6), (10, 2), (1, 1)])
def test_it_fits_whatever_the_window_is(size: tuple[int, int]) -> None:
    width, height = size
    found = made()._lines(width, height)

    assert len(found) <= height
    for line in found:
        text = screen.painted(line, width, colour=True)
        assert len(re.sub(r"\x1b\[[0-9;]*m", "", text)) <= width


def test_the_state_comes_first_and_the_last_events_at_the_bottom() -> None:
    text = [line.text for line in made()._lines(100, 40)]

    assert text[0] == "vpn-nat with fault wrong-psk: up 61:40, uml, real clock"
    assert "  hmc: way home up, 10.254.1.2 on ppp0 (vpn up)" in text
    assert "  hmc-b: way home down (vpn failed)" in text
    assert any("age 0:06, new keys in 31:12, 11 packets, 731 bytes, in UDP 4500" in t for t in text)
    assert "  hmc: allow-F-07-1 (F-07) 3 packets, 208 bytes" in text
    assert text[-2].endswith("event 39")
    assert "q leave" in text[-1]


def test_of_a_virtual_clock_both_times_are_told() -> None:
    """A day of such a lab is a minute here."""
    virtual = replace(VIEW, clock="virtual", started=CLOCK - 2 * 86400)
    assert lines.head(virtual)[0].text == (
        "vpn-nat with fault wrong-psk: up 61:40, 48:00:00 by its own clock, uml, virtual clock"
    )
    silent = replace(virtual, now=0.0)
    assert lines.head(silent)[0].text.endswith(": up 61:40, uml, virtual clock")


def test_an_sa_without_keys_is_told_as_one() -> None:
    node = parse("hmc", answer(states=LARVAL))
    (line,) = [t.text for t in lines.body(replace(VIEW, nodes=(node,))) if "0xc87eb325" in t.text]
    assert line == "  hmc: 129.42.160.16 > 192.168.10.10 0xc87eb325: keys to come"


LARVAL = """\
src 129.42.160.16 dst 192.168.10.10
\tproto esp spi 0xc87eb325(3363746597) reqid 1(0x00000001) mode tunnel
\treplay-window 0 seq 0x00000000
\tlifetime config:
\t  expire add: soft 0(sec), hard 165(sec)
\tlifetime current:
\t  0(bytes), 0(packets)
\t  add 2026-11-30 17:30:00 use -
"""
"""What charon has asked for an SPI, and not given keys yet."""


def test_a_low_window_says_what_it_leaves_out_and_keeps_a_few_events() -> None:
    text = [line.text for line in made()._lines(100, 14)]

    assert len(text) == 14
    assert any("lines more: a higher terminal, or lab watch --once" in t for t in text)
    assert [t.split()[-1] for t in text if " event " in t] == ["36", "37", "38", "39"]


def test_events_are_gone_through_and_stay_where_they_are() -> None:
    shown = made()

    def last() -> str:
        seen = [line.text for line in shown._lines(100, 30) if " event " in line.text]
        return seen[-1].split()[-1]

    assert last() == "39"
    shown._press(["up", "up"])
    assert last() == "37"
    shown._press(["page up"])
    first_page = 37 - shown._page
    assert last() == str(first_page)
    shown._press(["top", "up"])
    seen = [line.text for line in shown._lines(100, 30) if " event " in line.text]
    assert seen[0].endswith("event 0")
    assert len(seen) == shown._page
    shown._press(["end"])
    assert last() == "39"
    shown._press(["down"])
    assert last() == "39"


def test_help_comes_and_goes() -> None:
    shown = made()
    shown._press(["help"])
    assert "this, and back" in "".join(line.text for line in shown._lines(100, 30))
    shown._press(["help"])
    assert "this, and back" not in "".join(line.text for line in shown._lines(100, 30))


@pytest.mark.parametrize(
    ("data", "names", "rest"),
    [
        (b"q", ["quit"], b""),
        (b"\x1b[A\x1b[B", ["up", "down"], b""),
        (b"\x1b[5~x\x1b[6~", ["page up", "page down"], b""),
        (b"\x1b[", [], b"\x1b["),
        (b"r\x1b", ["refresh"], b"\x1b"),
        (b"\x1b[C\x1bOA", ["up"], b""),
        (b"\xff\x00zz", [], b""),
    ],
)
def test_keys(data: bytes, names: list[str], rest: bytes) -> None:
    assert screen.read_keys(data) == (names, rest)


def test_what_a_lab_says_cannot_move_the_cursor() -> None:
    assert lines.fit("a\x1b[2Jb\r\nc\x9b", 80) == "a?[2Jb??c?"
    assert lines.fit("abcdef", 4) == "abc…"
    assert lines.fit("abcdef", 0) == ""


def test_without_colours_there_are_none() -> None:
    bad = StyledLine("it failed", lines.BAD)

    assert screen.painted(bad, 80, colour=False) == "it failed"
    assert screen.painted(bad, 80, colour=True) == "\x1b[31mit failed\x1b[0m"


def test_once_has_all_of_it(tmp_path: Path) -> None:
    text = [line.text for line in lines.whole(VIEW, 1000, 5)]

    # From the start of the lab, as its story: not from the first event.
    assert text[-5:] == [f"{n + 0.8:10.3f} s  probe    event {n}" for n in range(35, 40)]
    assert "  not asked: 2 nodes more" in text
    assert VIEW.as_json()["events"][-1]["text"] == "event 39"
