"""What becomes of consoles if the customer takes their ports out of their own firewalls (M-04, F-17)."""

from __future__ import annotations

import time
from typing import cast

from lab.consoles.hello import EVERY_S, HOLD_S
from lab.consoles.service import ConsoleAtWork
from lab.inside import agents
from lab.inside.running import RunningLab
from lab.linux.firewall import open_console_port
from lab.topology.consoles import DISCOVERY_PORT, INTER_CONSOLE_PORT
from lab.wait import comes_true
from lab.ways.consoles.events import PortTaken
from lab.ways.consoles.plan import ConsolesPlan

GRACE_S = 10.0
_EVERY_S = 5.0


def run(lab: RunningLab) -> None:
    """Close TCP 9920 of all call-home servers, and then UDP 9900 of the console of an agent that needs them.

    Each is closed until the effect is there, an agent's call included, and opened until the effect is gone.
    """
    own = (a for a in lab.topology.agents if isinstance(lab.homeward.in_use(a), ConsolesPlan))
    agent = next(own, None)
    if agent is None:
        return
    servers = [console.node for console in lab.topology.consoles if console.serves]
    _try(lab, agent, "tcp", INTER_CONSOLE_PORT, servers)
    _try(lab, agent, "udp", DISCOVERY_PORT, [agent])


def _try(lab: RunningLab, agent: str, protocol: str, port: int, closed: list[str]) -> None:
    directory = cast("ConsoleAtWork", lab.service(agent)).directory
    started = time.time()
    for name in closed:
        open_console_port(lab.node(name), protocol, port, opened=False)
    if port == DISCOVERY_PORT:
        # Whoever is silent is gone; a console that is deaf hears nobody.
        silence = HOLD_S + EVERY_S + GRACE_S
        comes_true(f"{agent} knows nobody", lambda: not directory.peers, silence, every_s=_EVERY_S)
    answer = agents.run(lab, agent)
    known = " ".join(each.name for each in directory.servers())
    restored = time.time()
    for name in closed:
        open_console_port(lab.node(name), protocol, port, opened=True)
    comes_true(f"{agent} knows a server", directory.servers, EVERY_S + GRACE_S, every_s=_EVERY_S)
    again = agents.run(lab, agent)
    lab.story.tell(
        PortTaken(
            source=agent,
            protocol=protocol,
            port=port,
            consoles=" ".join(closed),
            started=started,
            restored=restored,
            known=known,
            acknowledged=answer["acknowledged"],
            again=again["acknowledged"],
        )
    )
