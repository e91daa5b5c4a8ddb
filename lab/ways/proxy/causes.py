"""The causes for which a way home through proxies fails, and the step at which each stops the way."""

from __future__ import annotations

from lab.verify.shared_causes import NAMES, SERVERS
from lab.verify.step import Causes, Step

STOPS: Causes = {
    **NAMES,
    **SERVERS,
    # No SYN of a proxy's for a server leaves the customer.
    **dict.fromkeys(
        ["proxy-silent", "proxy-refuses", "proxy-refuses-connect", "proxy-log-in", "proxy-busy",
         "address-not-opened"],
        Step.syn,
    ),
    # What the proxy did before it failed, or with a server beside the agent's TLS, is not known.
    **dict.fromkeys(["proxy-fails", "proxy-inspects", "tcp-lost"], None),
}  # fmt: skip
