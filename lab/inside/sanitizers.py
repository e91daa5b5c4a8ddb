"""Programs that a compiler's sanitizer reserves terabytes of addresses for."""

from __future__ import annotations

import mmap
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

_MARKS = {
    b"__asan_init": "AddressSanitizer",
    b"__hwasan_init": "HWAddressSanitizer",
    b"__tsan_init": "ThreadSanitizer",
    b"__msan_init": "MemorySanitizer",
    b"Shadow memory range interleaves with an existing memory mapping": "AddressSanitizer",
    b"ThreadSanitizer: unexpected memory mapping": "ThreadSanitizer",
}
"""The function by which such a program begins, and what it says if it cannot: a stripped program that carries
the sanitizer within names no functions."""


def sanitizer_of(program: str, environment: Mapping[str, str]) -> str:
    """Which sanitizer a program was built with; empty if none was, or if the program cannot be read."""
    path = shutil.which(program, path=environment.get("PATH", os.defpath)) or program
    try:
        with (
            Path(path).open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            if data[:4] != b"\x7fELF":
                return ""
            return next((name for mark, name in _MARKS.items() if data.find(mark) >= 0), "")
    # An empty file is a ValueError.
    except (OSError, ValueError):
        return ""
