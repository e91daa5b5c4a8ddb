"""The causes for which a way home by VPN fails, and the step at which each stops the way."""

from __future__ import annotations

from lab.verify.shared_causes import NAMES, SERVERS
from lab.verify.step import Causes, Step
from lab.ways.dial.causes import CALL
from lab.ways.pass_through.causes import TO_PARTITION

STOPS: Causes = {
    **NAMES,
    **SERVERS,
    # Nothing of the VPN comes about where the call that carries it did not, by modem or to a partition.
    **{cause: Step.modem if step else None for cause, step in CALL.items()},
    **dict.fromkeys([*TO_PARTITION], Step.modem),
    **dict.fromkeys(
        ["udp-500-lost", "gateway-silent", "gateways-silent", "vpn-fenced", "i5-vpn-refused"], Step.packets
    ),
    "no-common-proposal": Step.proposal,
    **dict.fromkeys(["wrong-psk", "wrong-identity", "udp-4500-lost"], Step.identity),
    "other-selectors": Step.ike,
    "esp-lost": Step.esp,
    **dict.fromkeys(["l2tp-refused", "l2tp-silent"], Step.l2tp),
    # Without an address to give the gateway takes no L2TP call.
    **dict.fromkeys(["pap-only-peer", "pool-empty"], Step.lcp),
    **dict.fromkeys(["wrong-chap-secret", "chap-refused"], Step.password),
    "dns-fenced": Step.name,
    # What befell a session that was up; what another client's packets did; what nobody can date.
    **dict.fromkeys(
        ["gateway-died", "mixed-up-clients", "i5-died", "corrupted-l2tp", "too-slow", "slow-line",
         "no-ikev1"], None
    ),
}  # fmt: skip
