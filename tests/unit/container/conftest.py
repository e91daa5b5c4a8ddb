"""Clients of container engines that say what a test wants, as programs in PATH."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Client = Callable[..., Path]


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Put a program in PATH, which has no other: it prints ``said``, complains and ends with ``status``."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", os.fspath(folder))

    def put(name: str = "docker", said: str = "", complaint: str = "", status: int = 0) -> Path:
        path = folder / name
        path.write_text(
            "#!/bin/sh\n"
            f'[ "$*" = "inspect --type container -- agent" ] || {{ echo "asked: $*" >&2; exit 9; }}\n'
            f"echo {shlex.quote(said)}\necho {shlex.quote(complaint)} >&2\nexit {status}\n"
        )
        path.chmod(0o755)
        return path

    return put


def container(**changed: Any) -> str:
    """What ``docker inspect`` says of a container whose first process we are; by parts that are changed.

    The identity stands in our own list of mounts, as a container's does there.
    """
    identity = Path("/proc/self/mountinfo").read_text().split()[3]
    told: dict[str, Any] = {
        "Id": identity,
        "Name": "/agent",
        "State": {"Running": True, "Paused": False, "Pid": os.getpid()},
        "HostConfig": {"NetworkMode": "none"},
    }
    for name, value in changed.items():
        told[name] = told[name] | value if isinstance(value, dict) else value
    return json.dumps([told])
