"""What agents and proxies said to each other, as the customer's wires show it: requests for tunnels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from lab.topology.proxy import HttpProxy
from lab.verify.case import Case
from lab.verify.once import once
from lab.ways.proxy.events import ConnectTried
from lab.wire import tls
from lab.wire.decode import Frame
from lab.wire.tls import TcpConnection

CONNECT = "CONNECT"
_END = b"\r\n\r\n"
_STATUS = re.compile(r"HTTP/1\.[01] (\d{3})")
_REQUEST = re.compile(rb"[A-Z]+ [!-~]+ HTTP/\d\.\d\r\n")
_NOISE_BYTES = 20
REFUSALS = 300
"""The least status that makes no tunnel; 1xx are none of a proxy's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tunnel:
    """One request of an agent's host to a proxy; what was not said is empty."""

    agent: str
    proxy: HttpProxy
    frames: tuple[Frame, ...]
    """Of the TCP connection; the first one is the SYN."""
    answered: bool
    """Whether TCP was established."""
    method: str = ""
    target: str = ""
    version: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Of the request, names in lower case."""
    status: int = 0
    """Of the proxy's answer; 0 if there was none."""
    sent: bytes = b""
    """What the agent sent behind its request."""
    received: bytes = b""
    """What came back behind the proxy's answer."""
    noise: str = ""
    """The beginning of what is no request, in hexadecimal digits."""

    @property
    def time(self) -> float:
        """When the connection was begun."""
        return self.frames[0].time

    @property
    def log_in(self) -> str:
        """What the agent says to be let in: ``Basic ...``."""
        return self.fields.get("proxy-authorization", "")

    @property
    def is_made(self) -> bool:
        """Whether the proxy has made the tunnel."""
        return 200 <= self.status < 300

    @property
    def hello(self) -> bool:
        """Whether TLS begins behind the request (RFC 8446 4.1.2)."""
        return self.sent[:1] == bytes([tls.HANDSHAKE]) and self.sent[5:6] == b"\x01"

    @property
    def host(self) -> str:
        return self.target.rpartition(":")[0].strip("[]").rstrip(".").lower()

    @property
    def port(self) -> int:
        port = self.target.rpartition(":")[2]
        return int(port) if port.isdecimal() else 0


@once
def tunnels(case: Case) -> list[Tunnel]:
    """Every request on the agents' own wires, in the order of their connections."""
    proxies = {(proxy.address, proxy.port): proxy for proxy in case.topology.proxies}
    found: list[Tunnel] = []
    for connection in tls.connections(case.inside_frames):
        proxy = proxies.get((connection.server, connection.port))
        agent = case.agent_addresses.get(connection.client)
        if proxy is not None and agent is not None and connection.opened:
            found += _read(connection, agent, proxy)
    return found


def _read(connection: TcpConnection, agent: str, proxy: HttpProxy) -> Iterator[Tunnel]:
    """The requests of one connection: after a refusal the next one may follow (RFC 9112 9.3)."""
    nothing = Tunnel(
        agent=agent,
        proxy=proxy,
        frames=tuple(connection.frames),
        answered=any(packet.is_syn_ack for packet in connection.received),
    )
    asked, said = connection.out, connection.back
    while asked:
        if not _REQUEST.match(asked):
            yield replace(nothing, noise=asked[:_NOISE_BYTES].hex(" "))
            return
        head, _, rest = asked.partition(_END)
        answer, _, after = said.partition(_END)
        request, fields = _parse(head)
        status_line, answer_fields = _parse(answer)
        method, target, version = request.split(" ")
        found = _STATUS.match(status_line)
        status = int(found[1]) if found else 0
        again = status >= REFUSALS and _REQUEST.match(rest)
        yield replace(
            nothing,
            method=method,
            target=target,
            version=version,
            fields=fields,
            status=status,
            sent=b"" if again else rest,
            received=b"" if again else after,
        )
        if not again:
            return
        length = answer_fields.get("content-length", "0")
        asked, said = rest, after[int(length) if length.isdecimal() else 0 :]
    yield nothing


@once
def forwarded_hellos(case: Case) -> set[bytes]:
    """Each first record that a proxy has sent to a server, as it stands on the proxies' own wires."""
    wires = dict.fromkeys(case.topology.node(p.node).uplink.segment for p in case.topology.proxies)
    found = tls.connections(case.frames(*wires))
    return {first_record(each.out) for each in found if each.client in case.proxies}


def first_record(stream: bytes) -> bytes:
    """The first TLS record of a stream."""
    return stream[: 5 + int.from_bytes(stream[3:5], "big")]


@once
def opened(case: Case) -> list[Tunnel]:
    """The tunnels in which a proxy answers TLS itself: the server never gets the agent's ClientHello."""
    forwarded = forwarded_hellos(case)
    return [
        tunnel
        for tunnel in own_tunnels(case)
        if tunnel.is_made and tunnel.hello and tunnel.received
        if first_record(tunnel.sent) not in forwarded
    ]


def _parse(head: bytes) -> tuple[str, dict[str, str]]:
    """The first line of a message and its fields, whose names are in lower case."""
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return first, {name.lower(): value.strip() for name, colon, value in pairs if colon}


@once
def own_tunnels(case: Case) -> list[Tunnel]:
    """What the agents asked for, without the lab's own trials."""
    trials: dict[str, list[ConnectTried]] = {}
    for trial in case.told(ConnectTried):
        trials.setdefault(trial.source, []).append(trial)
    return [
        tunnel
        for tunnel in tunnels(case)
        if not any(
            trial.started <= tunnel.time <= trial.time for trial in trials.get(tunnel.agent, ())
        )
    ]
