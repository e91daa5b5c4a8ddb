"""scapy's raw readers, imported so that what scapy caches stays in the lab's own cache.

At import scapy writes tables to ``~/.cache/scapy`` and makes ``~/.config``; the lab leaves nothing outside
its run directory and its cache.
"""

from __future__ import annotations

import contextlib
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.paths import cache_dir

HOME = cache_dir() / "scapy"
SMALL_BYTES = 1000


@contextlib.contextmanager
def _at_home() -> Iterator[None]:
    names = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, os.fspath(HOME)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def forget_manufacturers(cached: Path) -> None:
    """Empty scapy's cached table of manufacturers (``manufdb.pickle``), which an import of scapy reads.

    The lab names nobody by a MAC address, and reading the table takes 60 ms. A table that is not there, that
    another process is just writing, or that may not be written stays as it is.
    """
    with contextlib.suppress(OSError, EOFError, pickle.UnpicklingError):
        if cached.stat().st_size <= SMALL_BYTES:
            return
        table = pickle.loads(cached.read_bytes())
        table["content"] = type(table["content"])(_name="no manufacturers")
        emptied = cached.with_suffix(f".{os.getpid()}")
        emptied.write_bytes(pickle.dumps(table))
        emptied.replace(cached)


with _at_home():
    from scapy.error import Scapy_Exception
    from scapy.utils import RawPcapNgReader, RawPcapReader

    forget_manufacturers(HOME / "scapy" / "manufdb.pickle")


def _pass_over(self: object, block: bytes, size: int) -> None:
    """A Decryption Secrets Block is for Wireshark; scapy complains of each if its TLS is not loaded."""


RawPcapNgReader._read_block_dsb = _pass_over  # type: ignore[method-assign]


def dns_reader() -> Any:
    """scapy's class of DNS messages; to import the layers takes 170 ms, which few runs need."""
    with _at_home():
        from scapy.layers.dns import DNS

    return DNS


__all__ = ["RawPcapNgReader", "RawPcapReader", "Scapy_Exception", "dns_reader"]
