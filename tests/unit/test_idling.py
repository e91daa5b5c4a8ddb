"""What a kernel does while nothing happens is changed in the lab's own kernel, and in no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.linux import idling


@pytest.mark.parametrize(
    ("processor", "changed"),
    [("model name\t: UML\nvendor_id\t: User Mode Linux\n", 1), ("model name\t: other\n", 0)],
)
def test_another_kernel_is_left_as_it_is(
    processor: str, changed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []
    monkeypatch.setattr(Path, "read_text", lambda _: processor)
    monkeypatch.setattr(idling, "quieten", lambda: done.append(1))

    idling.quieten_own()

    assert len(done) == changed
