"""Judging captures from outside the lab: what packets alone can show of a topology's findings.

    judged = judge_outside(topology, {"fw-inet": frames}, keys)

There is no record of a run. Each check that asks for one, or for a wire that was not captured, is named with
what it asks for, and says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.errors import UsageError
from lab.names import all_of
from lab.topology.model import Topology
from lab.verify.finding import Finding, Verdict
from lab.verify.outside_case import RECORD, NeedsMore, OutsideCase
from lab.verify.registry import Requirement, find
from lab.wire.decode import Frame


@dataclass(frozen=True, slots=True)
class Judged:
    """What captures say."""

    findings: tuple[Finding, ...]
    unjudged: dict[str, str]
    """Requirement to what its check asks for beyond the captures."""

    @property
    def failed(self) -> bool:
        return any(finding.verdict is Verdict.failed for finding in self.findings)


def judge_outside(
    topology: Topology, wires: Mapping[str, list[Frame]], keys: Path | None = None
) -> Judged:
    """Judge captures, by segment; ``keys`` is a file as a run's ``keys/esp.json``.

    Raises UsageError for a wire that the topology does not have, and where no packet is of the topology's
    hosts and servers: then the topology is not that of the captures.
    """
    case = OutsideCase(topology, dict(wires), keys)
    _check_addresses(case, wires)
    kinds = dict.fromkeys(way.kind for way in topology.ways)
    findings, unjudged = [], {}
    for requirement in topology.expect:
        try:
            findings.append(_judge(case, find(requirement, kinds)))
        except NeedsMore as lacking:
            unjudged[requirement] = lacking.what
    return Judged(tuple(findings), unjudged)


def wire_to_the_internet(topology: Topology) -> str:
    """The one link on which packets leave the customer; raises UsageError unless there is just one."""
    exits = OutsideCase(topology, {}, None).exits
    if len(exits) != 1:
        links = ", ".join(each.name for each in topology.segments)
        raise UsageError(
            f"{topology.name} has {len(exits) or 'no'} links to the Internet",
            hint=f"name the link of the capture, LINK=CAPTURE: {links}",
        )
    return exits[0]


def _judge(case: OutsideCase, entry: Requirement) -> Finding:
    kinds = {way.kind for way in case.topology.ways}
    if entry.kind and kinds != {entry.kind}:
        # Which of several kinds was in use, packets do not say.
        raise NeedsMore(RECORD)
    return entry.check(case)


def _check_addresses(case: OutsideCase, wires: Mapping[str, list[Frame]]) -> None:
    own = {*case.agent_addresses, *case.outer_addresses, *case.gateways}
    own |= {address for address, _ in case.listed}
    packets = [frame.ip for frames in wires.values() for frame in frames if frame.ip]
    if any({packet.source, packet.destination} & own for packet in packets):
        return
    hosts = all_of([f"{name} {ip}" for ip, name in case.agent_addresses.items()])
    raise UsageError(
        f"no packet is from or to an agent, a gateway or a listed server of {case.topology.name} ({hosts})",
        hint="write a topology file with the addresses of your network, and name the file by --topology",
    )
