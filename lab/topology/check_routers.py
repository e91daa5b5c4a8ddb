"""What makes no sense about routers between the customer's firewall and the Internet. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology import resolve_routers
from lab.topology.check import Complaint, free, is_private, network
from lab.topology.roles import Role
from lab.topology.spec import TopologySpec


def complaints(spec: TopologySpec) -> Iterator[Complaint]:
    """A router has a firewall to stand behind."""
    found = network(spec).with_role(Role.router)
    if found and spec.firewall is None:
        problem = (
            f"{found[0]} has no firewall to stand behind: a router is between it and the Internet"
        )
        fix = f"add {free(spec, 'firewall')}: {{ role: firewall }}"
        yield Complaint(("nodes", found[0], "role"), problem, fix)
    for name in found if spec.service else ():
        if spec.nodes[name].snat:
            problem = (
                f"{name} keeps from {spec.firewall} whatever tries to get in for remote service"
            )
            fix = "take snat: true out of it, or the service out of the file"
            yield Complaint(("nodes", name, "snat"), problem, fix)


def routes(spec: TopologySpec) -> Iterator[Complaint]:
    """Whether all stand in one row, and what NAT makes of addresses is known to the Internet."""
    net = network(spec)
    row = resolve_routers.routers(spec, net)
    standing = {router.node for router in row}
    for name in net.with_role(Role.router):
        if name not in standing:
            problem = f"{name} is not between {spec.firewall} and the Internet"
            fix = "a router is on two links: one towards the firewall, one towards the Internet"
            yield Complaint(("nodes", name), problem, fix)
    hiding = [router for router in row if router.snat]
    way = resolve_routers.hops(net, spec.firewall) if spec.firewall is not None else ()
    if not way:
        return
    # The firewall itself is the site's name server. What is on a link with the Internet is reached anyway.
    seen, node = (hiding[-1].outside, hiding[-1].node) if hiding else (way[0].link, spec.firewall)
    if not net.on_internet(seen) and is_private(spec.links[seen].subnet):
        problem = f"no answer from the Internet comes to {node} in {spec.links[seen].subnet}"
        fix = "give the last router snat: true, or the link a public subnet such as 203.0.113.0/24"
        yield Complaint(("nodes", str(node)), problem, fix)
