"""Finding OUT-43: uploads by FTP over TLS."""

from __future__ import annotations

from lab.names import all_of, count
from lab.topology.servers import FTPS_PORT, PASSIVE_PORTS
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.verify.firewall import judge_counter, rules_of
from lab.ways.direct.events import FileUploaded
from lab.wire import hello, tls
from lab.wire.tls import TcpConnection

IN_CLEAR = ("AUTH", "FEAT", "SYST", "HELP", "NOOP", "QUIT", "PBSZ", "PROT")
"""What a client may say before TLS: nothing of it is anybody's (RFC 4217 4)."""
AUTH_TLS = (b"AUTH TLS", b"AUTH TLS-C")
_AUTH_DONE = b"234"
_SHOWN = 8
"""Frames of a connection."""


def check_out_43(case: Case) -> Finding:
    """AUTH TLS before USER, and data by TLS, on connections that the agent opens."""
    servers = case.ftps
    check = Check(
        "OUT-43",
        f"an agent uploads to {all_of(sorted(servers)) or 'no server'} port {FTPS_PORT} by explicit FTPS: it "
        f"says AUTH TLS before USER, and opens each data connection itself, to ports {PASSIVE_PORTS[0]} to "
        f"{PASSIVE_PORTS[-1]}, with TLS from the first byte",
    )
    own = [
        connection
        for connection in tls.connections(case.inside_frames)
        if connection.server in servers and connection.client in case.agent_addresses
    ]
    control = [connection for connection in own if connection.port == FTPS_PORT]
    data = [connection for connection in own if connection.port != FTPS_PORT]
    for connection in control:
        agent = case.agent_addresses[connection.client]
        if fault := _fault(connection.out, connection.back):
            check.object(f"{agent} {fault}", connection.frames[:_SHOWN])
    for connection in data:
        _judge_data(case, check, connection)
    for event in case.told(FileUploaded):
        if not event.taken and not case.why_no_ledger:
            check.object(
                f"{event.server} did not take the upload of {event.source}: {event.detail}"
            )
    if case.topology.firewall is not None and control:
        rules = rules_of(case, check.requirement)
        check.want(rules, f"no rule of {case.topology.firewall.node} asks for {check.requirement}")
        judge_counter(case, check, check.requirement)
    check.show(frame for connection in (*control, *data) for frame in connection.frames[:_SHOWN])
    if not control:
        return check.not_tested("nothing was uploaded by FTP in this run")
    if case.why_no_ledger and not any(map(_took_tls, control)):
        return check.not_tested(f"no server took an upload: {case.why_no_ledger}")
    stored = [e for e in case.ledger if e.server_port == FTPS_PORT and e.kind == "upload"]
    sizes = sum(entry.body_bytes for entry in stored)
    taken = f"the servers took {count(len(stored), 'file')} of {sizes} bytes in all"
    return check.finding(
        f"{count(len(control), 'control connection')}, AUTH TLS before USER in each; "
        f"{count(len(data), 'data connection')} of the agents', by TLS; {case.why_no_ledger or taken}"
    )


def _took_tls(connection: TcpConnection) -> bool:
    """Whether a server agreed to TLS on a control connection."""
    return any(reply.startswith(_AUTH_DONE) for reply in connection.back.split(b"\r\n"))


def _judge_data(case: Case, check: Check, connection: TcpConnection) -> None:
    agent = case.agent_addresses[connection.client]
    if connection.port not in PASSIVE_PORTS:
        words = f"{agent} opens a connection to {connection.server}:{connection.port}, which is no data port"
        check.object(words, connection.frames[:_SHOWN])
    elif connection.out and hello.read_offer(connection.out) is None:
        words = f"data of {agent} to {connection.server}:{connection.port} is in clear"
        check.object(words, connection.frames[:_SHOWN])


def _fault(said: bytes, answered: bytes) -> str:
    """What is wrong with what a client said on a control connection; empty if nothing is."""
    rest = said
    while rest:
        line, end, rest = rest.partition(b"\r\n")
        if not end:
            return ""  # It was cut short.
        if line.upper() in AUTH_TLS:
            if not any(reply.startswith(_AUTH_DONE) for reply in answered.split(b"\r\n")):
                continue
            return "" if not rest or hello.read_offer(rest) else "says AUTH TLS, and begins no TLS"
        word = line.split(b" ")[0].decode("latin-1").upper()
        if word not in IN_CLEAR:
            return f"says {word[:8]} in clear, before any TLS"
    return ""
