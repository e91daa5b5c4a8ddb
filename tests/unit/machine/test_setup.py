"""What set-up decides to do; that it installs is proven with a made-up apt, and on a whole machine."""

from __future__ import annotations

import fcntl
import os
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import charon, kernel
from lab.charon import CharonStatus, fetcher
from lab.charon.store import FETCH
from lab.cli import setup as verb
from lab.engine import trial
from lab.errors import PrerequisiteError, UsageError
from lab.kernel.store import KernelStatus
from lab.linux import process
from lab.machine import doctor, dpkg, packages, setup
from lab.machine.packages import Needed, Package

ONE = Package("one", (), Needed.run, "a test")


class Notes:
    def __init__(self) -> None:
        self.notes: list[str] = []

    def step(self, what: str, done: int, total: int) -> None:
        raise AssertionError("nothing here takes long")

    def note(self, text: str) -> None:
        self.notes.append(text)


class Machine:
    """Plays the machine: which packages are faulty, how the installer ends, which kernel is there."""

    def __init__(self) -> None:
        self.faulty = {"one"}
        self.status = 0
        self.repairs = True
        self.calls: list[list[str]] = []
        self.built = 0
        self.boots: list[object] = []

    def install(self, argv: list[str]) -> int:
        self.calls.append(argv)
        if self.repairs and self.status == 0:
            self.faulty -= set(argv)
        return self.status


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path))
    monkeypatch.setattr(process, "run_on_terminal", made.install)
    monkeypatch.setattr(
        dpkg, "faulty", lambda wanted: tuple(p.name for p in wanted if p.name in made.faulty)
    )
    return made


def test_what_is_faulty_is_installed_by_the_installer(machine: Machine) -> None:
    assert setup.install([ONE], Notes())
    assert machine.calls == [["sh", os.fspath(packages.INSTALLER), "one"]]
    assert not setup.install([ONE], Notes())
    assert len(machine.calls) == 1


def test_an_installer_that_fails_is_a_missing_prerequisite(machine: Machine) -> None:
    machine.status = 3
    with pytest.raises(PrerequisiteError, match="not installed"):
        setup.install([ONE], Notes())


def test_what_is_faulty_after_the_installation_is_told(machine: Machine) -> None:
    machine.repairs = False
    with pytest.raises(PrerequisiteError, match="still missing after the installation: one"):
        setup.install([ONE], Notes())


def test_a_second_set_up_waits_and_finds_nothing_to_do(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "callhome-lab" / "setup.lock"
    lock.parent.mkdir(parents=True)
    with lock.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        notes = Notes()

        def other_ends(text: str) -> None:
            Notes.note(notes, text)
            machine.faulty.clear()
            fcntl.flock(held, fcntl.LOCK_UN)

        monkeypatch.setattr(notes, "note", other_ends)
        setup.install([ONE], notes)
    assert notes.notes == ["another set-up is running: waiting for its result"]
    assert machine.calls == []


def test_a_cache_that_cannot_be_written_stops_no_installation(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(blocker))
    assert setup.install([ONE], Notes())


def test_the_demo_needs_less_than_the_tests() -> None:
    def names(*, building: bool, tests: bool) -> set[str]:
        return {each.name for each in setup.wanted_packages(building=building, tests=tests)}

    demo, ready = names(building=True, tests=False), names(building=False, tests=False)
    suite = names(building=False, tests=True)
    assert ready < demo < suite
    assert {"gcc", "linux-source-6.12"} <= demo - ready
    assert {
        "picocom", "graphviz", "iperf3", "tshark", "tcpdump", "ike-scan", "nmap", "squid", "openssl",
        "wget", "iptables", "ipset", "conntrack", "chromium", "libfaketime",
    } == suite - demo  # fmt: skip


@pytest.mark.parametrize(
    ("path", "current", "buildable", "wanted"),
    [
        (None, False, False, True),
        ("/kernel", True, True, False),
        # The source or the compiler is a newer one.
        ("/kernel", False, True, True),
        # Brought here ready, as from a cache of a CI: nothing to build it with, and no need.
        ("/kernel", False, False, False),
    ],
)
def test_when_a_kernel_is_built(
    monkeypatch: pytest.MonkeyPatch, path: str | None, current: bool, buildable: bool, wanted: bool
) -> None:
    found = KernelStatus(Path(path) if path else None, current, "so it is", {})
    monkeypatch.setattr(kernel, "status", lambda: found)
    monkeypatch.setattr(kernel, "buildable", lambda: buildable)
    assert setup.kernel_wanted() is wanted


def test_where_a_kernel_is_named_none_is_built(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LAB_KERNEL", os.fspath(tmp_path / "linux"))
    assert not setup.kernel_wanted()
    (tmp_path / "linux").write_text("#!/bin/sh\n")
    (tmp_path / "linux").chmod(0o755)
    assert not setup.kernel_wanted()


def test_other_processors_build_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert not setup.kernel_wanted()


@pytest.fixture
def verbs(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The command's world: one package, no kernel, a doctor who finds nothing wrong."""

    def build(_: object) -> Path:
        assert not machine.faulty, "the build needs its packages"
        machine.built += 1
        return Path("/kernel")

    monkeypatch.setattr(setup, "wanted_packages", lambda **_: (ONE,))
    monkeypatch.setattr(setup, "kernel_wanted", lambda: not machine.built)
    monkeypatch.setattr(verb, "build", build)

    def examine(boot: object) -> doctor.Report:
        machine.boots.append(boot)
        return doctor.Report((), "uml" if machine.built else None, "said why")

    monkeypatch.setattr(doctor, "examine", examine)
    monkeypatch.setattr(charon, "status", lambda: CharonStatus(Path("/charon"), None, "it knows"))
    return machine


def _run(*words: str) -> int:
    parser = ArgumentParser()
    verb.configure(parser)
    return verb.run(parser.parse_args(words))


def test_set_up_installs_builds_and_ends_with_the_doctors_word(
    verbs: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("--quiet") == 0
    assert (len(verbs.calls), verbs.built) == (1, 1)
    assert capsys.readouterr().err == "engine: uml (said why)\n"
    # What was built has been booted.
    assert verbs.boots == [trial.boot]

    # Now nothing is missing.
    assert _run("--quiet") == 0
    assert capsys.readouterr().err == ""
    assert _run() == 0
    assert capsys.readouterr().err == "engine: uml (said why)\n"
    assert (len(verbs.calls), verbs.built) == (1, 1)


def test_a_machine_that_can_run_no_lab_afterwards_is_not_set_up(
    verbs: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "examine", lambda **_: doctor.Report((), None, "no ptrace"))
    assert _run() == 3
    assert _run("--without-kernel") == 0


def test_without_a_kernel_none_is_built(verbs: Machine) -> None:
    assert _run("--without-kernel") == 0
    assert (len(verbs.calls), verbs.built) == (1, 0)
    assert verbs.boots == [None]


def test_what_needs_no_python_package_is_done_without_a_look_at_the_machine(
    verbs: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("--install-only") == 0
    assert (len(verbs.calls), verbs.built, verbs.boots) == (1, 1, [])
    assert capsys.readouterr().err == ""


def test_a_charon_is_fetched_where_the_installed_one_knows_no_ikev1(
    verbs: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lacking = [CharonStatus(None, None, "built without IKEv1", hint=FETCH)]

    def fetch(tell: Callable[[str], None]) -> Path:
        tell("fetching")
        lacking.append(CharonStatus(Path("/own"), Path("/"), "the lab's own"))
        return Path("/own")

    monkeypatch.setattr(charon, "status", lambda: lacking[-1])
    monkeypatch.setattr(fetcher, "fetch", fetch)
    assert _run("--quiet") == 0
    assert "fetching\n" in capsys.readouterr().err
    assert _run("--quiet") == 0
    assert capsys.readouterr().err == ""


def test_single_packages_are_those_of_the_list(verbs: Machine) -> None:
    verbs.faulty = {"graphviz"}
    assert _run("graphviz") == 0
    assert verbs.calls == [["sh", os.fspath(packages.INSTALLER), "graphviz"]]
    assert verbs.built == 0
    with pytest.raises(UsageError, match="nosuch is none"):
        _run("nosuch")


def test_the_stamp_names_everything_that_was_relied_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "status", lambda: KernelStatus(Path("/k/linux"), True, "", {}))
    proof = tmp_path / "proof"
    proof.write_text("x")
    package = Package("lab-has-no-such", (os.fspath(proof),), Needed.run, "a test")
    stamp = tmp_path / "stamp"
    setup.write_stamp(stamp, [package], 1_000_000_000)
    assert stamp.read_text().splitlines() == [os.fspath(proof), "/k/linux"]
    # What changes while it is written is newer than the stamp.
    assert stamp.stat().st_mtime == 1
