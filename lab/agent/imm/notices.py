"""What the Integrated Management Module tells of: from a request to a failure and an answer. No sockets."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from lab.agent.imm.cim_xml import (
    FAILED,
    MESSAGE_BYTES,
    CimRefusal,
    Indication,
    NotCim,
    cim_time,
    export_answer,
    read_indication,
)
from lab.agent.web.exchange import WebReply, WebRequest
from lab.errors import LabError

PATH = "/"
"""Of the destination. Any path is taken: nothing else is at this port."""
_SEVERITIES = {
    "2": "information",
    "3": "warning",
    "4": "minor",
    "5": "major",
    "6": "critical",
    "7": "fatal",
}
"""PerceivedSeverity (CIM_AlertIndication)."""
_FAILURE_FROM = 3
"""From this severity on something has failed: S0 speaks of hardware failure events."""
_TEXT_CHARACTERS = 1000


class HardwareFailure(NamedTuple):
    """A failure of the hardware, as the module tells it."""

    identifier: str
    """The same for the same failure, however often it is told: 32 hexadecimal digits."""
    reference_code: str
    severity: str
    text: str
    occurred: float
    """Seconds of the epoch."""


def failure_of(indication: Indication, now: float) -> HardwareFailure | None:
    """The failure that an indication tells of; None for what is no failure, as that a fan is well again."""
    severity = indication.get("PerceivedSeverity")
    if not (severity.isascii() and severity.isdigit() and int(severity) >= _FAILURE_FROM):
        return None
    occurred = cim_time(indication.get("IndicationTime"))
    told = (
        indication.get("IndicationIdentifier"),
        indication.get("EventID") or indication.get("MessageID"),
        indication.get("Description") or indication.get("Message"),
        indication.get("IndicationTime"),
    )
    # By the module's own identifier, if there is one; DSP1054 has it send again what was not answered.
    identity = told[:1] if told[0] else told
    return HardwareFailure(
        identifier=hashlib.sha256("\0".join(identity).encode()).hexdigest()[:32],
        reference_code=told[1][:64] or "unknown",
        severity=_SEVERITIES.get(severity, "fatal"),
        text=told[2][:_TEXT_CHARACTERS] or indication.class_name,
        occurred=now if occurred is None else occurred,
    )


class NoticeDesk:
    """Answers the module's requests."""

    path = PATH
    content_bytes = MESSAGE_BYTES

    def __init__(
        self,
        senders: Callable[[], tuple[str, ...]],
        report: Callable[[HardwareFailure], None],
        clock: Callable[[], float],
        tell: Callable[[str], None],
    ) -> None:
        """``senders``: the module's addresses; nobody else may tell of anything. ``report`` puts a failure
        into the queue, and raises LabError where that is not possible: the module has to send it again."""
        self._senders = senders
        self._report = report
        self._clock = clock
        self._tell = tell

    def answer(self, request: WebRequest) -> WebReply:
        if request.peer not in self._senders():
            self._tell(f"imm: {request.peer} is not the management module, and is refused")
            return _plain(403, "only the management module may send here")
        if request.method not in ("POST", "M-POST"):
            return _plain(405, "only POST is taken", ("Allow", "POST"))
        if request.fields.get("cimexport", "MethodRequest").lower() != "methodrequest":
            unsupported = "CIMError", "unsupported-operation"
            return _plain(400, "CIMExport is not MethodRequest", unsupported)
        try:
            indication = read_indication(request.body)
        except NotCim as error:
            self._tell(f"imm: what the management module sent is no indication: {error}")
            return _plain(400, f"{error}", ("CIMError", "request-not-well-formed"))
        refusal = self._take(indication)
        content = export_answer(indication.message, refusal).decode()
        return WebReply(200, content, ("CIMExport", "MethodResponse"), kind="application/xml")

    def _take(self, indication: Indication) -> CimRefusal | None:
        failure = failure_of(indication, self._clock())
        if failure is None:
            self._tell(f"imm: {indication.class_name} tells of no failure")
            return None
        try:
            self._report(failure)
        except (OSError, LabError) as error:
            self._tell(f"imm: a failure could not be put into the queue: {error}")
            return CimRefusal(FAILED, "the agent cannot keep it just now")
        self._tell(f"imm: {failure.reference_code} ({failure.severity}): {failure.text}")
        return None


def _plain(status: int, text: str, *fields: tuple[str, str]) -> WebReply:
    return WebReply(status, f"{text}\n", *fields, kind="text/plain")
