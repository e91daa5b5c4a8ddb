"""Connection codes: seven digits, one use, five minutes, and once ten minutes more (T2-10). Pure data.

Whoever calls gives the time, in seconds of any clock that does not go back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lab.relay.frames import Refusal
from lab.topology.service import CODE_DIGITS

VALID_S = 300.0
EXTENSION_S = 600.0
REMEMBERED_S = 86_400.0
"""For so long after its end a code is told from one that nobody was given, and is not given again."""
MOST_CODES = 10_000
MOST_WRONG = 3
"""Wrong codes from one address; then the connection ends."""
LOCKED_S = 300.0
"""For so long after the last of them every code from there is refused (the lab's choice)."""
MOST_ADDRESSES = 1_000


@dataclass(slots=True)
class _Code:
    owner: int
    expires: float
    extended: bool = False
    used: bool = False
    withdrawn: bool = False


class Codes:
    """All codes of a relay. ``draw`` gives a number below 10,000,000."""

    def __init__(self, draw: Callable[[], int]) -> None:
        self._draw = draw
        self._codes: dict[str, _Code] = {}

    def issue(self, owner: int, now: float) -> str:
        """A new code for whoever is ``owner``."""
        for digits, code in list(self._codes.items()):
            if code.expires + REMEMBERED_S <= now or len(self._codes) >= MOST_CODES:
                del self._codes[digits]
        while (digits := f"{self._draw():0{CODE_DIGITS}}") in self._codes:
            pass
        self._codes[digits] = _Code(owner, now + VALID_S)
        return digits

    def expires(self, digits: str) -> float:
        """When a code that was issued expires."""
        return self._codes[digits].expires

    def extend(self, digits: str, now: float) -> Refusal | None:
        """Let a code be valid for ten minutes more; why not."""
        code = self._codes[digits]
        if refusal := self._spoiled(code, now):
            return refusal
        if code.extended:
            return Refusal.not_extended
        code.extended = True
        code.expires += EXTENSION_S
        return None

    def redeem(self, digits: str, now: float) -> int | Refusal:
        """Use a code: its owner, or why it is not taken."""
        code = self._codes.get(digits)
        if code is None:
            return Refusal.unknown_code
        if refusal := self._spoiled(code, now):
            return refusal
        code.used = True
        return code.owner

    def withdraw(self, digits: str) -> None:
        """Nobody waits for the code any more."""
        if code := self._codes.get(digits):
            code.withdrawn = True

    @staticmethod
    def _spoiled(code: _Code, now: float) -> Refusal | None:
        if code.used:
            return Refusal.used_code
        if now >= code.expires:
            return Refusal.expired_code
        return Refusal.withdrawn_code if code.withdrawn else None


class Tries:
    """Wrong codes, by the address from which they came."""

    def __init__(self) -> None:
        self._wrong: dict[str, tuple[int, float]] = {}

    def locked(self, address: str, now: float) -> bool:
        """Whether so many codes from an address were wrong that none is looked at."""
        count, last = self._wrong.get(address, (0, 0.0))
        return count >= MOST_WRONG and now < last + LOCKED_S

    def note_wrong(self, address: str, now: float) -> bool:
        """One more; whether it was one too many."""
        count, last = self._wrong.pop(address, (0, now))
        if now >= last + LOCKED_S:
            count = 0
        while len(self._wrong) >= MOST_ADDRESSES:
            del self._wrong[next(iter(self._wrong))]
        self._wrong[address] = count + 1, now
        return count + 1 >= MOST_WRONG

    def note_right(self, address: str) -> None:
        """A code was right, and what was wrong before is forgotten."""
        self._wrong.pop(address, None)
