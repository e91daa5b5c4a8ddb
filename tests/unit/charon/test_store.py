"""Which charon is taken: the installed one, one of the lab's own, or none, and what that says to do."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import pytest

from lab.charon import store
from lab.cli import charon as verb
from lab.errors import PrerequisiteError
from lab.machine import doctor
from lab.pytest_plugin import carrying
from lab.run.run import Run

WITH, WITHOUT = (
    b"\x7fELF\0xauth_create\0task_manager_v1_create\0",
    b"\x7fELF\0sa_payload_v1_create\0",
)


def lay(tree: Path, library: bytes) -> Path:
    """A strongSwan that is as good as its library."""
    for place, content in ((store.PROGRAM, b"#!"), (f"{store.LIBRARIES}/{store.LIBRARY}", library)):
        path = tree / place[1:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tree


def own(key: str, fetched: float, library: bytes = WITH) -> Path:
    tree = lay(store.folder() / key, library)
    (tree / "facts.json").write_text(json.dumps({"version": "6.0.1-6", "fetched": fetched}))
    return tree


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "root"
    monkeypatch.setattr(store.status, "__defaults__", (root,))
    return root


def test_the_installed_one_is_taken_if_it_knows_ikev1(installed: Path) -> None:
    lay(installed, WITH)
    own("aa", 1)

    found = store.status()

    assert found.path == installed / store.PROGRAM[1:]
    assert found.own is None


def test_else_the_newest_of_the_labs_own(installed: Path) -> None:
    lay(installed, WITHOUT)
    assert store.status().path is None
    assert store.status().hint == store.FETCH

    own("aa", 1)
    newest = own("bb", 3)
    own("cc", 2)
    found = store.status()

    assert (found.path, found.own) == (newest / store.PROGRAM[1:], newest)
    assert found.facts["version"] == "6.0.1-6"
    assert "built without IKEv1" in found.why


@pytest.mark.parametrize("library", [WITHOUT, b""])
def test_one_that_is_no_better_or_not_whole_is_not_taken(installed: Path, library: bytes) -> None:
    lay(installed, WITHOUT)
    own("aa", 1, library)
    (own("bb", 2) / store.PROGRAM[1:]).unlink()
    (own("cc", 3) / "facts.json").unlink()

    assert store.status().path is None


def test_where_none_is_installed_the_packages_are_the_matter(installed: Path) -> None:
    own("aa", 1)
    found = store.status(installed)
    assert (found.path, found.hint) == (None, "")
    assert found.why == "no charon is installed"


def test_a_cache_that_a_lab_does_not_see_is_told(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(installed, WITHOUT)
    own("aa", 1)
    monkeypatch.setattr(store, "HIDDEN", (str(store.folder().parents[1]),))

    found = store.status()

    assert found.path is None
    assert "out of sight" in found.why
    assert "XDG_CACHE_HOME" in found.hint


def test_doctor_and_verb_say_it_and_what_to_do(
    installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay(installed, WITHOUT)
    (check,) = (check for check in doctor.checks() if check.name == "IKEv1")
    report = doctor.examine([check])
    # No engine lacks it: ways over the Internet and by telephone need no charon.
    assert (report.engine, report.command) == ("uml", "lab charon fetch")
    assert [outcome.check.name for outcome in report.missing] == ["IKEv1"]
    assert "without IKEv1" in report.outcomes[0].found
    with pytest.raises(PrerequisiteError):
        check.probe()
    assert verb.run(Namespace(verb="status", json=False)) == 3
    said = capsys.readouterr()
    assert said.out.startswith("no charon that knows IKEv1: the installed charon")
    assert "lab charon fetch" in said.err

    tree = own("aa", 1)
    assert not doctor.examine([check]).missing
    assert str(tree) in check.probe()
    assert verb.run(Namespace(verb="status", json=False)) == 0
    assert "strongSwan 6.0.1-6, the lab's own" in capsys.readouterr().out
    assert verb.run(Namespace(verb="status", json=True)) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["own"], told["version"]) == (True, "6.0.1-6")


def test_a_session_names_the_version_that_runs(installed: Path, tmp_path: Path) -> None:
    dpkg = tmp_path / "status"
    dpkg.write_text("Package: charon-systemd\nVersion: 6.1.0-2\n\nPackage: ppp\nVersion: 2.5\n")
    lay(installed, WITH)
    assert carrying.versions(dpkg) == {"charon": "6.1.0-2", "pppd": "2.5"}
    lay(installed, WITHOUT)
    own("aa", 1)
    assert carrying.versions(dpkg)["charon"] == "6.0.1-6 (the lab's own)"


def test_only_ways_by_vpn_are_refused(
    installed: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lay(installed, WITHOUT)
    monkeypatch.setattr("lab.run.run.choose", lambda engine: engine)
    with pytest.raises(PrerequisiteError, match="a way by VPN needs a charon") as refused:
        Run.prepare("vpn-nat", out=tmp_path / "vpn")
    assert "lab charon fetch" in refused.value.hint
    assert not (tmp_path / "vpn").exists()

    for name in ("direct", "dial"):
        assert Run.prepare(name, out=tmp_path / name).run_dir.exists()
