"""Trials of what this machine allows, each by doing it: ptrace, memory, the kernel's abilities.

Every trial returns what it found, or raises PrerequisiteError with the hint. None leaves anything
behind. What the answers mean for the choice of an engine is in ``doctor``.
"""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lab.errors import LabError, PrerequisiteError
from lab.linux import apparmor, ppp_channels, process, syscalls
from lab.paths import cache_dir

MEMORY_BYTES = 1 << 30
"""Room that a lab's memory file may need; only what the guest touches is really used."""

_AF_PPPOX = 24
_PX_PROTO_OL2TP = 1
_YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")
_TRIAL_S = 60.0
"""The first one loads modules of the kernel, which takes as long as it takes on a slow machine."""


def memory_candidates() -> tuple[Path, ...]:
    """Where the guest's memory file may lie, best first: in memory, else where TMPDIR says."""
    named = os.environ.get("TMPDIR")
    places = ["/dev/shm", *([named] if named else []), "/tmp", "/var/tmp"]
    return (*dict.fromkeys(map(Path, places)), cache_dir())


def memory_dir(candidates: Sequence[Path] | None = None, room: int = MEMORY_BYTES) -> Path:
    """The first folder that is fit for the memory file of a User-Mode Linux guest."""
    reasons = []
    for folder in memory_candidates() if candidates is None else candidates:
        if (reason := _unfit(folder, room)) is None:
            return folder
        reasons.append(f"{folder}: {reason}")
    raise PrerequisiteError(
        f"no folder for the guest's memory ({'; '.join(reasons)})",
        hint=f"name one with {room / (1 << 30):g} GiB of room, not mounted noexec: export TMPDIR=FOLDER",
    )


def _unfit(folder: Path, room: int) -> str | None:
    if not folder.is_dir():
        return "does not exist"
    if (free := shutil.disk_usage(folder).free) < room:
        return f"{free >> 20} MiB free, {room >> 20} needed"
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.truncate(mmap.PAGESIZE)
            protection = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
            mmap.mmap(file.fileno(), mmap.PAGESIZE, prot=protection).close()
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EACCES) and os.access(folder, os.W_OK):
            return "mounted noexec"
        return f"cannot be written ({error.strerror})"
    return None


def ptrace() -> str:
    """User-Mode Linux traces its own children: so trace one."""
    if (pid := os.fork()) == 0:
        try:
            syscalls.ptrace(syscalls.PTRACE_TRACEME)
            os.kill(os.getpid(), signal.SIGSTOP)
        finally:
            os._exit(1)

    _, status = os.waitpid(pid, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        try:
            # A child that is only stopped, not traced, is not ours to drive.
            syscalls.ptrace(syscalls.PTRACE_SYSEMU, pid)
            os.waitpid(pid, os.WUNTRACED)
            traced = True
        except OSError:
            traced = False
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        if traced:
            return "allowed"

    scope = _YAMA.read_text().strip() if _YAMA.exists() else ""
    if scope in ("2", "3"):
        hint = "sudo sysctl kernel.yama.ptrace_scope=1" + (
            " (after a reboot)" if scope == "3" else ""
        )
        raise PrerequisiteError(f"forbidden: {_YAMA} is {scope}", hint=hint)
    raise PrerequisiteError(
        "forbidden, probably by a seccomp profile of this container",
        hint="start the container with --cap-add SYS_PTRACE or --security-opt seccomp=unconfined",
    )


def root() -> str:
    """The native engine makes namespaces and interfaces."""
    if os.geteuid() != 0:
        raise PrerequisiteError("not root", hint="run as root, or use the lab's own kernel")
    return "root"


_NATIVE_HINT = "use the lab's own kernel (`lab kernel build`) or the Vagrant machine (`vagrant up`)"


def native_command(*argv: str) -> str:
    """The running kernel carries out a command in a network namespace that is thrown away."""
    try:
        process.run(["unshare", "--net", "--mount", "--", *argv], deadline_s=_TRIAL_S)
    except LabError as error:
        said = (getattr(error, "log_tail", "") or error.message).strip().splitlines()
        raise PrerequisiteError(
            f"refused: {said[-1] if said else 'without a word'}", hint=_NATIVE_HINT
        ) from error
    return "tried, works"


def native_apparmor() -> str:
    """No daemon of ours is confined by a profile that knows nothing of nodes."""
    if confining := apparmor.enforced():
        raise PrerequisiteError(
            f"AppArmor enforces {', '.join(confining)}", hint=apparmor.hint(confining)
        )
    return "nothing of the lab's is confined"


def native_ppp() -> str:
    """The driver of /dev/ppp answers."""
    try:
        os.close(os.open("/dev/ppp", os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        raise PrerequisiteError(f"/dev/ppp: {error.strerror}", hint=_NATIVE_HINT) from error
    return "tried, works"


def native_l2tp() -> str:
    """The kernel makes a PPP-over-L2TP socket."""
    try:
        socket.socket(_AF_PPPOX, socket.SOCK_DGRAM, _PX_PROTO_OL2TP).close()
    except OSError as error:
        raise PrerequisiteError(f"refused: {error.strerror}", hint=_NATIVE_HINT) from error
    return "tried, works"


def native_bridging() -> str:
    """The kernel joins two PPP channels, so that frames pass from one to the other within the kernel."""
    try:
        ppp_channels.try_join()
    except OSError as error:
        raise PrerequisiteError(
            f"refused: {error.strerror}",
            hint=f"a kernel of 5.11 or later with PPP_ASYNC; or {_NATIVE_HINT}",
        ) from error
    return "tried, works"
