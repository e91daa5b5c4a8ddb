"""Symptoms of TLS between a user's command and IBM's servers: by the servers' own ledger.

A server reads the client's alert also in TLS 1.3, where the wire does not show it.
"""

from __future__ import annotations

from lab.names import all_of, place
from lab.record.record import Transaction
from lab.topology.servers import ListedServer
from lab.verify.command_trail import CommandTrail
from lab.verify.handshakes import Handshake, own_handshakes
from lab.verify.symptom import Diagnosis
from lab.wire import suites

HANDSHAKE, NO_REQUEST = "handshake", "no-request"
UNTRUSTED = {
    "unknown ca": ("unknown_ca", "it does not know the authority that signed it"),
    "bad certificate": ("bad_certificate", "it is for other names, or is not as it should be"),
    "certificate unknown": ("certificate_unknown", "it does not accept it"),
    "certificate expired": ("certificate_expired", "it is not valid at this time"),
    "unsupported certificate": ("unsupported_certificate", "it is of a kind that the client does not take"),
}  # fmt: skip
"""What OpenSSL says of the client's alert: its name (RFC 8446 6.2), and what it means."""
SHOWN = 4
"""Cipher suites of an offer, by name."""


def _last(trail: CommandTrail) -> Transaction | None:
    """What the servers noted last: only that is what the command ended with."""
    return trail.ledger[-1] if trail.ledger else None


def find_untrusted_certificate(trail: CommandTrail) -> Diagnosis | None:
    """The client ends the handshake with an alert about the certificate."""
    entry = _last(trail)
    if entry is None or entry.kind != HANDSHAKE or "alert" not in entry.detail:
        return None
    found = next((pair for word, pair in UNTRUSTED.items() if word in entry.detail), None)
    if found is None:
        return None
    alert, why = found
    hint = "have the client trust the lab's authority: curl --cacert $LAB_CA_FILE, SSL_CERT_FILE=$LAB_CA_FILE"
    if alert == "bad_certificate":
        hint = f"ask for a listed name: lab explain {trail.profile} prints them"
    asked = f", which it asked for as {entry.sni}" if entry.sni else ""
    return Diagnosis(
        "certificate-not-trusted",
        f"{trail.name} does not take the certificate of {place(entry.server_ip, entry.server_port)}{asked}: "
        f"it ends the handshake with the alert {alert}, that is, {why}",
        hint,
    )


def find_no_shared_cipher(trail: CommandTrail) -> Diagnosis | None:
    """The server takes none of the cipher suites that the client offers."""
    entry = _last(trail)
    if entry is None or entry.kind != HANDSHAKE or entry.detail != "no shared cipher":
        return None
    offer = next((s.offer for s in _shakes(trail, entry) if s.offer), None)
    names = (
        [suites.NAMES.get(number, f"{number:#06x}") for number in offer.suites if number != 0xFF]
        if offer
        else []
    )
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    told = f": it offers {', '.join(names[:SHOWN])}{more}" if names else ""
    return Diagnosis(
        "no-shared-cipher",
        f"{trail.name} and {place(entry.server_ip, entry.server_port)} have no cipher suite in common{told}; "
        "the server ends the handshake with the alert handshake_failure",
        "let the client offer the suites that the server takes: lab explain "
        f"{trail.profile} prints what the papers ask for",
    )


def _shakes(trail: CommandTrail, entry: Transaction) -> list[Handshake]:
    ends = (entry.peer_port, entry.server_ip, entry.server_port)
    return [
        shake
        for shake in own_handshakes(trail.case)
        if (shake.client_port, shake.server.address, shake.server.port) == ends
    ]


def find_http_in_clear(trail: CommandTrail) -> Diagnosis | None:
    """A request in clear at a port where the server speaks TLS."""
    entry = _last(trail)
    if (
        entry is None
        or entry.kind != HANDSHAKE
        or entry.detail not in ("http request", "https proxy request")
    ):
        return None
    where = place(entry.server_ip, entry.server_port)
    return Diagnosis(
        "http-to-tls",
        f"{trail.name} speaks HTTP in clear to {where}, where the server speaks TLS",
        f"begin the URL with https: https://{entry.server or where}",
    )


def find_wrong_name(trail: CommandTrail) -> Diagnosis | None:
    """TLS came about by a name that is none of the server's, and the client left without a request."""
    entry = _last(trail)
    if entry is None or entry.kind != NO_REQUEST or not entry.tls_version or not entry.sni:
        return None
    topology = trail.case.topology
    names = {endpoint.name for endpoint in topology.endpoints} | {s.name for s in topology.servers}
    own = [s.name for s in topology.servers if _is_at(s, entry)]
    if entry.sni.lower() in {name.lower() for name in names} or not own:
        return None
    where = place(entry.server_ip, entry.server_port)
    return Diagnosis(
        "name-not-certified",
        f"{trail.name} asked {where} for {entry.sni}, and left without a request when it had seen the "
        f"certificate, which is for {all_of(sorted({*own}))} and other listed names",
        f"call the server by a listed name: lab explain {trail.profile} prints them",
    )


def _is_at(server: ListedServer, entry: Transaction) -> bool:
    return (server.address, server.port) == (entry.server_ip, entry.server_port)
