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
from lab.record.call_event import CallHomeTried
from lab.record.cause import AgentCause, Blame
from lab.record.record import CallHome, Record


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


def call_of(*attempts: tuple[str, AgentCause | None]) -> CallHome:
    tried = tuple(
        CallHomeTried(
            source="hmc", way="internet", server=f"https://{name}", address="", phase="TLS",
            transaction="" if cause else "SDC0000001", seconds=1.0, cause=cause, detail="the end",
        )
        for name, cause in attempts
    )  # fmt: skip
    return CallHome(agent="hmc", started=0.0, ended=1.0, succeeded=False, attempts=tried)


def test_attempts_that_failed_alike_are_told_once() -> None:
    lost = AgentCause.tls
    assert call_of(("a", lost)).told_once == call_of(("a", lost)).told
    (twice,) = call_of(("a", lost), ("a", lost)).told_once
    assert twice == f"{call_of(('a', lost)).told[0]} (2 times)"

    (two,) = call_of(("a", lost), ("b", lost), ("a", lost), ("b", lost)).told_once
    assert two.startswith("https://a and https://b failed at TLS: ")
    assert two.endswith(" (4 attempts)")

    (many,) = call_of(*((name, lost) for name in "abcdef")).told_once
    assert many.startswith("https://a and 5 others failed at TLS: ")

    one, other = call_of(("a", lost), ("b", None)).told_once
    assert (one[:16], other) == ("https://a failed", "https://b acknowledged as SDC0000001")
