"""What all unit tests share: how many examples hypothesis makes, and a Ctrl-C that is heeded."""

from __future__ import annotations

import signal

from hypothesis import settings

# `make check` runs by the profile `few`, `make test` without one; `wild`, for minutes, is for test_wild.py.
settings.register_profile("few", max_examples=20, deadline=None)
settings.register_profile("all", max_examples=100, deadline=None)
settings.register_profile("wild", max_examples=20000, deadline=None)
settings.load_profile("all")

# A shell that starts us in the background has us ignore it, and what we start would ignore it, too.
signal.signal(signal.SIGINT, signal.default_int_handler)
