"""What all unit tests share: how many examples hypothesis makes, and a Ctrl-C that is heeded."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

# `make check` runs by the profile `few`, `make test` without one; `wild`, for minutes, is for test_wild.py.
# None of them minds how long anything takes.
for profile, examples in (("few", 20), ("all", 100), ("wild", 20000)):
    settings.register_profile(
        profile,
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile("all")

# A shell that starts us in the background has us ignore it, and what we start would ignore it, too.
signal.signal(signal.SIGINT, signal.default_int_handler)
