"""What IBM's servers tell, beside their ledger."""

from __future__ import annotations

from lab.record.event import Event, kinds_of


class TlsNotOffered(
    Event,
    topic="sdc",
    tells="{source} cannot offer {suites}, as {plan} asks ({asked_by}): {library}",
):
    """This machine's OpenSSL lacks suites that the servers of the profile had."""

    plan: str
    asked_by: str
    """Requirements: ``P-13, P-14``."""
    suites: str
    """OpenSSL's names, with commas."""
    library: str
    """``OpenSSL 3.0.19 has none of it``."""


class ServersMoved(
    Event,
    topic="sdc",
    tells="{name} leads to {new} from now on; {old} answer no more",
):
    """The servers of a name have other addresses, and IBM's name server says so (R-10)."""

    name: str
    old: str
    """Addresses, with commas."""
    new: str
    ttl_s: int
    """How long others may go on with what they were told, in seconds."""


KINDS = kinds_of(__name__)
