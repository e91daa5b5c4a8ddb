"""Requests that IBM's servers do once, however often they come: of one key, the first answer is the answer.

A console that forwards a request may not hear that IBM has it, and so has it sent again (M-07). The key is in
the field Idempotency-Key (draft-ietf-httpapi-idempotency-key-header). Any thread may ask.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from lab.ibm.answers import Answer, refusal

LONGEST = 64
_MOST = 10_000
"""Keys that are remembered, the newest."""


class Once:
    """What has been answered, by key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answered: dict[str, tuple[str, Answer]] = {}

    def answer(self, field: str, said: str, make: Callable[[], Answer]) -> Answer:
        """Answer a request by ``make``, or as it was answered before; ``said`` tells it from others.

        Only what was done is remembered. One key for two requests is refused, as the draft says.
        """
        key = field.strip('"')
        if not 0 < len(key) <= LONGEST or not key.isprintable():
            return refusal(400, f"Idempotency-Key has to be a text of 1 to {LONGEST} characters")
        # One after the other: the second of two has to see what the first was answered.
        with self._lock:
            before = self._answered.get(key)
            if before is None:
                answer = make()
                if answer.status == 200:
                    self._answered[key] = said, answer
                if len(self._answered) > _MOST:
                    del self._answered[next(iter(self._answered))]
                return replace(answer, key=key)
        if before[0] != said:
            return refusal(422, "another request had this Idempotency-Key before")
        return replace(before[1], key=key, again=True)
