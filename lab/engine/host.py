"""The host's side of a lab: choose an engine, start it, and talk to what runs inside.

``open_lab`` is what the command and the pytest plugin use; nothing here knows topologies.
"""

from __future__ import annotations

import contextlib
import os
import sysconfig
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from lab.container.joined import NONE, JoinedContainers
from lab.engine.channel import Channel
from lab.engine.run_dir import in_use
from lab.engine.session import Program, Session, on_terminal, window
from lab.errors import LabError
from lab.linux import node_init
from lab.paths import NODE_PROGRAMS


class Engine(StrEnum):
    """Where a lab's kernel comes from."""

    auto = "auto"
    uml = "uml"
    native = "native"


class Clock(StrEnum):
    """How time passes inside (``virtual`` needs the lab's own kernel)."""

    virtual = "virtual"
    real = "real"


INSIDE = "LAB_INSIDE"
"""In the environment of every program inside: the engine's name."""
ID = "LAB_ID"
"""In the environment of every program inside: the lab's run directory, which tells whose a process is."""


@dataclass(frozen=True, slots=True)
class OpenLab:
    """A running inside."""

    engine: Engine
    clock: Clock
    run_dir: Path
    channel: Channel
    death: Callable[[], LabError]
    drives_by: Callable[[], str] = lambda: "itself"
    """How the lab's own kernel gets hold of its processes' system calls: ``seccomp`` or ``ptrace``."""


def inside() -> bool:
    """Whether this process itself runs inside a lab's kernel already."""
    return INSIDE in os.environ


def choose(engine: Engine) -> Engine:
    """The engine to take; ``auto`` takes the lab's own kernel if that can run here, else native.

    Raises PrerequisiteError, with the hint, if it cannot be had.
    """
    from lab.machine import doctor

    if engine is Engine.auto:
        return Engine(doctor.choose())
    doctor.require(engine.value)
    return engine


def memory_bytes(engine: Engine, asked: int = 0) -> int:
    """What a lab in this engine has: the guest's, of which ``asked`` may be named, or this machine's."""
    from lab.machine import memory

    return memory.here() if engine is Engine.native else asked or memory.DEFAULT


@contextlib.contextmanager
def open_lab(
    engine: Engine,
    clock: Clock,
    run_dir: Path,
    shared: tuple[Path, ...] = (),
    memory: int = 0,
    containers: JoinedContainers = NONE,
) -> Iterator[OpenLab]:
    """Start an inside in an engine that ``choose`` gave; it may write ``run_dir`` and ``shared``.

    ``memory`` is in bytes, for the lab's own kernel; 0: as much as it has by default. ``containers`` become
    nodes of the native engine, and are put back afterwards.
    """
    node_init.build()
    with contextlib.ExitStack() as stack:
        hold = stack.enter_context(in_use(run_dir))
        if engine is Engine.native:
            from lab.engine import native

            stack.enter_context(containers.attach(run_dir))
            channel = stack.enter_context(native.start(hold, containers.entries))
            yield OpenLab(engine, Clock.real, run_dir, channel, native.death)
            return

        from lab import kernel
        from lab.engine import uml
        from lab.machine import trials

        found = kernel.status()
        assert found.path is not None, "choose has seen it"
        guest = stack.enter_context(
            uml.start(
                found.path,
                trials.memory_dir(room=max(memory, trials.MEMORY_BYTES)),
                run_dir,
                virtual=clock is Clock.virtual,
                seccomp=kernel.by_seccomp(found),
                shared=shared,
                memory=memory_bytes(engine, memory),
            )
        )
        yield OpenLab(engine, clock, run_dir, guest.channel, guest.death, guest.drives_by)


def environment(engine: Engine, run_dir: str | Path, extra: dict[str, str]) -> dict[str, str]:
    """What a program inside sees: the user's own environment and ours."""
    rows, columns = window()
    size = {"COLUMNS": str(columns), "LINES": str(rows)} if on_terminal() else {}
    # Inside he is root: what pytest left below /tmp on the host would be another's, so not there.
    root = {"USER": "root", "LOGNAME": "root", "PYTEST_DEBUG_TEMPROOT": "/run"}
    return {
        **os.environ, "PATH": program_path(), **size, **root,
        INSIDE: engine.value, ID: os.fspath(run_dir), **extra,
    }  # fmt: skip


def program_path() -> str:
    """The user's PATH, with the administrator's programs, since in the lab he is root, and the lab's own."""
    have = os.environ.get("PATH", "/usr/bin:/bin").split(":")
    more = ("/usr/sbin", "/sbin", sysconfig.get_path("scripts"), NODE_PROGRAMS)
    return ":".join([*have, *(folder for folder in more if folder not in have)])


def start_of_time(opened: OpenLab) -> float:
    """What a lab's clock is to start from: the host's time, where the lab has a clock of its own."""
    return time.time() if opened.clock is Clock.virtual and opened.engine is Engine.uml else 0.0


def run_program(
    opened: OpenLab,
    argv: tuple[str, ...],
    *,
    own: bool,
    stdin: bool = True,
    env: dict[str, str] | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> int:
    """Run a program inside on this terminal and return its exit status.

    ``meanwhile`` is called once the program has been asked for; what that says waits until it returns.
    """
    program = terminal_program(opened.engine, opened.run_dir, argv, env or {}, stdin=stdin)
    if own:
        program = replace(program, own=True, epoch=start_of_time(opened))
    return Session(opened.channel, opened.death).run(program, stdin=stdin, meanwhile=meanwhile)


def terminal_program(
    engine: Engine,
    run_dir: str | Path,
    argv: tuple[str, ...],
    extra: dict[str, str],
    *,
    stdin: bool,
) -> Program:
    """A program for the lab's root namespaces, in this directory and, with its input, on this terminal."""
    rows, columns = window()
    return Program(
        argv=argv,
        env=environment(engine, run_dir, extra),
        cwd=os.getcwd(),
        tty=on_terminal() and stdin,
        rows=rows,
        columns=columns,
    )
