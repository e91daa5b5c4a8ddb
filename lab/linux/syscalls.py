"""The few Linux calls that Python 3.11 has no name for; only ``_nft`` and ``packets`` use ctypes, too."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import mmap
    import socket

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_BIND = 0x1000
MS_MOVE = 0x2000
MS_REC = 0x4000
MS_PRIVATE = 0x40000

MNT_DETACH = 0x2

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15

PTRACE_TRACEME = 0
PTRACE_SYSEMU = 31

REBOOT_POWER_OFF = 0x4321FEDC

_SOL_SOCKET, _SO_ATTACH_FILTER = 1, 26

_OPENAT2 = 437
"""On every architecture."""

IN_CLOSE = 0x8 | 0x10
IN_OPEN = 0x20

_INOTIFY_EVENT = struct.Struct("=iIII")

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long
libc.mount.argtypes = [ctypes.c_char_p] * 3 + [ctypes.c_ulong, ctypes.c_char_p]


def checked(result: int, what: str) -> int:
    """What a call of ``libc`` has returned; raises OSError if it failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def unshare(flags: int) -> None:
    """Give the calling thread namespaces of its own (unshare(2))."""
    checked(libc.unshare(flags), f"unshare {flags:#x}")


def set_namespace(descriptor: int, kind: int) -> None:
    """Move the calling thread into a namespace, or for ``CLONE_NEWPID`` its later children (setns(2))."""
    checked(libc.setns(descriptor, kind), f"setns {kind:#x}")


def mount(source: str, target: str, kind: str, flags: int = 0, options: str = "") -> None:
    """mount(2); raises OSError that names source and target."""
    checked(
        libc.mount(source.encode(), target.encode(), kind.encode(), flags, options.encode()),
        f"mount {source} on {target}",
    )


def unmount(target: str) -> None:
    """umount2(2), also while somebody uses the file system: it goes with the last one."""
    checked(libc.umount2(target.encode(), MNT_DETACH), f"unmount {target}")


def open_at(folder: int, path: str, how: bytes) -> int:
    """openat2(2): a descriptor; ``how`` is a struct open_how. Raises OSError with the path."""
    result: int = libc.syscall(
        ctypes.c_long(_OPENAT2), ctypes.c_int(folder), ctypes.c_char_p(os.fsencode(path)),
        ctypes.c_char_p(how), ctypes.c_size_t(len(how)),
    )  # fmt: skip
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return result


def set_hostname(name: str) -> None:
    """sethostname(2), in the caller's UTS namespace."""
    encoded = name.encode()
    checked(libc.sethostname(encoded, len(encoded)), f"set host name {name}")


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send this process a signal when the thread that started it ends."""
    checked(libc.prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl PR_SET_PDEATHSIG")


def set_name(name: str) -> None:
    """What ``ps`` calls this process: at most 15 bytes."""
    checked(libc.prctl(PR_SET_NAME, ctypes.c_char_p(name.encode()), 0, 0, 0), "prctl PR_SET_NAME")


def power_off() -> None:
    """Halt the kernel; only for the guest's init."""
    checked(libc.reboot(REBOOT_POWER_OFF), "reboot")


def populate_memory() -> None:
    """Have every page of memory in place from the moment it is asked for (mlockall(2), MCL_FUTURE)."""
    checked(libc.mlockall(2), "mlockall")


def address_of(buffer: mmap.mmap) -> int:
    """Where a mapping begins in our address space."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def attach_filter(sock: socket.socket, program: bytes) -> None:
    """Have a socket get only what a classic BPF program takes (socket(7), SO_ATTACH_FILTER)."""
    code = ctypes.create_string_buffer(program, len(program))
    fprog = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    sock.setsockopt(_SOL_SOCKET, _SO_ATTACH_FILTER, fprog)


def connect(sock: socket.socket, name: bytes) -> None:
    """connect(2), for families whose addresses Python does not know; ``name`` is the struct sockaddr."""
    checked(libc.connect(sock.fileno(), name, len(name)), "connect")


def ptrace(request: int, pid: int = 0) -> None:
    """ptrace(2), for requests that need neither address nor data."""
    checked(0 if libc.ptrace(request, pid, None, None) >= 0 else -1, f"ptrace {request}")


# inotify(7).


def inotify_init() -> int:
    """A descriptor that does not block."""
    return checked(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), "inotify_init1")


def inotify_add_watch(descriptor: int, path: str, mask: int) -> int:
    """The number of the watch."""
    result: int = libc.inotify_add_watch(descriptor, path.encode(), mask)
    return checked(result, f"inotify_add_watch {path}")


def inotify_rm_watch(descriptor: int, watch: int) -> None:
    checked(libc.inotify_rm_watch(descriptor, watch), "inotify_rm_watch")


def inotify_events(data: bytes) -> Iterator[tuple[int, int]]:
    """Watch and mask of each event in what was read."""
    at = 0
    while at < len(data):
        watch, mask, _, length = _INOTIFY_EVENT.unpack_from(data, at)
        at += _INOTIFY_EVENT.size + length
        yield watch, mask
