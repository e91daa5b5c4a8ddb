"""Who may come in by the DS8000's terminal (S3 Inbound; I-23). Plain data."""

from __future__ import annotations

from dataclasses import dataclass

from lab.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalAccount:
    """A representative's, as the console knows it."""

    user: str
    """The user ID."""
    password: Secret
    key: Secret
    """Of the representative's token, which makes the response to a challenge (``lab.service.challenge``)."""


TERMINAL_USER = "ibmservice"
"""The representative's user ID; the papers name none."""
TERMINAL_PORT = 23
"""Where the terminal is in a session by VPN; a listed port (A-40). The papers name none."""
