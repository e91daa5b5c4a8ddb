"""Commands in hints as one can type them, and the hints that name what to install."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab.cli import COMMANDS, main
from lab.errors import LabError, PrerequisiteError
from lab.machine import hints, packages


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    hints.command.cache_clear()
    yield
    hints.command.cache_clear()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a lab of its own, called by its path, and nothing in PATH."""
    program = tmp_path / ".venv" / "bin" / "lab"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [os.fspath(program)])
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("LAB_COMMAND", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_who_calls_the_lab_for_somebody_says_how_it_is_called(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hints.typed("lab down") == ".venv/bin/lab down"
    hints.command.cache_clear()
    monkeypatch.setenv("LAB_COMMAND", "lab")
    assert hints.typed("lab down") == "lab down"


def test_a_lab_in_path_is_called_by_its_name(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.fspath(checkout / ".venv" / "bin"))
    assert hints.typed("lab setup") == "lab setup"


def test_another_lab_in_path_is_not_meant(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = checkout / "other"
    other.mkdir()
    (other / "lab").write_text("#!/bin/sh\n")
    (other / "lab").chmod(0o755)
    monkeypatch.setenv("PATH", os.fspath(other))
    assert hints.typed("lab setup") == ".venv/bin/lab setup"


def test_outside_of_the_checkout_the_whole_way_is_named(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = checkout / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert hints.typed("lab setup") == f"{checkout}/.venv/bin/lab setup"


def test_a_lab_that_was_called_otherwise_is_the_one_of_this_python(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/pytest"])
    monkeypatch.setattr(sys, "executable", os.fspath(checkout / ".venv" / "bin" / "python"))
    assert hints.typed("lab setup") == ".venv/bin/lab setup"
    (checkout / ".venv" / "bin" / "lab").unlink()
    hints.command.cache_clear()
    assert hints.typed("lab setup") == "python -m lab setup"


@pytest.mark.parametrize(
    ("hint", "typed"),
    [
        ("lab up TOPOLOGY", "L up TOPOLOGY"),
        ("Try: lab list", "Try: L list"),
        ("`lab doctor` checks this machine", "`L doctor` checks this machine"),
        ("lab run vpn says why; lab up vpn leaves it up", "L run vpn says why; L up vpn leaves it up"),
        ("the other has it (lab run --engine uml)", "the other has it (L run --engine uml)"),
        ("first\n  lab setup", "first\n  L setup"),
        ("lab up x, and then lab exec hmc", "L up x, and then L exec hmc"),
        ("start the lab again", "start the lab again"),
        ("ask the lab up there", "ask the lab up there"),
        ("choose one with --lab NAME", "choose one with --lab NAME"),
    ],
)  # fmt: skip
def test_commands_are_found_in_hints_and_nothing_else(
    checkout: Path, hint: str, typed: str
) -> None:
    assert hints.typed(hint) == typed.replace("L ", ".venv/bin/lab ")


def test_an_error_is_told_with_a_hint_that_can_be_typed(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", "vpnnat"]) == 2
    assert "\n  hint: did you mean vpn-nat?" in capsys.readouterr().err
    assert main(["exec", "hmc"]) == 2
    assert "\n  hint: .venv/bin/lab exec hmc -- COMMAND" in capsys.readouterr().err


def test_the_next_steps_are_three_commands_that_there_are(checkout: Path) -> None:
    lines = hints.next_steps("vpn-nat").splitlines()[1:]
    assert len(lines) == 3
    for line in lines:
        program, verb, *_ = line.split()
        assert program == ".venv/bin/lab"
        assert verb in COMMANDS


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages.Package, "found", lambda _: None)
    monkeypatch.setenv("PATH", "/nowhere")


@pytest.mark.usefixtures("nothing_installed")
def test_a_picture_without_graphviz_names_the_command_that_installs_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "direct.svg"
    assert main(["show", "direct", "--svg", os.fspath(picture)]) == 3
    assert "lab setup graphviz" in capsys.readouterr().err
    assert not picture.exists()


@pytest.mark.usefixtures("nothing_installed")
def test_a_command_of_ones_own_that_is_a_package_of_ours_is_named() -> None:
    from lab.run.run import Run

    with pytest.raises(LabError, match="no program 'picocom'") as caught:
        Run.prepare("dial", command=("picocom", "/dev/modem0"))
    assert caught.value.hint == "lab setup picocom"


@pytest.mark.usefixtures("nothing_installed")
def test_a_program_that_is_missed_leads_to_its_package() -> None:
    with pytest.raises(PrerequisiteError) as caught:
        packages.require("tcpdump", "lab capture")
    assert caught.value.hint == "lab setup tcpdump"
    assert packages.hint_for("xl2tpd") == "lab setup"
    assert packages.hint_for("my-agent") == ""


def test_a_program_of_ones_own_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "dot"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    monkeypatch.setattr(packages.Package, "found", lambda _: None)
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    packages.require("dot", "lab show --svg")


@pytest.mark.parametrize(
    ("words", "status", "told"), [((), 0, False), (("--next",), 0, True), (("--next",), 1, False)]
)
def test_a_demo_that_passed_ends_with_the_next_steps(
    checkout: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    status: int,
    told: bool,
) -> None:
    verdict = SimpleNamespace(exit_status=status)
    run = SimpleNamespace(
        notes=(), carry_out=lambda **_: 0, judge=lambda: verdict, shown_dir="runs/direct"
    )
    monkeypatch.setattr("lab.run.run.Run.prepare", lambda *_, **__: run)
    monkeypatch.setattr("lab.verify.verdict.summary", lambda *_, **__: "")
    assert main(["run", "direct", *words]) == status
    said = capsys.readouterr().err
    assert said.endswith(f"\n\n{hints.next_steps('direct')}\n") is told
    assert ("lab verify" in said) is told
