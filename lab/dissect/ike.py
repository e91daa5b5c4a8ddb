"""ISAKMP: exchanges, payloads and what phase 1 agrees on, as far as they are in clear."""

from __future__ import annotations

from collections.abc import Mapping

from lab.dissect.anatomy import Anatomy, printable, size
from lab.wire.isakmp import Attribute, IsakmpMessage, PayloadType, TransformType

EXCHANGES = {
    1: "Base",
    2: "Identity Protection (Main Mode)",
    3: "Authentication Only",
    4: "Aggressive",
    5: "Informational",
    6: "Transaction (Config Mode)",
    32: "Quick Mode",
    33: "New Group Mode",
    34: "IKE_SA_INIT",
    35: "IKE_AUTH",
    36: "CREATE_CHILD_SA",
    37: "INFORMATIONAL",
}
PAYLOADS = {
    1: "Security Association",
    2: "Proposal",
    3: "Transform",
    4: "Key Exchange",
    5: "Identification",
    6: "Certificate",
    7: "Certificate Request",
    8: "Hash",
    9: "Signature",
    10: "Nonce",
    11: "Notification",
    12: "Delete",
    13: "Vendor ID",
    20: "NAT-D (RFC 3947)",
    21: "NAT-OA (RFC 3947)",
    33: "Security Association",
    34: "Key Exchange",
    35: "Identification - Initiator",
    36: "Identification - Responder",
    37: "Certificate",
    38: "Certificate Request",
    39: "Authentication",
    40: "Nonce",
    41: "Notify",
    42: "Delete",
    43: "Vendor ID",
    44: "Traffic Selector - Initiator",
    45: "Traffic Selector - Responder",
    46: "Encrypted and Authenticated",
    47: "Configuration",
    48: "Extensible Authentication",
    53: "Encrypted and Authenticated Fragment",
    130: "NAT-D (draft)",
    131: "NAT-OA (draft)",
    132: "Cisco-Fragmentation",
}
NOTIFICATIONS = {
    14: "NO-PROPOSAL-CHOSEN",
    18: "INVALID-ID-INFORMATION",
    24: "AUTHENTICATION-FAILED",
    16388: "NAT_DETECTION_SOURCE_IP",
    16389: "NAT_DETECTION_DESTINATION_IP",
    24576: "RESPONDER-LIFETIME",
    24577: "REPLAY-STATUS",
    24578: "INITIAL-CONTACT",
    36136: "R-U-THERE",
    36137: "R-U-THERE-ACK",
}
_VENDORS = {
    "4a131c81070358455c5728f20e95452f": "RFC 3947 Negotiation of NAT-Traversal in the IKE",
    "90cb80913ebb696e086381b5ec427b1f": "draft-ietf-ipsec-nat-t-ike-02 (with newline)",
    "afcad71368a1f1c96b8696fc77570100": "RFC 3706 DPD (Dead Peer Detection)",
    "09002689dfd6b712": "XAUTH",
    "882fe56d6fd20dbc2251613b2ebe5beb": "strongSwan",
    "4048b7d56ebce88525e7de7f00d6c2d380000000": "Cisco Fragmentation",
}
_CIPHERS = {1: "DES-CBC", 5: "3DES-CBC", 7: "AES-CBC"}
_HASHES = {1: "MD5", 2: "SHA", 4: "SHA2-256", 5: "SHA2-384", 6: "SHA2-512"}
_METHODS = {1: "Pre-shared key", 3: "RSA signatures"}
_GROUPS = {
    1: "MODP 768",
    2: "MODP 1024",
    5: "MODP 1536",
    14: "MODP 2048",
    15: "MODP 3072",
    16: "MODP 4096",
    19: "ECP 256",
    20: "ECP 384",
    21: "ECP 521",
    31: "Curve25519",
}
_CIPHERS_2 = {3: "3DES", 12: "AES-CBC", 20: "AES-GCM-16"}
_PRFS_2 = {
    1: "HMAC-MD5",
    2: "HMAC-SHA1",
    5: "HMAC-SHA2-256",
    6: "HMAC-SHA2-384",
    7: "HMAC-SHA2-512",
}
_INTEGRITY_2 = {
    1: "HMAC-MD5-96",
    2: "HMAC-SHA1-96",
    12: "HMAC-SHA2-256-128",
    14: "HMAC-SHA2-512-256",
}
_IDENTITIES = (PAYLOADS[5], PAYLOADS[35], PAYLOADS[36])
_NAMES_OF_ID = (2, 3)
"""FQDN and user's FQDN (RFC 2407 4.6.2.1): the identity is text."""


def isakmp(anatomy: Anatomy, message: IsakmpMessage) -> None:
    """One message; what is encrypted is told by its length."""
    version = f"{message.version >> 4}.{message.version & 15}"
    exchange = EXCHANGES.get(message.exchange, f"exchange {message.exchange}")
    fields = [
        ("Initiator SPI", message.initiator_cookie.hex()),
        ("Responder SPI", message.responder_cookie.hex()),
        ("Version", version),
        ("Exchange type", f"{exchange} ({message.exchange})"),
        ("Message ID", f"0x{message.message_id:08x}"),
    ]
    if message.is_encrypted:
        name = PAYLOADS.get(message.first, str(message.first))
        fields.append(("Encrypted", f"{size(message.body)}, which begin with {name}"))
    for kind, body in message.payloads:
        fields.append(_payload(kind, body))
    for chosen in message.transforms:
        fields.append(("Transform", _transform(chosen)))
    for suite in message.suites:
        fields.append(("Proposal", _suite(suite)))
    for number in message.notifies:
        fields.append(("Notify type", f"{NOTIFICATIONS.get(number, 'unknown')} ({number})"))
    info = exchange
    if version == "2.0":
        info = f"{exchange} MID={message.message_id:02d}"
    anatomy.say("ISAKMP", info)
    title = "Internet Security Association and Key Management Protocol"
    anatomy.add("ISAKMP", f"{title}, {exchange}", *fields)


def _payload(kind: int, body: bytes) -> tuple[str, str]:
    name = PAYLOADS.get(kind, f"type {kind}")
    told = size(body)
    if name == "Vendor ID":
        told = _VENDORS.get(body.hex(), body.hex() if len(body) <= 20 else size(body))
    elif name in _IDENTITIES and len(body) > 4 and body[0] in _NAMES_OF_ID:
        told = printable(body[4:])
    elif kind in (PayloadType.sa, PayloadType.sa_2):
        told = f"{size(body)}, below"
    return f"Payload {name}", told


def _transform(found: Mapping[int, int]) -> str:
    bits = found.get(Attribute.key_length)
    parts = (
        _CIPHERS.get(found.get(Attribute.encryption, 0), "") + (f"-{bits}" if bits else ""),
        _HASHES.get(found.get(Attribute.hash, 0), ""),
        _GROUPS.get(found.get(Attribute.group, 0), ""),
        _METHODS.get(found.get(Attribute.authentication, 0), ""),
    )
    return ", ".join(part for part in parts if part) or "of no kind that is known here"


def _suite(found: Mapping[int, tuple[int, int]]) -> str:
    tables = {
        TransformType.encryption: _CIPHERS_2,
        TransformType.prf: _PRFS_2,
        TransformType.integrity: _INTEGRITY_2,
        TransformType.group: _GROUPS,
    }
    parts = []
    for kind, (number, bits) in found.items():
        table: Mapping[int, str] = tables.get(kind, {})  # type: ignore[call-overload]
        parts.append(table.get(number, f"{kind}:{number}") + (f"-{bits}" if bits else ""))
    return ", ".join(parts)
