"""Result and error codes (RFC 2661 4.4.2), and what is said of them to people."""

from __future__ import annotations

import pytest

from lab.l2tp.avps import ResultValue
from lab.l2tp.messages import TEXT_MAX, ControlMessage
from lab.l2tp.requests import ClearedBy, Clearing
from lab.wire.l2tp_codes import Avp, CdnResult, ControlType, GeneralError, StopResult


@pytest.mark.parametrize(
    ("codes", "numbers"),
    [(StopResult, range(1, 8)), (CdnResult, range(1, 12)), (GeneralError, range(9))],
)
def test_every_code_of_the_rfc_has_a_meaning_of_its_own(
    codes: type[StopResult | CdnResult | GeneralError], numbers: range
) -> None:
    assert [int(code) for code in codes] == [*numbers]
    assert len({code.meaning for code in codes}) == len(numbers)


@pytest.mark.parametrize(
    ("clearing", "words"),
    [
        (Clearing.call(CdnResult.busy), "result 8 (the called line is busy)"),
        (
            Clearing.connection(StopResult.general_error, error=GeneralError.try_another),
            "result 2 (the error code says why), error 7 (another LNS should be tried)",
        ),
        (Clearing(True, 2, 99, "odd"), "result 2 (the error code says why), error 99: odd"),
        (Clearing(False, 99, by=ClearedBy.peer), "result 99"),
        (Clearing(False, 8, by=ClearedBy.peer), "result 8"),
        (Clearing(False, 0, text="no answer to HELLO"), "no answer to HELLO"),
        (Clearing(False, 0, by=ClearedBy.tie), "without a word"),
    ],
)
def test_what_people_are_told(clearing: Clearing, words: str) -> None:
    assert str(clearing) == words


@pytest.mark.parametrize(
    ("clearing", "value"),
    [
        (Clearing.call(CdnResult.busy), ResultValue(8)),
        (Clearing.call(CdnResult.busy, "tone"), ResultValue(8, 0, "tone")),
        (Clearing(True, 2, 4), ResultValue(2, 4)),
        (Clearing(True, 2, 6, "x" * 500), ResultValue(2, 6, "x" * TEXT_MAX)),
        # A character is not cut in half.
        (Clearing(True, 2, 6, "xx" + "\u20ac" * 50), ResultValue(2, 6, "xx" + "\u20ac" * 32)),
    ],
)
def test_what_a_peer_is_told(clearing: Clearing, value: ResultValue) -> None:
    assert clearing.value == value


def test_what_a_peer_says() -> None:
    told = Clearing.told(
        ControlMessage(ControlType.StopCCN, {Avp.result_code: ResultValue(5, 0x0100, "old")})
    )
    assert told == Clearing(False, 5, 0x0100, "old", by=ClearedBy.peer)
    assert Clearing.told(ControlMessage(ControlType.CDN)) == Clearing(True, 0, by=ClearedBy.peer)
