"""A node: a network, a mount and a UTS namespace, and the one thread of ours that lives in them.

Sockets that are opened and programs that are started by ``Node.call`` belong to the node. In it,
``/run`` and the daemons' directories below ``/etc`` are private and empty, ``/etc/hosts`` is the
node's own, and everything else is the surrounding file system (the run directory at its own path).
Links at ``/run/{netns,mntns,utsns}/<node>`` of the surrounding mount namespace lead ``nsenter`` and
``ip netns`` there. They are links and not bind mounts, because a bind mount outlives this process,
is copied into each later node, and some kernels (6.18) refuse it for a mount namespace.

Links, addresses, routes and sysctls are not made here. In a node's thread, read
``/proc/thread-self/net``: ``/proc/net`` and ``/proc/self/net`` show the main thread's namespace.
"""

from __future__ import annotations

import fcntl
import os
import queue
import shutil
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import IO, Any, ParamSpec, TypeVar

from lab import _linux
from lab.errors import KernelError
from lab.process import DEVNULL, Daemon, Popen, run, spawn
from lab.topology import model

P = ParamSpec("P")
T = TypeVar("T")

PINS: Mapping[str, str] = {"net": "netns", "mnt": "mntns", "uts": "utsns"}
"""Kind of namespace to the directory below /run that leads to it; ``ip netns`` knows the first."""

PRIVATE_DIRECTORIES = (
    "/etc/ppp",
    "/etc/xl2tpd",
    "/etc/swanctl",
    "/etc/strongswan.d",
    "/etc/ipsec.d",
)
"""Where daemons look for files whatever they are told; empty in every node."""

COPIED_PROGRAMS = ("/usr/sbin/pppd",)
"""Programs that the lab's user may read but not execute: Debian's pppd has mode 4754, group dip."""

_IFF_UP = 0x1
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914

_prepare_lock = threading.Lock()


def prepare() -> None:
    """Make the surrounding mount namespace ready for nodes; the second call does nothing."""
    with _prepare_lock:
        if not os.path.ismount(f"/run/{PINS['mnt']}"):
            for program in COPIED_PROGRAMS:
                if Path(program).exists() and not os.access(program, os.X_OK):
                    _copy_and_cover(Path(program))

            for directory in PINS.values():
                path = f"/run/{directory}"
                Path(path).mkdir(parents=True, exist_ok=True)
                # Natively this may be the host's /run, where nothing must be left behind.
                _linux.mount("tmpfs", path, "tmpfs", 0, "mode=755")


def _copy_and_cover(program: Path) -> None:
    copies = Path("/run/lab-programs")
    copies.mkdir(exist_ok=True)
    copy = copies / program.name
    shutil.copyfile(program, copy)
    copy.chmod(0o755)
    _linux.mount(os.fspath(copy), os.fspath(program), "", _linux.MS_BIND)


class Node:
    """A running node; make it with ``create``."""

    def __init__(self, name: str, run_dir: Path, hosts: Iterable[tuple[str, str]]) -> None:
        self.name = name
        self.run_dir = run_dir
        self.log_dir = run_dir / "logs" / name
        self.daemons: list[Daemon] = []
        self._hosts = tuple(hosts)
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]
        self._jobs = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"node {name}", daemon=True)

    @classmethod
    def create(cls, node: model.Node, run_dir: Path) -> Node:
        """The namespaces of a node of the model, with its hosts table."""
        return cls.create_bare(node.name, run_dir, node.hosts)

    @classmethod
    def create_bare(cls, name: str, run_dir: Path, hosts: Iterable[tuple[str, str]] = ()) -> Node:
        """Namespaces that no model knows (``wires``)."""
        prepare()
        node = cls(name, run_dir.resolve(), hosts)
        node._thread.start()
        try:
            node.call(node._enter)
            node._pin()
        except OSError as error:
            node.close()
            raise KernelError("make node", name, str(error)) from error
        return node

    # What others do with a node.

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``function`` in the node's thread and namespaces; what it raises is raised here."""
        if threading.current_thread() is self._thread:
            return function(*args, **kwargs)

        future: Future[T] = Future()
        self._jobs.put((future, lambda: function(*args, **kwargs)))
        return future.result()

    def spawn(
        self,
        argv: Sequence[str | Path],
        *,
        name: str = "",
        env: Mapping[str, str] | None = None,
    ) -> Daemon:
        """Start a daemon in the node, which logs to ``logs/<node>/<name>.log`` and ends with it."""
        daemon = self.call(
            Daemon.start,
            argv,
            name=name or Path(argv[0]).name,
            log_dir=self.log_dir,
            env={"LAB_NODE": self.name, **(env or {})},
        )
        self.daemons.append(daemon)
        return daemon

    def run(self, argv: Sequence[str | Path], *, deadline_s: float = 10.0, input: str = "") -> str:
        """Run a program in the node to its end and return its stdout."""
        return self.call(run, argv, deadline_s=deadline_s, input=input)

    def start(
        self,
        argv: Sequence[str | Path],
        env: Mapping[str, str],
        *,
        stdout: int | IO[bytes] = DEVNULL,
        stderr: int | IO[bytes] = DEVNULL,
    ) -> Popen[bytes]:
        """Start a program whose output the caller reads; the caller also ends it."""
        return self.call(spawn, argv, env=env, stdout=stdout, stderr=stderr)

    def write(self, path: str | Path, text: str, mode: int = 0o600) -> None:
        """Write a file that only the node sees, unless it is in the run directory."""
        self.call(_write, Path(path), text, mode)

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """A socket of the node's network, for any thread to use."""
        return self.call(socket.socket, family, kind, protocol)

    def strays(self) -> tuple[int, ...]:
        """Processes, other than this one, that live in the node's network."""
        pin = self._pin_path("net")
        try:
            wanted = Path(pin).stat().st_ino
        except FileNotFoundError:
            return ()
        return tuple(
            pid
            for pid in (
                int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()
            )
            if pid != os.getpid() and _namespace_inode(pid) == wanted
        )

    def close(self) -> None:
        """End what ``spawn`` started, the last first, and let go of the namespaces."""
        while self.daemons:
            self.daemons.pop().stop()

        self._unpin()
        if self._thread.is_alive():
            self._jobs.put(None)
            self._thread.join()

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # The node's thread.

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, function = job
            try:
                future.set_result(function())
            # Whatever it is, it belongs to the caller who waits in ``call``.
            except BaseException as error:  # noqa: BLE001
                future.set_exception(error)
            # Else the last result would live until the next job.
            del job, future, function

    def _enter(self) -> None:
        _linux.unshare(_linux.CLONE_NEWNET | _linux.CLONE_NEWNS | _linux.CLONE_NEWUTS)
        _linux.mount("none", "/", "", _linux.MS_REC | _linux.MS_PRIVATE)

        self.run_dir.mkdir(parents=True, exist_ok=True)
        kept = os.open(self.run_dir, os.O_PATH | os.O_CLOEXEC)
        try:
            _linux.mount("tmpfs", "/run", "tmpfs", _linux.MS_NOSUID, "mode=755")
            if self.run_dir.is_relative_to("/run"):
                self.run_dir.mkdir(parents=True)
                _linux.mount(f"/proc/self/fd/{kept}", str(self.run_dir), "", _linux.MS_BIND)
        finally:
            os.close(kept)

        for directory in filter(os.path.isdir, PRIVATE_DIRECTORIES):
            private = f"/run/lab{directory}"
            Path(private).mkdir(mode=0o700, parents=True)
            _linux.mount(private, directory, "", _linux.MS_BIND)

        _cover("/etc/hosts", render_hosts(self.name, self._hosts))
        _cover("/etc/resolv.conf", "")
        _linux.set_hostname(self.name)
        os.chdir("/")
        _loopback_up()

    # Pins.

    def _pin_path(self, kind: str) -> str:
        return f"/run/{PINS[kind]}/{self.name}"

    def _pin(self) -> None:
        namespaces = f"/proc/{os.getpid()}/task/{self._thread.native_id}/ns"
        for kind in PINS:
            Path(self._pin_path(kind)).symlink_to(f"{namespaces}/{kind}")

    def _unpin(self) -> None:
        for kind in PINS:
            Path(self._pin_path(kind)).unlink(missing_ok=True)


def render_hosts(name: str, hosts: Iterable[tuple[str, str]]) -> str:
    """A hosts table: loopback, the node's own name, then what the model says."""
    lines = [("127.0.0.1", f"localhost {name}"), *hosts]
    return "".join(f"{address}\t{names}\n" for address, names in lines)


def _cover(path: str, text: str) -> None:
    """Let a file of the surrounding system read as ``text`` in this node."""
    target = os.path.realpath(path)
    if target.startswith("/run/"):
        # A link into /run (systemd-resolved), which is the node's own and empty by now.
        _write(Path(target), text, 0o644)
        return

    if Path(target).exists():
        private = Path(f"/run/lab{path}")
        _write(private, text, 0o644)
        _linux.mount(os.fspath(private), target, "", _linux.MS_BIND)


def _write(path: Path, text: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w") as file:
        # An older file keeps its mode and the umask takes from a new one's.
        os.fchmod(descriptor, mode)
        file.write(text)


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14x", b"lo", 0)
        answer = fcntl.ioctl(control, _SIOCGIFFLAGS, request)
        (flags,) = struct.unpack_from("H", answer, 16)
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))


def _namespace_inode(pid: int) -> int:
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
