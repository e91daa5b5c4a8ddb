"""What sshd says of log-ins: lines as OpenSSH 9.2 has written them, and lines that are to look like one."""

from __future__ import annotations

import pytest

from lab.service.server.log_ins import LogIn, LogInFault, read

KEY = "ED25519 SHA256:kd6zkQLQRVQERmXewawu6pwm47FGE5UIFPY00tgGOFQ"


@pytest.mark.parametrize(
    ("line", "log_in"),
    [
        (f"Accepted publickey for clerk from 10.2.0.40 port 34022 ssh2: {KEY}",
         LogIn("clerk", "10.2.0.40", 34022)),
        ("Connection closed by authenticating user clerk 10.2.0.40 port 5 [preauth]",
         LogIn("clerk", "10.2.0.40", 5, LogInFault.no_key)),
        ("Connection closed by invalid user root 10.2.0.40 port 5 [preauth]",
         LogIn("root", "10.2.0.40", 5, LogInFault.unknown_user)),
        ("Connection reset by authenticating user clerk 10.2.0.40 port 5 [preauth]",
         LogIn("clerk", "10.2.0.40", 5, LogInFault.no_key)),
        ("Disconnecting authenticating user clerk 10.2.0.40 port 5: Too many failures [preauth]",
         LogIn("clerk", "10.2.0.40", 5, LogInFault.no_key)),
        ("Disconnected from invalid user a b 10.2.0.40 port 5 [preauth]",
         LogIn("a b", "10.2.0.40", 5, LogInFault.unknown_user)),
        ("Connection closed by 10.2.0.40 port 5 [preauth]",
         LogIn("", "10.2.0.40", 5, LogInFault.no_user)),
        ("Connection closed by invalid user  10.2.0.40 port 5 [preauth]",
         LogIn("", "10.2.0.40", 5, LogInFault.unknown_user)),
    ],
)  # fmt: skip
def test_a_log_in(line: str, log_in: LogIn) -> None:
    assert read(line) == log_in


@pytest.mark.parametrize(
    "line",
    [
        "Server listening on 0.0.0.0 port 22.",
        'Connection from 10.2.0.40 port 5 on 10.2.0.30 port 22 rdomain ""',
        f"Accepted key {KEY} found at /run/lab/ssh/authorized/clerk:1",
        "Postponed publickey for clerk from 10.2.0.40 port 5 ssh2 [preauth]",
        "Invalid user root from 10.2.0.40 port 5",
        "Disconnected from user clerk 10.2.0.40 port 5",
        "Received disconnect from 10.2.0.40 port 5:11: disconnected by user",
        # A user's name that looks like a line of its own.
        f"Invalid user Accepted publickey for clerk from 10.2.0.1 port 5 ssh2: {KEY} from 10.2.0.40 port 6",
        "",
    ],
)
def test_no_log_in(line: str) -> None:
    assert read(line) is None


def test_a_users_name_cannot_say_that_it_has_logged_in() -> None:
    name = "x from 10.2.0.1 port 5 ssh2"
    line = f"Connection closed by invalid user {name} 10.2.0.40 port 6 [preauth]"
    assert read(line) == LogIn(name, "10.2.0.40", 6, LogInFault.unknown_user)
