"""The escape sequence within data: three characters with silence before and after.

It is of Hayes: V.250 leaves ways out of data state to makers (5.8.1), except DTR (6.2.9).
"""

from __future__ import annotations

COUNT = 3
NEVER = 127
"""An escape character above this switches the sequence off."""


class EscapeDetector:
    """Looks at what the terminal sends in data state; nothing is held back.

    A portion of data that is anything but escape characters is told by its length or by one look at it,
    so that data costs next to nothing.
    """

    def __init__(self) -> None:
        self._count = 0
        self._last = 0.0

    def reset(self, now: float) -> None:
        """Data state begins."""
        self._count = 0
        self._last = now

    def due(self, guard_s: float) -> float | None:
        """When the sequence is complete, if nothing comes until then."""
        return self._last + guard_s if self._count == COUNT else None

    def feed(self, data: bytes, now: float, character: int, guard_s: float) -> int | None:
        """Take data; gives how much of it ends the sequence, which without a guard time happens at once."""
        silent = now >= self._last + guard_s
        self._last = now
        if character > NEVER or not (silent or self._count):
            self._count = 0
            return None
        if guard_s <= 0:
            return self._unguarded(data, character)

        if silent:
            self._count = 0
        if len(data) + self._count > COUNT or data.strip(bytes((character,))):
            self._count = 0
        else:
            self._count += len(data)
        return None

    def _unguarded(self, data: bytes, character: int) -> int | None:
        """S12=0: three in a row are enough, wherever they are."""
        one = bytes((character,))
        at = (one * self._count + data).find(one * COUNT)
        if at >= 0:
            return at + COUNT - self._count
        kept = one * self._count + data[-COUNT:]
        self._count = len(kept) - len(kept.rstrip(one))
        return None
