"""The two versions of IP, and which of them an address is of. Pure; the guest reads it, too."""

from __future__ import annotations

from enum import StrEnum


class Family(StrEnum):
    """A version of IP, as a topology file names it."""

    ipv4 = "ipv4"
    ipv6 = "ipv6"

    def __str__(self) -> str:
        return {"ipv4": "IPv4", "ipv6": "IPv6"}[self.value]


V4_ONLY = (Family.ipv4,)


def family_of(address: str) -> Family:
    """The version of an address or a prefix in text; only IPv6 has colons (RFC 4291 2.2)."""
    return Family.ipv6 if ":" in address else Family.ipv4


def host_prefix(address: str) -> str:
    """The prefix that holds one address and no other: ``192.0.2.1/32``, ``2001:db8::1/128``."""
    return f"{address}/{128 if family_of(address) is Family.ipv6 else 32}"
