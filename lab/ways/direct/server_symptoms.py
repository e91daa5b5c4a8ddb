"""Symptoms of servers that are reached and do not do what they are asked, and of port 443 closed to all.

Read from the servers' own wires, where nobody between them and the agent can have put anything, from their
ledger, and from what the agent tells of its attempts.
"""

from __future__ import annotations

from datetime import datetime

from lab import names
from lab.names import count
from lab.record.cause import AgentCause
from lab.record.record import Transaction
from lab.topology.model import HTTPS_PORT, Role
from lab.verify.handshakes import handshakes, issuer_of, own_handshakes
from lab.verify.symptom import Diagnosis, Trail
from lab.wire import tls
from lab.wire.decode import TCP
from lab.wire.hello import HANDSHAKE

CLIENT_HELLO = bytes((HANDSHAKE,))
"""How what a client of TLS says begins."""
UNAVAILABLE = 503
"""RFC 9110 15.6.4."""
LONG_S = 10.0
"""Longer than any server of the lab takes, and than TCP needs to send a lost packet again once or twice."""
_EXPIRED, _UNKNOWN_CA = "certificate_expired", "unknown_ca"
"""Alerts of clients (RFC 8446 6.2), which TLS 1.3 encrypts on the wire; servers read them."""


def find_expired_certificate(trail: Trail) -> Diagnosis | None:
    """The client ends the handshake, as the server's certificate is not valid at this time."""
    entry = _refused(trail, _EXPIRED)
    if entry is None:
        return None
    where = names.place(entry.server_ip, entry.server_port)
    until = _shown(trail, entry)[1]
    told = f"; in clear the server shows one that is valid until {until:%Y-%m-%d}" if until else ""
    valid = until is not None and until.timestamp() > entry.time
    return Diagnosis(
        "certificate-expired",
        f"the certificate of {where} is out of date for {trail.client}, which ends the handshake with the "
        f"alert certificate_expired{told}",
        f"set the clock of {trail.client}"
        if valid
        else f"have a new certificate put on {where}; do not switch the agent's verification off",
    )


def find_unknown_authority(trail: Trail) -> Diagnosis | None:
    """The client ends the handshake, as it does not know who signed the server's certificate."""
    entry = _refused(trail, _UNKNOWN_CA)
    if entry is None:
        return None
    where = names.place(entry.server_ip, entry.server_port)
    issuer = _shown(trail, entry)[0]
    told = f"; in clear the server itself shows one of {issuer}" if issuer else ""
    return Diagnosis(
        "authority-unknown",
        f"{trail.client} does not know the authority that signed the certificate of {where}: it ends the "
        f"handshake with the alert unknown_ca{told}",
        f"see whether that is the server's true authority; if it is, have {trail.client} trust it",
    )


def _refused(trail: Trail, alert: str) -> Transaction | None:
    """The last handshake that a client ended so, if none got further."""
    by_tls = [e for e in trail.case.ledger if e.kind == "handshake" or e.tls_version]
    if any(entry.kind not in ("handshake", "no-request") for entry in by_tls):
        return None
    return next((entry for entry in reversed(by_tls) if alert == entry.alert), None)


def _shown(trail: Trail, entry: Transaction) -> tuple[str, datetime | None]:
    """Issuer and end of the certificate that the same server shows to whoever speaks TLS 1.2 or less."""
    found = [
        shake.choice.certificates[0]
        for shake in handshakes(trail.case)
        if (shake.server.address, shake.server.port) == (entry.server_ip, entry.server_port)
        and shake.choice.certificates
    ]
    if not found:
        return "", None
    from cryptography import x509  # late: see handshakes

    try:
        until = x509.load_der_x509_certificate(found[0]).not_valid_after_utc
    except ValueError:
        return "", None
    return issuer_of(found[0]), until


def find_unavailable_server(trail: Trail) -> Diagnosis | None:
    """IBM's server itself, and none behind it, says that it takes no requests now."""
    ledger = trail.case.ledger
    busy = [e for e in ledger if e.status == UNAVAILABLE and e.kind != "broken" and not e.back_end]
    if not busy:
        return None
    where = names.place(busy[0].server_ip, busy[0].server_port)
    return Diagnosis(
        "server-unavailable",
        f"{where} answers {busy[0].method} {busy[0].target} with HTTP status 503 (Service Unavailable): the "
        f"way to it is open, and the server takes no request now; {count(len(busy), 'such answer')}",
        f"nothing on the way needs a change: have {trail.client} call again later",
    )


def find_resetting_server(trail: Trail) -> Diagnosis | None:
    """A server takes what the client says, and then resets the connection; on the server's own wire."""
    found = []
    for connection in _connections(trail):
        packets = [frame.ip for frame in connection.frames if frame.ip]
        ends = [packet for packet in packets if packet.ends_connection]
        first = ends[0] if ends else None
        if first is None or not first.is_reset or first.source != connection.server:
            continue
        # A server of TLS resets whoever speaks something else: then the client is to blame.
        if connection.port != HTTPS_PORT or connection.out[:1] in (b"", CLIENT_HELLO):
            found.append((connection, len(connection.out)))
    asked = [(connection, size) for connection, size in found if size]
    if not asked:
        return None
    connection, size = asked[0]
    return Diagnosis(
        "server-resets",
        f"{names.place(connection.server, connection.port)} breaks connections off: it takes {size} bytes of "
        f"{trail.client} and then resets TCP, {count(len(asked), 'time')}",
        f"read the log of the server on {connection.server}, and see what stands before that server",
    )


def find_slow_server(trail: Trail) -> Diagnosis | None:
    """The request came to the server, and no answer before the agent gave up."""
    calls = [call for call in trail.case.failed_calls if call.agent == trail.client]
    given_up = {
        attempt.address
        for call in calls
        for attempt in call.attempts
        if attempt.cause is AgentCause.timed_out and attempt.phase == "acknowledgement"
    }
    for connection in _connections(trail):
        asked = [f.time for f, p in connection.carried(out=True) if p.payload]
        left = [f.time for f, p in connection.carried(out=True) if p.ends_connection]
        if connection.server not in given_up or not asked or not left:
            continue
        before = [t for t in asked if t < left[0]]
        said = [f.time for f, p in connection.carried(out=False) if p.payload and f.time < left[0]]
        silent_s = left[0] - max([*before, *said], default=left[0])
        if silent_s >= LONG_S:
            where = names.place(connection.server, connection.port)
            return Diagnosis(
                "server-slow",
                f"{where} is slow: it took the request of {trail.client}, and had sent no answer when "
                f"{trail.client} gave up {silent_s:.0f} s later",
                f"give {trail.client} more time, or see what keeps the server on {connection.server} busy",
            )
    return None


def _connections(trail: Trail) -> list[tls.TcpConnection]:
    """To the servers, on the servers' own wires; without the lab's trials."""
    case = trail.case
    (sdc,) = case.topology.with_role(Role.sdc)
    wires = [interface.segment for interface in sdc.interfaces]
    own = {(s.client, s.client_port, s.server.address, s.server.port) for s in own_handshakes(case)}
    return [
        each
        for each in tls.connections(case.frames(*wires))
        if each.opened and (each.client, each.sent[0].source_port, each.server, each.port) in own
    ]


def find_blocked_https(trail: Trail) -> Diagnosis | None:
    """No connection to port 443 gets past the customer's firewall, whatever the server."""
    firewall = trail.case.topology.firewall
    if firewall is None:
        return None
    wire = trail.case.topology.node(trail.client).uplink
    listed = trail.case.listed
    asked = [
        packet
        for packet in trail.sockets
        if packet.protocol == TCP and packet.is_bare_syn and packet.source in wire.ips
        and (packet.destination, packet.destination_port) in listed
    ]  # fmt: skip
    passed = {packet.destination_port for _, packet in trail.case.leaving}
    if not asked or HTTPS_PORT in passed or {p.destination_port for p in asked} != {HTTPS_PORT}:
        return None
    return Diagnosis(
        "port-blocked",
        f"TCP {HTTPS_PORT} of {trail.client} is lost at {firewall.node}, to whatever server: "
        f"{count(len(asked), 'SYN')} on {wire.segment}, none on {firewall.outside}",
        f"let TCP {HTTPS_PORT} to the listed servers pass {firewall.node}",
    )
