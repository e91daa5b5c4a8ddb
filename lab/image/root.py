"""An image as the root file system of a process in a node.

The image lies in a memory file system of the node's mount namespace, and is gone with that, however a lab
ends. Only there can its files be root's, and set-uid programs and file capabilities be what they are: on
the host an ordinary user would own them all.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from lab.errors import DaemonError, LabBroke, PrerequisiteError
from lab.image.plan import ImagePlan
from lab.linux import process, syscalls

_PLACE = "/run/lab-images"
_READY = b"ready"
_SHARE = 75
"""Of the memory, in percent, that an image may take."""
_UNPACK_S = 3600.0
_PASSWORDS = "/etc/ppp/pap-secrets"
"""Where a dialler of the user's finds the password of ``LAB_USER``."""
_NSSWITCH = "/etc/nsswitch.conf"
"""Without it some C libraries ask a name server first, and never look into /etc/hosts."""
_UNPACK = (
    "--extract", "--numeric-owner", "--same-owner", "--preserve-permissions", "--delay-directory-restore",
    "--xattrs", "--xattrs-include=*", "--warning=no-unknown-keyword", "--warning=no-timestamp",
    "--blocking-factor=512",
)  # fmt: skip
AUTHORITY_HASH = "0f3c3aa5"
"""Of the lab authority's name, by which OpenSSL looks for it in a folder (openssl-rehash(1))."""
BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where Debian, Fedora, RHEL, SUSE and Alpine have all authorities in one file (as Go looks for them)."""
LOCAL_CA = "/usr/local/share/ca-certificates/callhome-lab.crt"
"""Where an administrator puts an authority of the site's own, in Debian's and Alpine's images."""


def enter(plan: ImagePlan, run_dir: str) -> None:
    """Have the image for our root, in a mount namespace of our own; unpack it first if need be.

    Raises LabError.
    """
    root = f"{_PLACE}/{plan.key}"
    Path(root).mkdir(parents=True, exist_ok=True)
    with _locked(f"{root}.lock") as lock:
        fresh = os.pread(lock, len(_READY), 0) != _READY
        if fresh:
            _unpack(plan, root)
        files = {path: _read(path) for path in ("/etc/hosts", "/etc/resolv.conf")}
        passwords = _read(_PASSWORDS)
        _move_into(root, ("/dev", run_dir, *_named_folders(plan, run_dir)))
        if fresh:
            files["/etc/hostname"] = f"{os.uname().nodename}\n"
            if not Path(_NSSWITCH).exists():
                files[_NSSWITCH] = "hosts: files dns\n"
            for path, text in files.items():
                _put(path, text)
            if passwords:
                _put(_PASSWORDS, passwords, 0o600)
            _trust(_read(plan.told.get("LAB_CA_FILE", "")))
            os.pwrite(lock, _READY, 0)


@contextlib.contextmanager
def _locked(path: str) -> Iterator[int]:
    """Two commands that begin at once unpack the image but once."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def _unpack(plan: ImagePlan, root: str) -> None:
    if os.path.ismount(root):
        # Of a command that was killed meanwhile.
        syscalls.unmount(root)
    syscalls.mount("tmpfs", root, "tmpfs", syscalls.MS_NODEV, f"mode=755,size={_SHARE}%")
    try:
        needed, room = Path(plan.rootfs).stat().st_size, _room(root)
        check_room(plan.name, needed, room)
        argv = ["tar", *_UNPACK, f"--file={plan.rootfs}", f"--directory={root}"]
        process.run(argv, deadline_s=_UNPACK_S)
    except DaemonError as error:
        syscalls.unmount(root)
        if "No space left" in error.log_tail:
            raise _too_big(plan.name, needed, room) from error
        raise LabBroke(f"the image {plan.name} cannot be unpacked: {error.message}") from error
    except BaseException:  # Also Ctrl-C: a mount that nobody uses would hold the node's memory.
        syscalls.unmount(root)
        raise


def _room(root: str) -> int:
    told = os.statvfs(root)
    return told.f_bavail * told.f_frsize


def room_bytes(memory_bytes: int) -> int:
    """What an image may take of a lab's memory."""
    return memory_bytes * _SHARE // 100


def check_room(name: str, needed: int, room: int) -> None:
    """Raise PrerequisiteError for an image that takes more than there is for it."""
    if needed > room:
        raise _too_big(name, needed, room)


def _too_big(name: str, needed: int, room: int) -> PrerequisiteError:
    return PrerequisiteError(
        f"the image {name} takes {needed >> 20} MiB of memory, and the lab has {room >> 20} MiB for it",
        hint="take a smaller image, or give the lab more memory: --memory SIZE",
    )


def _named_folders(plan: ImagePlan, run_dir: str) -> list[str]:
    """Where the files are that the lab tells a command of, as ``LAB_PSK_FILE``; not the run directory."""
    files = (Path(value) for name, value in plan.told.items() if name.endswith("_FILE"))
    folders = {os.fspath(file.parent) for file in files if not file.is_relative_to(run_dir)}
    return sorted(folder for folder in folders if Path(folder).is_dir())


def _move_into(root: str, shared: Sequence[str]) -> None:
    """Make a folder our root, with the usual file systems, and with folders of the node."""
    syscalls.unshare(syscalls.CLONE_NEWNS)
    held = {place: os.open(place, os.O_PATH | os.O_CLOEXEC) for place in shared}
    os.chdir(root)
    syscalls.mount(".", "/", "", syscalls.MS_MOVE)
    os.chroot(".")
    os.chdir("/")
    for kind, place in (("proc", "/proc"), ("sysfs", "/sys")):
        Path(place).mkdir(parents=True, exist_ok=True)
        syscalls.mount(kind, place, kind)
    for place, descriptor in held.items():
        Path(place).mkdir(parents=True, exist_ok=True)
        source = f"/proc/self/fd/{descriptor}"
        syscalls.mount(source, place, "", syscalls.MS_BIND | syscalls.MS_REC)
        os.close(descriptor)


def _put(path: str, text: str, mode: int = 0o644) -> None:
    """A file of ours in the place of what the image has there, which may be a link that leads nowhere."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.write_text(text)
    target.chmod(mode)


def _trust(pem: str) -> None:
    """Have the lab's authority trusted beside the image's own, as update-ca-certificates(8) would."""
    if not pem:
        return
    _put(LOCAL_CA, pem)
    _put(f"/etc/ssl/certs/{AUTHORITY_HASH}.0", pem)
    bundles = {path.resolve() for path in map(Path, BUNDLES) if path.exists()}
    if not bundles:
        _put(BUNDLES[0], pem)
    for bundle in bundles:
        with bundle.open("a") as file:
            file.write(f"\n{pem}")


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
