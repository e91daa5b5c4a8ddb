"""The steps of a call home in their order.

What comes at a later step cannot be there where an earlier one did not come about. At which step a cause of a
failure stops a way says the folder of the way's kind: ``STOPS`` in ``symptoms``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias


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


Causes: TypeAlias = Mapping[str, Step | None]
"""Each cause, and the first step that cannot come about; None if the cause explains nothing but itself."""

OF_VPN = {
    "SA installed": Step.ike,
    "SCCCN": Step.l2tp,
    "IPCP open": Step.address,
    "first SYN": Step.syn,
}
"""What OUT-21 looks for, and what brings it."""

_RANKS = {step: number for number, step in enumerate(Step)}
