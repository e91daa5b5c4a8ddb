"""What the papers claim about every way home: the requirements, and where they stand."""

from __future__ import annotations

from lab.topology.claim import Claim

CLAIMS: dict[str, Claim] = {
    "OUT-02": Claim(
        "Every socket is opened by the HMC; IBM's side opens none.",
        "S3 Internet, VPN; S4 2.1.1 to 2.1.4",
    ),
    "OUT-03": Claim(
        "Source NAT and masquerading are acceptable, and not required.",
        "S0, S1 without proxy; S3; S4 2.1.2.1",
    ),
    "OUT-04": Claim(
        "A second NIC may keep the local system network apart from the Internet.",
        "S0, S1, S3, S4",
    ),
    "OUT-15": Claim(
        "Ways home are tried in their configured order; the next serves when one is not available.",
        "S0, S1 Activating",
    ),
    "R-01": Claim(
        "When one connection fails, the next one in the configured order is tried.",
        "S0, S1",
    ),
    "g1": Claim(
        "No packet leaves for an address outside the profile's list.",
        "all",
    ),
    "g2": Claim(
        "No bare SYN reaches the agent's host on its uplink.",
        "all",
    ),
    "g3": Claim(
        "No UDP 1701 and no PPP is in clear outside the customer's firewall.",
        "all",
    ),
    "g4": Claim(
        "No protocol of a path that is not in use appears.",
        "all",
    ),
    "g5": Claim(
        "No credential is in clear on a wire.",
        "all",
    ),
    "g6": Claim(
        "After teardown nothing is left.",
        "all",
    ),
}
