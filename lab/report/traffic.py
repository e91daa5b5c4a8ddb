"""The section of traffic: how much was on each wire over time, as bars and as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from lab.markup import Markup, fill, join
from lab.report import messages
from lab.report.material import Material
from lab.report.parts import fold, seconds, section, size, table
from lab.verify.case import Case
from lab.wire.decode import ESP, ICMP, ICMPV6, TCP, UDP, Frame, Packet

BARS = 96
MOST_ROWS = 24
"""Of a table; the busiest are shown."""
_PORTS = {
    53: "DNS",
    80: "HTTP",
    443: "HTTPS",
    500: "IKE",
    1701: "L2TP",
    4500: "IKE or ESP in UDP",
    22: "SSH",
}
_PROTOCOLS = {ICMP: "ICMP", ICMPV6: "ICMPv6", ESP: "ESP", TCP: "TCP", UDP: "UDP"}


def make(material: Material) -> Markup:
    """Empty where there is no packet."""
    case = material.case
    if case is None:
        return Markup("")
    order = [segment.name for segment in case.topology.segments]
    wires: dict[str, Sequence[Frame]] = {n: case.wire[n] for n in order if n in case.wire}
    if case.topology.telephone is not None:
        wires[messages.LINES] = [item.frame for item in case.all_carried]
    times = [frame.time for frames in wires.values() for frame in frames]
    if not times:
        return Markup("")
    since, until = min(times), max(times)
    step = max((until - since) / BARS, 1e-6)
    strips = [_strip(name, frames, since, step) for name, frames in wires.items()]
    axis = [seconds(at - material.start) for at in (since, (since + until) / 2, until)]
    content = [
        Markup(
            "<p>Bytes on each wire over time; a higher bar is more, each wire by its own measure.</p>"
        ),
        *strips,
        fill(
            '<div class="axis">{marks}</div>',
            marks=join(fill("<span>{m}</span>", m=m) for m in axis),
        ),
        _wires_table(material, wires),
        fold("Protocols", _protocols(case.all_packets()), prints=True),
        fold("Busiest pairs of addresses", _pairs(case.all_packets()), prints=True),
        _sessions(case),
        fold("Bytes over time, as a table", _over_time(material, wires, since, step * BARS / 12)),
    ]
    return section("traffic", "Traffic", join(content))


def _strip(name: str, frames: Sequence[Frame], since: float, step: float) -> Markup:
    bars = Counter[int]()
    for frame in frames:
        bars[min(BARS - 1, int((frame.time - since) / step))] += len(frame.data)
    most = max(bars.values(), default=1)
    drawn = []
    for at, octets in sorted(bars.items()):
        # A square root: a single packet is seen beside a thousand.
        height = max(3.0, (octets / most) ** 0.5 * 100)
        drawn.append(f'<rect x="{at}" y="{100 - height:.0f}" width="0.9" height="{height:.0f}"/>')
    told = f"{len(frames)} frames, {size(sum(bars.values()))}" if frames else "no frame"
    return fill(
        '<div class="strip"><span class="segment">{name}</span>'
        '<svg role="img" aria-label="{name}: {told}" viewBox="0 0 {bars} 100" preserveAspectRatio="none">'
        "<title>{name}: {told}</title>{drawn}</svg></div>\n",
        name=name,
        told=told,
        bars=str(BARS),
        drawn=Markup("".join(drawn)),
    )


def _wires_table(material: Material, wires: dict[str, Sequence[Frame]]) -> Markup:
    rows = []
    for name, frames in wires.items():
        times = [frame.time for frame in frames]
        ends = (
            [seconds(at - material.start) for at in (min(times), max(times))] if times else ["", ""]
        )
        octets = sum(len(frame.data) for frame in frames)
        rows.append((name, str(len(frames)), size(octets), *ends, f"wire/{name}.pcapng"))
    columns = ("Wire", "#Frames", "#Bytes", "#First", "#Last", "Capture")
    return table("traffic-wires", "What each wire carried", columns, rows)


def _protocols(packets: list[tuple[Frame, Packet]]) -> Markup:
    counts, octets = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for _, packet in packets:
        key = _protocol(packet)
        counts[key] += 1
        octets[key] += packet.length
    rows = [
        (key[0], str(n), size(octets[key]), _code(key[1]))
        for key, n in counts.most_common(MOST_ROWS)
    ]
    columns = ("Protocol", "#Packets", "#Bytes", "Filter of Wireshark")
    return table("traffic-protocols", "Packets on all wires, by protocol", columns, rows)


def _protocol(packet: Packet) -> tuple[str, str]:
    """What a packet is counted as, and what Wireshark filters by."""
    name = _PROTOCOLS.get(packet.protocol, f"IP protocol {packet.protocol}")
    ports = (packet.destination_port, packet.source_port)
    known = next((port for port in ports if port in _PORTS), 0)
    if known:
        return f"{name} {known} ({_PORTS[known]})", f"{name.lower()}.port == {known}"
    plain = packet.protocol in _PROTOCOLS
    return name, name.lower() if plain else f"ip.proto == {packet.protocol}"


def _pairs(packets: list[tuple[Frame, Packet]]) -> Markup:
    counts, octets = Counter[tuple[str, str, str]](), Counter[tuple[str, str, str]]()
    for frame, packet in packets:
        key = (frame.segment, packet.source, packet.destination)
        counts[key] += 1
        octets[key] += packet.length
    rows = [
        (
            f"{source} to {destination}",
            wire,
            str(n),
            size(octets[wire, source, destination]),
            _code(f"{_ip(source)}.src == {source} && {_ip(source)}.dst == {destination}"),
        )
        for (wire, source, destination), n in counts.most_common(MOST_ROWS)
    ]
    columns = ("Addresses", "Wire", "#Packets", "#Bytes", "Filter of Wireshark")
    return table("traffic-pairs", "Who sent to whom", columns, rows)


def _ip(address: str) -> str:
    return "ipv6" if ":" in address else "ip"


def _code(text: str) -> Markup:
    return fill("<code>{text}</code>", text=text)


def _sessions(case: Case) -> Markup:
    """Versions and ciphers of TLS, as IBM's servers noted them; empty where there was none."""
    counts = Counter(
        (entry.tls_version, entry.cipher, entry.server or entry.server_ip)
        for entry in case.ledger
        if entry.tls_version
    )
    if not counts:
        return Markup("")
    rows = [(*key, str(n)) for key, n in counts.most_common(MOST_ROWS)]
    columns = ("Version", "Cipher", "Server", "#Requests")
    return fold(
        "TLS", table("traffic-tls", "TLS of the servers' requests", columns, rows), prints=True
    )


def _over_time(
    material: Material, wires: dict[str, Sequence[Frame]], since: float, step: float
) -> Markup:
    found: dict[int, Counter[str]] = {}
    for name, frames in wires.items():
        for at, same in groupby(frames, lambda frame: int((frame.time - since) / step)):
            found.setdefault(at, Counter())[name] += sum(len(frame.data) for frame in same)
    rows = [
        (
            f"from {seconds(since + at * step - material.start)}",
            *(size(found[at][name]) for name in wires),
        )
        for at in sorted(found)
    ]
    columns = ("Time", *(f"#{name}" for name in wires))
    return table("traffic-times", "Bytes on each wire, in parts of the run", columns, rows)
