"""A failure of the hardware, from the management module to IBM (E-04, E-05).

The lab's own agent runs as a service, and subscribes; the module tells it of a fan that has failed, and the
agent calls home.
"""

from __future__ import annotations

import os
import select
import sys
from pathlib import Path

from lab.agent.spool import QUEUE
from lab.inside.running import RunningLab
from lab.life import own_agent
from lab.life.machine import Hardware
from lab.life.program import AgentProgram
from lab.life.script import LifeSystem
from lab.topology import receiving
from lab.topology.management import ModulePlan
from lab.wait import comes_true

DEADLINE_S = 300.0
"""On the lab's clock, from the agent's start: as long as the agent and the module go on trying."""
PROBLEM = "service: problem"
"""How IBM's ledger calls it."""
DRAINED_S = 60.0
"""For what belongs to the problem: the machine's error data."""


def live(lab: RunningLab, module: ModulePlan) -> bool:
    """Whether IBM has heard of the failure. Raises LabError if there is no such program as the agent."""
    node = lab.node(module.agent)
    servers = receiving.urls(lab.topology.servers, "ssl")
    with Hardware(node):
        node.call(os.makedirs, own_agent.STATE, 0o700, exist_ok=True)
        text = own_agent.settings(lab.topology, module.agent, lab.run_dir, servers, LifeSystem())
        node.write(own_agent.SETTINGS, text)
        environment = {
            **os.environ,
            **lab.environment(module.agent),
            "PYTHONPATH": ":".join(sys.path),
        }
        program = AgentProgram(lab, module.agent, own_agent.argv(), environment)
        program.start()
        try:
            comes_true("IBM has a problem", lambda: _has_come(lab) or _ended(program), DEADLINE_S)
            if _has_come(lab):
                comes_true("the queue is empty", lambda: node.call(_is_drained), DRAINED_S)
        finally:
            program.stop()
    return _has_come(lab)


def _has_come(lab: RunningLab) -> bool:
    return any(each.kind == PROBLEM and each.status // 100 == 2 for each in lab.transactions)


def _ended(program: AgentProgram) -> bool:
    """Whether it has ended by itself."""
    return bool(select.select([program.fd], [], [], 0)[0])


def _is_drained() -> bool:
    """Whether the agent has nothing queued any more; runs in the agent's node."""
    return not any(Path(own_agent.STATE, QUEUE).glob("[0-9]*"))
