"""What a console itself offers to IBM's people: a log-in by SSH, and pages by HTTPS (A-40, A-42).

Real programs, OpenSSH and OpenSSL, on the console's own ports: a port for which a program has a socket is the
program's own, and no listener's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.linux.nodes import Node
from lab.service.server import accounts, sshd
from lab.service.server.accounts import Account, KeyPair

SSH_PORT = 22
HTTPS_PORTS = (443, 8443)
SUPPORT = Account("hscpe", 59_003)
"""The user that an HMC has for IBM's service people."""
COMMAND = "uname -n"
"""What a log-in gets: the console says who it is."""
READY_S = 30.0


@dataclass(frozen=True, slots=True)
class ConsoleOffer:
    """What stands, and what is needed to use it."""

    host_key: str
    keys: dict[Account, KeyPair]
    https: tuple[int, ...]


@contextlib.contextmanager
def offering(console: Node, ports: tuple[int, ...], certificate: Path) -> Iterator[ConsoleOffer]:
    """Offer, inside of the context, what the listed ports are for. ``certificate`` has chain and key."""
    pair = accounts.make_keys(console, SUPPORT.name)
    https = tuple(port for port in HTTPS_PORTS if port in ports)
    with contextlib.ExitStack() as undo:
        server = undo.enter_context(
            sshd.start(console, {SUPPORT: pair.public}, COMMAND, lambda _: None)
        )
        for port in https:
            argv = ["openssl", "s_server", "-accept", f"{port}", "-www"]
            argv += ["-cert", f"{certificate}", "-key", f"{certificate}"]
            daemon = console.spawn(argv, name=f"https-{port}")
            undo.callback(console.stop, daemon)
            daemon.expect_line("ACCEPT", READY_S)
        yield ConsoleOffer(server.host_key, {SUPPORT: pair}, https)
