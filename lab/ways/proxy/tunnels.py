"""What agents and proxies said to each other, as the customer's wires show it: requests for tunnels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lab.topology.proxy import HttpProxy
from lab.verify.case import Case
from lab.ways.proxy.events import ConnectTried
from lab.wire import tls
from lab.wire.decode import Frame

CONNECT = "CONNECT"
_END = b"\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tunnel:
    """One TCP connection from an agent's host to a proxy; what was not said is empty."""

    agent: str
    proxy: HttpProxy
    frames: tuple[Frame, ...]
    """Of the connection; the first one is the SYN."""
    answered: bool
    """Whether TCP was established."""
    method: str
    target: str
    version: str
    fields: dict[str, str]
    """Of the request, names in lower case."""
    status: int
    """Of the proxy's answer; 0 if there was none."""
    sent: bytes
    """What the agent sent behind its request."""

    @property
    def time(self) -> float:
        """When the connection was begun."""
        return self.frames[0].time

    @property
    def log_in(self) -> str:
        """What the agent says to be let in: ``Basic ...``."""
        return self.fields.get("proxy-authorization", "")

    @property
    def hello(self) -> bool:
        """Whether TLS begins behind the request (RFC 8446 4.1.2)."""
        return self.sent[:1] == bytes([tls.HANDSHAKE]) and self.sent[5:6] == b"\x01"

    @property
    def host(self) -> str:
        return self.target.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        port = self.target.rpartition(":")[2]
        return int(port) if port.isdecimal() else 0


def tunnels(case: Case) -> list[Tunnel]:
    """Every one on the agents' own wires, in order."""
    return list(_read(case))


def _read(case: Case) -> Iterator[Tunnel]:
    proxies = {(proxy.address, proxy.port): proxy for proxy in case.topology.proxies}
    for connection in tls.connections(case.inside_frames):
        proxy = proxies.get((connection.server, connection.port))
        agent = case.agent_addresses.get(connection.client)
        if proxy is None or agent is None or not connection.opened:
            continue
        head, _, sent = connection.out.partition(_END)
        request, *lines = head.decode("latin-1").split("\r\n")
        method, target, version = ([*request.split(" "), "", "", ""])[:3]
        fields = dict(line.split(": ", 1) for line in lines if ": " in line)
        found = _STATUS.match(connection.back)
        yield Tunnel(
            agent=agent,
            proxy=proxy,
            frames=tuple(connection.frames),
            answered=any(packet.is_syn_ack for packet in connection.received),
            method=method,
            target=target,
            version=version,
            fields={name.lower(): value for name, value in fields.items()},
            status=int(found[1]) if found else 0,
            sent=sent,
        )


def own_tunnels(case: Case) -> list[Tunnel]:
    """What the agents asked for, without the lab's own trials."""
    trials = case.told(ConnectTried)
    return [
        tunnel
        for tunnel in tunnels(case)
        if not any(
            trial.source == tunnel.agent and trial.started <= tunnel.time <= trial.time
            for trial in trials
        )
    ]
