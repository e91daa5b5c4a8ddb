"""Process 1 of the guest: lays out the file system and becomes the attendant.

Run by path, as ``init=<python> -- -I -S <this file>``, by the distribution's bare interpreter; nothing
but the standard library is there until the host has said where our packages are. The root is an
overlay of the host's files (read-only, by hostfs) and a memory file system: what the guest writes is
gone with it. Only the folders that the host names are shared for writing.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import termios
import time
import tty
from typing import Any

CHANNEL = "/dev/ttyS0"
GREETING = b"\n"
"""What the guest says once it listens; the host is silent until then."""

_NR_OPEN = 1 << 20
"""fs.nr_open: no limit of a process may be above it."""
_CONNTRACK_MAX = "/proc/sys/net/netfilter/nf_conntrack_max"
_CONNECTIONS = 1 << 20
"""Of each network namespace; one that is followed takes 320 bytes."""


def lay_out_root() -> None:
    """Put the overlay over the read-only root and move into it."""
    from lab.linux import syscalls

    syscalls.mount("tmpfs", "/tmp", "tmpfs", 0, "size=90%")
    for name in ("upper", "work", "root"):
        os.mkdir(f"/tmp/{name}")
    root = "/tmp/root"
    syscalls.mount(
        "overlay", root, "overlay", 0, "lowerdir=/,upperdir=/tmp/upper,workdir=/tmp/work"
    )

    for kind, place in (
        ("proc", "/proc"),
        ("sysfs", "/sys"),
        ("devtmpfs", "/dev"),
        ("tmpfs", "/run"),
    ):
        syscalls.mount(kind, root + place, kind)
    for folder, kind, options in (
        ("/dev/pts", "devpts", "ptmxmode=0666"),
        ("/dev/shm", "tmpfs", ""),
    ):
        os.makedirs(root + folder, exist_ok=True)
        syscalls.mount(kind, root + folder, kind, 0, options)
    for name, target in (
        ("fd", "/proc/self/fd"),
        ("stdin", "fd/0"),
        ("stdout", "fd/1"),
        ("stderr", "fd/2"),
    ):
        if not os.path.lexists(f"{root}/dev/{name}"):
            os.symlink(target, f"{root}/dev/{name}")

    os.chdir(root)
    syscalls.mount(".", "/", "", syscalls.MS_MOVE)
    os.chroot(".")
    # Namespaces that nodes pin by bind mounts must not propagate anywhere.
    syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)


def open_channel() -> int:
    """The serial line to the host, as clean bytes."""
    fd = os.open(CHANNEL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    tty.setraw(fd, termios.TCSANOW)
    # The kernel notices input by signals only: what the host sent before now would lie unseen.
    os.write(fd, GREETING)
    return fd


def configure(layout: dict[str, Any]) -> None:
    """Share the folders that the host names, look for packages where the host does, and allow its open files.

    Programs may raise their limit to the host's hard one. They start with 1,024, as everywhere: there are
    daemons that close every number up to the limit one by one.
    """
    from lab.linux import syscalls

    most = max(1024, min(int(layout["open_files"]), _NR_OPEN))
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, most))

    for folder in layout["shared"]:
        os.makedirs(folder, exist_ok=True)
        let_through(os.path.dirname(folder))
        syscalls.mount("none", folder, "hostfs", 0, folder)
    sys.path[:] = layout["sys_path"]


def let_through(folder: str) -> None:
    """Let users other than the owner of a home enter the folders that lead to what is shared; here only."""
    while folder != "/":
        mode = os.stat(folder).st_mode
        if not mode & 0o001:
            os.chmod(folder, mode & 0o7777 | 0o001)
        folder = os.path.dirname(folder)


def make_room() -> None:
    """Let a node's firewall follow as many connections as anybody has begun: a scan of all ports is 131,000.

    By default there are 65,536, and where the table is full the kernel drops a packet now and then.
    """
    with contextlib.suppress(FileNotFoundError), open(_CONNTRACK_MAX, "w") as file:
        file.write(f"{_CONNECTIONS}")


def come_of_age() -> None:
    """In virtual time, let the clock's first second pass, at no cost.

    Programs take a clock at zero for one that was not read yet: ping(8), whatever its interval,
    sends one packet after the other while the kernel is younger than a second.
    """
    from lab.wait import wait_until

    with open("/proc/cmdline") as file:
        virtual = "time-travel=" in file.read()
    if virtual:
        wait_until("the kernel is a second old", lambda: time.monotonic() > 1, 10.0, every_s=1.0)


def main() -> None:
    """Boot; returns only when the host has gone or said ``halt``."""
    packages = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    sys.path.insert(0, packages)
    lay_out_root()
    make_room()
    come_of_age()
    channel = open_channel()
    from lab.engine.attendant import Attendant
    from lab.linux import syscalls

    syscalls.set_hostname("lab")
    Attendant(channel, configure).serve()
    syscalls.power_off()


if __name__ == "__main__":
    main()
