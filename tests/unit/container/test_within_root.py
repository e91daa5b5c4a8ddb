"""Files of another root, whose links lead nowhere else."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from lab.linux.within_root import OtherRoot


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "root"
    (found / "etc").mkdir(parents=True)
    return found


def test_a_file_is_written_in_place_and_read(folder: Path) -> None:
    (folder / "etc" / "hosts").write_text("long former text")
    with OtherRoot.of(os.fspath(folder)) as root:
        assert root.read("/etc/nothing") is None
        root.write("/etc/hosts", "short")
        root.write("/etc/new", "new")
        assert root.read("/etc/hosts") == "short"
        root.remove("/etc/new")
        root.remove("/etc/new")
    assert [path.name for path in (folder / "etc").iterdir()] == ["hosts"]


def test_text_that_is_no_utf8_comes_back_to_the_byte(folder: Path) -> None:
    (folder / "etc" / "hosts").write_bytes(b"\xff\xfe # na\xefve\n")
    with OtherRoot.of(os.fspath(folder)) as root:
        text = root.read("/etc/hosts")
        assert text is not None
        root.write("/etc/hosts", "")
        root.write("/etc/hosts", text)
    assert (folder / "etc" / "hosts").read_bytes() == b"\xff\xfe # na\xefve\n"


@pytest.mark.parametrize("target", ["../../outside", "/outside", "{tmp}/outside"])
def test_no_link_leads_out(folder: Path, tmp_path: Path, target: str) -> None:
    """The link of a hostile image, or resolv.conf's into /run."""
    outside = tmp_path / "outside"
    outside.write_text("the machine's")
    (folder / "etc" / "resolv.conf").symlink_to(target.replace("{tmp}", os.fspath(tmp_path)))
    with OtherRoot.of(os.fspath(folder)) as root:
        assert root.read("/etc/resolv.conf") is None
        # Where the link leads inside, there is no folder in one of the cases.
        with contextlib.suppress(OSError):
            root.write("/etc/resolv.conf", "the lab's")
    assert outside.read_text() == "the machine's"


def test_folders_are_made_and_removed_unless_used(folder: Path) -> None:
    with OtherRoot.of(os.fspath(folder)) as root:
        missing = root.missing_folders("/usr/local/share")
        assert missing == ["/usr", "/usr/local", "/usr/local/share"]
        for path in missing:
            root.make_folder(path)
        assert root.missing_folders("/usr/local/share") == []
        (folder / "usr" / "mine").touch()
        for path in reversed(missing):
            root.remove_folder(path)
        assert [path.name for path in (folder / "usr").iterdir()] == ["mine"]
