"""Who is to blame for what ended a run."""

from __future__ import annotations

import pytest

from lab.errors import (
    DaemonError,
    LabBroke,
    PrerequisiteError,
    ProtocolError,
    UsageError,
)
from lab.record.cause import Blame
from lab.record.record import Record


@pytest.mark.parametrize(
    ("error", "blame"),
    [
        (ProtocolError("vpn1 is silent"), Blame.path),
        (UsageError("there is no node x"), Blame.user),
        (PrerequisiteError("pppd is missing"), Blame.machine),
        (LabBroke("a thread ended"), Blame.lab),
        (DaemonError("charon", "ended with exit status 1"), Blame.lab),
        (ZeroDivisionError("division by zero"), Blame.lab),
    ],
)
def test_the_type_of_an_error_says_who_is_to_blame(error: Exception, blame: Blame) -> None:
    record = Record()
    assert not record.broke_off

    record.fail(error)

    assert (record.blame, record.broke_off) == (blame, blame is not Blame.path)
    assert str(error) in record.error


def test_an_error_without_words_is_told_by_its_name() -> None:
    record = Record()
    record.fail(KeyError())
    assert record.error == "KeyError()"


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (LabBroke("first"), LabBroke("second"), "first"),
        (LabBroke("first"), ProtocolError("second"), "first"),
        (ProtocolError("first"), ProtocolError("second"), "first"),
        (ProtocolError("first"), LabBroke("second"), "second"),
        (UsageError("first"), LabBroke("second"), "first"),
    ],
)
def test_the_first_error_counts_unless_it_was_the_paths(
    first: Exception, second: Exception, kept: str
) -> None:
    record = Record()
    record.fail(first)
    record.fail(second)
    assert record.error == kept
