"""A process by its folder in /proc, which another process of the same number later is not taken for."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from lab.linux import syscalls

T = TypeVar("T")

_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcEntry:
    """A process of this machine."""

    pid: int
    started: int
    """In ticks since the machine was started (proc(5), starttime)."""
    boot: str
    """Which start of the machine that was."""

    @classmethod
    def of(cls, pid: int) -> ProcEntry | None:
        """The process that has this number now; None if there is none."""
        if (started := started_of(f"/proc/{pid}")) is None:
            return None
        return cls(pid=pid, started=started, boot=_BOOT.read_text().strip())

    @property
    def lives(self) -> bool:
        """Whether it is still there, and the same."""
        return ProcEntry.of(self.pid) == self

    @property
    def path(self) -> str:
        return f"/proc/{self.pid}"

    def read(self, name: str) -> str:
        """A file of its folder; empty if the process has gone."""
        try:
            return Path(self.path, name).read_text(errors="replace")
        except OSError:
            return ""

    def links(self) -> frozenset[str]:
        """The interfaces of its network namespace."""
        lines = self.read("net/dev").splitlines()[2:]
        return frozenset(line.partition(":")[0].strip() for line in lines)

    def neighbours(self, mark: str) -> list[int]:
        """The processes of its network with ``mark`` in their environment, such as ``LAB_ID=/runs/x``."""
        network = Path(self.path, "ns/net").readlink()
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            # Others come and go meanwhile.
            with contextlib.suppress(OSError):
                if Path(path, "ns/net").readlink() == network and mark.encode() in (
                    path / "environ"
                ).read_bytes().split(b"\0"):
                    found.append(int(path.name))
        return found

    def in_network(self, function: Callable[[], T]) -> T:
        """Call a function in its network namespace, by a thread that ends there."""
        results: list[T] = []
        errors: list[BaseException] = []

        def work() -> None:
            try:
                with Path(self.path, "ns/net").open() as namespace:
                    syscalls.set_namespace(namespace.fileno(), syscalls.CLONE_NEWNET)
                results.append(function())
            # Whatever it is, it belongs to whoever waits below.
            except BaseException as error:  # noqa: BLE001
                errors.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return results[0]


def started_of(folder: str) -> int | None:
    """When the process of a folder of /proc started, in ticks; None if it has ended, as a zombie has, too."""
    try:
        line = Path(folder, "stat").read_text(errors="replace")
    except OSError:
        return None
    # The program's name is in brackets, and may have blanks and brackets itself.
    state, *fields = line.rpartition(")")[2].split()
    return None if state in "ZXx" else int(fields[18])
