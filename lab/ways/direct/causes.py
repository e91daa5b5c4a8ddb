"""The causes for which a way home over the Internet fails, and the step at which each stops the way."""

from __future__ import annotations

from lab.verify.shared_causes import NAMES, SERVERS
from lab.verify.step import Causes, Step

STOPS: Causes = {
    **NAMES,
    **SERVERS,
    # No SYN of an agent's gets past the customer's own network.
    **dict.fromkeys(["port-blocked", "address-not-opened"], Step.syn),
    "server-silent": Step.connection,
    **dict.fromkeys(["certificate-expired", "authority-unknown", "tls-inspected"], Step.tls),
    **dict.fromkeys(["server-unavailable", "server-slow", "server-resets"], Step.answer),
    # Of one server, one errand, one version of IP, or one address: others may have been reached.
    **dict.fromkeys(
        ["address-blocked", "address-moved", "config-server-blocked", "eccgw-blocked", "server-blocked",
         "errand-blocked", "back-end-silent", "ipv6-lost", "tcp-lost"],
        None,
    ),
}  # fmt: skip
