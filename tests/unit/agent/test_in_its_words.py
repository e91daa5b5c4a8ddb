"""A server's own words for a refusal, as the agent tells them."""

from __future__ import annotations

import pytest

from lab.agent.connection import PROBLEM, in_its_words


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        ("busy", " (busy)"),
        ("x" * PROBLEM, f" ({'x' * PROBLEM})"),
        ("x" * (PROBLEM + 1), f" ({'x' * (PROBLEM - 1)}…)"),
        ("", ""),
        ("two\nlines", ""),
        (None, ""),
        (7, ""),
    ],
)
def test_a_long_text_is_cut_so_that_one_sees_it(problem: object, told: str) -> None:
    assert in_its_words(problem) == told
