"""The story on a terminal: colours by topic, failures in red, long sentences folded below themselves."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from lab.engine import inside
from lab.record.cause import IkeCause
from lab.record.event import Event, IkeFailed, LabUp, PathFailed, WayFailed, WayUp
from lab.record.look import COLOURS, PLAIN, Look
from lab.record.story import Story

NODES = LabUp(topology="vpn", nodes=("firewall", "internet", "gateway", "server", "hmc"))
FAILED = IkeFailed(source="hmc", gateway="vpn1", cause=IkeCause.silent, detail="4")


def bare(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_plain_is_as_it_was() -> None:
    assert PLAIN.line(1.5, NODES) == (
        "    1.500 s  lab      vpn: firewall, internet, gateway, server, hmc"
    )


def test_the_topic_has_a_colour_and_a_failure_is_red() -> None:
    line = Look(colour=True).line(1.5, NODES)
    assert line == (
        "\x1b[2m    1.500 s\x1b[0m  \x1b[1mlab     \x1b[0m vpn: firewall, internet, gateway, server, hmc"
    )
    red = Look(colour=True).line(1.5, FAILED)
    assert red.startswith("\x1b[31m    1.500 s  IKE      hmc to vpn1: ")
    assert red.endswith("\x1b[0m")
    assert bare(red) == PLAIN.line(1.5, FAILED)


@pytest.mark.parametrize("columns", [30, 40, 59, 60, 66, 80, 200])
@pytest.mark.parametrize("event", [NODES, FAILED])
def test_lines_are_folded_to_the_width_and_lose_nothing(columns: int, event: Event) -> None:
    told = Look(colour=True, columns=columns).line(1.5, event)
    found = bare(told).splitlines()

    assert all(len(line) <= columns for line in found)
    assert " ".join(" ".join(found).split()) == " ".join(PLAIN.line(1.5, event).split())
    assert {len(line) - len(line.lstrip()) for line in found[1:]} <= {22 if columns >= 60 else 4}
    assert (len(found) > 1) is (len(PLAIN.line(1.5, event)) > columns)


def test_every_topic_of_a_failure_is_red_also_without_a_cause() -> None:
    bad = [
        FAILED,
        WayFailed(source="hmc", way="vpn", only=True),
        PathFailed(source="hmc", words="no way"),
    ]

    assert all(each.went_wrong for each in bad)
    assert not any(each.went_wrong for each in (NODES, WayUp(source="hmc", way="vpn")))
    assert {"IKE", "L2TP", "PPP", "agent"} <= COLOURS.keys()


def test_who_also_hears_it_hears_it_plain(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heard: list[str] = []
    story = Story(tmp_path, look=Look(colour=True, columns=30))
    story.also = heard.append

    story.tell(NODES)

    assert "\x1b" not in heard[0]
    assert "\n" not in heard[0]
    assert "\x1b[1mlab" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("terminal", "environment", "colour", "columns"),
    [
        (True, {"TERM": "xterm"}, True, 77),
        (True, {"TERM": "xterm", "COLUMNS": "33"}, True, 33),
        (True, {"TERM": "xterm", "COLUMNS": "wide"}, True, 77),
        (True, {"TERM": "xterm", "NO_COLOR": ""}, False, 77),
        (True, {"TERM": "dumb"}, False, 77),
        (True, {}, False, 77),
        (False, {"TERM": "xterm", "COLUMNS": "33"}, False, 0),
    ],
)
def test_an_order_says_what_the_terminal_shows(
    monkeypatch: pytest.MonkeyPatch,
    terminal: bool,
    environment: dict[str, str],
    colour: bool,
    columns: int,
) -> None:
    for name in ("TERM", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(os, "isatty", lambda fd: terminal and fd == 2)
    size = os.terminal_size((77, 20))
    monkeypatch.setattr(os, "get_terminal_size", lambda fd: size)

    assert inside.Order(run_dir="r", verb="scenario").look == Look(colour=colour, columns=columns)
