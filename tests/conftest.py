"""What the tests ask of whoever starts them: nothing."""

from __future__ import annotations

import gc
import os

# What a program prints into a pipe is as wide as it likes. A user's shell may have exported the width of
# a terminal: then ps cuts lines off, and help texts break elsewhere.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)

# The recordings, the model of 200 agents and the tests themselves stay to the end. By the usual figures
# Python looks for garbage among all of them again and again: a quarter of the processor time of a session.
gc.set_threshold(50_000, 10, 10)


def pytest_collection_finish() -> None:
    """What collecting the tests has made stays, too."""
    gc.freeze()
