"""Which call-home server gets a request (M-06), and which after one that has failed (M-07). No effects.

The papers do not say how the broker picks (Q-13): this one takes the server that it has given the fewest
requests, of two alike the first by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


class Broker:
    """One console's."""

    def __init__(self) -> None:
        self.given: Counter[str] = Counter()
        """How many requests each server has been given, by name."""

    def pick(self, servers: Iterable[str], tried: Iterable[str]) -> str | None:
        """The server for a request that some have been ``tried`` with; None if no other is left.

        Each is tried once at most (M-07). The server that is picked counts as given.
        """
        left = {*servers} - {*tried}
        if not left:
            return None
        picked = min(left, key=lambda name: (self.given[name], name))
        self.given[picked] += 1
        return picked
