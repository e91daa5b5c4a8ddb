"""In what words an agent's host is at home, where the way is there from the start."""

from __future__ import annotations

import pytest

from lab.watch import ways_seen
from tests.models import model


@pytest.mark.parametrize(
    ("name", "agent", "states", "words"),
    [
        ("direct", "hmc", {"internet": "up"}, "way home by the default route"),
        ("proxy", "hmc", {"proxy": "up"}, "way home by proxy"),
        ("consoles", "hmc-a", {"internet": "down"}, "way home by the default route"),
        ("consoles", "hmc-b", {"others": "up"}, "way home by others"),
        ("consoles", "hmc-b", {"others": "taken down"}, "way home down"),
    ],
)
def test_a_way_without_ppp_is_told_as_what_it_is(
    name: str, agent: str, states: dict[str, str], words: str
) -> None:
    assert ways_seen._state("", model(name, bytes(32)), agent, states) == (words, "")
