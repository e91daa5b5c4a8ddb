"""Where the tests' own servers listen."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from tests.ports import BLOCK, free_port

ROOT = Path(__file__).parents[2]
MANY = f"from tests.ports import free_port; print(*(free_port() for _ in range({BLOCK})))"


def test_processes_at_work_at_the_same_time_have_no_port_in_common() -> None:
    mine = {free_port() for _ in range(BLOCK)}
    environment = {**os.environ, "PYTHONPATH": os.fspath(ROOT)}
    told = subprocess.run(
        [sys.executable, "-c", MANY], env=environment, capture_output=True, text=True, check=True
    )

    theirs = {int(port) for port in told.stdout.split()}
    assert theirs
    assert not mine & theirs
    # Whoever connects gets a port from here on, on any address.
    given_away = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]
    assert max(mine | theirs) < int(given_away)


def test_a_port_at_which_somebody_listens_is_left_out() -> None:
    with socket.create_server(("127.0.0.7", free_port())) as listener:
        others = {free_port() for _ in range(BLOCK)}

        assert listener.getsockname()[1] not in others
