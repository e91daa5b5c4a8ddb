"""IBM's representative at the Service Server: uses a session that a console has brought up by VPN (S4 2.2.2).

What the gateways know of sessions is what their pppds have told: the user's name and address of each.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping
from itertools import count
from pathlib import Path

from lab.linux.nodes import Node
from lab.linux.pid_file import open_process
from lab.record.event import Tell
from lab.service import listeners
from lab.service.caller import TelephoneCaller
from lab.service.events import SessionSought
from lab.service.server import workplace
from lab.service.server.separation import Separation
from lab.topology.model import RemoteService
from lab.wait import wait_until

FOLDER = "/run/sessions"
UP = f"""\
#!/bin/sh
# Who has a session here, for IBM's Service Server.
echo "$PEERNAME $IPREMOTE" >{FOLDER}/$IFNAME
"""
DOWN = f"""\
#!/bin/sh
rm -f {FOLDER}/$IFNAME
"""
SCRIPTS = {"/etc/ppp/ip-up": UP, "/etc/ppp/ip-down": DOWN}
END_S = 30.0
COMES_S = 120.0
"""From a call to the session that it has the console begin."""


class ServerUser:
    """A representative at the Service Server; ``gateways`` are IBM's ends of the VPN, by name, and ``hops``
    their addresses as the server sees them."""

    def __init__(
        self,
        node: Node,
        service: RemoteService,
        gateways: Mapping[str, Node],
        hops: Mapping[str, str],
        separation: Separation,
        tell: Tell,
        caller: TelephoneCaller | None = None,
    ) -> None:
        """``caller``: who first calls the console, where that has the console begin (X-05)."""
        self._caller = caller
        self._node = node
        self._service = service
        self._gateways = gateways
        assert service.vpn_account is not None, "the topology has a server"
        self._user = service.vpn_account.user
        self._tell = tell
        self._hops = hops
        self._separation = separation
        self._numbers = count(1)
        self._tools = contextlib.ExitStack()
        """The workplace of the session that is in use, and what stands behind its ports."""
        self._workplace: Node | None = None
        self._connected = ""
        """The gateway of the session that is in use."""
        self.said = ""
        for gateway in gateways.values():
            for path, text in SCRIPTS.items():
                gateway.write(path, text, 0o700)
            gateway.call(Path(FOLDER).mkdir, exist_ok=True)

    @property
    def connected(self) -> bool:
        """Whether the session that is in use stands."""
        return bool(self._connected and self._sessions(self._connected))

    @property
    def place(self) -> Node:
        """The tools' namespace in a session, and the server itself otherwise."""
        return self._workplace or self._node

    def knock(self) -> bool:
        """Look for sessions of the console at the gateways; have it begin first, where that takes a call."""
        if self._caller is not None and self._caller.knock():
            self._caller.leave()
            wait_until(f"{self._service.console} has a session", self._find, COMES_S)
        self._connected = self._find()
        self.said = "" if self._connected else f"no session is at {' or '.join(self._gateways)}"
        self._tell(
            SessionSought(
                source=self._node.name, console=self._service.console, gateway=self._connected
            )
        )
        return bool(self._connected)

    def _find(self) -> str:
        """The gateway at which the console's sessions are, all of them; empty if none is."""
        wanted = 1 + len(self._service.allowed) if self._caller is not None else 1
        return next((name for name in self._gateways if len(self._sessions(name)) >= wanted), "")

    def authenticate(self, service: RemoteService) -> bool:
        """Whether the addresses that the customer tells are those of sessions that stand."""
        told = {service.ppp_address, *(partition.alias for partition in service.allowed)}
        if not (self._connected and told <= {*self._sessions(self._connected).values()}):
            return False
        hops = dict.fromkeys(sorted(told), self._hops[self._connected])
        number = next(self._numbers) % workplace.MOST
        self._workplace = self._tools.enter_context(
            workplace.opened(self._separation, number, service.caller_address, hops)
        )
        # What the console opens to the representative's machine must find somebody (I-32).
        self._tools.enter_context(listeners.start(self._workplace))
        return True

    def withdraw(self) -> str:
        """End the tools, and leave the console's sessions alone; the gateway at which they are."""
        gateway, self._connected = self._connected, ""
        self._workplace = None
        self._tools.close()
        return gateway

    def leave(self) -> None:
        """End the tools, and the console's sessions at their gateway, if they are in use."""
        in_use = self._workplace is not None
        gateway = self.withdraw()
        if gateway and in_use:
            node = self._gateways[gateway]
            for interface in self._sessions(gateway):
                _end(node, interface)
            wait_until("the sessions have ended", lambda: not self._sessions(gateway), END_S)

    stop = leave

    def _sessions(self, gateway: str) -> dict[str, str]:
        """The console's, at a gateway: interface to address."""
        return self._gateways[gateway].call(_sessions, self._user)


def _sessions(user: str) -> dict[str, str]:
    found = {}
    for path in sorted(Path(FOLDER).iterdir()):
        with contextlib.suppress(FileNotFoundError):
            who, _, address = path.read_text().strip().rpartition(" ")
            if who == user:
                found[path.name] = address
    return found


def _end(node: Node, interface: str) -> None:
    """Have an interface's pppd say goodbye (RFC 1661 5.5)."""
    pppd = open_process(node, f"/run/{interface}.pid")
    if pppd is None:
        return
    try:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(pppd, signal.SIGTERM)
    finally:
        os.close(pppd)
