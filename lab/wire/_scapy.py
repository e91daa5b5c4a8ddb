"""scapy's raw readers, imported so that what scapy caches stays in the lab's own cache.

At import scapy writes tables to ``~/.cache/scapy`` and makes ``~/.config``; the lab leaves nothing outside
its run directory and its cache.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from lab.paths import cache_dir


@contextlib.contextmanager
def _at_home() -> Iterator[None]:
    home = os.fspath(cache_dir() / "scapy")
    names = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, home))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


with _at_home():
    from scapy.error import Scapy_Exception
    from scapy.utils import RawPcapNgReader, RawPcapReader

__all__ = ["RawPcapNgReader", "RawPcapReader", "Scapy_Exception"]
