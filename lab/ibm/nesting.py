"""JSON that a peer wrote, read with a bound on its nesting, so that a small stack suffices.

CPython's JSON reader calls itself once a bracket. CPython 3.11 counts these calls against the 1,000 of
``sys.getrecursionlimit``. CPython 3.12 and 3.13 count them against a limit of their own, whatever the
stack of the thread is: with 256 KiB, CPython 3.13 ends in a segmentation fault. CPython 3.14 looks at the
stack itself. So the nesting is counted before the reader sees the text.
"""

from __future__ import annotations

import json
import re
from typing import Any

DEEPEST = 100
"""Of arrays and objects in one another. Each takes less than 1 KiB of stack in every CPython."""

_MARKS = re.compile(r'\\.|["\[\]{}]', re.DOTALL)


def parse(body: bytes) -> Any:
    """What ``json.loads`` gives; ValueError if it is no JSON, or nested deeper than ``DEEPEST``."""
    # As json.loads decodes it, so that both see the same brackets.
    text = body.decode(json.detect_encoding(body), "surrogatepass")
    if is_deeper(text, DEEPEST):
        raise ValueError(f"nested deeper than {DEEPEST}")
    return json.loads(text)


def is_deeper(text: str, most: int) -> bool:
    """Whether a JSON text opens more than ``most`` brackets inside one another.

    Exact up to the text's first mistake, and there the reader stops.
    """
    if text.count("[") + text.count("{") <= most:
        return False

    depth, in_string = 0, False
    for found in _MARKS.finditer(text):
        mark = found[0]
        if mark == '"':
            in_string = not in_string
        elif not in_string and mark in "[{":
            depth += 1
            if depth > most:
                return True
        elif not in_string and mark in "]}":
            depth -= 1
    return False
