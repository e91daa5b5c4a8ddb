"""Which source is taken, and how the option list is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import PrerequisiteError
from lab.kernel import options, source, store


def _packed(folder: Path, *versions: str) -> None:
    for version in versions:
        (folder / f"linux-source-{version}.tar.xz").write_text(version)


def test_the_newest_source_wins(tmp_path: Path) -> None:
    _packed(tmp_path, "6.1", "6.9", "6.12", "6.10", "7.3", "7.2")
    assert source.find(tmp_path).path.name == "linux-source-7.3.tar.xz"


@pytest.mark.parametrize("versions", [(), ("6.1", "6.9"), ("5.19",)])
def test_nothing_new_enough_is_a_missing_package(tmp_path: Path, versions: tuple[str, ...]) -> None:
    _packed(tmp_path, *versions)
    with pytest.raises(PrerequisiteError, match=r"no kernel source 6\.12 or newer") as caught:
        source.find(tmp_path)
    assert all(version in str(caught.value) for version in versions)
    assert caught.value.hint == "lab setup"


def test_the_digest_follows_the_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    _packed(tmp_path, "6.12")
    first = source.digest(source.find(tmp_path))
    assert source.digest(source.find(tmp_path)) == first
    (tmp_path / "linux-source-6.12.tar.xz").write_text("something longer")
    assert source.digest(source.find(tmp_path)) != first


def test_a_spoilt_memory_of_digests_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    _packed(tmp_path, "6.12")
    memory = tmp_path / "callhome-lab" / "kernel" / "digests.json"
    memory.parent.mkdir(parents=True)
    right = source.digest(source.find(tmp_path))
    for spoilt in ("", "[]", '{"x": 1}', "{"):
        memory.write_text(spoilt)
        assert source.digest(source.find(tmp_path)) == right


def test_other_machines_are_sent_to_the_other_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    found = store.status()
    assert found.path is None
    assert "aarch64" in found.why
    assert "--engine native" in found.hint
    assert "kernel build" not in found.hint
    with pytest.raises(PrerequisiteError, match="native"):
        store.recipe()


def test_options_are_compared_as_they_were_meant() -> None:
    wanted = options.parse('CONFIG_A=y\n# words\nCONFIG_B=n\nCONFIG_C="null"\nCONFIG_D=y\n')
    config = '# CONFIG_B is not set\nCONFIG_A=y\nCONFIG_C="null"\n# CONFIG_D is not set\n'
    assert options.lost(wanted, config) == ("CONFIG_D=y",)
    assert options.lost(wanted, "CONFIG_A=y\nCONFIG_B=y\n") == (
        "CONFIG_B=n",
        'CONFIG_C="null"',
        "CONFIG_D=y",
    )


def test_what_a_source_has_no_name_for_is_not_missed(tmp_path: Path) -> None:
    text = "CONFIG_A=y\n\n# Some sources only: old ones.\nCONFIG_OLD=y\nCONFIG_B=y\n\nCONFIG_C=y\n"
    (tmp_path / "net").mkdir()
    (tmp_path / "Kconfig").write_text("menuconfig A\n\tbool\n")
    (tmp_path / "net" / "Kconfig.more").write_text('config B\n\tbool "B"\n')
    assert options.of_some_sources(text) == {"CONFIG_OLD", "CONFIG_B"}
    absent = options.absent(text, tmp_path)
    # C has no name here, either, but it must have one.
    assert absent == ("CONFIG_OLD",)
    assert options.lost(options.parse(text), "CONFIG_A=y\n", absent) == (
        "CONFIG_B=y",
        "CONFIG_C=y",
    )


def test_a_patch_is_for_the_sources_that_its_head_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every, old = tmp_path / "1.patch", tmp_path / "2.patch"
    every.write_text("For all\n\n--- a/x\n+++ b/x\nSources: before 1.0\n")
    old.write_text("For old ones\n\nSources: before 6.13\n\n--- a/x\n+++ b/x\n")
    monkeypatch.setattr(options, "PATCHES", (every, old))
    assert options.patches_for((6, 12)) == (every, old)
    assert options.patches_for((6, 13)) == (every,)
    assert options.patches_for((7, 0)) == (every,)


def test_the_list_names_every_option_once() -> None:
    lines = [line for line in options.LIST.read_text().splitlines() if line.startswith("CONFIG_")]
    assert len(lines) == len(options.parse(options.LIST.read_text()))
    assert len(lines) > 150
