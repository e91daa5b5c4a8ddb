"""Who may log in to IBM's service server, and by which key: text for sshd and ssh, and new keys.

Keys lie in the nodes' own files, and end with the nodes. Nobody has a password.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.linux import syscalls
from lab.linux.nodes import Node

FOLDER = "/run/lab/ssh"
"""In each node that has anything to do with SSH."""
KNOWN_HOSTS = f"{FOLDER}/known_hosts"
CLIENT_CONFIG = "/etc/ssh/ssh_config"
NOBODYS_PATH = "/run/sshd"


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the server."""

    name: str
    uid: int
    """Also of the user's group. Beyond what distributions give to people, services and containers."""


REPRESENTATIVE = Account("representative", 59_001)
"""IBM's service representative, whom an officer authorizes for a session."""
CLERK = Account("clerk", 59_002)
"""One of IBM's people who may log in, and whom nobody authorizes for anything."""
ACCOUNTS = (REPRESENTATIVE, CLERK)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Of a user or a host, in OpenSSH's form."""

    private: str
    public: str
    """One line, without a comment."""


def make_keys(node: Node, name: str) -> KeyPair:
    """A new pair, made in a node, where nothing of it is left."""
    path = f"{FOLDER}/new-{name}"
    node.call(os.makedirs, FOLDER, exist_ok=True)
    node.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path])
    return KeyPair(*(node.call(_take, each) for each in (path, f"{path}.pub")))


def _take(path: str) -> str:
    file = Path(path)
    text = file.read_text()
    file.unlink()
    return text


def passwd(surrounding: str, accounts: Iterable[Account]) -> str:
    """``/etc/passwd`` of the server: the accounts, then what the file had before, and sshd's own user.

    No account has a password; ``*`` is none, and unlike ``!`` does not lock the account for keys.
    """
    lines = [f"{a.name}:*:{a.uid}:{a.uid}:callhome-lab:/:/bin/sh" for a in accounts]
    own = {line.partition(":")[0] for line in lines}
    others = [line for line in surrounding.splitlines() if line.partition(":")[0] not in own]
    if not any(line.startswith("sshd:") for line in others):
        others.append(f"sshd:*:65534:65534::{NOBODYS_PATH}:/usr/sbin/nologin")
    return "".join(f"{line}\n" for line in [*lines, *others])


def ssh_config(servers: Sequence[tuple[str, str]], accounts: Iterable[Account]) -> str:
    """``ssh_config`` of a client: a user has the user's own key for each server (a name and an address)."""
    names = ",".join(name for server in servers for name in server)
    # A server's name may lead to another address of it, which the client does not reach.
    hosts = "".join(f"Host {name}\n    HostName {address}\n" for name, address in servers)
    users = "".join(
        f"Match host {names} user {account.name}\n    IdentityFile {FOLDER}/{account.name}\n"
        for account in accounts
    )
    return (
        hosts
        + users
        + (
            "Match all\n"
            "    BatchMode yes\n"
            "    IdentitiesOnly yes\n"
            "    IdentityFile none\n"
            "    PreferredAuthentications publickey\n"
            "    StrictHostKeyChecking yes\n"
            "    UpdateHostKeys no\n"
            f"    UserKnownHostsFile {KNOWN_HOSTS}\n"
            "    GlobalKnownHostsFile /dev/null\n"
        )
    )


def equip(
    client: Node, servers: Sequence[tuple[str, str]], host_key: str, keys: dict[Account, KeyPair]
) -> None:
    """Give a client the users' keys and the servers' host key, so that ``ssh USER@SERVER`` works there.

    ``ssh`` in the client's node reads this configuration and no user's.
    """
    names = ",".join(name for server in servers for name in server)
    client.write(KNOWN_HOSTS, f"{names} {host_key}", 0o644)
    for account, pair in keys.items():
        client.write(f"{FOLDER}/{account.name}", pair.private)
    cover(client, CLIENT_CONFIG, ssh_config(servers, keys))


def cover(node: Node, path: str, text: str, mode: int = 0o644) -> None:
    """Let a file of the surrounding system read as ``text`` in a node; does nothing where there is none."""
    if node.call(os.path.exists, path):
        private = f"{FOLDER}{path}"
        node.write(private, text, mode)
        node.call(syscalls.mount, private, os.path.realpath(path), "", syscalls.MS_BIND)
