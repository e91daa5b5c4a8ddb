"""The modules that judge a run, loaded while the inside builds the lab: this process only waits then.

The first of what the inside tells comes later than these are loaded; where it does not, it waits in the
channel. They take a fifth of a second, which would else come after the run.
"""

from __future__ import annotations

import importlib

MODULES = "lab.verify.verdict", "lab.report.html", "lab.report.timeline", "lab.wireshark"
"""What ``Run.judge`` needs at its end, with all that these import."""


def judge() -> None:
    """Load ``MODULES``."""
    for name in MODULES:
        importlib.import_module(name)
