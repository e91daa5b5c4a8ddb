"""What is done to a node's /etc is done in a node, and never to this machine's."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import KernelError
from lab.linux import furnishing


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "ip-up"
    path.write_text("#!/bin/sh\n")
    return path


def test_no_file_of_this_machine_is_removed(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(furnishing, "PRIVATE", str(tmp_path / "nowhere"))
    with pytest.raises(KernelError, match="only a node has an /etc of its own"):
        furnishing.hide([str(script)])
    assert script.exists()


def test_what_was_written_in_the_node_stays(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "node"
    written = Path(f"{own}{script}")
    written.parent.mkdir(parents=True)
    monkeypatch.setattr(furnishing, "PRIVATE", str(own))
    written.touch()
    furnishing.hide([str(script)])
    assert script.exists()
    written.unlink()
    furnishing.hide([str(script)])
    assert not script.exists()
