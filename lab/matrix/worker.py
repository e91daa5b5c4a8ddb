"""One run in a process of its own: what it says comes by a pipe, what came of it is left in memory.

A worker shares nothing with the others but what was imported: a crash of one loses nothing of the rest.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from lab.engine.host import Engine
from lab.errors import LabBroke, LabError, PathError
from lab.linux import syscalls
from lab.matrix.job import EXIT_INTERRUPTED, Job, JobOutcome
from lab.record import story
from lab.record.event import WayTried
from lab.record.record import Record
from lab.run.run import VERDICT_FILE, Run

_TOLD_BYTES = 1 << 20
_SAID_BYTES = 8192
"""The end of what a run said is kept, in case that it breaks."""


@dataclass(kw_only=True)
class Worker:
    """A job that is being carried out."""

    job: Job
    run_dir: Path
    pid: int
    process: int
    """A descriptor that can be read once the process has ended: pidfd_open(2)."""
    said: int
    """Where it says what happens."""
    left: int
    """Where it leaves what came of it."""
    started: float = field(default_factory=time.monotonic)
    heard: bytes = b""
    now: str = ""
    """The last line of the story."""

    @property
    def running_s(self) -> float:
        return time.monotonic() - self.started

    def hear(self) -> bool:
        """Take what it said; False once nobody can say any more."""
        data = os.read(self.said, 1 << 16)
        self.heard = (self.heard + data)[-_SAID_BYTES:]
        lines = [line for line in self.heard.decode(errors="replace").splitlines() if line.strip()]
        self.now = lines[-1].strip() if lines else self.now
        return bool(data)

    def end(self, number: int) -> None:
        """Send it a signal. It takes its lab down in order."""
        signal.pidfd_send_signal(self.process, number)

    def outcome(self) -> JobOutcome:
        """What came of it, after its end."""
        _, ended = os.waitpid(self.pid, 0)
        os.set_blocking(self.said, False)
        self._hear_the_rest()
        told = os.pread(self.left, _TOLD_BYTES, 0)
        os.close(self.left)
        os.close(self.process)
        os.close(self.said)
        return self._outcome(told, os.waitstatus_to_exitcode(ended))

    def _hear_the_rest(self) -> None:
        try:
            while self.hear():
                pass
        except BlockingIOError:
            # Something of the run's holds the pipe still; the process itself has ended.
            return

    def _outcome(self, told: bytes, status: int) -> JobOutcome:
        came: dict[str, Any] = {}
        try:
            came = json.loads(told)
        except ValueError:
            how = f"signal {-status}" if status < 0 else f"exit status {status}"
            came["status"] = EXIT_INTERRUPTED if status == -signal.SIGINT else LabBroke.exit_status
            came["problem"] = f"its process ended by {how}, without a word of what came of the run"
            if last := self._last_words:
                came["problem"] += f"; it had said: {last}"
        if came["status"] > PathError.exit_status and not came.get("problem"):
            came["problem"] = self._last_words or "the lab broke, and said nothing"
        tried = tuple(came.pop("tried", ()))
        return JobOutcome(
            job=self.job, run_dir=self.run_dir, wall_s=round(self.running_s, 3),
            verdict=_verdict(self.run_dir), tried=tried, **came,
        )  # fmt: skip

    @property
    def _last_words(self) -> str:
        lines = self.heard.decode(errors="replace").splitlines()
        own = [line for line in lines if line.startswith("lab: ")] or lines
        return own[-1].strip() if own else ""


def _came_home(record: Record | None) -> bool:
    last = {call.agent: call for call in record.calls} if record is not None else {}
    return bool(last) and all(call.succeeded for call in last.values())


def _verdict(run_dir: Path) -> dict[str, Any]:
    """Also of a run that crashed while it wrote."""
    try:
        return dict(json.loads((run_dir / VERDICT_FILE).read_text()))
    except (OSError, ValueError):
        return {}


def start(job: Job, out: Path, engine: Engine) -> Worker:
    """Begin with a job in a process of its own, whose lab ends with this one."""
    hears, says = os.pipe()
    left = os.memfd_create("outcome")
    run_dir = out / job.folder
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    if (pid := os.fork()) == 0:
        _work(job, run_dir, engine, says, left, parent)
    os.close(says)
    return Worker(
        job=job, run_dir=run_dir, pid=pid, process=os.pidfd_open(pid), said=hears, left=left
    )


def _work(job: Job, run_dir: Path, engine: Engine, says: int, left: int, parent: int) -> NoReturn:
    """In the child."""
    came: dict[str, Any] = {"status": LabBroke.exit_status}
    try:
        # ^C at the terminal is for the one who started us all.
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        signal.signal(signal.SIGWINCH, signal.SIG_DFL)
        syscalls.die_with_parent(signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(EXIT_INTERRUPTED)
        _to_the_pipe(says)
        came = _carry_out(job, run_dir, engine)
    except KeyboardInterrupt:
        came = {"status": EXIT_INTERRUPTED, "problem": "it was ended before it was done"}
    except LabError as error:
        came = {"status": error.exit_status, "problem": str(error).replace("\n ", ";")}
    # A defect of ours in one run must not lose the others.
    except BaseException as error:  # noqa: BLE001
        came["problem"] = f"the lab has a mistake of its own: {type(error).__name__}: {error}"
    finally:
        os.write(left, json.dumps(came).encode())
        os._exit(0)


def _to_the_pipe(says: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nowhere), (1, says), (2, says)):
        os.dup2(source, target)
    # What Python itself prints must not go into a buffer that the parent had begun.
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", closefd=False, buffering=1)


def _carry_out(job: Job, run_dir: Path, engine: Engine) -> dict[str, Any]:
    run = Run.prepare(job.given, fault=job.fault, engine=engine, out=run_dir)
    for note in run.notes:
        sys.stderr.write(f"lab: {note}\n")
    status = run.carry_out()
    result = run.judge()
    interrupted = status in (EXIT_INTERRUPTED, 128 + signal.SIGTERM)
    problem = "it was ended before it was done" if interrupted else ""
    tried = dict.fromkeys(
        kind
        for event in story.read(run.run_dir, WayTried)
        for kind in run.topology.kinds_of(run.topology.way(event.way))  # type: ignore[attr-defined]
    )
    if result.verdict == "error" and not problem:
        problem = result.diagnosis
    return {
        "status": EXIT_INTERRUPTED
        if interrupted
        else result.exit_status
        if status in (0, 1)
        else status,
        "cause": "" if result.verdict == "error" else run.cause,
        "tried": [*tried],
        "came_home": _came_home(run.record()),
        "problem": problem,
    }
