"""The agent's web user interface in the lab: real PAM decides on real accounts, which the guest alone has."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.labs import ROOT

pytestmark = pytest.mark.kernel

SCRIPT = ROOT / "tests" / "data" / "web-login.sh"
ACCOUNTS = Path("/etc/passwd"), Path("/etc/shadow"), Path("/etc/group")


def visit(out: Path, settings: str = "") -> tuple[dict[str, str], str]:
    """What the script finds, by its names, and what the service told."""
    lab = [sys.executable, "-m", "lab", "run", "direct", "--out", str(out), "--"]
    done = subprocess.run(
        [*lab, "sh", str(SCRIPT), sys.executable, settings],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = dict(re.findall(r"^([^:\n]+): (.*)$", done.stdout, re.MULTILINE))
    return found, done.stderr


def hashes() -> list[str]:
    """Of this machine's accounts, as far as they can be read."""
    there = [path for path in ACCOUNTS if os.access(path, os.R_OK)]
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in there]


def test_pam_decides_at_each_log_in(tmp_path: Path) -> None:
    """E-01, E-02 and E-03; and the accounts of this machine stay what they are."""
    before = hashes()
    found, told = visit(tmp_path / "out")

    assert found["port 5024"] == "open"
    assert found["in clear"] == "This port speaks HTTPS alone. Go to https://HOST:5024/esa  400"
    for refused in ("another password", "nobody", "a locked account"):
        assert found[refused] == "401", refused
    assert found["the status before"] == "303"
    assert found["the password"] == "303"
    assert found["the status"] == "IBM was reached"
    assert found["the demand"] == "303"
    assert re.fullmatch(r"PMH\d+ open TEST0000", found["the problem"])
    assert found["port 5024 at the end"] == "closed"
    assert "the service" not in found
    assert told.count("is refused: Authentication failure") == 3
    assert "clerk logged in from 127.0.0.1" in told or "clerk logged in from ::1" in told
    assert hashes() == before


def test_the_port_is_the_one_of_the_settings(tmp_path: Path) -> None:
    """E-01."""
    found, _ = visit(tmp_path / "out", "port = 6000")
    assert found["port 5024"] == "closed"
    assert found["port 6000"] == "open"
    assert found["the password"] == "303"


def test_users_of_the_settings_alone_get_in(tmp_path: Path) -> None:
    found, told = visit(tmp_path / "out", 'users = ["root"]')
    assert found["the password"] == "401"
    assert "the demand" not in found
    assert "do not name this user" in told
