"""What two runs' packets may differ in: protocols by wire, who connects to whom, who says what to whom."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from lab.compare.told import EPHEMERAL
from lab.names import all_of
from lab.report import crossing
from lab.report.crossing import Crossing
from lab.topology.servers import PASSIVE_PORTS
from lab.verify.case import Case
from lab.ways.dial.fence_packets import FIRST_PORT, LAST_PORT
from lab.wire.isakmp import IKE_PORT, NAT_T_PORT

_OF_IKE = (IKE_PORT, NAT_T_PORT)
_BY_SETS = ("TCP", "ICMP", "TLS", "HTTP")
_ANYWAY = ("TCP ", "TLS ClientHello", "TLS ServerHello")
"""What a connection has anyway."""
_PORT = re.compile(r"(.+):(\d+)")
_ICMP = re.compile(r"of a packet to (.*): ([^:]*),")
_DID = {
    "SYN": "{near} asked for a TCP connection to {far}",
    "SYN-ACK": "{near} took a TCP connection of {far}",
    "FIN": "{near} ended a TCP connection with {far}",
    "RST": "{near} refused or cut off a TCP connection of {far}",
}
NAMES = {
    "ISAKMP": "IKE",
    "PPP LCP": "LCP",
    "PPP PAP": "PAP",
    "PPP CHAP": "CHAP",
    "PPP IPCP": "IPCP",
}
"""Protocols by the names that people have for them."""
Pair = tuple[str, str]


@dataclass(slots=True)
class WireTraits:
    """Of one run."""

    protocols: dict[str, frozenset[str]] = field(default_factory=dict)
    """By wire."""
    connections: dict[Pair, frozenset[tuple[str, str]]] = field(default_factory=dict)
    """By the two ends, who begins first: what is to be said of a packet, and who sent it."""
    said: dict[tuple[str, str, str], tuple[str, ...]] = field(default_factory=dict)
    """By protocol and the two ends: what the first one said to the second one, in order."""


def of(case: Case, until: float) -> WireTraits:
    """The packets of a run, without what is drawn by lot."""
    found = [each for each in crossing.find(case) if each.time <= until]
    trials = {_tried_at(trial.destination, trial.port) for trial in case.record.fence_trials}
    crafted = {port for trial in case.record.fence_trials for port in trial.ends[3:]}
    crafted &= {*range(FIRST_PORT, LAST_PORT + 1)}
    protocols: dict[str, set[str]] = {segment: set() for segment in case.wire}
    said: dict[tuple[str, str, str], list[Crossing]] = {}
    pairs: dict[Pair, set[tuple[str, str]]] = {}
    for each in found:
        name = NAMES.get(each.protocol, each.protocol)
        for segment in (each.segment, *(name for name, _ in each.also)):
            protocols.setdefault(segment, set()).add(name)
        if _answers(each, trials, crafted):
            continue
        near, far = masked(each.ends)
        if each.protocol in _BY_SETS:
            pair = (far, near) if (far, near) in pairs else (near, far)
            pairs.setdefault(pair, set()).add((f"{each.protocol} {each.message}", near))
        elif not each.message.lower().endswith(" informational"):
            # One that is encrypted asks if the other end lives, or takes leave: when it is told to, or idle.
            said.setdefault((name, near, far), []).append(each)
    return WireTraits(
        {wire: frozenset(names) for wire, names in protocols.items()},
        {pair: frozenset(own) for pair, own in pairs.items()},
        {key: tuple(once_in_a_row(each.message for each in own)) for key, own in said.items()},
    )


def once_in_a_row(messages: Iterable[str]) -> Iterator[str]:
    """Messages without repetitions: how often one is sent again hangs on timers of both ends."""
    last = None
    for message in messages:
        if message != last:
            yield message
        last = message


def _answers(each: Crossing, trials: set[str], crafted: set[int]) -> bool:
    """Whether somebody answers a packet by which the lab tries AT&T's fence: the event of the trial tells."""
    if each.protocol == "ICMP" and (said := _ICMP.fullmatch(each.message)):
        return said[1].rpartition(" ")[2] in trials or _port(said[1]) in crafted
    return each.protocol == "TCP" and any(_port(end) in crafted for end in each.ends)


def _tried_at(address: str, port: int) -> str:
    at = f"[{address}]" if port and ":" in address else address
    return f"{at}:{port}" if port else at


def masked(ends: Pair) -> Pair:
    """Two ends, without the port that a kernel or a NAT has drawn."""
    ports = [_port(end) for end in ends]
    if any(port in _OF_IKE for port in ports):
        near, far = (
            end if port in _OF_IKE else end.rpartition(":")[0]
            for end, port in zip(ends, ports, strict=True)
        )
        return near, far
    if all(port in EPHEMERAL for port in ports):
        return ends
    near, far = (
        end.rpartition(":")[0] if port in EPHEMERAL or port in PASSIVE_PORTS else end
        for end, port in zip(ends, ports, strict=True)
    )
    return near, far


def _port(end: str) -> int:
    last = end.rpartition(":")[2]
    return int(last) if last.isdecimal() else 0


# In words: what one run has beside the other.


def beside(one: WireTraits, other: WireTraits) -> Iterator[tuple[str, str]]:
    """What ``one`` has and ``other`` has not: what it is about, and a sentence."""
    for text in _connections(one.connections, other.connections):
        yield "addresses", text
    for wire, names in one.protocols.items():
        if more := names - other.protocols.get(wire, frozenset()):
            yield "protocols", f"{all_of(sorted(more))} on {wire}"
    for text in _conversations(one.said, other.said):
        yield "protocols", text


def _conversations(
    one: Mapping[tuple[str, str, str], object], other: Mapping[tuple[str, str, str], object]
) -> Iterator[str]:
    """Who speaks what with whom in one run alone; what each says is no news then."""
    spoken: dict[Pair, list[str]] = {}
    ports: dict[Pair, list[str]] = {}
    both: set[Pair] = set()
    for name, near, far in one:
        if (name, near, far) in other:
            continue
        (near, _), (far, port) = _split(near), _split(far)
        pair = (far, near) if (far, near) in spoken else (near, far)
        both |= {pair} if pair != (near, far) else set()
        spoken.setdefault(pair, []).append(name)
        ports.setdefault(pair, []).extend([port] if port else [])
    for (near, far), names in spoken.items():
        how = "with each other" if (near, far) in both else f"to {far}"
        whom = f"{near} and {far}" if (near, far) in both else near
        at = all_of(sorted(dict.fromkeys(ports[near, far]), key=int))
        what = all_of(list(dict.fromkeys(names)))
        yield f"{whom} spoke {what}{f' (UDP {at})' if at else ''} {how}"


def _connections(
    one: dict[Pair, frozenset[tuple[str, str]]], other: dict[Pair, frozenset[tuple[str, str]]]
) -> list[str]:
    there = {*other, *((far, near) for near, far in other)}
    found: dict[tuple[str, str], list[str]] = {}
    for (near, far), packets in one.items():
        whole = (near, far) not in there
        gone = packets - other.get((near, far), other.get((far, near), frozenset()))
        for text, end in _sentences((near, far), gone, whole=whole):
            host, port = _split(end)
            found.setdefault((text, host), []).extend([port] if port else [])
    return [_with_ports(text, host, ports) for (text, host), ports in found.items()]


def _sentences(
    pair: Pair, packets: Iterable[tuple[str, str]], *, whole: bool
) -> Iterator[tuple[str, str]]:
    """Sentences with a place for one end of them, and that end; ``whole``: the other run has none of it."""
    left = sorted(packets)
    if whole and ("TCP SYN", pair[0]) in left:
        taken = ("TCP SYN-ACK", pair[1]) in left
        refused = ("TCP RST", pair[1]) in left and not taken
        did = "had a TCP connection to" if taken else "asked for a TCP connection to"
        yield f"{pair[0]} {did} {{}}{', and was refused' if refused else ''}", pair[1]
        left = [packet for packet in left if not packet[0].startswith(_ANYWAY)]
    elif took := [packet for packet in left if packet[0] == "TCP SYN-ACK"]:
        left = [*took, *(packet for packet in left if not packet[0].startswith(_ANYWAY))]
    for message, near in left:
        far = pair[1] if near == pair[0] else pair[0]
        yield _sentence(message, near, far)


def _sentence(message: str, near: str, far: str) -> tuple[str, str]:
    protocol, _, words = message.partition(" ")
    if protocol == "TCP":
        return _DID[words].format(near=near, far="{}"), far
    if protocol == "ICMP" and (said := _ICMP.fullmatch(words)):
        return f"{near} told {far} by ICMP: {said[2]} (a packet to {{}})", said[1]
    return f"{near} said to {{}}: {message}", far


def _split(end: str) -> tuple[str, str]:
    match = _PORT.fullmatch(end)
    return (
        (match[1], match[2])
        if (match and end.count(":") == 1) or (match and "]" in end)
        else (end, "")
    )


def _with_ports(text: str, host: str, ports: list[str]) -> str:
    if not ports:
        return text.format(host)
    own = sorted(dict.fromkeys(ports), key=int)
    shown = (
        own if len(own) <= _MOST_PORTS else [*own[:_MOST_PORTS], f"{len(own) - _MOST_PORTS} more"]
    )
    word = "port" if len(own) == 1 else "ports"
    return text.format(f"{host}, {word} {all_of(shown)}")


_MOST_PORTS = 8
