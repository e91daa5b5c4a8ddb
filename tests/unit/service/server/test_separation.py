"""The service server's firewall as text; that it holds is seen in namespaces (tests/integration)."""

from __future__ import annotations

import pytest

from lab.service.server import separation
from lab.service.server.separation import COUNTERS, ToolPassage

ONE = ToolPassage(
    number=1, tools="tools-1", address="10.253.0.2", beyond="core", addresses=("10.253.0.1",)
)
TWO = ToolPassage(
    number=2,
    tools="tools-2",
    address="10.253.0.12",
    beyond="core",
    addresses=("10.253.0.9", "10.9.0.0/29"),
)


def rules(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines()]


def test_without_a_session_nothing_is_passed_on() -> None:
    text = rules(separation.render())
    assert "type filter hook forward priority filter; policy drop;" in text
    assert not [line for line in text if line.endswith("accept") and "tools" not in line]
    for name in COUNTERS:
        assert [line for line in text if f'counter name "{name}" drop' in line], name


def test_what_may_become_a_session_is_guarded_before() -> None:
    text = rules(separation.render(["10.254.1.2-10.254.1.30"]))
    assert "elements = { 10.254.1.2-10.254.1.30 }" in text
    guarded = [line for line in text if "@guarded-addresses" in line]
    assert guarded == [
        'ip daddr @guarded-addresses counter name "to-session" drop',
        'ip daddr @guarded-addresses counter name "own-to-session" drop',
    ]


def test_a_sessions_tools_get_to_its_addresses_and_their_answers_come_back() -> None:
    text = rules(separation.render_passage(TWO))
    assert [line for line in text if line.endswith("accept")] == [
        'iifname "tools-2" ip saddr 10.253.0.12 oifname "core" ip daddr { 10.253.0.9, 10.9.0.0/29 } '
        'counter name "session-2-out" accept',
        'iifname "core" ip saddr { 10.253.0.9, 10.9.0.0/29 } oifname "tools-2" ip daddr 10.253.0.12 '
        'counter name "session-2-back" accept',
    ]


@pytest.mark.parametrize("standing", [[], [ONE], [ONE, TWO]])
def test_the_sessions_that_stand_are_those_that_count(standing: list[ToolPassage]) -> None:
    jumps = rules(separation.render_jumps(standing))
    assert jumps[0] == "flush chain ip service-server sessions"
    assert [line.rpartition(" ")[2] for line in jumps[1:]] == [p.chain for p in standing]
