"""A black hole is told by what its node passes and what it does not, whatever befell other packets."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab.verify.internet_symptoms import find_black_hole
from lab.verify.journey import Course, Journey
from lab.verify.symptom import Trail

WAY = Course("hmc", "vpn1", ("lan", "fw-inet", "dmz"), ("firewall", "internet"))
BACK = Course("vpn1", "hmc", ("dmz", "fw-inet", "lan"), ("internet", "firewall"))


def journey(length: int, last: str, way: Course = WAY, *, version: int = 4) -> Journey:
    reached = way.segments.index(last)
    lost_at = way.between[reached] if reached < len(way.between) else ""
    return Journey(cast(Any, SimpleNamespace(length=length, version=version)), last, lost_at)


def trail(out: list[Journey], back: list[Journey]) -> Trail:
    directions = [(True, out, WAY), (False, back, BACK)]
    case = SimpleNamespace(views={})
    return cast(Trail, SimpleNamespace(directions=directions, flows=(), case=case))


OUT = [journey(96, "dmz"), journey(1496, "fw-inet"), journey(352, "dmz"), journey(1496, "fw-inet")]
ANSWERS = [journey(96, "lan", BACK), journey(1192, "dmz", BACK), journey(264, "lan", BACK)]
GOODBYE = [journey(96, "lan"), journey(112, "fw-inet")]


CLIENT = "of 1496 bytes and more vanish at internet: 2 packets last seen on fw-inet, none on dmz"
SERVER = "of 1192 bytes and more vanish at internet: 1 packet last seen on dmz, none on fw-inet"


@pytest.mark.parametrize(
    ("out", "back", "said"),
    [
        pytest.param(OUT, [], CLIENT, id="the client's"),
        pytest.param([], ANSWERS, SERVER, id="the server's"),
        pytest.param(OUT, ANSWERS, CLIENT, id="both"),
        pytest.param(OUT + GOODBYE, [], CLIENT, id="the lab went down"),
        pytest.param([journey(1496, "lan"), *OUT], [], CLIENT, id="one is lost before, too"),
        pytest.param([journey(60, "lan"), *OUT], [], CLIENT, id="a small one is lost before"),
    ],
)
def test_the_node_and_the_size_are_told(out: list[Journey], back: list[Journey], said: str) -> None:
    found = find_black_hole(trail(out, back))

    assert found is not None
    assert found.cause == "mtu-black-hole"
    assert said in found.sentence
    assert "ICMP type 3 code 4" in found.hint


@pytest.mark.parametrize(
    "out",
    [
        pytest.param([], id="nothing"),
        pytest.param([journey(96, "dmz"), journey(1496, "dmz")], id="all pass"),
        pytest.param([journey(1496, "fw-inet"), journey(96, "fw-inet")], id="none passes"),
        pytest.param([*OUT, journey(1496, "dmz")], id="one as big passes"),
        pytest.param([journey(96, "fw-inet"), *OUT], id="a small one is lost, too"),
        pytest.param([journey(96, "dmz"), journey(96, "fw-inet")], id="the last is lost"),
        pytest.param([journey(96, "dmz"), journey(1496, "fw-inet")], id="the last is big"),
    ],
)
def test_other_losses_are_no_black_hole(out: list[Journey]) -> None:
    assert find_black_hole(trail(out, [])) is None


def test_the_sizes_of_one_version_of_ip_say_nothing_of_the_other() -> None:
    """Big packets by IPv4 pass, and those by IPv6 vanish."""
    by_ipv6 = [
        journey(length, last, version=6)
        for length, last in [(96, "dmz"), (1300, "fw-inet"), (352, "dmz"), (1300, "fw-inet")]
    ]
    found = find_black_hole(trail([journey(1496, "dmz"), *by_ipv6], []))

    assert found is not None
    assert "of 1300 bytes and more vanish at internet" in found.sentence
    assert "those up to 352 bytes pass" in found.sentence
    assert "ICMPv6 type 2" in found.hint
