"""What the papers claim about ways home by telephone: the requirements, and where they stand."""

from __future__ import annotations

from lab.topology.claim import Claim

CLAIMS: dict[str, Claim] = {
    "OUT-23": Claim(
        "By modem the HMC dials a configured number of AT&T's network; after PPP with PAP come the fence "
        "and then TLS.",
        "S3 Modem; S4 2.1.1, 3.1",
    ),
    "OUT-24": Claim(
        "The HMC finds its modem by itself at boot.",
        "S3; S4 2.1.1",
    ),
    "OUT-25": Claim(
        "The HMC dials one of several configured numbers.",
        "S3; S4 2.1.1, 3.1",
    ),
    "OUT-26": Claim(
        "The HMC's own firewall applies to the connections over the modem.",
        "S3 Modem; S4 2.1.1, 2.1.4.2",
    ),
    "P-11": Claim(
        "AT&T's gateway authenticates callers with PAP, by a special account and user ID.",
        "S3, S4 3.1",
    ),
    "P-12": Claim(
        "AT&T's gateway assigns an address from a pool for the time of the call.",
        "S2; S3, S4 3.1",
    ),
    "P-20": Claim(
        "AT&T allows IP connections once PPP is established.",
        "S3; S4 2.1.1",
    ),
    "L-01": Claim(
        "A caller's packets pass AT&T's fence only with the address that its call was given.",
        "S3 AT&T; S4 3.1",
    ),
    "L-02": Claim(
        "They pass only to an authorized server of IBM,",
        "S3, S4 3.1",
    ),
    "L-03": Claim(
        "or to a utility service of AT&T, such as its name server.",
        "S3, S4 3.1",
    ),
    "L-04": Claim(
        "What comes from the Internet passes only to an address that a call has.",
        "S3, S4 3.1",
    ),
    "L-05": Claim(
        "It passes only from a server with which that caller communicates.",
        "S3, S4 3.1",
    ),
    "L-06": Claim(
        "Packets that do not match are discarded, in silence.",
        "S3, S4 3.1",
    ),
    "L-07": Claim(
        "All other access to and from the Internet is blocked.",
        "S3 Modem; S4 2.1.1, 2.1.4.2",
    ),
    "L-08": Claim(
        "The PAP user IDs can communicate only with IBM's service servers.",
        "S2",
    ),
    "L-09": Claim(
        "Address and fence are a call's for its duration: they end with it.",
        "S3, S4 3.1",
    ),
    "L-10": Claim(
        "The fence's list may be of the customer's region.",
        "S4 5.1",
    ),
    "L-11": Claim(
        "For a VPN over a modem the fence also passes the VPN gateways.",
        "S3 VPN connection; S4 2.2.2, 3.1",
    ),
    "L-12": Claim(
        "The fence matches addresses; of ports nothing is said.",
        "S3, S4 3.1",
    ),
    "F-18": Claim(
        "The paths by modem need no rule in the customer's IP firewall.",
        "S3, S4 by omission",
    ),
    "R-08": Claim(
        "There are several numbers to dial.",
        "S3, S4",
    ),
}
