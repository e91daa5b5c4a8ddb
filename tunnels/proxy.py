"""A customer's HTTP proxy: squid, which lets users CONNECT to listed servers by port 443 (OUT-09, OUT-12).

``render`` is pure. Squid logs to the node's own /run, as it gives up root for a user of its own; what the log
says is told, and copied into the run directory, when the proxy ends.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import PrerequisiteError
from lab.linux import configuration
from lab.linux.nodes import Node
from lab.linux.process import Daemon
from lab.record.event import Tell
from lab.topology.proxy import BUSY, HttpProxy, ProxyRefusal
from lab.wait import wait_until
from lab.ways.proxy.events import Proxied
from tunnels import started

if TYPE_CHECKING:
    from lab.ways.ground import Ground
    from tunnels.inspector import Inspector

PROGRAM = "/usr/sbin/squid"
USER = "proxy"
"""Debian's for squid."""
LOG_IN_HELPER = "/usr/lib/squid/basic_ncsa_auth"
FOLDER = "/run/squid"
CONFIGURATION = f"{FOLDER}/squid.conf"
PASSWORDS = f"{FOLDER}/passwords"
HOSTS = f"{FOLDER}/hosts"
ACCESS_LOG = f"{FOLDER}/access.log"
REALM = "callhome-lab proxy"
LISTENS = "Accepting HTTP Socket connections"
HTTPS_PORT = 443
CONNECT_S = 15
"""For one address of a server, before squid tries the next one. Squid's own minute is all that an agent
waits for its tunnel, so one address that is lost would cost the call. In 15 s a SYN that is lost is sent
three times more (after 1, 3 and 7 s), and two lost addresses of three leave half of the agent's minute. The
rest is squid's own: it tries all addresses (forward_max_tries 25) for 4 minutes (forward_timeout), each
once (connect_retries 0)."""
START_S = 30.0
END_S = 10.0


def render(proxy: HttpProxy) -> str:
    """squid.conf of one proxy."""
    lines = [
        f"http_port {proxy.address}:{proxy.port}",
        f"visible_hostname {proxy.name}",
        f"cache_effective_user {USER}",
        "pid_filename none",
        f"coredump_dir {FOLDER}",
        # Nothing is kept, and nothing but requests is logged.
        "cache deny all",
        "cache_mem 8 MB",
        "memory_pools off",
        "netdb_filename none",
        "pinger_enable off",
        "digest_generation off",
        # Else squid makes room for all that it may open at once.
        "max_filedescriptors 1024",
        "shutdown_lifetime 0 seconds",
        # Time, client, method, target, status, server.
        "logformat lab %ts.%03tu %>a %rm %ru %>Hs %<a",
        f"access_log stdio:{ACCESS_LOG} logformat=lab",
        f"cache_log {FOLDER}/cache.log",
        # Without a name server, names that the hosts table has not do not exist.
        f"dns_nameservers {proxy.resolver or '127.0.0.1'}",
        "dns_timeout 2 seconds",
        f"connect_timeout {CONNECT_S} seconds",
        *(f"acl users src {subnet}" for subnet in proxy.users),
        "acl connecting method CONNECT",
        f"acl https port {HTTPS_PORT}",
    ]
    if proxy.refusal is ProxyRefusal.connect:
        lines.append("http_access deny connecting")
    if proxy.refusal is ProxyRefusal.busy:
        # Squid's own limit (acl maxconn) is of connections at once, of which an agent has one.
        lines += ["acl another src all", f"deny_info {BUSY}:ERR_CANNOT_FORWARD another"]
        lines.append("http_access deny connecting another")
    lines += ["http_access deny !users", "http_access deny !connecting", "http_access deny !https"]
    if proxy.destinations:
        lines += [f"acl listed dst {address}" for address in proxy.destinations]
        lines.append("http_access deny !listed")
    if proxy.account is not None:
        lines += [
            f"auth_param basic program {LOG_IN_HELPER} {PASSWORDS}",
            "auth_param basic children 1 startup=1",
            f"auth_param basic realm {REALM}",
            "acl known proxy_auth REQUIRED",
            "http_access deny !known",
        ]
    lines.append("http_access allow all")
    return "".join(f"{line}\n" for line in lines)


def render_passwords(proxy: HttpProxy) -> str:
    """The log-in helper's file, with a digest and no password in clear; empty where nobody logs in."""
    if proxy.account is None:
        return ""
    digest = hashlib.md5(proxy.account.password.reveal().encode(), usedforsecurity=False)
    return f"{proxy.account.user}:{digest.hexdigest()}\n"


@contextlib.contextmanager
def start(ground: Ground, node: Node) -> Iterator[Squid | Inspector]:
    """The proxy of a node; none runs where a fault wants it down, and no squid where it wants TLS opened."""
    (proxy,) = (each for each in ground.topology.proxies if each.node == node.name)
    if proxy.inspects:
        from tunnels import inspector

        one = inspector.Inspector(node, proxy, ground.run_dir / "keys", ground.story.tell)
        with started(one):
            yield one
        return
    squid = Squid(node, proxy, ground.story.tell)
    with contextlib.nullcontext(squid) if proxy.down else started(squid):
        yield squid


class Squid:
    """One proxy at work."""

    def __init__(self, node: Node, proxy: HttpProxy, tell: Tell) -> None:
        self._node = node
        self._proxy = proxy
        self._tell = tell
        self._daemon: Daemon | None = None
        self._rests = False

    @property
    def alive(self) -> bool:
        return self._daemon is not None and self._daemon.alive

    def launch(self) -> None:
        """Write the files and start squid."""
        node = self._node
        configuration.write(node, CONFIGURATION, render(self._proxy), 0o644)
        node.write(PASSWORDS, render_passwords(self._proxy))
        node.call(_give_to_user)
        argv = [PROGRAM, "-N", "-d", "1", "-f", CONFIGURATION]
        self._daemon = node.spawn(argv, name="squid")

    def ready(self) -> None:
        """Wait until squid listens."""
        assert self._daemon is not None, "launched"
        self._daemon.expect_line(LISTENS, START_S)

    @contextlib.contextmanager
    def misled(self, name: str, address: str) -> Iterator[None]:
        """Have squid take an address for a name's, whatever tables and name servers say (OUT-17)."""
        own = self._node.call(_read, "/etc/hosts").splitlines()
        lines = (*(line for line in own if name not in line.split()), f"{address} {name}")
        self._node.write(HOSTS, "".join(f"{line}\n" for line in lines), 0o644)
        try:
            self._configure_again(f"hosts_file {HOSTS}\n")
            yield
        finally:
            self._configure_again("")

    def be_busy(self, *, on: bool) -> None:
        """Have squid answer each CONNECT with 503 from now on, or as it is planned again."""
        busy = replace(self._proxy, refusal=ProxyRefusal.busy)
        self._configure_again("", busy if on else self._proxy)

    def _configure_again(self, more: str, proxy: HttpProxy | None = None) -> None:
        """Have squid read its configuration once more, of another plan, or with other lines at its end."""
        daemon, rested = self._daemon, self._rests
        assert daemon is not None, "launched"
        before = daemon.log.text().count(LISTENS)
        configuration.write(self._node, CONFIGURATION, render(proxy or self._proxy) + more, 0o644)
        self.rest(on=False)
        daemon.signal(signal.SIGHUP)
        wait_until(
            "squid listens again", lambda: daemon.log.text().count(LISTENS) > before, START_S
        )
        self.rest(on=rested)

    def rest(self, *, on: bool) -> None:
        """Stop squid while nobody asks it anything, or let it go on: it wakes each second by itself."""
        self._rests = on
        if self._daemon is not None:
            self._daemon.signal(signal.SIGSTOP if on else signal.SIGCONT)

    def check(self) -> None:
        """Nothing beside the daemon can break, and the node looks after that."""

    def stop(self) -> None:
        """End squid, and tell what it has logged."""
        if self._daemon is None:
            return
        daemon, self._daemon = self._daemon, None
        self._node.stop(daemon)
        # The log-in helper has a session of its own, and ends when it is told so by a pipe.
        owner = pwd.getpwnam(USER).pw_uid
        wait_until("squid's helpers end", lambda: not self._helpers(owner), END_S)
        text = self._node.call(_read, ACCESS_LOG)
        if text:
            (self._node.log_dir / "access.log").write_text(text)
        for line in text.splitlines():
            self._tell(parse(line, self._node.name))

    def _helpers(self, owner: int) -> list[int]:
        """The processes of squid's own user on the node."""
        found = []
        for pid in self._node.strays():
            with contextlib.suppress(FileNotFoundError):
                if Path(f"/proc/{pid}").stat().st_uid == owner:
                    found.append(pid)
        return found


def _give_to_user() -> None:
    """Let squid's own user write its log and read the passwords."""
    try:
        owner = pwd.getpwnam(USER)
    except KeyError:
        raise PrerequisiteError(
            f"squid has no user {USER} here", hint="reinstall squid: its package makes the user"
        ) from None
    for path in (FOLDER, PASSWORDS):
        os.chown(path, owner.pw_uid, owner.pw_gid)


def parse(line: str, proxy: str) -> Proxied:
    """A line of the access log. Raises ValueError for anything else."""
    time, client, method, target, status, server = line.split(" ")
    return Proxied(
        source=proxy,
        time=float(time),
        client=client,
        method=method,
        target=target,
        status=int(status),
        server="" if server == "-" else server,
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except FileNotFoundError:
        return ""
