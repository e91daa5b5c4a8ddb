"""What makes no sense about the rates and chances of links. Pure: a spec in, complaints out."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology import units
from lab.topology.check import Complaint
from lab.topology.segment import TRUNK
from lab.topology.spec import TopologySpec

MOST_OF_VLAN = 15 - len(TRUNK)


def complaints(spec: TopologySpec) -> Iterator[Complaint]:
    """What is wrong between places of a spec whose single values are all well-formed."""
    for name, link in spec.links.items():
        for node in link.rates:
            if node not in link.nodes:
                yield Complaint(
                    ("links", name, "rates", node),
                    f"{node} is not on {name}",
                    f"nodes of {name}: {', '.join(link.nodes)}",
                    (("links", name, "nodes"),),
                )
        if link.vlan and len(name) > MOST_OF_VLAN:
            problem = f"a link with tags has a name of {MOST_OF_VLAN} characters at most"
            hint = f"of the device below it, {TRUNK} comes before the name, and Linux takes 15 characters"
            yield Complaint(("links", name, "vlan"), problem, hint)
        delay = (("links", name, "delay"),)
        if link.jitter > link.delay:
            own, most = units.show_delay(link.jitter), units.show_delay(link.delay)
            problem = f"{own} is more than the delay, which is {most}: no packet arrives before it is sent"
            yield Complaint(
                ("links", name, "jitter"), problem, "give the link a longer delay", delay
            )
        if link.reorder and not link.delay:
            problem = "nothing can be overtaken on a link without a delay"
            yield Complaint(("links", name, "reorder"), problem, "give the link a delay", delay)
