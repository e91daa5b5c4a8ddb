"""The TLS handshakes that IBM's servers had, as their own wires show them in clear."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from lab.ibm.events import TlsTried
from lab.names import place
from lab.topology.model import Role
from lab.topology.servers import ListedServer, TlsPlan
from lab.verify.case import Case
from lab.wire import hello, tls
from lab.wire.decode import Frame
from lab.wire.hello import Choice, ClientOffer

SHOWN_FRAMES = 8
"""Of a connection: TCP's three, and the packets of the two hellos."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """One connection to a server that speaks TLS from its first byte."""

    client: str
    client_port: int
    server: ListedServer
    plan: TlsPlan | None
    offer: ClientOffer | None
    choice: Choice
    answered: bool
    """Whether the server has taken the TCP connection."""
    frames: tuple[Frame, ...]

    @property
    def place(self) -> str:
        return place(self.server.address, self.server.port)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsTrial:
    """One offer that the lab made to a server, and the server's answer on the wire."""

    offer: str
    place: str
    plan: TlsPlan
    shake: Handshake | None
    """None if the connection is on no wire."""
    choice: Choice = field(default_factory=Choice)

    @property
    def frames(self) -> tuple[Frame, ...]:
        return self.shake.frames if self.shake is not None else ()

    @property
    def key(self) -> tuple[str, int]:
        """Kind and size of the key in the server's certificate; nothing where none is in clear."""
        found = self.choice.certificates
        return key_of(found[0]) if found else ("", 0)


@lru_cache(maxsize=1)
def handshakes(case: Case) -> tuple[Handshake, ...]:
    """All of them, in the order of their connections; several checks ask for those of one run."""
    (sdc,) = case.topology.with_role(Role.sdc)
    wires = [interface.segment for interface in sdc.interfaces]
    servers = {(s.address, s.port): s for s in case.topology.servers if s.speaks == "https"}
    plans = {plan.name: plan for plan in case.topology.tls}
    found = []
    for connection in tls.connections(case.frames(*wires)):
        server = servers.get((connection.server, connection.port))
        if server is None or not connection.opened:
            continue
        sent, received = connection.out, connection.back
        found.append(
            Handshake(
                client=connection.client,
                client_port=connection.sent[0].source_port,
                server=server,
                plan=plans.get(server.tls),
                offer=hello.read_offer(sent),
                choice=hello.read_choice(received),
                answered=any(packet.is_syn_ack for packet in connection.received),
                frames=tuple(connection.frames[:SHOWN_FRAMES]),
            )
        )
    return tuple(found)


def own_handshakes(case: Case) -> list[Handshake]:
    """Without the lab's own trials."""
    tried = case.tls_tried
    return [shake for shake in handshakes(case) if (shake.client, shake.client_port) not in tried]


def unreached(case: Case) -> set[str]:
    """The servers that took none of the lab's own connections, as the wires show it, too."""
    tried = {
        (e.address, f"{e.destination}:{e.port}") for e in case.told(TlsTried) if not any(e.ports)
    }
    answered = {(shake.client, shake.place) for shake in handshakes(case) if shake.answered}
    return {place for _, place in tried - answered}


def tls_trials(case: Case) -> list[TlsTrial]:
    """The lab's own trials, of the servers that it reached."""
    silent = unreached(case)
    plans = {plan.name: plan for plan in case.topology.tls}
    servers = {(server.address, server.port): server for server in case.topology.servers}
    shakes = {
        (shake.client, shake.client_port, shake.server.address, shake.server.port): shake
        for shake in handshakes(case)
    }
    found = []
    for event in case.told(TlsTried):
        server = servers[event.destination, event.port]
        if f"{event.destination}:{event.port}" in silent:
            continue
        for offer, port in zip(event.offers, event.ports, strict=True):
            shake = shakes.get((event.address, port, event.destination, event.port))
            found.append(
                TlsTrial(
                    offer=offer,
                    place=f"{event.destination}:{event.port}",
                    plan=plans[server.tls],
                    shake=shake,
                    choice=shake.choice if shake is not None else Choice(),
                )
            )
    return found


@lru_cache(maxsize=64)
def key_of(certificate: bytes) -> tuple[str, int]:
    """Kind and size in bits of a certificate's public key; nothing if it is no certificate."""
    # Late: it takes longer to import than to judge a whole run without it.
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except (ValueError, UnsupportedAlgorithm):
        return "", 0
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA", key.key_size
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "EC", key.key_size
    return ("DSA", key.key_size) if isinstance(key, dsa.DSAPublicKey) else ("", 0)


def issuer_of(certificate: bytes) -> str:
    """Who has issued a certificate: organization and unit; what it is if it is no certificate."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        issuer = x509.load_der_x509_certificate(certificate).issuer
    except ValueError:
        return "an authority that cannot be read"
    kinds = (NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME)
    found = [str(each.value) for kind in kinds for each in issuer.get_attributes_for_oid(kind)]
    return ", ".join(found) or issuer.rfc4514_string()
