"""How many examples a test tries: all in ``make test``, a fifth of them in ``make check``.

The profile is loaded by ``tests/unit/conftest.py`` and chosen by ``--hypothesis-profile``.
"""

from __future__ import annotations

from hypothesis import settings

FULL = 100
"""The examples of the profile ``all``."""


def share(number: int) -> int:
    """How many of so many examples the chosen profile wants; one at least."""
    return max(1, number * settings().max_examples // FULL)


def examples(number: int) -> settings:
    """For a test that wants so many in ``make test``."""
    return settings(max_examples=share(number), deadline=None)
