"""What is told absent or broken, with a made-up dpkg."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.machine import dpkg
from lab.machine.packages import Needed, Package


@pytest.fixture
def info(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """dpkg's folder of lists; ``states`` beside it is what dpkg-query answers."""
    program = tmp_path / "bin" / "dpkg-query"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat '{tmp_path}/states'\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setattr(
        "lab.linux.process.ENVIRONMENT", {"PATH": f"{program.parent}:/usr/bin:/bin"}
    )
    folder = tmp_path / "info"
    folder.mkdir()
    monkeypatch.setattr(dpkg, "INFO", folder)
    return folder


def _package(folder: Path, name: str, *, there: bool = True) -> Package:
    proof = folder / f"{name}.proof"
    if there:
        proof.write_text("x")
    return Package(name, (os.fspath(proof),), Needed.run, "a test")


def test_absent_half_installed_and_spoilt_packages_are_faulty(info: Path) -> None:
    states = (
        ("ii ", "whole", "whole"),
        ("iU ", "half", "half:amd64"),
        ("ii ", "spoilt", "spoilt:amd64"),
        ("un ", "by-hand", "by-hand"),
    )
    (info.parent / "states").write_text("".join("\t".join(row) + "\n" for row in states))
    # Documentation may be left out on purpose.
    (info / "whole.list").write_text("/.\n/usr\n/usr/bin/env\n/usr/share/doc/nowhere/README\n")
    (info / "spoilt:amd64.list").write_text("/usr/bin/env\n/usr/lib/nowhere/library.so\n")
    wanted = [_package(info, row[1]) for row in states]
    wanted.append(_package(info, "absent", there=False))
    assert dpkg.faulty(wanted) == ("half", "spoilt", "absent")
    assert dpkg.faulty(wanted[:1]) == ()


def test_without_dpkg_the_proofs_decide(info: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert dpkg.faulty([_package(info, "one"), _package(info, "two", there=False)]) == ("two",)


def test_a_list_that_is_gone_is_no_sign_of_a_whole_package(info: Path) -> None:
    assert dpkg.lost_files(info / "gone.list") == [f"{info}/gone.list"]
