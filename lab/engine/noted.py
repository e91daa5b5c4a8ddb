"""What process 1 of the inside notes of users' commands in the nodes of a lab that is up."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.paths import COMMANDS_FILE

RUN_DIR = "LAB_RUN_DIR"


def write(program: Mapping[str, Any], started: float, status: int | None) -> None:
    """A line when it has ended, if it was told of the run directory; a full disk keeps nobody from work.

    Of the command's words only the program's name is kept, and those that name a proxy.
    """
    argv, environment = program["argv"], program["env"]
    if RUN_DIR not in environment:
        return
    line = {
        "node": program["node"],
        "argv": [argv[0], *(word for word in argv[1:] if "_proxy=" in word.lower())],
        "env": {name: text for name, text in environment.items() if "proxy" in name.lower()},
        "started": started,
        "time": time.time(),
        "status": status,
    }
    path = Path(environment[RUN_DIR], COMMANDS_FILE)
    with contextlib.suppress(OSError):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with open(file, "ab", buffering=0) as lines:
            lines.write(json.dumps(line).encode() + b"\n")
