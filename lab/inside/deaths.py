"""How a node dies in mid-session, which is a fault: no packet leaves or enters it, and nothing runs on it."""

from __future__ import annotations

from lab.linux import links
from lab.ways.ground import Ground, MortalService


def die(ground: Ground, name: str) -> None:
    """Unplug a node, end the service of its role and its daemons without a word, and flush its SAs."""
    node = ground.nodes[name]
    links.unplug(node, [i.name for i in ground.topology.node(name).interfaces])
    service = ground.services.get(name)
    if isinstance(service, MortalService):
        service.die()
    for daemon in node.daemons:
        daemon.kill()
    # What its kernel knew is gone with it.
    for table in ("state", "policy"):
        node.run(["ip", "xfrm", table, "flush"])
