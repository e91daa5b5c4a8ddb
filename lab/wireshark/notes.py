"""What is said in each capture of a run: whose wire it is, who has which address, what its frames show."""

from __future__ import annotations

from collections.abc import Iterator

from lab.dissect.naming import names_of
from lab.topology.model import Topology
from lab.verify.case import Case
from lab.verify.verdict import Result
from lab.wire.decode import Packet
from lab.wire.dialled import FRAMES
from lab.wireshark import annotated, tls_secrets
from lab.wireshark.annotated import Notes
from lab.wireshark.profile import is_ip


def write(case: Case, result: Result) -> None:
    """Annotate every capture; each is replaced by itself, so that all are whole whenever this is ended."""
    sessions = _sessions(case)
    sealed = tls_secrets.sealed_sessions(
        ((each.sealed, each.opened) for each in (case.esp if case.keys and sessions else ())),
        sessions,
    )
    names = names_of(case.topology, case.record)
    addresses = {address: name for address, name in names.items() if is_ip(address)}
    comments = _comments(result)
    for capture in sorted((case.run_dir / "wire").glob("*.pcapng")):
        segment = capture.stem
        by_esp = tls_secrets.carried(_packets(case, segment), sealed)
        annotated.annotate(
            capture,
            Notes(
                names=addresses,
                description="" if capture.name == FRAMES else describe(case.topology, segment),
                secrets=tls_secrets.secrets_in(capture, sessions, by_esp),
                comments=comments.get(segment, {}),
            ),
        )


def _packets(case: Case, segment: str) -> Iterator[Packet | None]:
    """The IP packets of a wire, or those that telephone calls carried."""
    if f"{segment}.pcapng" == FRAMES:
        return (item.data for item in case.all_carried)
    return (frame.ip for frame in case.wire.get(segment, ()))


def describe(topology: Topology, segment: str) -> str:
    """Which nodes are plugged into a segment, and which ways home cross it."""
    nodes = [
        node.name for node in topology.nodes if any(i.segment == segment for i in node.interfaces)
    ]
    ways = [way.name for way in topology.ways if segment in _crossed(topology, way.name)]
    told = f"{segment}, between {', '.join(nodes)}" if nodes else segment
    return f"{told}; ways home: {', '.join(ways)}" if ways else told


def _crossed(topology: Topology, name: str) -> set[str]:
    """The segments that a way home certainly crosses: its agents' own, and the one to the Internet."""
    way = topology.way(name)
    if way.dials or topology.is_in_calls(way):
        return {topology.lig.outside} if topology.lig is not None else set()
    own = {topology.node(agent).uplink.segment for agent in way.agents}
    outside = {topology.firewall.outside} if topology.firewall is not None else set()
    return own | outside


def _comments(result: Result) -> dict[str, dict[int, list[str]]]:
    """What findings say, by segment and frame, in the order of the findings."""
    found: dict[str, dict[int, list[str]]] = {}
    for finding in result.findings:
        text = annotated.comment(finding.requirement, finding.verdict.value, finding.seen)
        for evidence in finding.evidence:
            for number in evidence.frames:
                found.setdefault(evidence.segment, {}).setdefault(number, []).append(text)
    return found


def _sessions(case: Case) -> dict[bytes, bytes]:
    path = case.run_dir / tls_secrets.KEY_LOG
    return tls_secrets.by_session(path.read_bytes()) if path.exists() else {}
