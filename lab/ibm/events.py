"""What IBM's servers tell, beside their ledger."""

from __future__ import annotations

from lab.record.event import Event


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
