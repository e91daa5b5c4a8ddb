"""The ``uml`` engine: the lab's own kernel as an ordinary program of an ordinary user.

Starts the kernel, feeds it its layout, and watches its console. What runs inside is not known here.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from lab.engine import guest_init
from lab.engine.channel import Channel
from lab.engine.cpus import claim_cpu
from lab.engine.frames import FrameKind, json_frame
from lab.errors import BootError, GuestError, LabError
from lab.linux import syscalls
from lab.linux.process import how_ended
from lab.machine.memory import DEFAULT
from lab.wire import guest_memory
from lab.wire.spool import Spooler, start_spooler

NO_DEVICES = ("fb_tunnels=none", "bonding.max_bonds=0", "dummy.numdummies=0", "ifb.numifbs=0")
"""Drivers that are built in would make devices by themselves, some in each new namespace."""


def kernel_line(
    ends: tuple[int, int, int],
    init: list[str],
    *,
    virtual: bool,
    seccomp: bool,
    uml_dir: Path,
    memory: int = DEFAULT,
) -> list[str]:
    """The kernel's command line.

    The jitter entropy source is kept out: it waits for a clock that stands still (11 s in virtual
    time, for ever with ``inf-cpu``). ``ends`` are what it reads from, what it writes to, and where
    its captures go (``wire.spool``). ``memory`` is what the guest believes to have, in bytes; the host gives
    only what is touched.
    """
    interpreter, *arguments = (_quoted(word) for word in init)
    return [
        "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro",
        "con=null", "con0=null,fd:1", f"ssl0=fd:{ends[0]},fd:{ends[1]}", f"ssl1=null,fd:{ends[2]}",
        "quiet", "loglevel=4", f"mem={memory >> 20}M", "initcall_blacklist=jent_mod_init",
        f"uml_dir={uml_dir.name}/",
        *NO_DEVICES,
        *(["time-travel=inf-cpu"] if virtual else []),
        *(["seccomp=auto"] if seccomp else []),
        f"init={interpreter}", "--", *arguments,
    ]  # fmt: skip


def _quoted(word: str) -> str:
    return f'"{word}"' if " " in word else word


BOOT_DEADLINE_S = 60.0


class Guest:
    """A running guest kernel and the host's end of its channel."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        channel: Channel,
        console: Path,
        spooler: Spooler,
    ) -> None:
        self.process = process
        self.channel = channel
        self._console = console
        self._spooler = spooler

    def death(self) -> LabError:
        """What to raise when the channel broke off: the kernel's last words."""
        reason, fix, said = self._why()
        if self._spooler.failure:
            failure = self._spooler.failure
            return type(failure)(f"the lab was stopped: {failure.message}", hint=failure.hint)
        look = f"its console is in {self._console}; `lab doctor` checks this machine"
        return GuestError(f"the lab's kernel died: {reason}", said, hint=fix or look)

    def stillbirth(self, otherwise: str = "") -> BootError:
        """What to raise when the kernel never came as far as its first program.

        ``otherwise``: the reason where the console shows none, and we have ended the kernel.
        """
        reason, fix, said = self._why(otherwise)
        hint = (
            f"{fix}\n  {_WAYS_OUT}" if fix else f"{_WAYS_OUT}\n  its console is in {self._console}"
        )
        return BootError(reason, said, hint=hint)

    def _why(self, otherwise: str = "") -> tuple[str, str, str]:
        """Why the kernel ended, the fix where the reason is a known one, and what its console shows."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=10)
        said = self._console.read_text(errors="replace") if self._console.exists() else ""
        for words, reason, fix in _REASONS:
            if re.search(words, said):
                return reason, fix, said
        if panic := _PANIC.search(said):
            return panic[0], "", said
        returncode = self.process.returncode
        if otherwise or returncode is None:
            ended = otherwise or "it does not answer"
        else:
            ended = f"it ended {how_ended(returncode)}"
        return ended if said else f"{ended}, without a word", "", said

    def drives_by(self) -> str:
        """How the kernel gets hold of its processes' system calls: ``seccomp`` or ``ptrace``."""
        for status in Path("/proc").glob("[0-9]*/status"):
            with contextlib.suppress(OSError):
                facts = dict(line.split(":\t", 1) for line in status.read_text().splitlines())
                if int(facts["TracerPid"]) == self.process.pid:
                    return "ptrace"
        return "seccomp"


_PANIC = re.compile(r"Kernel panic - not syncing: .*")

_WAYS_OUT = "other ways: `--engine native` as root, or the Vagrant machine (`vagrant up`)"

_REASONS = (
    (
        r"ptrace set fp regs failed",
        "this processor has more floating-point state than the kernel was built for",
        "take the lab's own build of it: unset LAB_KERNEL; lab kernel build --again",
    ),
    (
        r"(?i)PROT_EXEC mmap in .*(?:\n.*)?not permitted",
        "the folder for its memory is mounted noexec",
        "name another folder with 1 GiB of room: export TMPDIR=FOLDER",
    ),
    (
        r"check_ptrace : |ptrace: .*not permitted",
        "it may not trace its processes",
        "allow ptrace (`lab doctor` says how), or take a kernel from 6.16 on, which can do without",
    ),
    (
        r"likely just ran out of space|No space left on device",
        "the folder for its memory is full",
        "name a folder with 1 GiB of room: export TMPDIR=FOLDER",
    ),
)
"""What a kernel says that does not start or dies, the reason in words, and the fix."""


@contextlib.contextmanager
def start(
    kernel: Path,
    memory_dir: Path,
    run_dir: Path,
    *,
    virtual: bool,
    seccomp: bool = False,
    shared: tuple[Path, ...] = (),
    memory: int = DEFAULT,
) -> Iterator[Guest]:
    """Boot a guest; on leaving, halt it and make sure that nothing of it is left.

    ``seccomp``: whether the kernel knows ``seccomp=auto``. Its processes are then driven by signals, at half
    the cost of a system call by ptrace. Where the host forbids that, the kernel takes ptrace by itself.
    """
    to_guest, guest_reads = socket.socketpair()
    from_guest, guest_writes = socket.socketpair()
    spooled, guest_spools = socket.socketpair()
    if virtual:
        # With a few blocks of the captures on their way the guest waits for us: it would else be hours
        # ahead of a busy host, with every block of its ring given away. In real time waiting gains nothing.
        guest_spools.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    console = run_dir / "logs" / "kernel.log"
    console.parent.mkdir(parents=True, exist_ok=True)
    init = [os.path.realpath(sys.executable), "-I", "-S", str(Path(guest_init.__file__).resolve())]

    with contextlib.ExitStack() as stack:
        for ours in (to_guest, from_guest, spooled):
            stack.enter_context(ours)
        channel = Channel(from_guest, to_guest)
        uml_dir = Path(
            stack.enter_context(tempfile.TemporaryDirectory(dir=run_dir, prefix=".uml-"))
        )
        cpu = stack.enter_context(claim_cpu())
        with guest_reads, guest_writes, guest_spools, console.open("wb") as log:
            ends = guest_reads.fileno(), guest_writes.fileno(), guest_spools.fileno()
            line = kernel_line(
                ends, init, virtual=virtual, seccomp=seccomp, uml_dir=uml_dir, memory=memory
            )
            argv = [str(kernel), *line]
            try:
                process = _spawn(argv, ends, log.fileno(), memory_dir, uml_dir, cpu)
            except OSError as error:
                raise BootError(
                    f"{kernel} cannot be started: {error.strerror}",
                    hint="lab kernel build --again",
                ) from error
        spooler = stack.enter_context(
            start_spooler(
                spooled, (run_dir, *shared), lambda: guest_memory.open_of(process.pid), process.kill
            )
        )
        stack.callback(_end, process, channel)

        layout = {
            "open_files": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
            "shared": [str(run_dir), *(str(folder) for folder in shared)],
            "sys_path": [entry for entry in sys.path if entry],
        }
        guest = Guest(process, channel, console, spooler)
        _await_greeting(guest)
        channel.sendall(json_frame(FrameKind.configure, 0, layout).encode())
        yield guest


def _await_greeting(guest: Guest) -> None:
    guest.channel.reader.settimeout(BOOT_DEADLINE_S)
    try:
        greeting = guest.channel.recv(1)
    except TimeoutError:
        guest.process.kill()
        raise guest.stillbirth(f"it was not up within {BOOT_DEADLINE_S:g} s") from None
    guest.channel.reader.settimeout(None)
    if greeting != guest_init.GREETING:
        raise guest.stillbirth()


def _spawn(
    argv: list[str], ends: tuple[int, ...], log: int, memory_dir: Path, uml_dir: Path, cpu: int
) -> subprocess.Popen[bytes]:
    parent = os.getpid()

    def prepare() -> None:
        # The kernel must not outlive us, even if we are killed; its processes die with it.
        syscalls.die_with_parent(signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        # Kernel and processes hand over to each other at every system call: on one processor that
        # costs a third of what it costs between two (14 instead of 49 microseconds a call).
        os.sched_setaffinity(0, {cpu})
        # A kernel that panics aborts: its memory must not become a core file in the run directory.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # A file that is open in the guest is open in the kernel's process: a shell's usual 1,024 are few.
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    # Die-with-parent counts the thread that forked, so that must be the one that stays.
    assert threading.current_thread() is threading.main_thread()
    return subprocess.Popen(
        argv,
        cwd=uml_dir.parent,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        pass_fds=ends,
        env={"TMPDIR": str(memory_dir), "HOME": str(uml_dir), "PATH": os.environ.get("PATH", "")},
        start_new_session=True,
        preexec_fn=prepare,
    )


def _end(process: subprocess.Popen[bytes], channel: Channel) -> None:
    with contextlib.suppress(OSError):
        channel.end()
    try:
        process.wait(timeout=2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
