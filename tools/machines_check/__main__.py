"""Tries both commands of the README on fresh, minimal Debian machines: docs/machines.md."""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from tools.machines_check import root
from tools.machines_check.report import Machine, Result, administrator_line, table, told_status

REPO = Path(__file__).resolve().parents[2]
FOLDER = Path("/var/tmp/callhome-lab-machines")
SUITES = ("bookworm", "trixie")
USERS = ("sudo", "plain")
DEMO = "make topology=vpn-nat demo"
TEST = "make test"
HARD_LIMIT = 4096
"""What a Linux gives a process unless somebody raises it; the soft limit is 1,024."""
MISSING = 3
INTERRUPTED = 130


class Broken(Exception):
    """A step failed, so that those after it on the same machine make no sense."""


class Trial:
    """One run of the tool: its roots, its logs, what became of its steps."""

    def __init__(self, args: argparse.Namespace, around: root.Surroundings) -> None:
        self.args = args
        self.around = around
        self.roots = args.folder / "roots"
        self.logs = args.folder / "logs"
        self.results: list[Result] = []

    def clear(self) -> None:
        """Removes what an earlier run left, whether it was asked to or was killed."""
        for folder in (self.roots, self.logs):
            root.remove(folder)
            folder.mkdir()

    def step(self, machine: Machine, name: str, act: Callable[[IO[str]], str]) -> None:
        """Does a step and tells of it. `act` says why it failed, or nothing."""
        log = self.logs / f"{machine.name}-{name.replace(' ', '-')}.log"
        started = time.monotonic()
        with log.open("w", encoding="utf-8", errors="replace") as stream:
            why = act(stream)
        result = Result(machine, name, not why, time.monotonic() - started, log, why)
        self.results.append(result)
        print(result, flush=True)
        if why:
            print(
                "".join(f"    {line}\n" for line in _tail(log)), f"   all of it: {log}", flush=True
            )
            raise Broken

    def suite(self, suite: str) -> None:
        """All machines of one suite: the first one is made from nothing, the second is a copy."""
        base = self.roots / suite
        around = self.around
        machine = Machine(suite, "base")
        try:
            self.step(
                machine, "install", lambda log: _why(root.bootstrap(base, suite, around, log))
            )
        except Broken:
            return
        for user in self.args.users:
            folder = self.roots / f"{suite}-{user}"
            with suppress(Broken):
                self.machine(Machine(suite, user), base, folder)
            if not self.args.keep:
                root.remove(folder)
        root.remove(base)

    def machine(self, machine: Machine, base: Path, folder: Path) -> None:
        """Both commands on one machine."""
        args, around = self.args, self.around

        def prepare(log: IO[str]) -> str:
            status = root.copy(base, folder, log)
            if not status and machine.user == "sudo":
                status = root.give_sudo(folder, around, log)
            status = status or root.clone(args.repo, args.ref, folder, log)
            if not status and args.kernel_cache:
                root.lend_kernels(args.kernel_cache, folder)
            return _why(status)

        self.step(machine, "user and clone", prepare)
        if machine.user == "plain":
            self.step(machine, "refusal", lambda log: self.refusal(folder, DEMO, log))
        self.step(machine, "demo", lambda log: self.command(folder, DEMO, log))
        if not args.only_demo:
            if machine.user == "plain":
                # The suite may need packages that the demo does not.
                self.step(machine, "more packages", lambda log: self.more(folder, log))
            self.step(machine, "test", lambda log: self.command(folder, TEST, log))

    def command(self, folder: Path, command: str, log: IO[str]) -> str:
        return _why(told_status(*self.run(folder, command, log)))

    def run(self, folder: Path, command: str, log: IO[str]) -> tuple[int, str]:
        """Runs a command as the user; its exit status and what it printed."""
        log.flush()
        before = Path(log.name).stat().st_size
        status = root.run_as_user(folder, command, self.around, log, self.args.hard_limit)
        return status, Path(log.name).read_bytes()[before:].decode(errors="replace")

    def refusal(self, folder: Path, command: str, log: IO[str]) -> str:
        """Without sudo, the set-up must name the line for the administrator, who then types it."""
        status, output = self.run(folder, command, log)
        if told_status(status, output) != MISSING:
            return f"exit status {told_status(status, output)} instead of {MISSING}"
        if (line := administrator_line(output)) is None:
            return "no line for the administrator was printed"
        return _why(root.run_as_root(folder, line, self.around, log))

    def more(self, folder: Path, log: IO[str]) -> str:
        """The packages of the suite, by the same way, if it needs any that the demo did not."""
        status, output = self.run(folder, "tools/setup --with-tests", log)
        if status == MISSING and (line := administrator_line(output)):
            status = root.run_as_root(folder, line, self.around, log)
        return _why(status)


def _why(status: int) -> str:
    return f"exit status {status}" if status else ""


def _tail(log: Path, count: int = 15) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="machines_check",
        description="Tries both commands of the README on fresh Debian machines.",
    )
    add = parser.add_argument
    add("suites", nargs="*", default=SUITES, help="releases of Debian (bookworm trixie)")
    add("--users", nargs="+", choices=USERS, default=USERS, help="with sudo, without")
    add("--only-demo", action="store_true", help="leave `make test` out")
    add("--keep", action="store_true", help="leave the roots until the next run")
    add("--ref", default="HEAD", help="the commit to try (HEAD)")
    add("--repo", type=Path, default=REPO, help="the repository that has it (this one)")
    add("--kernel-cache", type=Path, metavar="DIR", help="a callhome-lab cache with a kernel in it")
    add(
        "--hard-limit",
        type=int,
        default=HARD_LIMIT,
        metavar="N",
        help=f"open files that the user may raise the limit to ({HARD_LIMIT})",
    )
    add("--mirror", metavar="URI", help="Debian's mirror (what this machine's apt uses)")
    add("--folder", type=Path, default=FOLDER, help=f"where roots and logs lie ({FOLDER})")
    return parser.parse_args(argv)


def missing() -> str:
    """What this machine lacks for such a trial, in words; nothing if it lacks nothing."""
    if os.geteuid() != 0:
        return "machines are made by root (debootstrap, mounts); type: sudo make machines-check"
    absent = [
        name for name in ("debootstrap", "git", "unshare", "setpriv") if not shutil.which(name)
    ]
    if absent:
        return f"missing: {' '.join(absent)}; type: apt-get install debootstrap git util-linux"
    return ""


def _fail(words: str) -> int:
    print(f"machines-check: {words}", file=sys.stderr)
    return MISSING


def main(argv: Sequence[str]) -> int:
    args = _parse(argv)
    if words := missing():
        return _fail(words)
    if (around := root.surroundings(args.mirror)) is None:
        return _fail("no mirror of Debian is among apt's sources here; name one: --mirror URI")
    # Only root may look into it: programs in the roots are set-uid.
    args.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (args.folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return _fail(f"another trial uses {args.folder}; wait for it, or name another --folder")
        return _try(Trial(args, around))


def _try(trial: Trial) -> int:
    trial.clear()
    try:
        for suite in trial.args.suites:
            trial.suite(suite)
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        if not trial.args.keep:
            root.remove(trial.roots)
        print(f"\n{table(trial.results)}\nlogs: {trial.logs}")
    return 0 if all(result.passed for result in trial.results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
