"""A node's own file system: ``/run`` and ``/etc``, and, once a program needs them, ``/dev`` and ``/sys``.

``/etc`` is an overlay (overlayfs) of three layers: this machine's files; above them what is hidden of those,
which all nodes share; on top what is written in the node. So a node starts from what packages ship, and may
replace any file of it, by rename, too. The machine's own secrets are hidden, and what whoever started the lab
may not read: a program finds a folder empty or a file missing, and can write it. A kernel without overlayfs
gets the same files, but only some folders of ``/etc`` are the node's own there.

All functions here, but ``prepare``, run in the node's thread.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import shutil
import socket
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from lab.errors import KernelError
from lab.linux import resolving, syscalls

PRIVATE = "/run/lab"
"""Where a node's own files lie that are seen elsewhere."""
HIDING = "/run/lab-hiding"
"""The layer that hides; of the surrounding file system."""
_FRESH = "/run/lab-fresh"
"""Where a node's /run is made."""

DAEMONS_DIRECTORIES = (
    "/etc/ppp",
    "/etc/xl2tpd",
    "/etc/swanctl",
    "/etc/strongswan.d",
    "/etc/ipsec.d",
)
"""Where daemons look for files whatever they are told."""

SECRETS = (
    "/etc/ppp/chap-secrets",
    "/etc/ppp/pap-secrets",
    "/etc/xl2tpd/l2tp-secrets",
    "/etc/swanctl/bliss",
    "/etc/swanctl/ecdsa",
    "/etc/swanctl/pkcs12",
    "/etc/swanctl/pkcs8",
    "/etc/swanctl/private",
    "/etc/swanctl/rsa",
    "/etc/ipsec.d/private",
)
"""Where daemons keep keys and passwords: this machine's own ones have no business in a lab."""

HOOKS = tuple(
    f"/etc/ppp/{name}"
    for name in ("auth-down", "auth-up", "ip-down", "ip-pre-up", "ip-up", "ipv6-down", "ipv6-up")
)
"""What pppd(8) starts: on Debian each runs what packages have put beside it."""

DEVICES = (
    "null", "zero", "full", "random", "urandom", "tty", "ptmx", "console", "ppp", "net",
    "fuse", "pts", "fd", "stdin", "stdout", "stderr",
)  # fmt: skip
"""What programs of a node may need of the surrounding /dev."""

LOG = "/run/systemd/journal/dev-log"
"""Where /dev/log leads, as on Debian."""

_PING_GROUPS = "/proc/sys/net/ipv4/ping_group_range"
_OTHERS_THAN_ROOT = "1 2147483647"

_WHITEOUT = os.makedev(0, 0)
_OPAQUE = "trusted.overlay.opaque"


# The layer that hides.


def prepare() -> None:
    """In the surrounding mount namespace, before the first node: make what nodes share."""
    for path in (HIDING, _FRESH):
        os.makedirs(path, exist_ok=True)
    # Of its own: natively /run may be the host's, where nothing must be left behind.
    syscalls.mount("tmpfs", HIDING, "tmpfs", 0, "mode=755")
    os.mkdir(f"{HIDING}/etc", 0o755)
    for path in (*SECRETS, *_out_of_reach()):
        # Without extended attributes, or where a container may make no devices, nothing is hidden.
        with contextlib.suppress(OSError):
            _hide(path)
    if (switch := resolving.own_nsswitch()) is not None:
        Path(f"{HIDING}{resolving.NSSWITCH}").write_text(switch)


def _hide(path: str) -> None:
    """Let a file of the surrounding system be missing, and a folder be empty."""
    try:
        there = os.lstat(path)
    except FileNotFoundError:
        return
    above = f"{HIDING}{path}"
    if os.path.lexists(above):
        return
    _make_parents(path)
    if stat.S_ISDIR(there.st_mode):
        _make_like(above, there)
        os.setxattr(above, _OPAQUE, b"y")
    else:
        os.mknod(above, stat.S_IFCHR, _WHITEOUT)


def _make_parents(path: str) -> None:
    """The folders above a path, as they are below: the uppermost layer decides about rights."""
    parent = os.path.dirname(path)
    if not os.path.isdir(f"{HIDING}{parent}"):
        _make_parents(parent)
        _make_like(f"{HIDING}{parent}", os.stat(parent))


def _make_like(path: str, there: os.stat_result) -> None:
    os.mkdir(path)
    os.chown(path, there.st_uid, there.st_gid)
    os.chmod(path, stat.S_IMODE(there.st_mode))


def _out_of_reach() -> Iterator[str]:
    """What of the daemons' directories whoever started the lab may not read.

    In the guest we are root, and the host asks with whose rights its files are read all the same.
    """
    if os.access("/etc/shadow", os.R_OK):
        return
    for directory in DAEMONS_DIRECTORIES:
        yield from _unreadable(directory)


def _unreadable(folder: str) -> Iterator[str]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except PermissionError:
        yield folder
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if os.access(entry.path, os.R_OK | os.X_OK):
                yield from _unreadable(entry.path)
            else:
                yield entry.path
        elif not os.access(entry.path, os.R_OK):
            yield entry.path


# A node's /run and /etc.


def enter(run_dir: Path, files: Mapping[str, str]) -> None:
    """Make /run and /etc in a mount namespace that is new; ``files``: path below /etc to text."""
    syscalls.mount("tmpfs", _FRESH, "tmpfs", syscalls.MS_NOSUID, "mode=755")
    for folder in ("", "/etc", "/work"):
        os.mkdir(f"{_FRESH}{PRIVATE.removeprefix('/run')}{folder}", 0o755)
    etc = f"{_FRESH}{PRIVATE.removeprefix('/run')}/etc"
    for path, text in files.items():
        write(f"{etc}{path.removeprefix('/etc')}", text, 0o644)
    if run_dir.is_relative_to("/run"):
        kept = f"{_FRESH}/{run_dir.relative_to('/run')}"
        os.makedirs(kept)
        run_dir.mkdir(parents=True, exist_ok=True)
        syscalls.mount(os.fspath(run_dir), kept, "", syscalls.MS_BIND)

    overlaid = _overlay_etc(etc, f"{os.path.dirname(etc)}/work")
    syscalls.mount(_FRESH, "/run", "", syscalls.MS_MOVE)
    if not overlaid:
        _bind_etc(files)


def _overlay_etc(upper: str, work: str) -> bool:
    """Whether this kernel has overlayfs."""
    options = f"lowerdir={HIDING}/etc:/etc,upperdir={upper},workdir={work}"
    try:
        syscalls.mount("overlay", "/etc", "overlay", 0, options)
    except OSError as error:
        if error.errno in (errno.ENODEV, errno.EINVAL, errno.EPERM):
            return False
        raise
    return True


def _bind_etc(files: Mapping[str, str]) -> None:
    """What can be had of an /etc of the node's own without overlayfs."""
    for path in files:
        target = os.path.realpath(path)
        if target.startswith("/run/"):
            # A link into /run (systemd-resolved), which is the node's own and empty by now.
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(f"{PRIVATE}{path}", target)
        elif os.path.exists(target):
            syscalls.mount(f"{PRIVATE}{path}", target, "", syscalls.MS_BIND)

    def left_out(folder: str, names: list[str]) -> set[str]:
        paths = {f"{folder}/{name}": name for name in names}
        kept_back = {path for path in paths if not os.access(path, os.R_OK)}
        return {paths[path] for path in paths if path in kept_back | {*HOOKS, *SECRETS}}

    for directory in filter(os.path.isdir, DAEMONS_DIRECTORIES):
        private = f"{PRIVATE}{directory}"
        shutil.copytree(directory, private, symlinks=True, ignore=left_out)
        syscalls.mount(private, directory, "", syscalls.MS_BIND)


def hide(paths: Iterable[str]) -> None:
    """Let files of the surrounding /etc be missing in this node; what was written in the node stays.

    Raises KernelError outside of a node, where the files would be this machine's own.
    """
    if not os.path.isdir(PRIVATE):
        raise KernelError("hide files of", "this machine", "only a node has an /etc of its own")
    for path in paths:
        if os.path.exists(path) and not os.path.exists(f"{PRIVATE}{path}"):
            os.unlink(path)


def give_folder(path: str, run_dir: Path) -> None:
    """Give this node a folder of its own where programs look for one outside of /etc, as ``/var/l2tp``.

    If this machine has none there, the folder above is overlaid with what it has; the run directory, if it
    lies there, stays the host's. Raises KernelError where that cannot be done.
    """
    own = f"{PRIVATE}{path}"
    if os.path.isdir(own):
        return
    os.makedirs(own)
    try:
        if os.path.isdir(path):
            syscalls.mount(own, path, "", syscalls.MS_BIND)
        else:
            _overlay(os.path.dirname(path), os.path.dirname(own), run_dir)
    except OSError as error:
        hint = f"mkdir {path}, which may stay empty"
        raise KernelError("make", path, error.strerror or "", hint=hint) from error


def _overlay(folder: str, upper: str, kept: Path) -> None:
    """Overlay a folder of the surrounding system, but for what is kept of it."""
    aside, work = f"{PRIVATE}/aside", f"{PRIVATE}/work-of{folder.replace('/', '-')}"
    for directory in (aside, work):
        os.makedirs(directory, exist_ok=True)
    within = kept.is_relative_to(folder)
    if within:
        syscalls.mount(os.fspath(kept), aside, "", syscalls.MS_BIND)
    options = f"lowerdir={folder},upperdir={upper},workdir={work}"
    syscalls.mount("overlay", folder, "overlay", 0, options)
    if within:
        syscalls.mount(aside, os.fspath(kept), "", syscalls.MS_MOVE)


# What programs need.


def furnish() -> None:
    """Give a node what its programs expect of a machine: devices, interfaces in /sys, a place for locks.

    Users other than root may ping: this machine's ping(8) has a file capability, which hostfs does not show.
    """
    make_devices()
    syscalls.mount("sysfs", "/sys", "sysfs", syscalls.MS_NOSUID)
    # Where /var/lock leads: programs note there which port they use (FHS 5.9, LCK..modem0).
    os.mkdir("/run/lock")
    os.chmod("/run/lock", 0o1777)
    descriptor = os.open(_PING_GROUPS, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, _OTHERS_THAN_ROOT.encode())
    finally:
        os.close(descriptor)


def make_devices() -> None:
    """A /dev of the node's own, where ports can be named as on any machine."""
    fresh = f"{PRIVATE}/dev"
    os.mkdir(fresh)
    syscalls.mount("tmpfs", fresh, "tmpfs", syscalls.MS_NOSUID, "mode=755")
    for name, there, target in _surrounding_devices():
        new = f"{fresh}/{name}"
        if target:
            os.symlink(target, new)
        elif stat.S_ISDIR(there.st_mode):
            os.mkdir(new)
            syscalls.mount(f"/dev/{name}", new, "", syscalls.MS_BIND | syscalls.MS_REC)
        else:
            os.mknod(new, there.st_mode, there.st_rdev)
            os.chmod(new, stat.S_IMODE(there.st_mode))
    os.symlink(LOG, f"{fresh}/log")
    os.mkdir(f"{fresh}/shm")
    syscalls.mount("tmpfs", f"{fresh}/shm", "tmpfs", syscalls.MS_NOSUID, "mode=1777")
    syscalls.mount(fresh, "/dev", "", syscalls.MS_MOVE)


@functools.cache
def _surrounding_devices() -> tuple[tuple[str, os.stat_result, str], ...]:
    """Name, what it is, and where a link leads; looked up once, before any node has another /dev."""
    found = []
    for name in DEVICES:
        with contextlib.suppress(FileNotFoundError):
            there = os.lstat(f"/dev/{name}")
            target = os.readlink(f"/dev/{name}") if stat.S_ISLNK(there.st_mode) else ""
            found.append((name, there, target))
    return tuple(found)


def listen_to_log() -> socket.socket:
    """A socket for what the node's programs tell syslog(3); does not block."""
    os.makedirs(os.path.dirname(LOG))
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.bind(LOG)
        os.chmod(LOG, 0o666)
    except OSError:
        sock.close()
        raise
    return sock


def write(path: str | Path, text: str, mode: int) -> None:
    """Write a file with exactly these rights."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w") as file:
        # An older file keeps its mode and the umask takes from a new one's.
        os.fchmod(descriptor, mode)
        file.write(text)
