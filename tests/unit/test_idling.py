"""What a kernel does while nothing happens is changed in the lab's own kernel, and in no other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.linux import idling


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings that a kernel has, in a folder."""
    for name in idling.SETTINGS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("65536\n")
    monkeypatch.setattr(idling, "_FOLDER", os.fspath(tmp_path))
    return tmp_path


def settings(kernel: Path) -> set[str]:
    return {(kernel / name).read_text().strip() for name in idling.SETTINGS}


def test_the_labs_own_kernel_is_quiet_for_a_while(
    kernel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next lab in it may have all its ports scanned, which needs the large table of connections."""
    monkeypatch.setattr(idling, "OWN", "")
    with idling.quiet_own():
        assert settings(kernel) == {"1024", str(idling.RARELY_MS)}
    assert settings(kernel) == {"65536"}


def test_another_kernel_is_left_as_it_is(kernel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idling, "OWN", "no processor is called so")
    with idling.quiet_own():
        assert settings(kernel) == {"65536"}
