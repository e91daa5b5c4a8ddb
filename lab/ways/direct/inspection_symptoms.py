"""A symptom of TLS that is broken open on the way: somebody before the server answers the ClientHello.

Read from both sides of each node on the way. The random of a ClientHello (RFC 8446 4.1.2) is like no other,
and TLS 1.3 does not encrypt it: a ClientHello that is answered by TLS on one wire, and is not on the next,
was answered by the node between the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lab.names import place
from lab.topology.model import HTTPS_PORT, Role
from lab.verify.handshakes import issuer_of
from lab.verify.journey import find_course
from lab.verify.symptom import Diagnosis, Trail
from lab.wire import hello, tls
from lab.wire.tls import TcpConnection

_RANDOM = slice(11, 43)
"""In the stream of a client: behind the heads of record and message, and the version."""


@dataclass(frozen=True, slots=True)
class _Opened:
    """A connection of the client's that somebody before the server has answered."""

    near: TcpConnection
    before: str
    """The wire on which the ClientHello is answered."""
    node: str
    beyond: str
    """The wire on which the ClientHello is not."""
    others: tuple[TcpConnection, ...]
    """What goes to the same place there meanwhile, and is not what came over the wire before."""


def find_inspection(trail: Trail) -> Diagnosis | None:
    """A node on the way answers TLS in the place of the server."""
    found = next(_opened(trail), None)
    if found is None:
        return None
    near = found.near
    offer = hello.read_offer(near.out)
    choice, alert = hello.read_choice(near.back), hello.alert_of(near.out)
    where = place(near.server, near.port)
    names = (e.name for e in trail.case.topology.endpoints if e.address == near.server)
    name = (offer.server_name if offer else "") or next(names, where)
    if choice.certificates:
        shown = f"with a certificate of {issuer_of(choice.certificates[0])}"
    elif choice.version:
        shown = "with a certificate that TLS 1.3 hides"
    else:
        shown = f"with the alert {hello.alert_name(choice.alert)}"
    other = found.others[0].client
    ending = f"; {trail.client} ends it with the alert {hello.alert_name(alert)}" if alert else ""
    return Diagnosis(
        "tls-inspected",
        f"TLS to {name} is broken open between {trail.client} and the Internet, by {found.node}: the "
        f"ClientHello of {trail.client} to {where} is answered on {found.before} {shown}, and is not on "
        f"{found.beyond}, where {other} opens a connection of its own to the same server{ending}",
        f"exempt IBM's servers from inspection at {found.node}: lab explain "
        f"{trail.case.topology.profile} prints their addresses; the agent must not trust the authority of "
        f"{found.node}",
    )


def _opened(trail: Trail) -> Iterator[_Opened]:
    case = trail.case
    (sdc,) = case.topology.with_role(Role.sdc)
    course = find_course(case.topology, trail.client, sdc.name)
    # Where frames were lost, nobody can say what was not there.
    if course is None or case.record.frames_lost:
        return
    wires = [tls.connections(case.frames(segment)) for segment in course.segments]
    own = {*case.topology.node(trail.client).uplink.ips}
    for near in wires[0]:
        random = _random(near)
        if near.client not in own or near.port != HTTPS_PORT or not near.opened:
            continue
        if not random or not _is_tls(near):
            continue
        for number, node in enumerate(course.between, 1):
            beyond = [c for c in wires[number] if (c.server, c.port) == (near.server, near.port)]
            if any(_random(each) == random for each in beyond):
                continue
            start, end = near.frames[0].time, near.frames[-1].time
            others = tuple(
                each
                for each in beyond
                if start <= each.frames[0].time <= end and _is_another(each, wires[number - 1])
            )
            # Without these, it is the capture or a loss beyond that wire that explains what is not there.
            if others:
                before, after = course.segments[number - 1], course.segments[number]
                yield _Opened(near, before, node, after, others)
            break


def _random(connection: TcpConnection) -> bytes:
    """Of the client's first ClientHello, if it is whole."""
    said = connection.out
    return said[_RANDOM] if hello.read_offer(said) is not None else b""


def _is_another(connection: TcpConnection, before: list[TcpConnection]) -> bool:
    """Whether a connection began between two wires: NAT leaves a SYN its number.

    A ClientHello alone would not do: a line may have damaged it.
    """
    numbers = {each.sent[0].tcp_sequence for each in before if each.opened}
    return connection.opened and connection.sent[0].tcp_sequence not in numbers


def _is_tls(connection: TcpConnection) -> bool:
    """Whether the ClientHello got a ServerHello, or an alert."""
    choice = hello.read_choice(connection.back)
    return bool(choice.version or choice.alert)
