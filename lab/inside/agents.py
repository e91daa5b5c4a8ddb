"""The reference agent on a host of a lab: run to its end, and what it said as events."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from lab import codec
from lab.errors import DaemonError
from lab.linux.process import PIPE, Popen
from lab.record.call_event import CallHomeTried
from lab.record.cause import AgentCause
from lab.record.event import NodeDied
from lab.topology.errand_kinds import DOWNLOADS

if TYPE_CHECKING:
    from lab.inside.many_agents import AgentCall
    from lab.inside.running import RunningLab

AGENT_DEADLINE_S = 1800.0
"""Lab time for all of an agent's errands, while nobody answers most of them."""


def run(lab: RunningLab, agent: str, *options: str, dying: Iterable[str] = ()) -> dict[str, Any]:
    """Run it on a host while nodes die; what it put out. Raises DaemonError if that is nothing."""
    argv = [sys.executable, "-m", "lab.agent", "--json", *options]
    log = lab.run_dir / "logs" / agent / "agent.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {"PYTHONPATH": ":".join(sys.path), **lab.environment(agent)}

    with log.open("ab") as errors:
        popen: AgentCall | Popen[bytes]
        if lab.nursery is not None:
            popen = lab.nursery.start(lab.node(agent), argv[3:], environment, errors)
        else:
            popen = lab.node(agent).start(argv, environment, stdout=PIPE, stderr=errors)
        for node in dying:
            lab.story.tell(NodeDied(source=node))
            lab.die(node)
        output, _ = popen.communicate(timeout=AGENT_DEADLINE_S)

    if not output:
        problem = f"ended with exit status {popen.returncode} and no answer"
        raise DaemonError(f"{agent}'s agent", problem, log_tail=log.read_text(errors="replace"))
    answer: dict[str, Any] = json.loads(output)
    return answer


def tried(agent: str, way: str, answer: dict[str, Any]) -> tuple[CallHomeTried, ...]:
    """What the agent put out of its tries of servers, without what is for people."""
    return tuple(_attempt(agent, way, told) for told in answer["attempts"])


def undone(answer: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The errands that no server took, and which the agent keeps; and the downloads that no server gave."""
    kinds = [str(each["errand"]) for each in answer.get("errands", ()) if not each["done"]]
    kept = tuple(kind for kind in kinds if kind not in DOWNLOADS)
    return kept, tuple(kind for kind in kinds if kind in DOWNLOADS)


def _attempt(agent: str, way: str, told: dict[str, Any]) -> CallHomeTried:
    cause = codec.build(AgentCause | None, told["cause"])
    return CallHomeTried.of(SimpleNamespace(**told), source=agent, way=way, cause=cause)
