"""A script against the topology in which it is to be lived: what it names has to be there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from lab.errors import Issue, TopologyError, UsageError
from lab.life import outages
from lab.life.script import Deed, Script
from lab.topology.model import Topology


def check(script: Script, topology: Topology, shown: str) -> None:
    """TopologyError, with the lines of the script, for what the topology does not have."""
    issues = tuple(dict.fromkeys(_issues(script, topology)))
    if issues:
        raise TopologyError(shown, issues)


def _issues(script: Script, topology: Topology) -> Iterator[Issue]:
    for event in script.having(Deed.outage):
        try:
            outages.plan(topology, event.of, event.how)
        except UsageError as error:
            yield Issue(event.line, f"at {event.at_s / 3600:g}h, of", error.message, error.hint)
    for event in script.having(Deed.imm) if not topology.modules else ():
        problem = f"{topology.name} has no management module"
        yield Issue(
            event.line,
            f"at {event.at_s / 3600:g}h, do",
            problem,
            "a node with the role imm: esa-imm",
        )
    relocations = script.having(Deed.relocate)
    for event in relocations if topology.dns is None or not topology.dns.moves else ():
        problem = f"no server of {topology.name} has another address to go to"
        fix = "moves_to at the node sdc: direct-names"
        yield Issue(event.line, f"at {event.at_s / 3600:g}h, do", problem, fix)
    for event in relocations[1:]:
        when = f"at {event.at_s / 3600:g}h, do"
        yield Issue(event.line, when, "the servers go once alone", "one relocate")
    for event in script.having(Deed.move):
        yield from _unlisted(topology, event.line, f"at {event.at_s / 3600:g}h, to", event.to)
    for errand, urls in script.servers:
        yield from _unlisted(topology, 1, f"servers.{errand}", urls)


def _unlisted(topology: Topology, line: int, place: str, urls: Iterable[str]) -> Iterator[Issue]:
    hosts = {name for server in topology.servers for name in (server.name, server.address)}
    for url in urls:
        if urlsplit(url).hostname not in hosts:
            listed = f"`lab show {topology.name}` has the servers"
            yield Issue(line, place, f"no server is listed for {url}", listed)
