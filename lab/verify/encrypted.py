"""Findings on what leaves the customer in clear: OUT-46."""

from __future__ import annotations

from lab.names import all_of, count, place
from lab.verify import user_flows
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.wire import tls
from lab.wire.decode import ESP, ICMP, ICMPV6, TCP, UDP, Frame, Packet
from lab.wire.isakmp import IKE_PORT

NAT_T_PORT = 4500
CHOICES = {
    "direct": "without a proxy, by HTTPS",
    "proxy": "through a proxy, by HTTPS",
    "vpn": "by VPN",
    "dial": "by modem",
    "pass-through": "by a partition's VPN or modem",
}
"""Of S2's five: HTTPS is what goes without and through a proxy."""


def check_out_46(case: Case) -> Finding:
    """Whatever the customer has chosen, IBM is spoken to in connections that are secured (X-16)."""
    places = " and ".join(case.outsides)
    check = Check(
        "OUT-46",
        f"whichever way home is chosen, what passes {places} is encrypted: TLS in each TCP connection, and "
        "beside that IKE and ESP alone",
    )
    frames = [f for f in case.frames(*case.outsides) if f.ip and _counts(case, f.ip)]
    sealed = [f for f in frames if f.ip and _is_of_vpn(f.ip)]
    # What comes out of AT&T's gateway beside TCP is the fence's matter (L-01 to L-12).
    lines = [f for f in frames if f.segment in case.exits]
    plain = [f for f in lines if f.ip and f.ip.protocol != TCP and not _is_of_vpn(f.ip)]
    for frame in plain:
        assert frame.ip is not None
        protocol = f"UDP {frame.ip.destination_port}" if frame.ip.protocol == UDP else "IP protocol"
        number = "" if frame.ip.protocol == UDP else f" {frame.ip.protocol}"
        check.object(f"a packet of {protocol}{number} is on {frame.segment}", [frame])
    secured = 0
    for segment in case.outsides:
        for connection in tls.connections([f for f in frames if f.segment == segment]):
            secured += _judge(check, connection)
    check.show(sealed[:4])
    if not secured and not sealed:
        return check.not_tested(f"nothing of a call home passed {places}")
    kinds = {kind for a in case.topology.agents for kind in case.kinds_of(a, case.record.ended)}
    chosen = [words for kind, words in CHOICES.items() if kind in kinds]
    told = [count(secured, "connection with TLS", "connections with TLS")] if secured else []
    told += [f"{count(len(sealed), 'packet')} of IKE and ESP"] if sealed else []
    return check.finding(f"{all_of(chosen) or 'by another way'}: {all_of(told)}")


def _counts(case: Case, packet: Packet) -> bool:
    """Whether a packet is of the customer's and IBM's: no lookup, error, or attempt of the lab's own."""
    if packet.protocol in (ICMP, ICMPV6):
        return False
    if user_flows.passes(case, packet):
        return False  # Nobody at IBM is spoken to.
    return not (case.is_lookup(packet) or case.is_trial(packet) or case.is_attempt(packet))


def _is_of_vpn(packet: Packet) -> bool:
    ports = {packet.source_port, packet.destination_port}
    return packet.protocol == ESP or (
        packet.protocol == UDP and bool(ports & {IKE_PORT, NAT_T_PORT})
    )


def _judge(check: Check, connection: tls.TcpConnection) -> bool:
    """Whether a connection carried anything, and that was TLS; what was begun before is not judged."""
    if not connection.opened or not (connection.out or connection.back):
        return False
    shown: list[Frame] = connection.frames[:4]
    try:
        tls.records(connection.out)
        tls.records(connection.back)
    except tls.NoTls as error:
        where = place(connection.server, connection.port)
        check.object(f"something in clear is said in a connection to {where}: {error}", shown)
        return False
    check.show(shown)
    return True
