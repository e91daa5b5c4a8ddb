"""What sshd says of log-ins, read line by line (sshd(8), LogLevel VERBOSE). Nothing is started here.

The lines are those of OpenSSH 8.4 to 10. A user's name in them is what the client sent, with every character
that is not printable escaped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class LogInFault(StrEnum):
    """Why somebody could not log in."""

    none = ""
    no_key = "wrong-key"
    """No key of the user's was shown."""
    unknown_user = "unknown-user"
    """The server has no such user, or the user may not log in."""
    no_user = "no-user"
    """The client left before it said who it is."""


@dataclass(frozen=True, slots=True)
class LogIn:
    """The end of one attempt to log in."""

    user: str
    address: str
    """The client's."""
    port: int
    fault: LogInFault = LogInFault.none


_FROM = r"(?P<address>[0-9a-fA-F.:]+) port (?P<port>\d+)"
_ACCEPTED = re.compile(rf"Accepted publickey for (?P<user>.+) from {_FROM} ssh2.*")
_GIVEN_UP = re.compile(
    rf"(?:Connection (?:closed|reset) by|Disconnected from|Disconnecting)"
    rf"(?: (?P<kind>authenticating|invalid) user (?P<user>.*))? {_FROM}(?:: .*)? \[preauth\]"
)


def read(line: str) -> LogIn | None:
    """The log-in that has succeeded or failed by a line; nothing if the line is of something else."""
    if match := _ACCEPTED.fullmatch(line):
        return LogIn(match["user"], match["address"], int(match["port"]))
    if match := _GIVEN_UP.fullmatch(line):
        faults = {"authenticating": LogInFault.no_key, "invalid": LogInFault.unknown_user}
        fault = faults.get(match["kind"] or "", LogInFault.no_user)
        return LogIn(match["user"] or "", match["address"], int(match["port"]), fault)
    return None
