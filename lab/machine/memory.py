"""How much memory the lab's own kernel has: what a user may ask for, and what this machine can give.

Only what is touched inside is taken from this machine.
"""

from __future__ import annotations

import os
import re

from lab.errors import UsageError

MIB = 1 << 20
DEFAULT = 2048 * MIB
LEAST = 256 * MIB
"""With less, the lab's own processes have no room: the kernel ends them before an agent's first step."""

IN_LEAST = 50
"""So many nodes have room in that."""
A_NODE = MIB
"""For one more. 200 agents behind a proxy call home in 416 MiB, and not in 256."""

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)(M|MB|MiB|G|GB|GiB)", re.ASCII)


def parse(text: str, option: str = "--memory") -> int:
    """``4G`` or ``512M`` to bytes, in powers of two as for memory; raises UsageError.

    ``option`` is where a user named the size.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise UsageError(
            f"{option} takes a size such as 512M or 4G, not {text!r}", hint=f"{option} 4G"
        )
    size = int(float(match[1]) * (MIB if match[2].startswith("M") else 1024 * MIB)) // MIB * MIB
    if size < LEAST:
        raise UsageError(
            f"{option} {text} is too little: a lab needs {LEAST // MIB}M",
            hint=f"leave the option out for {DEFAULT // MIB}M: only what is used inside is taken",
        )
    if size > (most := here()):
        raise UsageError(
            f"{option} {text} is more than this machine has: {most // MIB}M",
            hint=f"name less, or leave the option out for {DEFAULT // MIB}M",
        )
    return size


def needed(nodes: int) -> int:
    """Bytes for a lab of so many nodes. Each is a thread, a process 1, a network, mounts, and a call home's
    log and packets."""
    return LEAST + max(0, nodes - IN_LEAST) * A_NODE


def for_nodes(size: int, nodes: int, engine: str = "uml", option: str = "--memory") -> int:
    """The memory of a lab of so many nodes: what was named, or 0 for the default where that is enough.

    Raises UsageError if what was named is too little, as the kernel would end processes of the lab's, or if
    the engine has no memory of its own.
    """
    check_engine(size, engine, option)
    if engine == "native":
        return 0
    need = needed(nodes)
    if size and size < need:
        raise UsageError(
            f"{option} {size // MIB}M is too little: a lab of {nodes} nodes needs {need // MIB}M",
            hint=f"leave the option out for {max(DEFAULT, need) // MIB}M: only what is used inside is taken",
        )
    return size or (need if need > DEFAULT else 0)


def here() -> int:
    """This machine's memory, in bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def check_engine(size: int, engine: str, option: str = "--memory") -> None:
    """Raises UsageError where a size was named and the engine has no memory of its own."""
    if size and engine == "native":
        raise UsageError(
            f"{option} is for the lab's own kernel: a native lab has all of this machine's memory",
            hint="leave the option out, or name the engine uml",
        )
