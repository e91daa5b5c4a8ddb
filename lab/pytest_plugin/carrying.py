"""Carrying a pytest session into the lab's kernel, seen from the host: whole, live, with its status.

The session's directory is all that the inside may write, beside pytest's own cache. Report files that
pytest was asked for are written in the session's directory and copied to their place at the end. What
runs inside is ``engine.carried`` and the plugin itself.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from lab import charon
from lab.engine import carried
from lab.engine.host import Clock, Engine, OpenLab, choose, memory_bytes, open_lab, run_program
from lab.engine.run_dir import fresh_dir
from lab.engine.session import on_terminal
from lab.machine import memory
from lab.paths import shown

if TYPE_CHECKING:
    import pytest

    from lab.image.plan import ImagePlan

SESSION_FILE = "session.json"
SESSION_DIR = "LAB_SESSION_DIR"
"""In the environment inside: where the session's results go."""

REPORT_OPTIONS = {
    "xmlpath": "--junit-xml",
    "log_file": "--log-file",
    "report_log": "--report-log",
    "htmlpath": "--html",
    "json_report_file": "--json-report-file",
}
"""Where pytest and its common plugins keep the path of a file that they write, and the option for it."""

VERSIONED = {
    "charon": "charon-systemd",
    "pppd": "ppp",
    "xl2tpd": "xl2tpd",
    "nft": "nftables",
}
"""What a header tells the version of, and its distribution package."""

DPKG_STATUS = Path("/var/lib/dpkg/status")


class Carriage:
    """One session on its way: where it goes, and what it is to be."""

    def __init__(
        self,
        config: pytest.Config,
        engine: Engine,
        clock: Clock,
        folder: Path,
        images: Mapping[str, ImagePlan],
        memory_size: int,
    ) -> None:
        self._config = config
        self._images = images
        self.engine = engine
        self.clock = Clock.real if engine is Engine.native else clock
        self.folder = folder
        self._memory = memory_size

    @classmethod
    def prepare(cls, config: pytest.Config, images: Iterable[str], down: ExitStack) -> Carriage:
        """Choose the engine, make ``images`` ready (until ``down`` closes), and the session's directory.

        Here, as nothing inside can reach a container engine or a registry. Raises PrerequisiteError if no
        engine can be had here, UsageError for a directory in use or an image that is wrong.
        """
        asked = str(config.getoption("lab_memory"))
        memory_size = memory.parse(asked, option="--lab-memory") if asked else 0
        engine = choose(Engine(config.getoption("lab_engine")))
        memory.check_engine(memory_size, engine.value, option="--lab-memory")
        room = memory_bytes(engine, memory_size)
        plans = {name: _plan(name, room, down) for name in images}
        folder = fresh_dir("pytest", config.getoption("lab_out"))
        clock = Clock(config.getoption("lab_clock"))
        return cls(config, engine, clock, folder, plans, memory_size)

    @property
    def shown_dir(self) -> str:
        """The session's directory as a user would type it."""
        return shown(self.folder)

    @property
    def sentence(self) -> str:
        """What the user is told at the border."""
        where = {Engine.uml: "the lab's own kernel"}.get(self.engine, "namespaces of its own")
        return f"lab: this session goes on inside {where}, {self.clock} clock; results in {self.shown_dir}"

    def carry_out(self) -> int:
        """Run the session inside; pytest's own exit status comes back."""
        reports = self._reports()
        order = {"argv": ["pytest", *self._arguments(reports)], "sys_path": sys.path}
        argv = (sys.executable, "-P", carried.__file__, json.dumps(order))
        try:
            with open_lab(
                self.engine, self.clock, self.folder, self._shared(), self._memory
            ) as opened:
                return self._run(opened, argv)
        finally:
            for written, wanted in reports.values():
                if written.exists():
                    wanted.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(written, wanted)

    def _run(self, opened: OpenLab, argv: tuple[str, ...]) -> int:
        # While the guest still starts.
        images = {name: asdict(plan) for name, plan in self._images.items()}
        facts = {
            "engine": self.engine,
            "clock": self.clock,
            "versions": versions(),
            "images": images,
        }
        (self.folder / SESSION_FILE).write_text(json.dumps(facts, indent=1) + "\n")
        env = {SESSION_DIR: os.fspath(self.folder)}
        return run_program(opened, argv, own=False, stdin=self._wants_input(), env=env)

    def _wants_input(self) -> bool:
        option = self._config.option
        debugs = getattr(option, "usepdb", False) or getattr(option, "trace", False)
        return on_terminal() or debugs or getattr(option, "capture", "") == "no"

    def _arguments(self, reports: dict[str, tuple[Path, Path]]) -> list[str]:
        """The user's own, then ours, of which the last one of a kind counts."""
        ours = [f"{option}={written}" for option, (written, _) in reports.items()]
        if not on_terminal() and self._config.get_terminal_writer().hasmarkup:
            # Our output goes to a terminal, but the inside has a pipe for it.
            ours.append("--color=yes")
        theirs = self._own_arguments()
        cut = theirs.index("--") if "--" in theirs else len(theirs)
        return [*theirs[:cut], *ours, *theirs[cut:]]

    def _own_arguments(self) -> list[str]:
        """As typed, but for ``--lab-out DIR``: pytest would look for the root directory from there, too."""
        given = map(os.fspath, self._config.invocation_params.args)
        return [word for word in given if not (word == "--lab-out" and next(given, ""))]

    def _reports(self) -> dict[str, tuple[Path, Path]]:
        """Option to the file that the inside writes and the file that the user wants."""
        base = self._config.invocation_params.dir
        return {
            option: (self.folder / "reports" / Path(wanted).name, base / wanted)
            for key, option in REPORT_OPTIONS.items()
            if (wanted := getattr(self._config.option, key, None))
        }

    def _shared(self) -> tuple[Path, ...]:
        """pytest's cache: ``--lf`` and its like read on the host what was written inside."""
        cache = getattr(self._config, "cache", None)
        if cache is None or self.engine is Engine.native:
            return ()
        # Makes the directory, with all that pytest puts into a new one.
        cache.set("lab/carried", time.time())
        place = Path(os.path.expandvars(self._config.getini("cache_dir"))).expanduser()
        folder = self._config.rootpath / place
        return (folder.resolve(),) if folder.is_dir() else ()


def _plan(name: str, room: int, down: ExitStack) -> ImagePlan:
    """``room`` is the lab's memory, in bytes."""
    from lab.image.found import found

    return down.enter_context(found(name)).plan({}, room)


@contextmanager
def own_streams(config: pytest.Config) -> Iterator[None]:
    """Give the inside the real standard streams, which pytest's capturing holds."""
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is None:
        yield
        return

    capture.suspend_global_capture(in_=True)
    try:
        yield
    finally:
        capture.resume_global_capture()


def versions(status: Path = DPKG_STATUS) -> dict[str, str]:
    """Program to the version of its package, read from dpkg's own list, without starting anything."""
    wanted = {f"Package: {package}": program for program, package in VERSIONED.items()}
    found: dict[str, str] = {}
    program = None
    try:
        with status.open(errors="replace") as file:
            for line in file:
                if line.startswith("Package: "):
                    program = wanted.get(line.rstrip())
                elif program and line.startswith("Version: "):
                    found[program] = line.split()[1]
    except FileNotFoundError:
        return {}
    if version := charon.status().facts.get("version"):
        found["charon"] = f"{version} (the lab's own)"
    return {program: found[program] for program in VERSIONED if program in found}
