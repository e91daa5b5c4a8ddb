"""Where labs that are up are noted, and how they are found again."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.engine import registry
from lab.engine.registry import Entry
from lab.errors import PrerequisiteError, UsageError


def _entry(run_dir: Path, started: float = 1.0) -> Entry:
    return Entry(
        name="", topology="vpn", run_dir=str(run_dir), engine="uml", clock="real", pid=1, started=started
    )  # fmt: skip


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two places for one user: the runtime directory and the cache."""
    runtime, cache = tmp_path / "runtime", tmp_path / "cache"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    dirs = runtime / "callhome-lab", cache / "callhome-lab"
    monkeypatch.setattr(registry, "runtime_dirs", lambda: dirs)
    return dirs


def test_the_runtime_directory_comes_first_and_the_cache_is_left_alone(
    places: tuple[Path, Path], tmp_path: Path
) -> None:
    with registry.registered(_entry(tmp_path)) as entry:
        assert (places[0] / "labs" / "vpn.json").exists()
        assert not places[1].exists()
        assert registry.find("") == entry
    assert registry.entries() == ()
    with pytest.raises(UsageError, match="no lab is up"):
        registry.find("")


def test_a_lab_is_found_from_another_environment(
    places: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lab that cron started, say, is in the cache; and its name is taken everywhere."""
    with monkeypatch.context() as patch:
        patch.setattr(registry, "runtime_dirs", lambda: (places[1],))
        first = registry.registered(_entry(tmp_path))
        noted = first.__enter__()
    with registry.registered(_entry(tmp_path, 2.0)) as second:
        assert [each.name for each in registry.entries()] == ["vpn", "vpn-2"]
        assert registry.find("vpn") == noted
        assert registry.find("vpn-2") == second
    first.__exit__(None, None, None)
    assert registry.entries() == ()


@pytest.mark.parametrize("text", ["", "{", "{}", '{"name": "vpn", "of": "another version"}'])
def test_what_a_killed_supervisor_left_is_removed(places: tuple[Path, Path], text: str) -> None:
    for place in places:
        (place / "labs").mkdir(parents=True)
        (place / "labs" / "vpn.json").write_text(text)
    assert registry.entries() == ()
    assert not list(places[0].rglob("*.json"))
    assert not list(places[1].rglob("*.json"))


def test_places_that_cannot_be_written_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, fit = tmp_path / "file", tmp_path / "fit"
    file.write_text("")
    monkeypatch.setattr(registry, "runtime_dirs", lambda: (file, fit))
    assert registry.runtime_dir("labs") == fit / "labs"


def test_no_place_at_all_says_why_of_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setattr(registry, "runtime_dirs", lambda: (file, file / "below"))
    with pytest.raises(PrerequisiteError) as caught:
        registry.runtime_dir("labs")
    assert f"{file / 'below' / 'labs'}: Not a directory" in caught.value.message
    assert "XDG_RUNTIME_DIR" in caught.value.hint


def test_a_folder_of_somebody_else_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In /tmp anybody could have made it, to be told which labs there are."""
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    monkeypatch.setattr(registry, "runtime_dirs", lambda: (theirs, ours))
    theirs.mkdir()
    stat = Path.stat

    class Foreign:
        st_uid = -1
        st_mode = 0o40700

    monkeypatch.setattr(
        Path, "stat", lambda path, **how: Foreign() if path == theirs else stat(path, **how)
    )
    assert registry.runtime_dir("labs") == ours / "labs"


def test_the_order_of_the_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    first, *_, cache, last = registry.runtime_dirs()
    assert first == tmp_path / "callhome-lab"
    assert cache == Path("/somewhere/callhome-lab")
    assert last.parent == Path("/tmp")
    # One place for both is one place: no lab is listed twice.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert registry.runtime_dirs() == (first, last)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "gone"))
    assert tmp_path / "gone" / "callhome-lab" not in registry.runtime_dirs()
