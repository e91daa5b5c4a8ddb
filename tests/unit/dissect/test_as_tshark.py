"""Packets of true runs, taken apart by us and by tshark: the same protocol, the same fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6

from lab.dissect import Dissected, Layer, Unsealer, dissect, dissect_calls, names_of
from lab.dissect.naming import ends_of
from lab.topology.model import Topology
from lab.wire import calls, decode, fragments
from tests import oracle
from tests.recordings import archive
from tests.unit.verify.stage import START, write_capture
from tests.unit.verify.test_wire import needs_tshark
from tests.unit.wire.test_fragments import DATAGRAM, ETHER, by_ipv4, by_ipv6

CAPTURES = [
    ("vpn-nat", "fw-inet"),
    ("vpn-nat", "lan"),
    ("vpn-rekeyed", "fw-inet"),
    ("vpn.small-mtu", "fw-inet"),
    ("vpn-dial", "pstn"),
    ("vpn-dial", "lig-inet"),
    ("pass-through-vpn", "fw-inet"),
    ("dial", "pstn"),
    ("dial.noise", "pstn"),
    ("direct", "lan"),
    ("direct.server-resets", "lan"),
    ("direct.small-mtu", "lan"),
    ("dual-stack", "lan"),
    ("direct-ipv6", "lan"),
    ("proxy", "lan"),
    ("proxy-auth", "lan"),
    ("consoles", "lan-a"),
    ("traditional", "fw-inet"),
]
"""A capture of each kind of way, and of what is odd."""

Row = dict[str, str]
Reads = Callable[[Dissected], str]


def layer(packet: Dissected, *names: str) -> Layer | None:
    """The innermost layer of one of these names."""
    return next((each for each in reversed(packet.layers) if each.name in names), None)


def field(packet: Dissected, name: str, *layers: str) -> str:
    found = layer(packet, *layers)
    return dict(found.fields).get(name, "") if found else ""


def first_word(packet: Dissected, name: str, *layers: str) -> str:
    """Without the node's name behind an address."""
    return field(packet, name, *layers).partition(" ")[0]


def in_brackets(packet: Dissected, name: str, *layers: str) -> str:
    """The number behind its name."""
    return field(packet, name, *layers).rpartition("(")[2].rstrip(")")


def raw(packet: Dissected, name: str) -> str:
    return in_brackets(packet, name, "TCP").removeprefix("raw ")


FIELDS: dict[str, Reads] = {
    "ip.src": lambda p: first_word(p, "Source", "IPv4"),
    "ip.dst": lambda p: first_word(p, "Destination", "IPv4"),
    "ipv6.src": lambda p: first_word(p, "Source", "IPv6"),
    "ip.id": lambda p: first_word(p, "Identification", "IPv4"),
    "ip.ttl": lambda p: field(p, "Time to live", "IPv4"),
    "tcp.srcport": lambda p: field(p, "Source port", "TCP"),
    "tcp.dstport": lambda p: field(p, "Destination port", "TCP"),
    "tcp.seq_raw": lambda p: raw(p, "Sequence number"),
    "tcp.ack_raw": lambda p: raw(p, "Acknowledgment number") or "0",
    "tcp.len": lambda p: field(p, "Payload", "TCP").partition(" ")[0],
    "udp.srcport": lambda p: field(p, "Source port", "UDP"),
    "udp.dstport": lambda p: field(p, "Destination port", "UDP"),
    "isakmp.ispi": lambda p: field(p, "Initiator SPI", "ISAKMP"),
    "isakmp.rspi": lambda p: field(p, "Responder SPI", "ISAKMP"),
    "isakmp.messageid": lambda p: field(p, "Message ID", "ISAKMP"),
    "isakmp.exchangetype": lambda p: in_brackets(p, "Exchange type", "ISAKMP"),
    "esp.spi": lambda p: field(p, "SPI", "ESP"),
    "esp.sequence": lambda p: field(p, "Sequence", "ESP"),
    "l2tp.tunnel": lambda p: field(p, "Tunnel ID", "L2TP"),
    "l2tp.session": lambda p: field(p, "Session ID", "L2TP"),
    "l2tp.Ns": lambda p: field(p, "Ns", "L2TP"),
    "l2tp.Nr": lambda p: field(p, "Nr", "L2TP"),
    "l2tp.avp.message_type": lambda p: in_brackets(p, "Message type", "L2TP"),
    "l2tp.avp.host_name": lambda p: field(p, "Host name", "L2TP"),
    "l2tp.avp.assigned_tunnel_id": lambda p: field(p, "Assigned tunnel id", "L2TP"),
    "l2tp.avp.assigned_session_id": lambda p: field(p, "Assigned session id", "L2TP"),
    "ppp.protocol": lambda p: in_brackets(p, "Protocol", "PPP"),
    "chap.code": lambda p: in_brackets(p, "Code", "PPP CHAP"),
    "chap.name": lambda p: field(p, "Name", "PPP CHAP"),
    "pap.code": lambda p: in_brackets(p, "Code", "PPP PAP"),
    "pap.peer_id": lambda p: field(p, "Peer-ID", "PPP PAP"),
    "ppp.code": lambda p: in_brackets(p, "Code", "PPP LCP", "PPP IPCP"),
    "ipcp.opt.ip_address": lambda p: field(p, "IP Address", "PPP IPCP"),
    "lcp.opt.mru": lambda p: field(p, "Maximum Receive Unit", "PPP LCP"),
    "lcp.opt.magic_number": lambda p: field(p, "Magic Number", "PPP LCP"),
    "tls.handshake.extensions_server_name": lambda p: field(p, "Server name", "TLS"),
    "dns.qry.name": lambda p: field(p, "Name", "DNS"),
    "dns.id": lambda p: field(p, "Transaction ID", "DNS"),
    "arp.opcode": lambda p: in_brackets(p, "Opcode", "ARP"),
    "arp.dst.proto_ipv4": lambda p: first_word(p, "Target IP address", "ARP"),
    "http.request.method": lambda p: field(p, "Start line", "HTTP").partition(" ")[0],
    "http.response.code": lambda p: field(p, "Start line", "HTTP").split(" ")[1:2][0],
}
"""What tshark calls a field, and where we have it."""
OTHERWISE = {
    "ISAKMP": ("UDP",),
    "UDPENCAP": ("UDP",),
    "DNS": ("UDP",),
    "MDNS": ("UDP",),
    "IEEE1722": ("UDP",),
    "H.225.0": ("UDP",),
    "BFD Control": ("UDP",),
}
"""What tshark makes of one byte by its port alone, and says that the packet is malformed."""


@needs_tshark
@pytest.mark.parametrize(("name", "segment"), CAPTURES)
def test_every_packet_is_to_us_what_it_is_to_tshark(
    name: str, segment: str, tmp_path: Path
) -> None:
    run_dir = archive.unpack(name, tmp_path)
    keys = run_dir / "keys" / "esp.json"
    options = ["-o", "http.desegment_body:FALSE", "-E", "occurrence=l"]
    options += oracle.decryption_options(keys) if keys.exists() else []
    capture = run_dir / "wire" / f"{segment}.pcapng"

    ours = list(read(capture, Unsealer.read(run_dir)))
    columns = ("_ws.col.Protocol", "_ws.col.Info", "icmp.type", *FIELDS)
    rows = [
        dict(zip(columns, row, strict=True)) for row in oracle.tshark(capture, columns, *options)
    ]

    assert len(rows) == len(ours) > 20
    assert [each.number for each in ours] == list(range(1, len(rows) + 1))
    found = [
        f"{packet.number}: {what}"
        for packet, row in zip(ours, rows, strict=True)
        for what in differences(packet, row)
    ]
    assert not found, found[:10]


def read(capture: Path, opened: Unsealer) -> Iterable[Dissected]:
    if capture.stem == "pstn":
        return dissect_calls(calls.joined(calls.read(capture)), opened)
    return dissect(fragments.joined(decode.read(capture)), opened)


def differences(packet: Dissected, row: Row) -> Iterable[str]:
    """What tshark reads otherwise."""
    protocol = row["_ws.col.Protocol"].removesuffix("/JSON")  # what is in the body
    if protocol in OTHERWISE and packet.protocol in OTHERWISE[protocol]:
        assert field(packet, "Length", "UDP") == "9", packet
        return
    if packet.protocol == "line":  # no frame of PPP: bytes of private use
        assert protocol == ""
        return
    if protocol != packet.protocol:
        yield f"tshark says {protocol}, we {packet.protocol}"
        return
    if row["icmp.type"]:  # the packet that is quoted is to tshark one more
        return
    for name, ours in FIELDS.items():
        if row[name] and not same(row[name], ours(packet)):
            yield f"{name}: tshark reads {row[name]}, we {ours(packet)}"


def same(theirs: str, ours: str) -> bool:
    if theirs.startswith("0x") and ours.startswith("0x"):
        return int(theirs, 16) == int(ours, 16)
    return theirs.lower() == ours.lower()


def test_a_call_is_between_the_nodes_of_its_lines() -> None:
    names = {"line hmc-1": "hmc", "line lig-2": "lig", "line a": "a"}

    assert ends_of("hmc-1-lig-2", names) == ("hmc", "lig")
    assert ends_of("a-hmc-1", names) == ("a", "hmc")
    assert ends_of("hmc-lig", names) == ("caller", "called")


def test_names_are_those_of_nodes(tmp_path: Path) -> None:
    from lab import codec
    from lab.record.record import Record

    run_dir = archive.unpack("vpn-nat", tmp_path)
    topology = codec.load(Topology, (run_dir / "keys" / "model.json").read_text())
    record = codec.load(Record, (run_dir / "record.json").read_text())
    frames = fragments.joined(decode.read(run_dir / "wire" / "fw-inet.pcapng"))

    opened, names = Unsealer.read(run_dir), names_of(topology, record)
    hello = next(p for p in dissect(frames, opened, names) if "Client Hello" in p.info)

    assert (hello.source, hello.destination) == ("hmc", "sdc")
    assert [each.name for each in hello.layers] == [
        "Ethernet", "IPv4", "UDP", "UDPENCAP", "ESP", "IPv4", "UDP", "L2TP", "PPP", "IPv4", "TCP", "TLS",
    ]  # fmt: skip
    assert hello.info == "Client Hello (SNI=sas-1.sdc.test)"


@needs_tshark
def test_parts_of_a_datagram_and_the_whole(tmp_path: Path) -> None:
    """All parts but the last are fragments; the datagram stands where it is complete."""
    pieces = [
        bytes(ETHER / IP(raw)) for raw in by_ipv4(DATAGRAM, 1000)
    ] + [bytes(ETHER / IPv6(raw)) for raw in by_ipv6(DATAGRAM, 1000)]  # fmt: skip
    capture = tmp_path / "lan.pcapng"
    write_capture(capture, [(START + number, raw) for number, raw in enumerate(pieces)])

    ours = [(p.protocol, field(p, "Length", "UDP")) for p in read(capture, Unsealer({}))]

    theirs = oracle.tshark(capture, ("_ws.col.Protocol", "udp.length"))
    assert [kind for kind, _ in ours].count("IPv4") == 3
    assert [length for _, length in ours] == [length for _, length in theirs]
    assert [kind for kind, length in ours if not length] == [
        k for k, length in theirs if not length
    ]
