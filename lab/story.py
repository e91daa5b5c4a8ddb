"""The story of a run, for people: one line for each thing that came about, with the lab's time.

Goes to standard error; results do not come here.
"""

from __future__ import annotations

import sys
import time
from typing import TextIO


class Story:
    """Lines such as ``   0.412 s  IKE  hmc and vpn1 agreed on 3DES_CBC``; silent if not wanted."""

    def __init__(self, *, silent: bool = False, stream: TextIO | None = None) -> None:
        self._silent = silent
        self._stream = stream
        self._started = time.monotonic()

    def tell(self, topic: str, sentence: str) -> None:
        """``topic`` is a word of up to eight letters: a protocol or a part of the lab."""
        if self._silent:
            return
        elapsed_s = time.monotonic() - self._started
        # As it is now: pytest puts another one there for each test.
        stream = self._stream or sys.stderr
        print(f"{elapsed_s:9.3f} s  {topic:<8} {sentence}", file=stream, flush=True)
