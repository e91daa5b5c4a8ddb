"""What a command in a node is told of its lab, by its environment; pure."""

from __future__ import annotations

from lab.inside import shared
from lab.paths import CA_FILE
from lab.topology.held_events import environment as events_environment
from lab.topology.management import environment as module_environment
from lab.topology.model import Topology, Way
from lab.topology.user_targets import environment as targets_environment
from lab.ways.dial.plan import dialers, plans
from lab.ways.pass_through.plan import below
from lab.ways.vpn import own_client


def command_environment(
    topology: Topology, node: str, run_dir: str, way: Way | None = None
) -> dict[str, str]:
    """What a command in a node is told (design: LAB_TOPOLOGY and the like).

    ``way`` is the agent's way that is up. ``LAB_SERVERS`` has every server that is listed for the node by
    the way, or by any way if none is up, in the order of trying. ``LAB_WAYS`` has the agent's ways,
    ``LAB_ERRANDS`` what the agent does by the way in the place of a heartbeat.
    """
    own = topology.ways_of(node)
    way = way or next(iter(own), None)
    if way is not None:
        endpoints = way.endpoints_of(node)
    else:
        endpoints = tuple(e for each in topology.ways for e in each.endpoints)
    servers = [endpoint.url for endpoint in endpoints]
    errands = topology.errands_of(way.name) if own and way else ()
    return {
        "LAB_TOPOLOGY": topology.name,
        "LAB_NODE": node,
        "LAB_RUN_DIR": run_dir,
        "LAB_CA_FILE": f"{run_dir}/{CA_FILE}",
        "LAB_SHARED_DIR": f"{run_dir}/{shared.FOLDER}",
        "LAB_PROBE": way.probe if way is not None else topology.probe,
        "LAB_SERVER": servers[0],
        "LAB_SERVERS": ",".join(dict.fromkeys(servers)),
        **({"LAB_WAY": way.name, "LAB_WAYS": ",".join(w.name for w in own)} if way else {}),
        **(way.environment(topology, node) if own and way else {}),
        **(
            {"LAB_ERRANDS": " ".join(f"{e.kind}={','.join(e.urls)}" for e in errands)}
            if errands
            else {}
        ),
        **_dial_environment(topology, node),
        **module_environment(topology.modules, node),
        **targets_environment(topology.user_targets, node),
        **events_environment(topology.events, node),
        **own_client.environment(topology, node),
    }


def _dial_environment(topology: Topology, node: str) -> dict[str, str]:
    """What a dialler of the user's needs, on an agent's host: the password is in pap-secrets there."""
    account = topology.ppp_account(node) if node in topology.agents else None
    if account is None or topology.lig is None or topology.telephone is None:
        return {}
    numbers = [number for d in dialers(topology) if d.client == node for number in d.numbers]
    if not numbers:
        lig = topology.lig.node
        numbers = [line.number for line in topology.telephone.lines if line.node == lig]
    lenders = [
        lent.borrower(node).partition_address
        for way in plans(topology)
        if node in way.agents and (lent := below(topology, way)) is not None
    ]
    return {
        "LAB_NUMBERS": ",".join(dict.fromkeys(numbers)),
        "LAB_USER": account.user,
        **({"LAB_PARTITION": lenders[0]} if lenders else {}),
    }
