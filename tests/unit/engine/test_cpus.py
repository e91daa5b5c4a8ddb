"""Labs at the same time are on different processors, as long as there are enough."""

from __future__ import annotations

import contextlib
import os

import pytest

from lab.engine.cpus import claim_cpu


def test_each_lab_gets_a_processor_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    # Numbers that no real lab on this machine claims meanwhile.
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {9001, 9002})
    with contextlib.ExitStack() as stack:
        first, second = stack.enter_context(claim_cpu()), stack.enter_context(claim_cpu())
        assert {first, second} == {9001, 9002}
        # With none left one is shared.
        assert stack.enter_context(claim_cpu()) in {9001, 9002}
    with claim_cpu() as again:
        assert again == first
