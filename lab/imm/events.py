"""What happens at a management module. No password is told."""

from __future__ import annotations

from lab.names import place
from lab.record.event import Event, kinds_of


class ModuleAsked(
    Event,
    topic="imm",
    recaps="{client} asked {source} at TCP {port} for {what}",
    aspects={"{client} asked {source} at TCP {port} for {what}, and CIM's status was": "{code}"},
):
    """Somebody asked the module for an operation, and was let in."""

    client: str
    port: int
    """Of the module: 5989 is HTTPS, 5988 is HTTP."""
    operation: str
    """Such as ``CreateInstance``."""
    about: str
    """The class that it is about; empty if the request names none."""
    code: int
    """Of CIM (DSP0200): 0 if it was carried out."""

    @property
    def what(self) -> str:
        return f"{self.operation} of {self.about}" if self.about else self.operation

    @property
    def sentence(self) -> str:
        return ""


class ModuleRefused(
    Event, topic="imm", tells="{source} refuses {client} at port {port}: wrong user or password"
):
    """A log-in was missing or wrong."""

    client: str
    port: int


class ModuleSubscribed(
    Event, topic="imm", tells="{source}: {client} subscribes at port {port}, for {destination}"
):
    """From now on alerts go to a destination."""

    client: str
    port: int
    destination: str


class FailureRaised(Event, topic="imm", tells="{source}: {text} ({reference_code}, {severity})"):
    """Hardware has failed, and the module knows."""

    identifier: str
    """The alert's: every notice of the failure has it."""
    reference_code: str
    severity: str
    """Such as ``critical`` (CIM_AlertIndication, PerceivedSeverity)."""
    text: str


class NoticeSent(Event, topic="imm"):
    """A try to tell a destination of an alert has ended."""

    identifier: str
    address: str
    port: int
    """Of the destination."""
    own_port: int
    """From which it was tried; 0 if there was no connection."""
    attempt: int
    """1 is the first."""
    began: float
    problem: str
    """Why it was not taken; empty if it was."""

    @property
    def sentence(self) -> str:
        where = place(self.address, self.port)
        told = f"not told: {self.problem}" if self.problem else "told"
        return f"{self.source}: {where} is {told} (try {self.attempt})"


KINDS = kinds_of(__name__)
