"""What a user of the command has: a home and a cache of his own, a terminal, and a look around.

No assertions here.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pexpect

from lab.charon import store as charons
from lab.kernel import store
from lab.wait import Deadline, wait_until
from tests.integration.labs import DEADLINE_S, ROOT


@dataclass(frozen=True)
class User:
    """Somebody with an empty home, whose cache holds what a set-up puts there and nothing else."""

    home: Path

    @classmethod
    def settle(cls, home: Path) -> User:
        """Make the home and the cache."""
        (home / "cache" / "callhome-lab").mkdir(parents=True)
        (home / "tmp").mkdir()
        # What there is, but for builds that run or were killed: kernels, and a charon where one is fetched.
        for made in (store.folder(), charons.folder()):
            own = home / "cache" / "callhome-lab" / made.name
            own.mkdir()
            for each in made.glob("[!.]*"):
                (own / each.name).symlink_to(each)
        return cls(home)

    @classmethod
    @contextmanager
    def visiting(cls, home: Path) -> Iterator[User]:
        """Somebody whose labs are taken down when the block ends, whatever became of the test."""
        user = cls.settle(home)
        try:
            yield user
        finally:
            user.lab("down", "--all")

    @property
    def env(self) -> dict[str, str]:
        return {
            **os.environ,
            "HOME": os.fspath(self.home),
            "XDG_CACHE_HOME": os.fspath(self.home / "cache"),
            "XDG_RUNTIME_DIR": os.fspath(self.home / "cache"),
            "TMPDIR": os.fspath(self.home / "tmp"),
            "PYTHONPATH": os.fspath(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "SHELL": "/bin/bash",
            "TERM": "dumb",
        }

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "lab", *words]

    def lab(self, *words: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        """Run the command to its end."""
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        settings = {"env": self.env, "cwd": self.home, "capture_output": True, **options}
        return subprocess.run(self.argv(*words), timeout=DEADLINE_S, check=False, **settings)

    def start(self, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start the command in a session of its own, with pipes."""
        settings = {
            "env": self.env, "cwd": self.home, "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options,
        }  # fmt: skip
        return subprocess.Popen(self.argv(*words), start_new_session=True, **settings)

    def terminal(self, *words: str, size: tuple[int, int] = (24, 80)) -> pexpect.spawn[bytes]:
        """Start the command on a terminal of its own."""
        python, *argv = self.argv(*words)
        env = {**self.env, "PS1": "$ "}
        return pexpect.spawn(
            python,
            argv,
            env=env,
            cwd=os.fspath(self.home),
            dimensions=size,
            timeout=DEADLINE_S,
        )

    @contextmanager
    def standing(self, topology: str = "direct", *options: str) -> Iterator[str]:
        """A lab that is up, by its name."""
        done = self.lab("up", topology, *options)
        if done.returncode:
            raise RuntimeError(done.stderr.decode())
        name = done.stdout.decode().strip()
        try:
            yield name
        finally:
            self.lab("down", name)


@dataclass(frozen=True)
class Surroundings:
    """What a lab might leave behind on the host."""

    mounts: str
    shared_memory: frozenset[str]
    files: frozenset[str]

    @classmethod
    def look(cls, user: User) -> Surroundings:
        mine = (os.fspath(path.relative_to(user.home)) for path in user.home.rglob("*"))
        outside = (name for name in mine if not name.startswith(("runs", "cache", "out")))
        return cls(
            mounts=Path("/proc/mounts").read_text(),
            shared_memory=frozenset(path.name for path in Path("/dev/shm").iterdir()),
            files=frozenset(outside),
        )

    def changes(self, user: User) -> dict[str, object]:
        """What is otherwise now; raises DeadlineExceeded if there is more in shared memory, and stays.

        The memory file of a lab that another process starts just now has a name for a moment.
        """
        now = Surroundings.look(user)
        more = [Path("/dev/shm", name) for name in now.shared_memory - self.shared_memory]
        wait_until(f"the end of {more}", lambda: not any(map(Path.exists, more)), DEADLINE_S)
        pairs = {"mounts": (self.mounts, now.mounts), "files": (self.files, now.files)}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def processes(word: str) -> dict[int, str]:
    """Every process whose command line or working directory holds a word, but for this one."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            text = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            place = os.fspath((entry / "cwd").readlink())
        except OSError:
            continue
        if word in text or word in place:
            found[int(entry.name)] = text
    return found


def kernels(run_dir: Path) -> dict[int, str]:
    """The processes of the guest that works in a run directory."""
    found = processes(os.fspath(run_dir))
    # A process that a newer kernel drives by seccomp has a name, and no command line.
    return {pid: text for pid, text in found.items() if "rootfstype=hostfs" in text or not text}


def kernel(run_dir: Path) -> int:
    """The first of them, which is the guest's kernel: numbers start again at 1 on a busy machine."""
    return min(kernels(run_dir), key=lambda pid: (started(pid), pid))


def started(pid: int) -> int:
    """When a process started, in ticks since the boot: proc_pid_stat(5); later than all if it has gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (FileNotFoundError, ProcessLookupError):
        return sys.maxsize


def wait_gone(word: str) -> None:
    """Return once no process is left that works there."""
    wait_until(f"the end of every process of {word}", lambda: not processes(word), DEADLINE_S)


def read_until(process: subprocess.Popen[bytes], pattern: bytes, *, errors: bool = False) -> bytes:
    """What a process said so far, up to and with a pattern."""
    stream = process.stderr if errors else process.stdout
    assert stream is not None
    seen = b""
    by = Deadline(DEADLINE_S)
    while not re.search(pattern, seen):
        ready, _, _ = select.select([stream], [], [], by.left_s)
        chunk = os.read(stream.fileno(), 4096) if ready else b""
        if not chunk:
            raise RuntimeError(f"{pattern!r} did not come: {seen!r}")
        seen += chunk
    return seen


def interrupt(process: subprocess.Popen[bytes], times: int) -> None:
    """Send SIGINT, and the next one once that was taken: of two that wait for a busy process one is left."""
    for _ in range(times):
        process.send_signal(signal.SIGINT)
        wait_until(
            "the interrupt was taken",
            lambda: process.poll() is not None or _has_taken(process.pid),
            DEADLINE_S,
        )


def _has_taken(pid: int) -> bool:
    """Whether no SIGINT is left for a process, and it waits again for something else: proc_pid_status(5).

    Between the two Python runs the handler.
    """
    text = Path(f"/proc/{pid}/status").read_text()
    masks = re.findall(r"^(?:SigPnd|ShdPnd):\t(\w+)$", text, re.MULTILINE)
    left = any(int(mask, 16) >> (signal.SIGINT - 1) & 1 for mask in masks)
    return not left and re.search(r"^State:\tS", text, re.MULTILINE) is not None


def end(process: subprocess.Popen[bytes]) -> None:
    """Whatever came of a test: leave nothing running."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
