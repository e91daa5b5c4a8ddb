"""Where a native lab finds containers and this machine's own namespaces: folders of /proc at other paths.

The lab's own /proc shows the lab's processes alone. A folder of the surrounding /proc that is mounted
elsewhere stays that of one process: when that ends, the files are gone, and a later process of the same
number is not seen there.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path

from lab.container.proc_entry import ProcEntry, started_of
from lab.linux import syscalls

FOLDER = "/run/lab-containers"
HOST = "/run/lab-host"


def lay(containers: Mapping[str, ProcEntry], host: int) -> None:
    """In the lab's mount namespace, while /proc is still the surrounding one; ``host``: a process outside.

    Raises ProcessLookupError if a container has ended meanwhile.
    """
    for node, entry in containers.items():
        _bind(entry.pid, folder(node))
        if started_of(folder(node)) != entry.started:
            raise ProcessLookupError(errno.ESRCH, f"the container that is {node} has ended")
    if containers:
        _bind(host, HOST)


def _bind(pid: int, path: str) -> None:
    Path(path).mkdir(parents=True)
    syscalls.mount(f"/proc/{pid}", path, "", syscalls.MS_BIND)


def folder(node: str) -> str:
    """The /proc folder of the container that is a node."""
    return f"{FOLDER}/{node}"


def network(node: str) -> str:
    """The network namespace of the container that is a node."""
    return f"{folder(node)}/ns/net"


def lives(node: str) -> bool:
    """Whether the container that is a node still runs."""
    return started_of(folder(node)) is not None


def outside(argv: list[str]) -> list[str]:
    """The command line that runs a program with this machine's files and network, as without a lab."""
    return [
        "nsenter",
        f"--net={HOST}/ns/net",
        f"--mount={HOST}/ns/mnt",
        f"--wdns={Path.cwd()}",
        "--",
        *argv,
    ]
