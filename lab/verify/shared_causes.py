"""Causes that ways of several kinds have in common, and the step of a way at which each stops the way.

As a kind's own causes do (``STOPS`` in ``symptoms``), a cause with None explains nothing but itself.
"""

from __future__ import annotations

from lab.verify.step import Causes, Step

NAMES: Causes = {
    **dict.fromkeys(
        ["dns-silent", "dns-refuses", "name-unknown", "name-without-address", "lookups-lost"], Step.name
    ),
    # The SYNs go elsewhere, and no rule of the customer's firewall lets them out.
    "dns-wrong-answer": Step.syn,
    # Names are told; what is missing is the address of one of the two versions of IP.
    "name-without-aaaa": None,
}  # fmt: skip
"""What ``name_symptoms`` finds."""

SERVERS: Causes = {
    "server-refuses": Step.connection,
    "old-tls": Step.tls,
    # What is small passes, so any of the last steps may have come about.
    "mtu-black-hole": None,
    # Nobody knows what the agent did not do.
    "agent-failure": None,
}
"""What ``internet_symptoms`` and ``tls_symptoms`` find of every kind of way."""
