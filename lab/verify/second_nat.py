"""What routers between the customer's firewall and the Internet make of addresses of IPv4 (OUT-03)."""

from __future__ import annotations

from lab.topology.model import EdgeRouter
from lab.verify.case import Case
from lab.verify.finding import Check
from lab.wire.decode import ICMP


def claim(case: Case) -> str:
    """For after the address with which packets leave the firewall; empty without another NAT."""
    hiding = (router for router in case.topology.routers if router.snat)
    return "".join(f", then by {r.outside} from {r.node}'s {_outer(case, r)}" for r in hiding)


def judge(case: Case, check: Check) -> str:
    """Each sends from its own address if it does NAT, else from whose address it was; what was seen."""
    told, right = "", case.outer_addresses | case.outer_proxies | case.outer_partitions
    for router in case.topology.routers:
        if router.snat:
            right = {_outer(case, router)}
        sent = [(f, p) for f, p in case.sent_by(router.node, router.outside) if p.version == 4]
        for frame, packet in sent:
            # What a router has to say of packets it says by itself (RFC 1812 4.3).
            own = packet.protocol == ICMP and packet.source == _outer(case, router)
            if packet.source not in right and not own:
                check.object(f"{router.node} sends a packet with source {packet.source}", [frame])
        if router.snat:
            sources = sorted({packet.source for _, packet in sent})
            told += f", then from {', '.join(sources) or 'nobody'} by {router.outside}"
            check.show(frame for frame, _ in sent[:1])
    return told


def _outer(case: Case, router: EdgeRouter) -> str:
    return case.topology.node(router.node).interface(router.outside).ip
