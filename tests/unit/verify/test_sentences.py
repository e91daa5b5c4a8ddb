"""No verdict and no diagnosis depends on what a program or the lab said in words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lab.record.record import Record
from tests.recordings import archive
from tests.recordings.true_run import Recordings

ANOTHER = "something quite different"


def reword(record: Record) -> None:
    """Have the whole record say everything in other words."""
    record.error = record.error and ANOTHER
    for name in ("ike_failed", "modems", "dialled", "ppp", "ledger"):
        entries: list[Any] = getattr(record, name)
        entries[:] = [replace(entry, detail=entry.detail and ANOTHER) for entry in entries]
    for call in record.calls:
        call.attempts = tuple(
            replace(attempt, detail=attempt.detail and ANOTHER) for attempt in call.attempts
        )


@pytest.mark.parametrize("name", archive.names())
def test_words_decide_nothing(name: str, recordings: Recordings) -> None:
    told, reworded = recordings(name), recordings(name)
    reword(reworded.record)

    verdicts = {requirement: found.verdict for requirement, found in told.judge().items()}

    assert {r: found.verdict for r, found in reworded.judge().items()} == verdicts
    assert reworded.diagnose().cause == told.diagnose().cause
