"""What the guest's kernel takes for the things that programs ask of it most."""

from __future__ import annotations

import json
import mmap
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

CALLS = 20_000
PAGES = 4_096
FORKS = 50
STARTS = 5


def main() -> None:
    """Write the figures, each as samples, to the file that is named first."""
    result, rounds = Path(sys.argv[1]), int(sys.argv[2])
    taken: dict[str, list[float]] = {
        "system call (us)": [_each(CALLS, _call) * 1e6 for _ in range(rounds)],
        "page fault (us)": [_touch() / PAGES * 1e6 for _ in range(rounds)],
        "fork and exit (us)": [_each(FORKS, _fork) * 1e6 for _ in range(rounds)],
        "start of python3 -S (ms)": [_each(STARTS, _start) * 1e3 for _ in range(rounds)],
    }
    result.write_text(json.dumps(taken))


def _each(times: int, what: Callable[[], object]) -> float:
    """Seconds for one call of many."""
    begin = time.perf_counter()
    for _ in range(times):
        what()
    return (time.perf_counter() - begin) / times


def _call() -> None:
    os.getppid()


def _touch() -> float:
    with mmap.mmap(-1, PAGES * mmap.PAGESIZE) as memory:
        begin = time.perf_counter()
        for page in range(PAGES):
            memory[page * mmap.PAGESIZE] = 1
        return time.perf_counter() - begin


def _fork() -> None:
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _start() -> None:
    subprocess.run(["/usr/bin/python3", "-S", "-c", ""], check=True)


if __name__ == "__main__":
    main()
