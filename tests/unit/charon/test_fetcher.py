"""Fetching a charon with a made-up apt, dpkg and linker: no network, no package of this machine."""

from __future__ import annotations

import os
import shutil
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from lab.charon import fetcher, store
from lab.errors import PrerequisiteError
from lab.linux import process
from tests.unit.charon.test_store import WITH, WITHOUT, lay

# Serves the packages of a release from a folder, and says what it was asked for.
APT = """\
echo "apt-get $*" >>{root}/calls
case "$*" in
"update --print-uris")
    echo "'copy:/security/debian-security/dists/x-security/InRelease' x 0"
    echo "'copy:/mirror/debian/dists/now/InRelease' x 0"
    echo "'copy:/mirror/debian/dists/now-updates/InRelease' x 0"
    echo "'copy:/mirror/debian/dists/now/main/Packages.xz' x 0"
    exit ;;
esac
while [ "$1" != -c ]; do shift; done
work=${{2%/*}}
read -r kind options mirror suite component <$work/sources.list
[ -d {root}/$suite ] || {{ echo "E: Failed to fetch $mirror/dists/$suite/InRelease" >&2; exit 100; }}
[ "$3" != download ] || {{ shift 3; for name; do cp {root}/$suite/${{name}}_* . || exit 100; done; }}
"""
CACHE = "read -r k o m suite c <${2%/*}/sources.list; ls {root}/$suite | sed 's/_.*//'"


class Mirror:
    """Releases with packages, and the programs that fetch from them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bin = root / "bin"
        self.bin.mkdir()
        self.program("apt-get", APT.format(root=root))
        self.program("apt-cache", CACHE.replace("{root}", os.fspath(root)))
        self.program("dpkg-deb", '[ "$1" = --extract ] && mkdir -p "$3" && tar xf "$2" -C "$3"')
        self.program("ldd", "echo 'libc.so.6 => /lib/libc.so.6 (0x0)'")

    def program(self, name: str, text: str) -> None:
        (self.bin / name).write_text(f"#!/bin/sh\n{text}\n")
        (self.bin / name).chmod(0o755)

    def release(self, suite: str, library: bytes, version: str, openssl: str) -> Path:
        files = {
            "charon-systemd": {store.PROGRAM: b"charon"},
            "strongswan-libcharon": {f"{store.LIBRARIES}/{store.LIBRARY}": library},
            "libstrongswan": {"/usr/share/doc/x": b"words"},
            "libstrongswan-standard-plugins": {f"{store.LIBRARIES}/plugins/o.so": b"o"},
            "strongswan-swanctl": {"/usr/sbin/swanctl": b"swanctl"},
            openssl: {"/usr/lib/x86_64-linux-gnu/libcrypto.so.3": b"crypto"},
        }
        folder = self.root / suite
        folder.mkdir()
        for name, content in files.items():
            with tarfile.open(folder / f"{name}_{version}_amd64.deb", "w") as archive:
                for place, data in content.items():
                    member = tarfile.TarInfo(place[1:])
                    member.size = len(data)
                    archive.addfile(member, BytesIO(data))
        return folder

    @property
    def calls(self) -> list[str]:
        path = self.root / "calls"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def leftovers(self) -> list[Path]:
        return list(store.folder().glob(".fetch-*"))


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    made = Mirror(tmp_path)
    path = f"{made.bin}:{process.ENVIRONMENT['PATH']}"
    monkeypatch.setenv("PATH", path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(process, "ENVIRONMENT", {**process.ENVIRONMENT, "PATH": path})
    monkeypatch.setattr(fetcher, "_KEYRINGS", tmp_path)
    (tmp_path / "debian-archive-keyring.gpg").touch()
    root = tmp_path / "installed"
    lay(root, WITHOUT)
    monkeypatch.setattr(store.status, "__defaults__", (root,))
    return made


def test_the_newest_release_is_unpacked_once_and_kept_whole(mirror: Mirror) -> None:
    mirror.release("trixie", WITH, "1%3a6.0.1-6", "libssl3t64")
    mirror.release("bookworm", WITH, "5.9.8-5", "libssl3")
    told: list[str] = []

    program = fetcher.fetch(told.append)

    found = store.status()
    assert found.path == program
    assert found.own is not None
    assert program.read_text() == "charon"
    assert (found.own / "usr/sbin/swanctl").read_text() == "swanctl"
    assert (found.own / "usr/lib/ipsec/plugins/o.so").exists()
    assert (found.own / "usr/lib/ipsec/libcrypto.so.3").read_text() == "crypto"
    assert not (found.own / "usr/share").exists()
    assert (found.facts["version"], found.facts["suite"]) == ("1:6.0.1-6", "trixie")
    assert found.facts["packages"].keys() == set(fetcher.PACKAGES)
    assert told == ["fetching strongSwan of Debian trixie"]

    calls = len(mirror.calls)
    assert fetcher.fetch(told.append) == program
    assert len(mirror.calls) == calls
    assert not mirror.leftovers


@pytest.mark.parametrize("newest", [None, WITHOUT])
def test_the_release_before_serves_if_the_newest_does_not(
    mirror: Mirror, newest: bytes | None
) -> None:
    if newest is not None:
        mirror.release("trixie", newest, "6.1.0-2", "libssl3t64")
    mirror.release("bookworm", WITH, "5.9.8-5", "libssl3")

    fetcher.fetch(lambda _: None)

    facts = store.status().facts
    assert (facts["version"], facts["suite"]) == ("5.9.8-5", "bookworm")
    assert "libssl3" in facts["packages"]


def test_apt_is_asked_in_a_place_of_its_own(mirror: Mirror) -> None:
    mirror.release("trixie", WITH, "6.0.1-6", "libssl3t64")
    fetcher.fetch(lambda _: None)

    first, *others = mirror.calls
    assert first == "apt-get update --print-uris"
    assert others
    assert all(f"-c {store.folder()}/.fetch-" in call for call in others)
    configuration = fetcher.render_configuration(Path("/w")).splitlines()
    # A hook of this machine's would fail without root, and with root change the machine.
    assert "#clear APT::Update;" in configuration
    assert "#clear DPkg;" in configuration
    for name in ("State", "State::status", "Cache", "Etc::sourcelist"):
        assert any(line.startswith(f'Dir::{name} "/w/') for line in configuration), name
    # Otherwise apt is content with a list that it could not fetch.
    assert 'APT::Update::Error-Mode "any";' in configuration


def test_mirrors_are_those_that_apt_uses() -> None:
    uris = (
        "'copy:/m/debian/dists/sid/InRelease' m_InRelease 0\n"
        "'copy:/m/debian/dists/sid-updates/InRelease' m_InRelease 0\n"
        "'copy:/m/debian-security/dists/sid-security/InRelease' m_InRelease 0\n"
        "'cdrom:disc/dists/sid/InRelease' m_InRelease 0\n"
        "'copy:/other/dists/main/dists/sid/InRelease' m_InRelease 0\n"
    )
    assert fetcher.parse_mirrors(uris) == ["copy:/m/debian", "copy:/other/dists/main"]


def test_without_a_network_it_says_what_apt_says_and_what_to_do(mirror: Mirror) -> None:
    with pytest.raises(PrerequisiteError) as caught:
        fetcher.fetch(lambda _: None)

    assert "trixie: Failed to fetch copy:/mirror/debian/dists/trixie/InRelease" in str(caught.value)
    assert "bookworm: Failed" in caught.value.message
    assert "--from FOLDER" in caught.value.hint
    assert not mirror.leftovers
    assert store.status().path is None


def test_a_library_that_is_missing_here_is_told(mirror: Mirror) -> None:
    mirror.release("trixie", WITH, "6.0.1-6", "libssl3t64")
    mirror.program("ldd", "echo '  libsystemd.so.0 => not found'")
    with pytest.raises(PrerequisiteError, match=r"lacks libraries here: libsystemd\.so\.0"):
        fetcher.fetch(lambda _: None)
    assert store.kept() == []


@pytest.mark.parametrize(
    ("absent", "words"), [("apt-get", "no apt-get"), ("keyring", "no keys of Debian's archive")]
)
def test_what_the_machine_lacks_is_told(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch, absent: str, words: str
) -> None:
    if absent == "keyring":
        (mirror.root / "debian-archive-keyring.gpg").unlink()
    else:
        monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(PrerequisiteError, match=words) as caught:
        fetcher.fetch(lambda _: None)
    assert "--from FOLDER" in caught.value.hint


def test_packages_of_a_folder_serve_without_a_network(mirror: Mirror) -> None:
    folder = mirror.release("elsewhere", WITH, "6.0.2-1", "libssl3t64")

    fetcher.fetch(lambda _: None, folder)

    assert store.status().facts["version"] == "6.0.2-1"
    assert mirror.calls == []
    with pytest.raises(PrerequisiteError, match="no package"):
        fetcher.fetch(lambda _: None, mirror.root / "nowhere")


def test_packages_that_are_no_better_are_refused(mirror: Mirror) -> None:
    folder = mirror.release("elsewhere", WITHOUT, "6.1.0-2", "libssl3t64")
    with pytest.raises(PrerequisiteError, match="without IKEv1"):
        fetcher.fetch(lambda _: None, folder)
    (folder / "charon-systemd_6.1.0-2_amd64.deb").unlink()
    with pytest.raises(PrerequisiteError, match="no charon-systemd"):
        fetcher.fetch(lambda _: None, folder)
    assert store.kept() == []


def test_two_are_kept_and_what_a_killed_fetch_left_is_removed(mirror: Mirror) -> None:
    (store.folder() / ".fetch-killed").mkdir(parents=True)
    folders = [mirror.release(name, WITH, f"{name}.0", "libssl3t64") for name in "456"]
    for number, folder in enumerate(folders):
        # Each a package with other bytes, so each has a key of its own.
        with (folder / f"libstrongswan_{folder.name}.0_amd64.deb").open("ab") as file:
            file.write(bytes([number] * 512))
        fetcher.fetch(lambda _: None, folder)

    assert [facts["version"] for _, facts in store.kept()] == ["6.0", "5.0"]
    assert not mirror.leftovers


def test_where_the_installed_one_serves_nothing_is_fetched(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = lay(tmp_path / "good", WITH)
    monkeypatch.setattr(store.status, "__defaults__", (root,))
    assert fetcher.fetch(lambda _: None) == root / store.PROGRAM[1:]
    assert mirror.calls == []
    assert not store.folder().exists()


def test_where_none_is_installed_fetching_would_be_in_vain(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.status, "__defaults__", (tmp_path / "nothing",))
    with pytest.raises(PrerequisiteError, match="no charon is installed") as caught:
        fetcher.fetch(lambda _: None)
    assert "lab doctor" in caught.value.hint
    assert mirror.calls == []
