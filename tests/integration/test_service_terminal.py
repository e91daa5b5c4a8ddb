"""A person at a DS8000's terminal: another's terminal program, and a token of the test's own."""

from __future__ import annotations

import hmac
import json
import re
from pathlib import Path

import pexpect
import pytest

from tests.integration.users import User

pytestmark = pytest.mark.kernel


def token(key: str, challenge: str) -> str:
    """The response, without a line of the lab's own."""
    return hmac.digest(key.encode(), challenge.encode(), "sha256").hex()[:32]


def test_somebody_logs_in_by_picocom(tmp_path: Path) -> None:
    user = User.settle(tmp_path)
    run_dir = tmp_path / "out"
    with user.standing("service-ds8000", "--no-path", "--out", f"{run_dir}") as name:
        model = json.loads((run_dir / "keys" / "model.json").read_text())
        account = model["service"]["terminal_account"]
        assert b"one session is let in" in by_hand(user, name, "hmc", "lab-inbound enable")
        typed = user.terminal("exec", "--lab", name, "ibm-dial", "--", "picocom", "/dev/modem0")
        typed.expect_exact("Terminal ready\r\n")
        typed.send("ATDT15075550101\r")
        typed.expect_exact("CONNECT 33600\r\n")
        typed.expect_exact("User ID: ")
        typed.send(f"{account['user']}x\b\r")
        typed.expect_exact("Password: ")
        typed.send(f"{account['password']}\r")
        typed.expect("Challenge: ([0-9a-f]{32})\r\n")
        assert account["password"].encode() not in (typed.before or b"")
        assert isinstance(typed.match, re.Match)
        challenge = typed.match[1].decode()
        typed.expect_exact("Response: ")
        typed.send(f"{token(account['key'], challenge)}\r")
        typed.expect_exact("hmc> ")
        typed.send("uname -n; exit\r")
        typed.expect_exact("uname -n; exit\r\nhmc\r\n")
        typed.expect_exact("NO CARRIER")
        typed.send("\x01\x11")
        typed.expect(pexpect.EOF)
        typed.close()
        assert by_hand(user, name, "hmc", "lab-inbound status") == b"off: nobody is let in\n"


def by_hand(user: User, name: str, node: str, line: str) -> bytes:
    return user.lab("exec", "--lab", name, node, "--", *line.split()).stdout
