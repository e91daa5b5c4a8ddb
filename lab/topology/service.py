"""The model of inbound remote service: how IBM's people come in to a console (S3, S4 2.2). Plain data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteService:
    """A console's side of it, and IBM's server that dials the console."""

    console: str
    """The HMC's node."""
    dialer: str
    """IBM's server with a modem (I-04); empty if the console has no modem that could be called."""
    number: str
    """The console's telephone number; empty without a dialer."""
    neighbour: str
    """A host on the console's own wire, from where no firewall is in the way."""
