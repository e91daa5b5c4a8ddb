"""Circuit 108 (DTR) as the rate of a port says it: off at B0, by which programs hang up (termios(3)).

A PTY tells nobody of it, so that its rate has to be looked at: how often, and what a look comes to, is here.
No descriptor or clock.
"""

from __future__ import annotations

import math

LOOK_S = 0.25
"""Programs keep B0 for half a second at least, mostly for a whole one."""


class Readiness:
    """Whether the program on a port is ready."""

    def __init__(self) -> None:
        self._looked_at = -math.inf
        self._off_since: float | None = None

    def look(self, *, b0: bool, delay_s: float, now: float) -> bool | None:
        """What circuit 108 is; None: it has been off for less than ``delay_s``, which is to be waited for."""
        self._looked_at = now
        if not b0:
            self._off_since = None
            return True
        if self._off_since is None:
            self._off_since = now
        return False if now >= self._off_since + delay_s else None

    def look_at(self, *, on: bool, delay_s: float) -> float:
        """When to look again; ``on``: circuit 108 counts as on until then."""
        if on and self._off_since is not None:
            return self._off_since + delay_s
        return self._looked_at + LOOK_S
