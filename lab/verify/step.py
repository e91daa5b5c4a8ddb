"""The steps of a call home in their order, and at which of them each cause of a failure stops it.

What comes at a later step cannot be there where an earlier one did not come about. A cause that is not listed
here explains nothing but itself.
"""

from __future__ import annotations

from enum import StrEnum


class Step(StrEnum):
    """What comes about on the way home, each after the ones before; a way takes those that it has."""

    modem = "modem"
    """A serial port has a modem that takes commands."""
    call = "call"
    """The telephone call is answered, and the modems agree."""
    packets = "packets"
    """Packets come to the other end, and answers come back."""
    proposal = "proposal"
    """IKE: one of the proposals is chosen."""
    identity = "identity"
    """IKE: the two ends know each other by key and identity."""
    ike = "ike"
    """The IKE SA and the first ESP SAs are agreed on."""
    esp = "esp"
    """ESP goes both ways."""
    l2tp = "l2tp"
    """The L2TP tunnel and its sessions are open."""
    lcp = "lcp"
    """LCP is open (RFC 1661), or says how to authenticate."""
    password = "password"
    """PAP or CHAP succeeds."""
    address = "address"
    """IPCP gives an address, and routes lead there."""
    name = "name"
    """The server's name is resolved."""
    syn = "syn"
    """A SYN for a server, or a proxy, leaves the customer."""
    connection = "connection"
    """The server takes the connection."""
    tls = "tls"
    answer = "answer"
    """A server acknowledges the call home."""

    @property
    def rank(self) -> int:
        return _RANKS[self]


OF_VPN = {
    "SA installed": Step.ike,
    "SCCCN": Step.l2tp,
    "IPCP open": Step.address,
    "first SYN": Step.syn,
}
"""What OUT-21 looks for, and what brings it."""

_RANKS = {step: number for number, step in enumerate(Step)}

_BY_TELEPHONE = {
    **dict.fromkeys(
        ["modem-dead", "modem-garbage", "modem-gone", "modem-quiet", "modem-refuses", "no-modem",
         "modem-refuses-setup"],
        Step.modem,
    ),
    **dict.fromkeys(
        ["no-dialtone", "busy", "no-answer", "unobtainable", "voice", "training-fails", "lines-taken",
         "pool-empty", "unlisted-number", "i5-silent", "i5-line-busy", "udp-1701-one-way"],
        Step.call,
    ),
    "chap-only-peer": Step.lcp,
    "no-ppp": Step.lcp,
    **dict.fromkeys(["wrong-pap-password", "pap-refused"], Step.password),
}  # fmt: skip
_BY_IP = {
    **dict.fromkeys(
        ["dns-silent", "dns-refuses", "name-unknown", "name-without-address", "lookups-lost"], Step.name
    ),
    # No SYN of an agent's, or of a proxy's, gets past the customer's own network.
    **dict.fromkeys(
        ["port-blocked", "address-not-opened", "proxy-silent", "proxy-refuses", "proxy-refuses-connect",
         "proxy-log-in", "proxy-busy", "dns-wrong-answer"],
        Step.syn,
    ),
    **dict.fromkeys(
        ["server-silent", "server-refuses", "network-down", "proxy-leads-nowhere"], Step.connection
    ),
    **dict.fromkeys(
        ["certificate-expired", "authority-unknown", "certificate-not-trusted", "name-not-certified",
         "old-tls", "no-shared-cipher", "tls-inspected"],
        Step.tls,
    ),
    **dict.fromkeys(["server-unavailable", "server-failed", "server-slow", "server-resets"], Step.answer),
}  # fmt: skip
_BY_VPN = {
    # The call that carries it, by modem or to the partition that lends it, did not come about.
    **dict.fromkeys(_BY_TELEPHONE, Step.modem),
    **dict.fromkeys(
        ["udp-500-lost", "gateway-silent", "gateways-silent", "vpn-fenced", "i5-vpn-refused"],
        Step.packets,
    ),
    "no-common-proposal": Step.proposal,
    **dict.fromkeys(["wrong-psk", "wrong-identity", "udp-4500-lost"], Step.identity),
    "other-selectors": Step.ike,
    "esp-lost": Step.esp,
    **dict.fromkeys(["l2tp-refused", "l2tp-silent"], Step.l2tp),
    # Without an address to give the gateway takes no L2TP call.
    **dict.fromkeys(["pap-only-peer", "pool-empty"], Step.lcp),
    **dict.fromkeys(["wrong-chap-secret", "chap-refused"], Step.password),
}  # fmt: skip

_BROKEN_AT: dict[str, dict[str, Step]] = {
    "dial": _BY_TELEPHONE | _BY_IP,
    "vpn": _BY_IP | _BY_VPN,
    "direct": _BY_IP,
    "proxy": _BY_IP,
}


def broken_at(kind: str, cause: str) -> Step | None:
    """The first step that cannot come about on a kind of way for a cause; None if the cause does not say."""
    return _BROKEN_AT.get(kind, {}).get(cause)


def causes() -> set[str]:
    """Every cause that explains later steps."""
    return {cause for own in _BROKEN_AT.values() for cause in own}
