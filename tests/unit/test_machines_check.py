"""The trial on fresh machines, as far as it needs none: what it reads, what it tells, what it refuses."""

from __future__ import annotations

import fcntl
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import IO

import pytest

from tools.machines_check import __main__ as machines_check
from tools.machines_check import mirrors, report, root
from tools.machines_check.mirrors import Mirrors, Source
from tools.machines_check.report import Machine, Result

MIRROR = "http://mirror.test/debian"
OTHER = "http://mirror.test/debian-security"
LINE = "sh /home/anne/checkout/lab/data/install-packages bc ppp"

ONE_LINE = f"""\
# deb {MIRROR}/old bookworm main
deb [arch=amd64 signed-by=/k.gpg] {MIRROR} bookworm main contrib # ours
deb-src {MIRROR} bookworm main
deb {OTHER} bookworm-security main
"""

DEB822 = f"""\
Types: deb deb-src
# a remark in between
URIs: {MIRROR}/
Suites: trixie
 trixie-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 Suites: forky

Enabled: no
Types: deb
URIs: http://disabled.test/debian
Suites: trixie
Components: main

Types: deb-src
URIs: http://sources.test/debian
Suites: trixie
Components: main
"""


def test_apts_one_line_form() -> None:
    assert [*mirrors.one_line(ONE_LINE)] == [
        Source(MIRROR, "bookworm", ("main", "contrib")),
        Source(OTHER, "bookworm-security", ("main",)),
    ]


def test_apts_form_of_fields() -> None:
    assert [*mirrors.deb822(DEB822)] == [
        Source(f"{MIRROR}/", "trixie", ("main",)),
        Source(f"{MIRROR}/", "trixie-updates", ("main",)),
    ]


def test_mirrors_of_a_machine() -> None:
    assert mirrors.mirrors(mirrors.one_line(ONE_LINE)) == Mirrors(MIRROR, OTHER)
    assert mirrors.mirrors(mirrors.deb822(DEB822)) == Mirrors(MIRROR, f"{MIRROR}-security")


@pytest.mark.parametrize(
    "source",
    [
        Source("http://cloud.test/apt", "cloud-sdk-bookworm", ("main",)),
        Source("http://node.test/node", "nodistro", ("main",)),
        Source("http://mirror.test/ubuntu", "noble", ("main",)),
        Source("file:/media/disc", "bookworm", ("main",)),
        Source("http://local.test/extra", "bookworm", ("contrib",)),
        Source(OTHER, "bookworm-security", ("main",)),
    ],
    ids=lambda source: source.suite,
)
def test_what_is_no_mirror_of_debian(source: Source) -> None:
    assert mirrors.mirrors([source]) is None


def test_the_sources_of_a_root() -> None:
    places = Mirrors(MIRROR, OTHER)
    words = [line.split() for line in places.sources("bookworm").splitlines()]
    assert [(uri, suite) for _, _, uri, suite, _ in words] == [
        (MIRROR, "bookworm"),
        (MIRROR, "bookworm-updates"),
        (OTHER, "bookworm-security"),
    ]
    assert len(places.sources("sid").splitlines()) == 1
    assert {s.suite for s in mirrors.one_line(places.sources("sid"))} == {"sid"}


def test_only_the_way_to_the_mirror_is_taken_over() -> None:
    kept = 'Acquire::http::Proxy "http://p.test:3128";\nAcquire::Check-Valid-Until "false";\n'
    dump = f'APT::Install-Recommends "1";\n{kept}Dir "/";\nAcquire::Languages "none";\n'
    assert mirrors.apt_settings(dump) == kept


def test_only_the_way_to_the_index_is_taken_over() -> None:
    listing = "\n".join(
        [
            ":env:.default-timeout='180'",
            ":env:.index-url='https://index.test/simple'",
            "global.index-url='https://other.test/simple'",
            "global.extra-index-url='file:///srv/a https://more.test/simple'",
            "global.find-links='/srv/wheels'",
            "global.constraint='/etc/c.txt'",
            "install.user='true'",
        ]
    )
    assert mirrors.pip_settings(listing) == {
        "index-url": "https://index.test/simple",
        "extra-index-url": "https://more.test/simple",
        "timeout": "180",
    }
    assert mirrors.pip_settings("global.extra-index-url='file:///srv/a'") == {}


@pytest.mark.parametrize(
    ("output", "line"),
    [
        (f"callhome-lab: this needs root, once: {LINE}\nmake: ***\n", LINE),
        (f"there is no sudo here; as root, once: {LINE} --absent\n", f"{LINE} --absent"),
        (f"once: {LINE}\nonce: {LINE} flex\n", f"{LINE} flex"),
    ],
)
def test_the_administrators_line(output: str, line: str) -> None:
    assert report.administrator_line(output) == line


def test_no_line_for_the_administrator() -> None:
    assert report.administrator_line("callhome-lab: installing distribution packages: bc\n") is None


def test_make_hides_an_exit_status_in_words() -> None:
    assert report.told_status(2, "make: *** [Makefile:12: setup] Error 3\n") == 3
    assert report.told_status(2, "usage: ...") == 2
    assert report.told_status(0, "make: *** [x] Error 3 (ignored)") == 0


def test_table() -> None:
    first, second = Machine("trixie", "sudo"), Machine("trixie", "plain")
    results = [
        Result(first, "demo", True, 61.4, Path("a")),
        Result(first, "test", False, 3.0, Path("b"), "exit status 1"),
        Result(second, "demo", False, 100.0, Path("c"), "exit status 4"),
    ]
    assert report.table(results).splitlines() == [
        "machine       demo        test",
        "trixie-sudo   pass 61 s   FAIL 3 s",
        "trixie-plain  FAIL 100 s  -",
    ]
    assert str(results[1]).split() == [
        "trixie-sudo",
        "test",
        "FAIL",
        "3",
        "s",
        "exit",
        "status",
        "1",
    ]


def test_the_script_that_enters_a_root_parses() -> None:
    assert os.access(root.ENTER, os.X_OK)
    assert subprocess.run(["/bin/sh", "-n", root.ENTER], check=False).returncode == 0


def test_without_root_the_command_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(root, "surroundings", lambda mirror: pytest.fail("no machine may be made"))
    assert machines_check.main(["--folder", os.fspath(tmp_path / "new")]) == 3
    assert "sudo make machines-check" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


# The order of the steps, on machines that are played.


surroundings = cache(root.surroundings)
"""This machine's own configuration, for which pip and apt are asked once."""


class Played:
    """Machines on which nothing runs. `fails` names a command of the user, and what it does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.typed: list[str] = []
        self.fails: dict[str, tuple[int, str]] = {}
        self.installed = False
        self.folder = folder
        monkeypatch.setattr(machines_check, "missing", lambda: "")
        monkeypatch.setattr(root, "surroundings", surroundings)
        monkeypatch.setattr(root, "bootstrap", self._make)
        monkeypatch.setattr(root, "copy", lambda base, folder, log: folder.mkdir() or 0)
        monkeypatch.setattr(root, "clone", lambda *a: 0)
        monkeypatch.setattr(root, "give_sudo", self._install)
        monkeypatch.setattr(root, "run_as_user", self._user)
        monkeypatch.setattr(root, "run_as_root", self._root)

    def _make(self, folder: Path, suite: str, around: object, log: IO[str]) -> int:
        folder.mkdir()
        self.typed.append(suite)
        return 0

    def _install(self, *args: object) -> int:
        self.installed = True
        return 0

    def _user(self, folder: Path, command: str, around: object, log: IO[str], limit: int) -> int:
        self.typed.append(command)
        status, words = self.fails.get(command, (0, ""))
        if command == machines_check.DEMO and not self.installed:
            status, words = 2, f"as root, once: {LINE}\nmake: *** [Makefile:13: setup] Error 3\n"
        log.write(words)
        log.flush()
        return status

    def _root(self, folder: Path, command: str, around: object, log: IO[str]) -> int:
        self.typed.append(f"root: {command}")
        self.installed = True
        return 0

    def main(self, *args: str) -> int:
        return machines_check.main([*args, "--folder", os.fspath(self.folder), "--mirror", MIRROR])


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Played:
    return Played(monkeypatch, tmp_path)


def test_with_sudo_both_commands_run(played: Played) -> None:
    assert played.main("trixie", "--users", "sudo") == 0
    assert played.typed == ["trixie", machines_check.DEMO, machines_check.TEST]
    assert not (played.folder / "roots").exists()


def test_without_sudo_the_administrator_types_the_line(played: Played) -> None:
    assert played.main("sid", "--users", "plain", "--only-demo", "--keep") == 0
    assert played.typed == ["sid", machines_check.DEMO, f"root: {LINE}", machines_check.DEMO]
    assert (played.folder / "roots/sid-plain").exists()


def test_a_set_up_that_refuses_nothing_fails_without_sudo(played: Played) -> None:
    played.installed = True
    played.fails[machines_check.DEMO] = (0, f"as root, once: {LINE}\n")
    assert played.main("sid", "--users", "plain") == 1
    assert played.typed == ["sid", machines_check.DEMO]


def test_after_a_failure_the_next_machine_is_tried(
    played: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    played.fails[machines_check.DEMO] = (2, "words of the failure\nmake: *** [x] Error 4\n")
    assert played.main("bookworm", "trixie", "--users", "sudo") == 1
    assert played.typed == ["bookworm", machines_check.DEMO, "trixie", machines_check.DEMO]
    told = capsys.readouterr().out
    assert told.count("words of the failure") == 2
    assert "exit status 4" in told


def test_two_trials_do_not_share_a_folder(
    played: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    with (played.folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert played.main("sid") == 3
    assert "another trial" in capsys.readouterr().err
    assert played.typed == []
