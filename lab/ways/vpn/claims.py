"""What the papers claim about ways home by VPN: the requirements, and where they stand."""

from __future__ import annotations

from lab.topology.claim import Claim

CLAIMS: dict[str, Claim] = {
    "OUT-19": Claim(
        "Without NAT, the Internet VPN is IKE on UDP 500 and ESP, protocol 50.",
        "S3 Internet VPN; S4 2.1.3, 5.2",
    ),
    "OUT-20": Claim(
        "Behind NAT, the Internet VPN uses UDP 4500 instead of ESP.",
        "S3 Internet VPN; S4 2.1.3, 5.2",
    ),
    "OUT-21": Claim(
        "The VPN is set up before any server connection; then all data is TCP inside it.",
        "S3, S4 2.1.3",
    ),
    "OUT-22": Claim(
        "The HMC's own firewall applies to the connections through the tunnel.",
        "S3; S4 2.1.3",
    ),
    "P-01": Claim(
        "Keys are exchanged by IKE, authenticated with a pre-shared key.",
        "S3 VPN protocol; S4 3.3",
    ),
    "P-02": Claim(
        "IPsec runs in tunnel mode.",
        "S2; S3, S4 3.3",
    ),
    "P-03": Claim(
        "Inside IPsec is a UDP socket with L2TP and PPP.",
        "S2; S3, S4 3.3",
    ),
    "P-04": Claim(
        "ESP encrypts by 3DES with 192 bits of key.",
        "S3, S4 3.3",
    ),
    "P-05": Claim(
        "ESP's integrity is MD5; its key is of 128 bits, although the papers say 160 (X-01).",
        "S3, S4 3.3",
    ),
    "P-06": Claim(
        "Keys are renegotiated at a random time around every 30 minutes.",
        "S3, S4 3.3",
    ),
    "P-07": Claim(
        "The L2TP tunnel is created only when IPsec is properly established.",
        "S3, S4 3.3",
    ),
    "P-08": Claim(
        "Within the L2TP tunnel run one or more PPP sessions.",
        "S3, S4 3.3",
    ),
    "P-09": Claim(
        "IBM's server authenticates PPP sessions with CHAP.",
        "S3, S4 3.3",
    ),
    "P-10": Claim(
        "All further data sockets of the HMC run over a PPP session.",
        "S3, S4 3.3",
    ),
    "P-18": Claim(
        "ESP is IP protocol 50.",
        "S3, S4 terms",
    ),
    "P-22": Claim(
        "ESP authenticates as well as encrypts; AH is not used.",
        "S3, S4 3.3",
    ),
    "F-06": Claim(
        "For the VPN without NAT the firewall admits protocol 50 and UDP 500, both directions.",
        "S3, S4 2.1.3",
    ),
    "F-07": Claim(
        "For the VPN with NAT the firewall admits UDP 500 and UDP 4500, both directions.",
        "S3, S4 2.1.3",
    ),
    "F-08": Claim(
        "VPN destinations may be limited to the two VPN servers.",
        "S3, S4",
    ),
    "R-07": Claim(
        "There are two VPN servers; one takes over when the other is silent.",
        "S3, S4",
    ),
}
