"""What is tried of errands once an agent has come home: every address, if each errand has servers of its own
(OUT-38), and with the addresses of each row of URSF held back (F-16).

Errands of these trials are noted apart from the calls home, as most are meant to fail.
"""

from __future__ import annotations

import time

from lab.inside import agents
from lab.inside.running import RunningLab
from lab.linux import firewall
from lab.record.errand_event import RowBlocked
from lab.record.record import ErrandTrial
from lab.topology.model import Way

URSF = "ursf"


def put_to_test(lab: RunningLab, agent: str) -> None:
    """Try the errands of the way that an agent has come home by."""
    way = lab.homeward.in_use(agent)
    assert way is not None, "the agent has come home"
    errands = lab.topology.errands_of(way.name)
    if not errands:
        return
    if any(errand.variant for errand in errands):  # errands have servers of their own
        _try(lab, agent, way, "--everywhere")
    wall = lab.topology.firewall
    for row, addresses in rows(lab, way).items() if wall is not None else ():
        assert wall is not None
        rules = _blocking(addresses)
        with firewall.standing(lab.node(wall.node), "inet row-trial", rules):
            lab.story.tell(RowBlocked(source=wall.node, row=row, addresses=addresses))
            _try(lab, agent, way, row=row, addresses=addresses)


def rows(lab: RunningLab, way: Way) -> dict[str, tuple[str, ...]]:
    """The rows of URSF that the errands of a way are listed in, with their addresses (F-16)."""
    found: dict[str, dict[str, None]] = {}
    for errand in lab.topology.errands_of(way.name):
        for endpoint in errand.endpoints if errand.variant == URSF else ():
            found.setdefault(endpoint.row, {})[endpoint.address] = None
    return {row: tuple(addresses) for row, addresses in found.items()}


def _blocking(addresses: tuple[str, ...]) -> str:
    return (
        "table inet row-trial {\n\tchain blocked {\n"
        "\t\ttype filter hook forward priority filter - 20; policy accept;\n"
        f"\t\tip daddr {{ {', '.join(addresses)} }} drop\n\t}}\n}}\n"
    )


def _try(
    lab: RunningLab,
    agent: str,
    way: Way,
    *options: str,
    row: str = "",
    addresses: tuple[str, ...] = (),
) -> None:
    started = time.time()
    answer = agents.run(lab, agent, *options)
    lab.record.errand_trials.append(
        ErrandTrial(
            agent=agent,
            started=started,
            ended=time.time(),
            attempts=agents.tried(agent, way.name, answer),
            row=row,
            addresses=addresses,
        )
    )
