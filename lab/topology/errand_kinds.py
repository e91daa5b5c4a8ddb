"""What a system does with IBM beside the heartbeat: the kinds that the papers tell apart.

Names and plain tables: the reference agent reads them, and what it imports is dear (no dataclasses here).
"""

from __future__ import annotations

from enum import StrEnum


class ErrandKind(StrEnum):
    """A type of transaction; each is done at servers of its own where the papers list some (OUT-38)."""

    configuration = "configuration"
    """Fetch the file of the service providers' addresses (A-14, A-15)."""
    enrolment = "enrolment"
    """Register the system, without which nothing is downloaded (OUT-42)."""
    authentication = "authentication"
    """URSF: what takes the place of an enrolment (A-34)."""
    inventory = "inventory"
    problem = "problem"
    upload = "upload"
    """Bulk data for a problem (A-28, A-29)."""
    call_home = "call-home"
    """URSF: the legacy call home (A-32, A-33)."""
    fix = "fix"
    """Download a fix, or a Power system's firmware (OUT-41)."""
    remote_support = "remote-support"
    """URSF: ask for remote support (A-35)."""


PATHS = "/transaction/"
"""Where servers expect errands: ``/transaction/problem``. The lab's choice: no paper says what is sent."""

DOWNLOADS = frozenset({ErrandKind.configuration, ErrandKind.fix})
"""What may go in clear: nothing is uploaded there (OUT-32, OUT-33, OUT-41)."""

PROMISING = frozenset(
    {
        ErrandKind.enrolment,
        ErrandKind.authentication,
        ErrandKind.inventory,
        ErrandKind.call_home,
    }
)
"""Where servers say which fixes there are for the system, and the SHA-256 of each, by TLS (OUT-41)."""
