"""What the doctor concludes from given answers; and the trials that need no root."""

from __future__ import annotations

import errno
import json
import os
import stat
from argparse import Namespace
from pathlib import Path

import pytest

from lab.cli import doctor as verb
from lab.engine import trial
from lab.errors import BootError, PrerequisiteError
from lab.kernel import KernelStatus
from lab.linux import ppp_channels
from lab.machine import doctor, packages, trials
from lab.machine.doctor import DoctorCheck
from tests.unit.sabotage import possessions


def _fine() -> str:
    return "there"


def _absent(hint: str) -> DoctorCheck:
    def probe() -> str:
        raise PrerequisiteError("not there", hint=hint)

    return DoctorCheck("thing", "something", probe)


def _check(name: str, *engines: str, hint: str | None = None, package: str = "") -> DoctorCheck:
    probe = _fine if hint is None else _absent(hint).probe
    return DoctorCheck(name, f"for {name}", probe, engines, package)


def test_uml_is_taken_when_it_can_run() -> None:
    report = doctor.examine([_check("kernel", "uml"), _check("esp", "native", hint="")])
    assert report.engine == "uml"
    # What only the other engine lacks is nothing to hint.
    assert report.missing == ()
    assert report.command == ""


def test_native_is_taken_when_only_that_can_run() -> None:
    own = _check("kernel", "uml", hint="lab setup")
    report = doctor.examine([own, _check("root", "native")])
    assert report.engine == "native"
    assert "uml lacks kernel" in report.why
    assert report.missing == ()


def test_one_command_mends_packages_and_kernel() -> None:
    report = doctor.examine(
        [
            _check("xl2tpd", "uml", "native", hint="-", package="xl2tpd"),
            _check("flex", hint="-", package="flex"),
            _check("kernel", "uml", hint="lab setup"),
        ]
    )
    assert report.engine is None
    assert report.command == "lab setup"


def test_what_no_lab_needs_is_missed_but_stops_no_engine() -> None:
    report = doctor.examine([_check("tshark", hint="-", package="tshark")])
    assert report.engine == "uml"
    assert [outcome.check.name for outcome in report.missing] == ["tshark"]


def test_the_kernel_is_booted_once_nothing_else_stops_it() -> None:
    booted = []

    def boot() -> str:
        booted.append(1)
        return "Linux came up"

    report = doctor.examine([_check("kernel", "uml")], boot)
    assert (report.engine, len(booted)) == ("uml", 1)
    assert "boots here" in report.why
    assert report.outcomes[-1].found == "Linux came up"

    lacking = [_check("kernel", "uml", hint="lab kernel build"), _check("esp", "native", hint="")]
    report = doctor.examine(lacking, boot)
    assert (report.engine, len(booted)) == (None, 1)
    assert "boot" not in [outcome.check.name for outcome in report.outcomes]


def test_a_kernel_that_does_not_start_is_told_with_the_way_out() -> None:
    def boot() -> str:
        raise BootError("it panics", "last words", hint="--engine native")

    report = doctor.examine([_check("kernel", "uml"), _check("esp", "native", hint="")], boot)
    assert report.engine is None
    assert report.why == "uml lacks boot; native lacks esp"
    (missing,) = report.missing
    assert "it panics" in missing.found
    assert missing.hint == "--engine native"
    assert doctor.examine([_check("kernel", "uml")], boot).engine == "native"


def test_without_ptrace_a_kernel_that_knows_seccomp_will_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> str:
        raise PrerequisiteError("forbidden", hint="sysctl")

    def status(*, seccomp: bool) -> KernelStatus:
        return KernelStatus(Path("linux"), True, "", {"seccomp": seccomp})

    (check,) = (check for check in doctor.checks() if check.name == "ptrace")
    monkeypatch.delenv("LAB_SECCOMP", raising=False)
    monkeypatch.setattr(trials, "ptrace", refuse)
    monkeypatch.setattr("lab.kernel.status", lambda: status(seccomp=True))
    assert "seccomp instead" in check.probe()
    monkeypatch.setenv("LAB_SECCOMP", "off")
    with pytest.raises(PrerequisiteError, match="forbidden"):
        check.probe()
    monkeypatch.delenv("LAB_SECCOMP")
    monkeypatch.setattr("lab.kernel.status", lambda: status(seccomp=False))
    with pytest.raises(PrerequisiteError, match="forbidden"):
        check.probe()


def test_require_names_everything_and_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = (
        _check("xl2tpd", "uml", "native", hint="-", package="xl2tpd"),
        _check("memory", "uml", hint="name a folder with room"),
        _check("esp", "native", hint=""),
    )
    monkeypatch.setattr(doctor, "checks", lambda: wanted)
    with pytest.raises(PrerequisiteError) as caught:
        doctor.require("uml")
    text = str(caught.value)
    assert caught.value.exit_status == 3
    assert "xl2tpd" in text
    assert "memory" in text
    assert "esp" not in text
    assert packages.install_command(["xl2tpd"]) in text
    assert "name a folder with room" in text
    with pytest.raises(PrerequisiteError):
        doctor.choose()


@pytest.mark.parametrize("fix", ["lab kernel build", ""])
def test_a_user_without_an_engine_hears_of_the_native_one(
    monkeypatch: pytest.MonkeyPatch, fix: str
) -> None:
    wanted = (_check("kernel", "uml", hint=fix), _check("root", "native", hint="-"))
    monkeypatch.setattr(doctor, "checks", lambda: wanted)
    for user, told in ((1000, True), (0, False)):
        monkeypatch.setattr("os.geteuid", lambda user=user: user)
        with pytest.raises(PrerequisiteError) as caught:
            doctor.choose()
        assert caught.value.hint.endswith(doctor.NATIVE) is told
        assert caught.value.hint.startswith(fix or doctor.NATIVE[:told])


def test_choose_takes_the_first_engine_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "checks", lambda: (_check("kernel", "uml", hint=""),))
    assert doctor.choose() == "native"
    doctor.require("native")


def test_exit_status_and_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = [_check("kernel", "uml"), _check("dot", hint="-", package="graphviz")]
    monkeypatch.setattr(doctor, "checks", lambda: tuple(wanted))
    monkeypatch.setattr(trial, "boot", lambda: "Linux came up")
    assert verb.run(Namespace(json=True)) == 3
    data = json.loads(capsys.readouterr().out)
    assert data["engine"] == "uml"
    assert [(check["name"], check["ok"]) for check in data["checks"]] == [
        ("kernel", True),
        ("dot", False),
        ("boot", True),
    ]
    assert data["command"] == "lab setup graphviz"

    wanted.pop()
    assert verb.run(Namespace(json=False)) == 0
    assert "engine: uml" in capsys.readouterr().out


def test_every_package_of_the_list_is_checked() -> None:
    names = [check.package for check in doctor.checks() if check.package]
    assert names == [package.name for package in packages.packages()]
    assert {"xl2tpd", "charon-systemd", "linux-source-6.12", "python3-venv"} <= set(names)


@pytest.mark.parametrize("kernel_there", [False, True])
def test_what_few_commands_need_is_not_missed(
    monkeypatch: pytest.MonkeyPatch, kernel_there: bool
) -> None:
    monkeypatch.setattr(packages.Package, "found", lambda _: None)
    own = _check("kernel", "uml", hint=None if kernel_there else "lab setup")
    report = doctor.examine([*(check for check in doctor.checks() if check.package), own])
    missed = {outcome.check.package for outcome in report.missing}
    assert {"xl2tpd", "curl"} <= missed
    assert missed.isdisjoint({"picocom", "graphviz", "iperf3", "tshark", "tcpdump", "python3-venv"})
    # Nobody builds where a kernel is there.
    assert ("flex" in missed) is not kernel_there
    assert report.command == "lab setup"


def test_memory_goes_to_the_first_folder_that_is_fit(tmp_path: Path) -> None:
    absent, fit = tmp_path / "absent", tmp_path / "fit"
    fit.mkdir()
    assert trials.memory_dir([absent, fit], room=1) == fit
    assert list(fit.iterdir()) == []


def test_no_folder_for_memory_says_why_of_each(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    with pytest.raises(PrerequisiteError) as caught:
        trials.memory_dir([absent, tmp_path], room=1 << 60)
    assert f"{absent}: does not exist" in caught.value.message
    assert f"{tmp_path}: " in caught.value.message
    assert "MiB free" in caught.value.message
    assert "TMPDIR" in caught.value.hint


def test_a_folder_without_execution_is_unfit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("mmap.mmap", refuse)
    with pytest.raises(PrerequisiteError, match="noexec"):
        trials.memory_dir([tmp_path], room=1)


def test_shm_comes_first_and_tmpdir_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/somewhere")
    assert list(map(str, trials.memory_candidates()))[:2] == ["/dev/shm", "/somewhere"]


def test_ptrace_is_really_tried_and_leaves_no_child() -> None:
    before = possessions()
    try:
        answer = trials.ptrace()
    except PrerequisiteError as error:
        answer = error.message
    assert answer.startswith(("allowed", "forbidden"))
    assert possessions() == before


@pytest.mark.parametrize(
    ("scope", "hint"),
    [("2", "sysctl"), ("3", "after a reboot"), ("1", "seccomp"), (None, "seccomp")],
)
def test_forbidden_ptrace_names_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scope: str | None, hint: str
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    yama = tmp_path / "ptrace_scope"
    if scope is not None:
        yama.write_text(scope + "\n")
    monkeypatch.setattr(trials, "_YAMA", yama)
    monkeypatch.setattr("lab.linux.syscalls.ptrace", refuse)
    with pytest.raises(PrerequisiteError, match="forbidden") as caught:
        trials.ptrace()
    assert hint in caught.value.hint


def test_packages_are_read_with_their_proofs(tmp_path: Path) -> None:
    (tmp_path / "tool-6.12").write_text("x")
    (tmp_path / "empty").write_text("")
    listed = tmp_path / "packages.tsv"
    listed.write_text(
        "# words\n"
        f"tool\t{tmp_path}/tool-*\trun\tsomething\n"
        f"hollow\t{tmp_path}/empty\tlook\tsomething\n"
        f"gone\t{tmp_path}/gone {tmp_path}/empty\tlook\tsomething\n"
    )
    tool, hollow, gone = packages.packages(listed)
    assert tool.found() == f"{tmp_path}/tool-6.12"
    assert hollow.found() is None
    assert gone.found() is None


def test_the_installer_is_there_and_may_be_run() -> None:
    assert packages.INSTALLER.stat().st_mode & stat.S_IXUSR
    assert {package.needed for package in packages.packages()} == set(packages.Needed)


def test_a_kernel_that_joins_no_channels_is_told_with_the_fix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> None:
        raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))

    monkeypatch.setattr(ppp_channels, "try_join", refuse)
    with pytest.raises(PrerequisiteError, match="refused: Inappropriate ioctl") as refused:
        trials.native_bridging()
    assert "5.11" in refused.value.hint
    assert "lab kernel build" in refused.value.hint
