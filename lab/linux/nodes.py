"""A node: a network, a mount, a UTS and a process namespace, and the one thread of ours for them.

Sockets that are opened and programs that are started by ``Node.call`` belong to the node. In it,
``/run`` and ``/etc`` are the node's own, and so are ``/dev`` and ``/sys`` in a node where we write a file
or start a program (``furnishing``); everything else is the surrounding file system (the run directory at
its own path).
Links at ``/run/{netns,mntns,utsns,pidns}/<node>`` of the surrounding mount namespace lead ``nsenter`` and
``ip netns`` there. They are links and not bind mounts, because a bind mount outlives this process,
is copied into each later node, and some kernels (6.18) refuse it for a mount namespace.

Links, addresses, routes and sysctls are not made here. The node's thread is itself not among the node's
processes, and reads by ``proc`` what /proc says of the thread.
"""

from __future__ import annotations

import _thread
import fcntl
import functools
import os
import queue
import shutil
import socket
import stat
import struct
import threading
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, ParamSpec, TypeVar, cast

from lab.errors import KernelError
from lab.linux import furnishing, nft, proc, resolving, syscalls
from lab.linux.netlink import NETLINK_ROUTE, NetlinkSocket
from lab.linux.pid_namespace import PidNamespace, processes_of
from lab.linux.process import DEVNULL, PIPE, TERM_GRACE_S, Daemon, Popen, finish, spawn
from lab.linux.system_log import SYSLOG, LogSocket, SystemLog
from lab.topology import model

P = ParamSpec("P")
T = TypeVar("T")

PINS = {"net": "netns", "mnt": "mntns", "uts": "utsns", "pid_for_children": "pidns"}
"""Kind of namespace to the directory below /run that leads to it; ``ip netns`` knows the first."""

COPIED_PROGRAMS = ("/usr/sbin/pppd",)
"""Programs that the lab's user may read but not execute: Debian's pppd has mode 4754, group dip."""

_IFF_UP = 0x1
_SIOCSIFFLAGS = 0x8914

STACK_BYTES = 256 * 1024
"""Of a node's thread. In the guest all of it is put in place at once, a page for 4 microseconds."""


@functools.cache
def prepare() -> None:
    """Make the surrounding mount namespace ready for nodes; the second call does nothing."""
    if os.path.ismount(f"/run/{PINS['mnt']}"):
        return

    proc.surrounding()
    for program in COPIED_PROGRAMS:
        if Path(program).exists() and not os.access(program, os.X_OK):
            _copy_and_cover(Path(program))

    furnishing.prepare()
    for directory in PINS.values():
        path = f"/run/{directory}"
        Path(path).mkdir(parents=True, exist_ok=True)
        # Natively this may be the host's /run, where nothing must be left behind.
        syscalls.mount("tmpfs", path, "tmpfs", 0, "mode=755")


def _copy_and_cover(program: Path) -> None:
    there = program.stat()
    copies = Path("/run/lab-programs")
    copies.mkdir(exist_ok=True)
    copy = copies / program.name
    shutil.copyfile(program, copy)
    os.chown(copy, there.st_uid, there.st_gid)
    # After that, which takes the set-user-ID bit away.
    copy.chmod(stat.S_IMODE(there.st_mode))
    syscalls.mount(os.fspath(copy), os.fspath(program), "", syscalls.MS_BIND)


class _Job:
    """A call for a node's thread, and a lock that is free once it was made.

    ``concurrent.futures.Future`` would do, and costs as much as a namespace.
    """

    __slots__ = ("error", "function", "made", "result")

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function
        self.result: Any = None
        self.error: BaseException | None = None
        self.made = _thread.allocate_lock()
        self.made.acquire()


class Node:
    """A running node; make it with ``create``."""

    def __init__(
        self,
        name: str,
        run_dir: Path,
        hosts: Iterable[tuple[str, str]],
        resolver: str = "",
        network: str = "",
    ) -> None:
        self.name = name
        self.run_dir = run_dir
        self.log_dir = run_dir / "logs" / name
        self.daemons: list[Daemon] = []
        self.hosts = tuple(hosts)
        self.resolver = resolver
        self.network = network
        """The path of a network namespace that was there before us, as a container's; else empty."""
        self.former_tables: frozenset[str] = frozenset()
        """What that has of packet rules by itself: ``table inet filter``."""
        self.system_log: SystemLog | None = None
        """Where what programs tell syslog(3) is written; None: nowhere."""
        self._furnished = False
        self._log_socket: LogSocket | None = None
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = 0
        self._native_id = 0
        self._ended = _thread.allocate_lock()
        self._netlink: NetlinkSocket | None = None
        self._processes: PidNamespace | None = None
        self._started: list[Popen[bytes]] = []

    @classmethod
    def create(cls, node: model.NodePlan, run_dir: Path, network: str = "") -> Node:
        """The namespaces of a node of the model, with its hosts table and its name server.

        ``network``: the path of a network namespace to take in the place of a new one.
        """
        return cls.create_bare(node.name, run_dir, node.hosts, node.resolver, network)

    @classmethod
    def create_bare(
        cls,
        name: str,
        run_dir: Path,
        hosts: Iterable[tuple[str, str]] = (),
        resolver: str = "",
        network: str = "",
    ) -> Node:
        """Namespaces that no model knows (``wires``)."""
        prepare()
        node = cls(name, _resolved(run_dir), hosts, resolver, network)
        node._start()
        try:
            node._netlink = node.call(node._enter)
            node._processes = node.call(PidNamespace.start)
            node._pin()
        except OSError as error:
            node.close()
            raise KernelError("make node", name, str(error)) from error
        return node

    @property
    def init(self) -> int:
        """The number of the node's process 1, as this process knows it; 0 once the node is closed."""
        return self._processes.init if self._processes is not None else 0

    @property
    def netlink(self) -> NetlinkSocket:
        """Into the node's network, for links and addresses; one caller at a time."""
        assert self._netlink is not None, "closed"
        return self._netlink

    # What others do with a node.

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``function`` in the node's thread and namespaces; what it raises is raised here."""
        if _thread.get_ident() == self._thread:
            return function(*args, **kwargs)

        job = _Job(functools.partial(function, *args, **kwargs))
        self._jobs.put(job)
        job.made.acquire()
        if job.error is not None:
            try:
                raise job.error
            finally:
                # Else the error would hold the frame that holds it.
                del job
        return cast(T, job.result)

    def spawn(
        self,
        argv: Sequence[str | Path],
        *,
        name: str = "",
        env: Mapping[str, str] | None = None,
        may_end_with: Container[int] = (),
        cwd: Path | None = None,
        timed: bool = False,
    ) -> Daemon:
        """Start a daemon in the node, which logs to ``logs/<node>/<name>.log`` and ends with it.

        ``may_end_with``: the exit statuses with which it may end by itself. ``timed``: the lab's time is to
        stand in front of each line, as the daemon's own lines have none.
        """
        self.furnish()
        daemon = self.call(
            Daemon.start,
            argv,
            name=name or Path(argv[0]).name,
            log_dir=self.log_dir,
            env={"LAB_NODE": self.name, **(env or {})},
            may_end_with=may_end_with,
            cwd=cwd,
            clock=self.system_log if timed else None,
        )
        self.daemons.append(daemon)
        return daemon

    def stop(self, daemon: Daemon, *, grace_s: float = TERM_GRACE_S) -> int:
        """End a daemon of ``spawn`` before the node ends; returns the daemon's exit status."""
        status = daemon.stop(grace_s=grace_s)
        self.daemons.remove(daemon)
        return status

    def check(self) -> None:
        """Raise DaemonError if a daemon has ended by itself, and not as it may."""
        for daemon in tuple(self.daemons):
            if daemon.broke:
                daemon.check(f"{self.name}'s {daemon.name}")

    def run(self, argv: Sequence[str | Path], *, deadline_s: float = 10.0, input: str = "") -> str:
        """Run a program in the node to its end and return its stdout."""
        # Started in the node's thread and awaited in ours, so that the node can be called meanwhile.
        popen = self.start(argv, stdin=PIPE, stdout=PIPE, stderr=PIPE)
        return finish(popen, deadline_s, input)

    def start(
        self,
        argv: Sequence[str | Path],
        env: Mapping[str, str] | None = None,
        *,
        stdin: int | IO[bytes] = DEVNULL,
        stdout: int | IO[bytes] = DEVNULL,
        stderr: int | IO[bytes] = DEVNULL,
    ) -> Popen[bytes]:
        """Start a program whose output the caller reads; it ends with the node at the latest."""
        self.furnish()
        popen = self.call(spawn, argv, env=env, stdin=stdin, stdout=stdout, stderr=stderr)
        self._started.append(popen)
        return popen

    def write(self, path: str | Path, text: str, mode: int = 0o600) -> None:
        """Write a file that only the node sees, unless it is in the run directory."""
        self.furnish()
        self.call(os.makedirs, Path(path).parent, exist_ok=True)
        self.call(furnishing.write, path, text, mode)

    def hide(self, paths: Iterable[str]) -> None:
        """Let files of the surrounding /etc be missing here, but for those that were written here."""
        self.furnish()
        self.call(furnishing.hide, paths)

    def furnish(self) -> None:
        """Give the node what programs need: only now, as a hundred hosts have no daemons."""
        if not self._furnished:
            self.call(self._furnish)

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """A socket of the node's network, for any thread to use."""
        return self.call(socket.socket, family, kind, protocol)

    def open_network(self) -> int:
        """A descriptor of the node's network, for a thread that is to be in it (setns(2))."""
        return os.open(self._pin_path("net"), os.O_RDONLY | os.O_CLOEXEC)

    def strays(self) -> tuple[int, ...]:
        """Processes, other than this one, that live in the node's network."""
        return tuple(pid for pid in processes_of(self._pin_path("net")) if pid != self.init)

    def strays_among(self, processes: Mapping[int, tuple[int, ...]]) -> tuple[int, ...]:
        """As ``strays``, of what ``by_network`` has seen: whoever asks many nodes looks once."""
        path = Path(self._pin_path("net"))
        seen = processes.get(path.stat().st_ino, ()) if path.exists() else ()
        return tuple(pid for pid in seen if pid != self.init)

    def close(self) -> None:
        """End what ``spawn`` started, the last first, and let go of the namespaces."""
        while self.daemons:
            self.daemons.pop().stop()
        if self._log_socket is not None and self.system_log is not None:
            self.system_log.remove(self._log_socket)
            self._log_socket = None

        if self._processes is not None:
            self._processes.close(self._started)
            self._processes = None
        for kind in PINS:
            Path(self._pin_path(kind)).unlink(missing_ok=True)
        if self._netlink is not None:
            self._netlink.close()
            self._netlink = None
        if self._thread:
            self._jobs.put(None)
            self._ended.acquire()
            self._thread = 0

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # The node's thread.

    def _start(self) -> None:
        """Not ``threading.Thread``, which would first wait until the thread runs: ``call`` does it."""
        self._ended.acquire()
        before = threading.stack_size(STACK_BYTES)
        try:
            self._thread = _thread.start_new_thread(self._work, ())
        finally:
            threading.stack_size(before)

    def _work(self) -> None:
        self._native_id = threading.get_native_id()
        try:
            self._serve()
        finally:
            self._ended.release()

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job.result = job.function()
            # Whatever it is, it belongs to the caller who waits in ``call``.
            except BaseException as error:  # noqa: BLE001
                job.error = error
            job.made.release()
            # Else the last result would live until the next job.
            del job

    def _enter(self) -> NetlinkSocket:
        own = 0 if self.network else syscalls.CLONE_NEWNET
        syscalls.unshare(own | syscalls.CLONE_NEWNS | syscalls.CLONE_NEWUTS)
        if self.network:
            with Path(self.network).open() as there:
                syscalls.set_namespace(there.fileno(), syscalls.CLONE_NEWNET)
            self.former_tables = frozenset(nft.run("list tables").splitlines())
        if _mounts_propagate():
            syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)

        furnishing.enter(self.run_dir, resolving.files(self.name, self.hosts, self.resolver))
        syscalls.set_hostname(self.name)
        os.chdir("/")
        sock = NetlinkSocket.open(NETLINK_ROUTE)
        # The ioctl works on any socket, and lets nobody change that lo is a loopback.
        up = struct.pack("16sH14x", b"lo", _IFF_UP)
        fcntl.ioctl(sock.socket, _SIOCSIFFLAGS, up)
        return sock

    def _furnish(self) -> None:
        if not self._furnished:
            furnishing.furnish()
            if self.system_log is not None:
                sock = furnishing.listen_to_log()
                self._log_socket = self.system_log.add(sock, self.log_dir / SYSLOG)
            self._furnished = True

    # Pins.

    @property
    def namespaces(self) -> dict[str, str]:
        """The files by which the surrounding mount namespace gets to the node's, by kind."""
        return {kind: self._pin_path(kind) for kind in PINS}

    def _pin_path(self, kind: str) -> str:
        return f"/run/{PINS[kind]}/{self.name}"

    def _pin(self) -> None:
        namespaces = f"/proc/{os.getpid()}/task/{self._native_id}/ns"
        for kind in PINS:
            Path(self._pin_path(kind)).symlink_to(f"{namespaces}/{kind}")


@functools.cache
def _resolved(path: Path) -> Path:
    return path.resolve()


@functools.cache
def _mounts_propagate() -> bool:
    """Whether mounts go from one mount namespace to others here; in the lab's own engines none do."""
    lines = proc.read("thread-self/mountinfo").splitlines()
    return any(" shared:" in line or " master:" in line for line in lines)
