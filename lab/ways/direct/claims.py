"""What the papers claim about ways home over the Internet: the requirements, and where they stand."""

from __future__ import annotations

from lab.topology.claim import Claim

CLAIMS: dict[str, Claim] = {
    "OUT-01": Claim(
        "Without a proxy, call home is TLS over the default route to the Internet.",
        "S0, S1 outbound without proxy; S3 Internet; S4 2.1.2.1",
    ),
    "F-03": Claim(
        "For direct Internet the firewall lets TCP 443 out and its replies back.",
        "S3, S4",
    ),
}
