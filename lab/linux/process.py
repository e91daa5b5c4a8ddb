"""The only module that spawns inside the lab: daemons, and programs that are waited for.

Every child gets its own session, no stdin, a minimal environment and a log file; the child inherits
the namespaces of the thread that starts it (``nodes.Node.spawn``). Whoever wants a fact of a daemon
reads the file (``daemon_log``). ``subprocess`` uses vfork as long
as there is no ``preexec_fn``, and that matters: in User-Mode Linux a fork copies page tables entry
by entry.
What the daemons say is known to ``tunnels``, not here.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, cast

from lab.errors import DaemonError, DeadlineExceeded, PrerequisiteError, UsageError
from lab.linux import apparmor, daemon_log, proc, process_table
from lab.linux.daemon_log import Log
from lab.paths import NODE_PROGRAMS
from lab.wait import Deadline, comes_true, wait_until

if TYPE_CHECKING:
    from lab.linux.system_log import SystemLog

PIPE = subprocess.PIPE

ENVIRONMENT: Mapping[str, str] = {
    "PATH": f"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:{NODE_PROGRAMS}",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
}
"""What every daemon sees; the user's own environment has no business in a daemon."""

MARK = "LAB_ID"
"""All that a daemon gets of our own environment: whose it is (``engine.host``)."""

DEVNULL = subprocess.DEVNULL
Popen = subprocess.Popen
TimeoutExpired = subprocess.TimeoutExpired

TERM_GRACE_S = 5.0
KILL_GRACE_S = 5.0


class Daemon:
    """A running program with a log, from ``start`` to ``stop`` or to the end of the context."""

    def __init__(
        self,
        name: str,
        popen: subprocess.Popen[bytes],
        log: Log,
        may_end_with: Container[int] = (),
    ) -> None:
        self.name = name
        self.log = log
        self.killed = False
        """Whether the lab sent it SIGKILL."""
        self._popen = popen
        self._may_end_with = may_end_with

    @classmethod
    def start(
        cls,
        argv: Sequence[str | Path],
        *,
        name: str,
        log_dir: Path,
        env: Mapping[str, str] | None = None,
        may_end_with: Container[int] = (),
        cwd: Path | None = None,
        clock: SystemLog | None = None,
    ) -> Daemon:
        """Start ``argv`` in our thread's namespaces; the log is ``<log_dir>/<name>.log``.

        ``may_end_with``: the exit statuses of an end that proves no defect, as pppd's when its peer hangs up.
        ``clock``: who writes the lab's time in front of each line; None: the daemon writes the log itself.
        """
        log, output = daemon_log.create(log_dir / f"{name}.log", clock)

        try:
            popen = spawn(argv, env=env, stdout=output, stderr=output, cwd=cwd)
            return cls(name, popen, log, may_end_with)
        finally:
            os.close(output)

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def program(self) -> str:
        """The name of its program, without the folder."""
        return Path(str(cast(list[str], self._popen.args)[0])).name

    @property
    def alive(self) -> bool:
        return self._popen.poll() is None

    @property
    def exit_status(self) -> int | None:
        """None while it runs; negative for the signal that ended it."""
        return self._popen.poll()

    def check(self, name: str = "") -> None:
        """Raise if it has ended; ``name`` is for the message, where the daemon's own says too little."""
        if (status := self.exit_status) is not None:
            confining = tuple(p for p in apparmor.enforced() if Path(p).name == self.program)
            why = f"; AppArmor enforces its profile {confining[0]}" if confining else ""
            raise DaemonError(
                name or self.name,
                f"ended {how_ended(status)}{why}",
                log_tail=self.log.tail(),
                hint=apparmor.hint(confining) if confining else "",
            )

    @property
    def broke(self) -> bool:
        """Whether it has ended by itself, and not as it may."""
        status = self.exit_status
        return status is not None and status not in self._may_end_with and not self.killed

    def expect_line(self, pattern: str, deadline: Deadline | float) -> re.Match[str]:
        """Wait until its log has a whole line that matches."""
        regex = re.compile(pattern)

        def probe() -> re.Match[str] | None:
            whole, _, _ = self.log.text().rpartition("\n")
            match = next(filter(None, map(regex.search, whole.splitlines())), None)
            if match is None:
                self.check()
            return match

        fact = f"{self.name}'s log line /{pattern}/"
        try:
            return wait_until(fact, probe, deadline, seen=lambda: self.log.tail(1))
        except DeadlineExceeded as late:
            raise DaemonError(self.name, str(late), log_tail=self.log.tail()) from late

    def wait(self, seconds: float) -> int | None:
        """Its exit status once it has ended, or None if it still runs after that time."""
        if self.alive:
            descriptor = os.pidfd_open(self.pid)
            try:
                poller = select.poll()
                poller.register(descriptor, select.POLLIN)
                poller.poll(seconds * 1000)
            finally:
                os.close(descriptor)
        return self.exit_status

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        self._popen.send_signal(number)

    def kill(self) -> None:
        """Let it die, as if the machine under it did."""
        self.killed = True
        self.signal(signal.SIGKILL)

    def stop(self, *, grace_s: float = TERM_GRACE_S) -> int:
        """End it and then what it has started, each by SIGTERM and after a while by SIGKILL; reap it.

        Nothing of its process group runs any more: an xl2tpd that has ended has told its pppds to end, and
        does not wait for them.
        """
        if self.alive:
            self.signal(signal.SIGTERM)
            self.wait(grace_s)
        if not self.alive:
            self._group_gone(signal.SIGTERM, grace_s)
        gone = self._group_gone(signal.SIGKILL, KILL_GRACE_S)

        status = self.wait(KILL_GRACE_S)
        if status is None or not gone:
            raise DaemonError(self.name, f"process {self.pid} does not die, not even by SIGKILL")
        self.log.catch_up()
        return status

    def _group_gone(self, number: int, patience_s: float) -> bool:
        """Send a signal to its process group; whether nothing of that runs then, or before long."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return True
        fact = f"the end of what {self.name} has started"
        return comes_true(fact, lambda: not _runs(self.pid), patience_s)


def _runs(group: int) -> bool:
    """Whether a process of the group runs; one that nobody reaps does not."""
    return any(each.group == group and not each.ended for each in process_table.take().values())


def spawn(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] = subprocess.DEVNULL,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program by vfork and exec."""
    words = [os.fspath(word) for word in argv]
    try:
        return subprocess.Popen(
            words,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=cwd,
            env=environment_of(env or {}),
            close_fds=True,
            start_new_session=True,
        )
    except FileNotFoundError as missing:
        if cwd is not None and not cwd.is_dir():
            raise PrerequisiteError(
                f"cannot run {words[0]}: its directory {cwd} does not exist"
            ) from missing
        raise PrerequisiteError(
            f"there is no program {words[0]}", hint="lab doctor says which packages are missing"
        ) from missing
    except PermissionError as refused:
        raise PrerequisiteError(f"{words[0]} may not be executed: {refused.strerror}") from refused


def environment_of(env: Mapping[str, str]) -> dict[str, str]:
    """What a program sees: the lab's plain environment, whose it is, and what is told to this one."""
    return {**ENVIRONMENT, **_mark(), **env}


def _mark() -> dict[str, str]:
    return {MARK: os.environ[MARK]} if MARK in os.environ else {}


def run(argv: Sequence[str | Path], *, deadline_s: float, input: str = "") -> str:
    """Run a program to its end and return its stdout; a failure raises with the end of stderr."""
    return finish(spawn(argv, stdin=PIPE, stdout=PIPE, stderr=PIPE), deadline_s, input)


class Ended(NamedTuple):
    """How a program ended, and what it said."""

    status: int
    """Negative for the signal that ended it."""
    stdout: str
    stderr: str


def end(popen: Popen[bytes], grace_s: float = TERM_GRACE_S) -> int:
    """End a program, by SIGTERM and after a while by SIGKILL; what it returned, or minus the signal."""
    if popen.poll() is None:
        popen.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return popen.wait(grace_s)
        popen.kill()
    return popen.wait()


def kill(popen: Popen[bytes], seconds: float) -> None:
    """End a program by SIGKILL, and wait for its end, at most so long."""
    popen.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        popen.wait(seconds)


def finish(popen: Popen[bytes], deadline_s: float, input: str = "") -> str:
    """Wait for a program whose three streams are pipes; as ``run``, which may be in another thread."""
    ended = await_end(popen, deadline_s, input)
    if ended.status != 0:
        words = [str(word) for word in cast(list[str], popen.args)]
        problem = f"ended {how_ended(ended.status)}: {' '.join(words)}"
        raise DaemonError(Path(words[0]).name, problem, log_tail=ended.stderr)
    return ended.stdout


def await_end(popen: Popen[bytes], deadline_s: float, input: str = "") -> Ended:
    """Wait for a program whose three streams are pipes, whatever becomes of it.

    Raises DaemonError if it has not ended by the deadline; it is ended then.
    """
    name = Path(str(cast(list[str], popen.args)[0])).name
    try:
        out, err = popen.communicate(input.encode(), timeout=deadline_s)
    except BaseException as late:  # Also Ctrl-C: the program ends with us.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(popen.pid, signal.SIGKILL)
        _, err = popen.communicate()
        if not isinstance(late, subprocess.TimeoutExpired):
            raise
        problem = f"did not end within {deadline_s:g} s"
        raise DaemonError(name, problem, log_tail=err.decode(errors="replace")) from late
    return Ended(popen.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


def how_ended(status: int) -> str:
    """``with exit status 1``, ``by SIGKILL``: of a status as ``subprocess`` has it."""
    if status >= 0:
        return f"with exit status {status}"
    try:
        return f"by {signal.Signals(-status).name}"
    except ValueError:
        return f"by signal {-status}"


def exit_status(returned: int) -> int:
    """What a shell says of a program's end: 128 + n of one that signal n ended."""
    return returned if returned >= 0 else 128 - returned


@contextlib.contextmanager
def attended(
    argv: Sequence[str], env: Mapping[str, str], call: Callable[[Callable[[], None]], None]
) -> Iterator[Popen[bytes]]:
    """A user's command on our own standard streams, in our session; the end of the block ends it.

    ``call`` runs what it is given where the command is to be. The terminal's interrupts reach the command
    directly; we outlive them to take the lab down. Raises UsageError if there is no such program.
    """
    started: list[Popen[bytes]] = []
    try:
        call(lambda: started.append(_start_attended(argv, env)))
        yield started[0]
    finally:
        # SIGTERM may have come while ``call`` was at work: once it takes the next, the last is done.
        call(lambda: None)
        for popen in started:
            end(popen)


def _start_attended(argv: Sequence[str], env: Mapping[str, str]) -> Popen[bytes]:
    try:
        return subprocess.Popen(list(argv), env=dict(env), close_fds=True, cwd=_cwd())
    except FileNotFoundError as missing:
        raise UsageError(
            f"there is no program {argv[0]!r} in this node", hint="check its name and PATH"
        ) from missing
    except PermissionError as refused:
        raise UsageError(f"{argv[0]!r} may not be executed", hint="is it executable?") from refused


def run_on_terminal(argv: Sequence[str]) -> int:
    """Run a program of ours on our standard streams, in our session, to its end; its exit status.

    An interrupt is for the program, which may have to tidy up; once it has ended so do we.
    """
    with subprocess.Popen(list(argv), close_fds=True) as popen:
        former = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            status = popen.wait()
        finally:
            signal.signal(signal.SIGINT, former)
    if status in (128 + signal.SIGINT, -signal.SIGINT):
        raise KeyboardInterrupt
    return status


def _cwd() -> str:
    """Our working directory as the main thread has it; a node's own thread has another."""
    return proc.link("self/cwd")
