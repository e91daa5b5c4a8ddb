"""The ways home of a lab that stands: by its events, and by what the agents' hosts have now."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.engine.registry import Entry
from lab.errors import LabError, UsageError
from lab.record import story
from lab.record.event import (
    BackupTried,
    Event,
    WayFailed,
    WayLost,
    WayTried,
    WayUp,
)
from lab.record.order_event import WayTakenDown
from lab.run import standing
from lab.topology.model import Topology
from lab.ways.dial.plan import dialers

SHOW_ADDRESSES = ("ip", "-json", "-4", "address", "show")
UP, CLOSED = "up", "taken down"
_MEANS: dict[type[Event], str] = {
    WayTried: "coming up", WayUp: UP, WayFailed: "failed", WayLost: "lost", BackupTried: "down",
    WayTakenDown: CLOSED,
}  # fmt: skip
"""What the last event of a way says of it."""


def look_at(entry: Entry) -> dict[str, Any]:
    """A lab's ``fault`` and ``ways`` home; ``problem`` says why they are not known."""
    try:
        topology = standing.model_of(entry)
    except UsageError as error:
        return {"fault": "", "ways": [], "problem": f"{error.message}; {error.hint}"}
    return {"fault": topology.fault, "ways": _ways(entry, topology), "problem": ""}


def _ways(entry: Entry, topology: Topology) -> list[dict[str, Any]]:
    """Of each agent's host: its modem, if it is to have one, and the state of its way home, asked now."""
    found: list[dict[str, Any]] = []
    told = story.read(Path(entry.run_dir), *_MEANS)
    for agent in topology.agents:
        own = topology.ways_of(agent)
        states = {way.name: "down" for way in own}
        states |= {e.way: _MEANS[type(e)] for e in told if e.source == agent}  # type: ignore[attr-defined]
        try:
            # One is asked in any case, whether the lab is there at all.
            asked = not found or any(way.peers or way.over for way in own)
            seen = standing.ask(entry, agent, SHOW_ADDRESSES) if asked else ""
            state, peer = _state(seen, topology, agent, states)
        except LabError as error:
            # It is coming up or going down; whether it is there at all is not the question here.
            state, peer = error.message, ""
        # What stands by PPP is up as long as the link is, whoever brought it up.
        for way in own:
            if peer in way.peers:
                states[way.name] = UP
            elif way.peers and states[way.name] == UP:
                states[way.name] = "lost"
        modems = [*_modems(topology, agent)]
        found.append({"agent": agent, "modems": modems, "state": state, "ways": states})
    return found


def _modems(topology: Topology, agent: str) -> Iterator[str]:
    """OUT-24: where there is no modem, there is no way home by telephone."""
    own = topology.lines_of(agent)
    lent = {d.partition for d in dialers(topology) if d.client == agent and d.partition}
    if not own and not lent and any(way.dials for way in topology.ways_of(agent)):
        yield "no modem"
    for partition in sorted(lent):
        yield f"the modem of {partition}"
    for line in own:
        yield f"modem {line.device} on {line.number}"


def _state(seen: str, topology: Topology, agent: str, states: dict[str, str]) -> tuple[str, str]:
    """How an agent's host is at home, in words, and the far end of its PPP; empty without one.

    ``seen``: the host's addresses as ``SHOW_ADDRESSES`` tells them; empty of a host without PPP.
    """
    links = [each for each in json.loads(seen or "[]") if each["addr_info"]]
    by_ppp = [
        (link["addr_info"][0].get("address", ""), link["addr_info"][0]["local"], link["ifname"])
        for link in links
        if link["ifname"].startswith("ppp")
    ]
    ways = topology.ways_of(agent)
    home = {peer for way in ways for peer in way.peers}
    below = {peer for way in ways if (it := topology.below(way)) for peer in it.peers} - home
    for peer, own, interface in sorted(by_ppp, key=lambda each: each[0] not in home):
        ends = f"{own} on {interface} to {peer or '?'}"
        if peer in below:
            return f"way home down, the call stands, {ends}", ""
        return f"way home up{_by(topology, agent, peer)}, {ends}", peer
    # Such a way is there from the start, and closed by a command alone.
    opened = [way for way in ways if not way.peers and states[way.name] != CLOSED]
    if not opened:
        return "way home down", ""
    used = next((way for way in opened if states[way.name] == UP), opened[0])
    return f"way home by {'the default route' if used.kind == 'direct' else used.name}", ""


def _by(topology: Topology, agent: str, peer: str) -> str:
    """By which of several ways an agent is at home."""
    own = topology.ways_of(agent)
    names = [way.name for way in own if peer in way.peers]
    return f" by {names[0]}" if names and len(own) > 1 else ""
