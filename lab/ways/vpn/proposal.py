"""Proposals of IKE and ESP as strongSwan spells them: what is known, and what each part is elsewhere.

``3des-md5-modp1024``: a cipher, an integrity algorithm, and a Diffie-Hellman group, in this order. A cipher
that authenticates by itself (AEAD) has no integrity algorithm; in IKE a pseudo-random function does.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CipherSuite:
    """A cipher of ESP and IKE."""

    kernel: str
    """Its name in Linux."""
    key_bits: int
    """As ESP's SA has them: with the 32 bits of salt of an AEAD cipher (RFC 4106 8.1)."""
    block: int
    """To how many bytes the text is padded (RFC 4303 2.4)."""
    vector: int
    """Bytes of initialization vector in each packet."""
    v1: int
    """IKEv1's number in phase 1 (RFC 2409 appendix A); 0 if IKEv1 has none there."""
    v2: int
    """IKEv2's number (RFC 7296 3.3.2)."""
    length: int = 0
    """What the attribute for the length of the key says, in bits; 0 if there is none."""
    icv_bits: int = 0
    """Of its own ICV, if it is AEAD."""

    @property
    def is_aead(self) -> bool:
        return self.icv_bits > 0


@dataclass(frozen=True, slots=True)
class Mac:
    """An integrity algorithm."""

    kernel: str
    key_bits: int
    icv_bits: int
    v1: int
    """IKEv1's number of the hash (RFC 2409 appendix A)."""
    v2: int
    """IKEv2's number of the pseudo-random function by the same hash."""


CIPHERS = {
    "3des": CipherSuite("cbc(des3_ede)", 192, 8, 8, 5, 3),
    "aes128": CipherSuite("cbc(aes)", 128, 16, 16, 7, 12, 128),
    "aes192": CipherSuite("cbc(aes)", 192, 16, 16, 7, 12, 192),
    "aes256": CipherSuite("cbc(aes)", 256, 16, 16, 7, 12, 256),
    "aes128gcm16": CipherSuite("rfc4106(gcm(aes))", 160, 4, 8, 0, 20, 128, 128),
    "aes256gcm16": CipherSuite("rfc4106(gcm(aes))", 288, 4, 8, 0, 20, 256, 128),
}
MACS = {
    "md5": Mac("hmac(md5)", 128, 96, 1, 1),
    "sha1": Mac("hmac(sha1)", 160, 96, 2, 2),
    "sha256": Mac("hmac(sha256)", 256, 128, 4, 5),
    "sha384": Mac("hmac(sha384)", 384, 192, 5, 6),
    "sha512": Mac("hmac(sha512)", 512, 256, 6, 7),
}
PRFS = {f"prf{name}": name for name in MACS}
"""The pseudo-random function of IKE, by the name of the algorithm that it is made of."""
GROUPS = {
    "modp1024": 2,
    "modp1536": 5,
    "modp2048": 14,
    "modp3072": 15,
    "modp4096": 16,
    "ecp256": 19,
    "ecp384": 20,
    "ecp521": 21,
    "curve25519": 31,
}
"""IANA's numbers, the same for both versions of IKE."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """One proposal; a part that is empty is not in it."""

    cipher: str
    mac: str = ""
    """Of IKE with an AEAD cipher: what the pseudo-random function is made of."""
    group: str = ""
    """Of ESP: for new keys with perfect forward secrecy."""

    @property
    def suite(self) -> CipherSuite:
        return CIPHERS[self.cipher]


def parse(text: str, *, ike: bool) -> Proposal:
    """Read a proposal; raises ValueError that says which part is wrong, and what is known."""
    parts = [part for part in text.lower().split("-") if part]
    if not parts:
        raise ValueError(f"must be a proposal such as {_example(ike)}, not {text!r}")
    cipher = parts.pop(0)
    if cipher not in CIPHERS:
        raise ValueError(f"{cipher!r} in {text!r} is no cipher that is known: {', '.join(CIPHERS)}")
    mac = _mac(text, cipher, parts, ike=ike)
    group = parts.pop(0) if parts else ""
    if parts or (group and group not in GROUPS):
        wrong = parts[0] if parts else group
        problem = f"{wrong!r} in {text!r} is no group that is known: {', '.join(GROUPS)}"
        raise ValueError(problem)
    if ike and not group:
        raise ValueError(f"{text!r} lacks a group: {', '.join(GROUPS)}")
    return Proposal(cipher, mac, group)


def _mac(text: str, cipher: str, parts: list[str], *, ike: bool) -> str:
    """Take the integrity algorithm off the front of what is left, or the pseudo-random function."""
    aead = CIPHERS[cipher].is_aead
    if aead and not ike:
        return ""
    known = PRFS if aead else {name: name for name in MACS}
    name = parts.pop(0) if parts else ""
    if name not in known:
        what = "a pseudo-random function" if aead else "an integrity algorithm"
        given = f"has {name!r}" if name else "has nothing"
        raise ValueError(f"{text!r} {given} where {what} belongs: {', '.join(known)}")
    return known[name]


def _example(ike: bool) -> str:
    return "3des-md5-modp1024" if ike else "3des-md5"
