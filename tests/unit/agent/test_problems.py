"""What the agent knows of problems, and for how long (E-21)."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.agent.problems import CLOSED, OPEN, QUEUED, REFUSED, Problems

DAY = 86400.0


class Known(Problems):
    """With a clock that the test sets."""

    def __init__(self, folder: Path) -> None:
        self.time = 1000.0
        super().__init__(folder, 60 * DAY, lambda: self.time)


@pytest.mark.parametrize("state", [CLOSED, REFUSED])
def test_what_has_ended_is_forgotten_when_ibm_deletes_its_report(
    tmp_path: Path, state: str
) -> None:
    known = Known(tmp_path)
    known.note("a", state=OPEN, text="fan")
    known.time += 100 * DAY
    known.note("a", state=state)
    known.note("b", state=QUEUED)
    known.time += 60 * DAY - 1
    known.note("a", pmh="PMH1")  # Whatever comes later: the end was then.
    known.forget_old()
    assert known.all()["a"] == {
        "state": state, "text": "fan", "pmh": "PMH1", "ended": 1000.0 + 100 * DAY,
    }  # fmt: skip
    known.time += 1
    known.forget_old()
    assert [*known.all()] == ["b"]


def test_another_problem_has_the_old_ones_forgotten(tmp_path: Path) -> None:
    """Also without a service."""
    known = Known(tmp_path)
    known.note("a", state=CLOSED)
    known.time += 60 * DAY
    known.note("b", state=QUEUED)
    assert [*known.all()] == ["b"]


@pytest.mark.parametrize("state", [QUEUED, OPEN])
def test_what_has_not_ended_is_never_forgotten(tmp_path: Path, state: str) -> None:
    known = Known(tmp_path)
    known.note("a", state=state)
    known.time += 5000 * DAY
    known.forget_old()
    assert [*known.all()] == ["a"]


def test_nothing_known_makes_no_file(tmp_path: Path) -> None:
    Known(tmp_path).forget_old()
    assert [*tmp_path.iterdir()] == []
