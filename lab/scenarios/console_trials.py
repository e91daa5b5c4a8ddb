"""What is tried of consoles with several call-home servers, once an agent has come home by one of them.

More calls show that the servers share the requests out (M-06). While a server cannot reach IBM, a request
that fails there has to go to another one (M-07, R-03).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from lab.consoles.events import ConsoleDiscovered, RequestFailed
from lab.inside.running import RunningLab
from lab.record import story
from lab.record.event import Event

E = TypeVar("E", bound=Event)


def put_to_test(lab: RunningLab, agent: str, call: Callable[[RunningLab, str], bool]) -> None:
    """Have an agent that comes home by other consoles ``call`` home again."""
    servers = _known(lab, agent)
    if len(servers) < 2:
        return
    for _ in servers:
        call(lab, agent)
    _call_while_down(lab, agent, servers, call)


def _call_while_down(
    lab: RunningLab, agent: str, servers: list[str], call: Callable[[RunningLab, str], bool]
) -> None:
    """Take the first server's way home down, and call until a request has failed there."""
    first = servers[0]
    lab.homeward.take_down(agent=first)
    # Each call goes to one server, whichever the broker picks.
    for _ in servers:
        call(lab, agent)
        if any(e.source == agent and e.console == first for e in _told(lab, RequestFailed)):
            break
    lab.homeward.bring_up(agent=first)


def _known(lab: RunningLab, agent: str) -> list[str]:
    """The call-home servers that an agent's console has discovered, and that come home by a way of theirs."""
    found = {e.console for e in _told(lab, ConsoleDiscovered) if e.source == agent}
    serving = [console.node for console in lab.topology.consoles if console.serves]
    return [name for name in serving if name in found and lab.homeward.in_use(name)]


def _told(lab: RunningLab, kind: type[E]) -> list[E]:
    return [event for event in story.read(lab.run_dir, kind) if isinstance(event, kind)]
