"""JSON as lines for people."""

from __future__ import annotations

from lab.agent.plain_text import as_lines


def test_times_are_dates_and_other_numbers_are_numbers() -> None:
    told = {"password_changed": 1_796_023_972.19, "expires": 0, "bytes": 1_796_023_972}
    assert as_lines(told) == [
        "password_changed: 2026-11-30T07:32:52Z",
        "expires: never",
        "bytes: 1796023972",
    ]


def test_what_is_nested_is_indented_and_items_are_a_line_each() -> None:
    told = {
        "machines": {"a": {"id": ""}},
        "queue": [{"report": "r-1", "time": 0}, {"report": "r-2"}],
    }
    assert as_lines(told) == [
        "machines:",
        "  a:",
        "    id: none",
        "queue:",
        "  report=r-1  time=never",
        "  report=r-2",
    ]
