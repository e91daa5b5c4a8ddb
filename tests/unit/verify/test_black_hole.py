"""A black hole is told by what its node passes and what it does not, whatever befell other packets."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab.verify.internet_symptoms import find_black_hole
from lab.verify.journey import Journey, Way
from lab.verify.symptom import Trail

WAY = Way("hmc", "vpn1", ("lan", "fw-inet", "dmz"), ("firewall", "internet"))
BACK = Way("vpn1", "hmc", ("dmz", "fw-inet", "lan"), ("internet", "firewall"))


def journey(length: int, last: str, way: Way = WAY) -> Journey:
    reached = way.segments.index(last)
    lost_at = way.between[reached] if reached < len(way.between) else ""
    return Journey(cast(Any, None), cast(Any, SimpleNamespace(length=length)), last, lost_at)


def trail(out: list[Journey], back: list[Journey]) -> Trail:
    return cast(Trail, SimpleNamespace(out=out, back=back, way_out=WAY, way_back=BACK))


OUT = [journey(96, "dmz"), journey(1496, "fw-inet"), journey(352, "dmz"), journey(1496, "fw-inet")]
ANSWERS = [journey(96, "lan", BACK), journey(1192, "dmz", BACK), journey(264, "lan", BACK)]
GOODBYE = [journey(96, "lan"), journey(112, "fw-inet")]


@pytest.mark.parametrize(
    ("out", "back", "said"),
    [
        (OUT, [], "of 1496 bytes and more vanish at internet: 2 packets last seen on fw-inet, none on dmz"),
        ([], ANSWERS, "of 1192 bytes and more vanish at internet: 1 packet last seen on dmz, none on fw-inet"),
        (OUT, ANSWERS, "of 1496 bytes"),
        (OUT + GOODBYE, [], "2 packets last seen on fw-inet, none on dmz; those up to 352 bytes pass"),
        ([journey(1496, "lan"), *OUT], [], "2 packets last seen on fw-inet"),
        ([journey(60, "lan"), *OUT], [], "2 packets last seen on fw-inet"),
    ],
    ids=[
        "the client's", "the server's", "both", "the lab went down", "lost before, too",
        "a small one is lost before",
    ],
)  # fmt: skip
def test_the_node_and_the_size_are_told(out: list[Journey], back: list[Journey], said: str) -> None:
    found = find_black_hole(trail(out, back))

    assert found is not None
    assert found.cause == "mtu-black-hole"
    assert said in found.sentence


@pytest.mark.parametrize(
    "out",
    [
        [],
        [journey(96, "dmz"), journey(1496, "dmz")],
        [journey(1496, "fw-inet"), journey(96, "fw-inet")],
        [*OUT, journey(1496, "dmz")],
        [journey(96, "fw-inet"), *OUT],
        [journey(96, "dmz"), journey(112, "dmz"), journey(96, "fw-inet")],
        [journey(96, "dmz"), journey(1496, "fw-inet")],
    ],
    ids=["nothing", "all pass", "none passes", "one as big passes", "a small one is lost, too", "the last is lost", "the last is big"],
)  # fmt: skip
def test_other_losses_are_no_black_hole(out: list[Journey]) -> None:
    assert find_black_hole(trail(out, [])) is None
