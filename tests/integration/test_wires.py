"""Links, packet rules and captures in the kernel: needs root; netem only for the last tests."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet
from scapy.utils import rdpcap

from lab.errors import DaemonError, KernelError
from lab.linux import firewall, inventory, links, routes
from lab.linux.nodes import Node
from lab.topology import load, model, resolve
from lab.wait import wait_until
from lab.wire import pcapng
from lab.wire.capture import start_capture

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root and namespaces"),
]

VPN1 = "129.42.160.16"
ESP = bytes.fromhex("c0ffee01 00000001") + bytes(range(8, 72))
"""SPI, sequence number, and what passes for IV, ciphertext and ICV."""


@dataclass
class Wired:
    """A topology whose wires and rules are up."""

    topology: model.Topology
    nodes: dict[str, Node]
    wires: Node
    wire_dir: Path
    packets: dict[str, int] = field(default_factory=dict)
    """Captured on each segment."""
    lost: int = -1

    def frames(self, segment: str) -> list[Packet]:
        return list(rdpcap(str(self.wire_dir / f"{segment}.pcapng")))

    def socket(self, node: str, kind: int, protocol: int = 0) -> socket.socket:
        opened = self.nodes[node].socket(socket.AF_INET, kind, protocol)
        opened.settimeout(60)
        return opened


@contextmanager
def wired(
    name: str,
    directory: Path,
    change: Callable[[model.Topology], model.Topology] = lambda topology: topology,
    *,
    shaped: bool = False,
) -> Iterator[Wired]:
    topology = change(resolve.resolve(load.load(name), b"test"))
    if not shaped:
        flat = tuple(replace(s, rate_bit_s=0, delay_s=0.0) for s in topology.segments)
        topology = replace(topology, segments=flat)

    with ExitStack() as stack:
        wires = stack.enter_context(Node.create_bare("wires", directory))
        nodes = {
            node.name: stack.enter_context(Node.create(node, directory)) for node in topology.nodes
        }
        links.build(topology, nodes, wires)
        firewall.apply(topology, nodes)
        lab = Wired(topology, nodes, wires, directory / "wire")
        with start_capture(links.ports(topology), wires, lab.wire_dir) as capture:
            yield lab
        lab.packets, lab.lost = pcapng.convert(capture.spool), capture.lost


def with_meddling(action: str) -> Callable[[model.Topology], model.Topology]:
    meddling = model.EspMeddling(node="internet", action=action, packets=2)
    return lambda topology: replace(topology, meddling=(meddling,))


def connect(lab: Wired, address: str, port: int) -> str:
    """Connect from hmc to a listener on sdc; what sdc takes for the caller's address."""
    with lab.socket("sdc", socket.SOCK_STREAM) as listener:
        listener.bind((address, port))
        listener.listen()
        with lab.socket("hmc", socket.SOCK_STREAM) as client:
            client.connect((address, port))
            accepted, peer = listener.accept()
            with accepted:
                accepted.sendall(b"x" * 5000)
                received = 0
                while received < 5000:
                    received += len(client.recv(5000))
            return str(peer[0])


@pytest.mark.parametrize(("name", "expected"), [("direct", "hmc"), ("direct-snat", "firewall")])
def test_an_allowed_connection_crosses_every_wire_once(
    name: str, expected: str, tmp_path: Path
) -> None:
    with wired(name, tmp_path) as lab:
        endpoint = lab.topology.endpoints[0]
        peer = connect(lab, endpoint.address, endpoint.port)
        counters = firewall.counters(lab.nodes)["firewall"]

    segment = "lan" if expected == "hmc" else "fw-inet"
    assert peer == lab.topology.node(expected).interface(segment).ip
    assert counters["allow-F-03-1"] == 1
    assert counters["dropped-out"] == counters["dropped-in"] == 0
    assert lab.lost == 0
    assert lab.packets == {s.name: len(lab.frames(s.name)) for s in lab.topology.segments}
    for wire in ("lan", "fw-inet", "dmz"):
        frames = lab.frames(wire)
        assert sum(TCP in f and f[TCP].flags == "S" for f in frames) == 1
        assert sum(TCP in f and f[TCP].flags == "SA" for f in frames) == 1
        assert {f[ARP].op for f in frames if ARP in f} == {1, 2}
        # Nothing else: no router solicitation, no bridge chatter.
        assert all(f[Ether].type in (0x0800, 0x0806) for f in frames)
        assert all(len(f) <= 1514 for f in frames)
        for frame in (f for f in frames if TCP in f):
            again = IP(bytes(frame[IP]))
            seen = again[TCP].chksum
            del again[TCP].chksum
            assert IP(bytes(again))[TCP].chksum == seen, "a checksum left to an offload"


def test_everything_else_is_dropped_and_counted(tmp_path: Path) -> None:
    with wired("direct", tmp_path) as lab:
        hmc = lab.topology.node("hmc").interface("lan").ip
        sdc = lab.topology.node("sdc").interface("dmz").ip
        with lab.socket("hmc", socket.SOCK_DGRAM) as out:
            out.sendto(b"out", (sdc, 443))
        with lab.socket("sdc", socket.SOCK_DGRAM) as back:
            back.sendto(b"in", (hmc, 443))
            back.sendto(b"in", (lab.topology.node("firewall").interface("fw-inet").ip, 443))
        with lab.socket("firewall", socket.SOCK_DGRAM) as own, pytest.raises(PermissionError):
            own.sendto(b"own", (sdc, 443))
        # Those of others wait for ARP first.
        wait_until(
            "all are counted",
            lambda: sum(lost_at_firewall(lab)) == 4,
            60.0,
            seen=lambda: str(lost_at_firewall(lab)),
        )
        counters = firewall.counters(lab.nodes)["firewall"]

    assert counters["dropped-out"] == 1
    assert counters["dropped-in"] == 2
    assert counters["dropped-own"] == 1
    assert not any(UDP in f and f[UDP].dport == 443 and f[IP].src == hmc for f in lab.frames("dmz"))
    assert not any(UDP in f and f[IP].dst == hmc for f in lab.frames("lan"))


def test_l2tp_in_clear_is_refused_both_ways(tmp_path: Path) -> None:
    with wired("vpn-nat", tmp_path) as lab:
        with lab.socket("hmc", socket.SOCK_DGRAM) as client, pytest.raises(PermissionError):
            client.sendto(b"SCCRQ", (VPN1, 1701))
        with (
            lab.socket("vpn1", socket.SOCK_DGRAM) as server,
            lab.socket("internet", socket.SOCK_DGRAM) as stranger,
        ):
            server.bind((VPN1, 1701))
            server.setblocking(False)
            stranger.sendto(b"SCCRQ", (VPN1, 1701))
            wait_until(
                "the datagram at vpn1's rules",
                lambda: any(firewall.counters(lab.nodes)["vpn1"].values()),
                60.0,
            )
            with pytest.raises(BlockingIOError):
                server.recv(100)
        counters = firewall.counters(lab.nodes)

    assert counters["hmc"] == {"l2tp-in-clear-in": 0, "l2tp-in-clear-out": 1}
    assert counters["vpn1"] == {"l2tp-in-clear-in": 1, "l2tp-in-clear-out": 0}


def received(sock: socket.socket, number: int) -> list[bytes]:
    found = [sock.recv(2000) for _ in range(number)]
    sock.settimeout(0.2)
    with pytest.raises(TimeoutError):
        sock.recv(2000)
    return found


def test_two_native_esp_packets_are_altered_where_only_the_icv_covers(tmp_path: Path) -> None:
    with wired("vpn", tmp_path, with_meddling("tamper")) as lab:
        with (
            lab.socket("vpn1", socket.SOCK_RAW, 50) as gateway,
            lab.socket("hmc", socket.SOCK_RAW, 50) as hmc,
        ):
            for _ in range(5):
                hmc.sendto(ESP, (VPN1, 0))
            payloads = [packet[20:] for packet in received(gateway, 5)]
        counters = firewall.counters(lab.nodes)

    altered = ESP[:16] + bytes(b ^ 0xFF for b in ESP[16:20]) + ESP[20:]
    assert payloads == [altered, altered, ESP, ESP, ESP]
    assert counters["internet"] == {"esp-tamper": 2}
    assert [bytes(f[IP].payload) for f in lab.frames("fw-inet") if ARP not in f] == [ESP] * 5


def test_two_native_esp_packets_arrive_twice(tmp_path: Path) -> None:
    with wired("vpn", tmp_path, with_meddling("replay")) as lab:
        with (
            lab.socket("vpn1", socket.SOCK_RAW, 50) as gateway,
            lab.socket("hmc", socket.SOCK_RAW, 50) as hmc,
        ):
            for _ in range(5):
                hmc.sendto(ESP, (VPN1, 0))
            payloads = [packet[20:] for packet in received(gateway, 7)]
        counters = firewall.counters(lab.nodes)

    assert payloads == [ESP] * 7
    assert counters["internet"] == {"esp-replay": 2}
    assert sum(f[IP].proto == 50 for f in lab.frames("fw-inet") if IP in f) == 5
    assert sum(f[IP].proto == 50 for f in lab.frames("dmz") if IP in f) == 7


@pytest.mark.parametrize("action", ["tamper", "replay"])
def test_in_udp_only_esp_is_meddled_with(action: str, tmp_path: Path) -> None:
    ike = bytes(4) + bytes(range(100))
    with wired("vpn-nat", tmp_path, with_meddling(action)) as lab:
        with (
            lab.socket("vpn1", socket.SOCK_DGRAM) as gateway,
            lab.socket("hmc", socket.SOCK_DGRAM) as hmc,
        ):
            gateway.bind((VPN1, 4500))
            # As charon's kernel does (RFC 3948 2.1): the checksum is zero.
            hmc.setsockopt(socket.SOL_SOCKET, 11, 1)
            hmc.bind(("0.0.0.0", 4500))
            for payload in (b"\xff", ike, ESP, ESP, ESP):
                hmc.sendto(payload, (VPN1, 4500))
            payloads = received(gateway, 5 if action == "tamper" else 7)
        counters = firewall.counters(lab.nodes)

    altered = ESP[:16] + bytes(b ^ 0xFF for b in ESP[16:20]) + ESP[20:]
    expected = [altered, altered, ESP] if action == "tamper" else [ESP] * 5
    assert payloads == [b"\xff", ike, *expected]
    assert counters["internet"] == {f"esp-{action}": 2}


def test_long_packets_are_lost_silently(tmp_path: Path) -> None:
    hole = model.DropRule(
        name="small-mtu",
        node="internet",
        protocol="any",
        port=0,
        above_bytes=1000,
        source="0.0.0.0/0",
        destination="0.0.0.0/0",
    )
    with wired("vpn-nat", tmp_path, lambda t: replace(t, drops=(hole,))) as lab:
        with (
            lab.socket("vpn1", socket.SOCK_DGRAM) as gateway,
            lab.socket("hmc", socket.SOCK_DGRAM) as hmc,
        ):
            gateway.bind((VPN1, 500))
            for size in (1000 - 28, 1001 - 28):
                hmc.sendto(bytes(size), (VPN1, 500))
            assert [len(packet) for packet in received(gateway, 1)] == [1000 - 28]
        assert firewall.counters(lab.nodes)["internet"] == {"small-mtu": 1}
    assert {f[IP].proto for f in lab.frames("fw-inet") if IP in f} == {17}


def lost_at_firewall(lab: Wired) -> list[int]:
    counters = firewall.counters(lab.nodes)["firewall"]
    return [counters[name] for name in ("dropped-out", "dropped-in", "dropped-own")]


def dropped(lab: Wired) -> int:
    """What the customer's firewall has stopped on its way out."""
    return firewall.counters(lab.nodes)["firewall"][firewall.DROPPED_OUT]


def test_the_hmcs_own_firewall_drops_by_interface(tmp_path: Path) -> None:
    with wired("direct", tmp_path) as lab:
        node = lab.nodes["hmc"]
        tunnel = firewall.hmc_drop(node, "ppp*", "udp", 53)
        uplink = firewall.hmc_drop(node, "lan", "udp", 53)
        with lab.socket("hmc", socket.SOCK_DGRAM) as client:
            with pytest.raises(PermissionError):
                client.sendto(b"x", ("192.0.2.20", 53))
            counters = firewall.counters(lab.nodes)["hmc"]
            firewall.hmc_allow_all(node)
            client.sendto(b"x", ("192.0.2.20", 53))
            # It waits for ARP first, on a machine that is busy for longer than the lab stands.
            wait_until("the customer's firewall has it", lambda: dropped(lab) == 1, 60.0)

    assert counters == {tunnel: 0, uplink: 1}
    assert sum(UDP in f for f in lab.frames("lan")) == 1


@pytest.mark.parametrize("name", ["vpn-nat", "dial"])
def test_pyroute2_sees_what_our_own_netlink_has_built(name: str, tmp_path: Path) -> None:
    with wired(name, tmp_path) as lab:
        for node in lab.topology.nodes:
            seen = inventory.take(lab.nodes[node.name])
            mtus = {i.name: lab.topology.segment(i.segment).mtu for i in node.interfaces}
            made = {f"{i.name} {i.mac} mtu {mtus[i.name]} up" for i in node.interfaces}
            assert {link for link in seen.links if not link.startswith("lo ")} == made
            inside = {f"{i.name} {i.address}" for i in node.interfaces}
            served = {
                f"lo {address}/32"
                for address in (*node.service_addresses, *node.unlisted_addresses)
            }
            loopback = {"lo 127.0.0.1/8"}
            assert {*seen.addresses} - {"lo ::1/128"} == loopback | inside | served
            connected = {
                f"{ipaddress.ip_interface(i.address).network} dev {i.name}" for i in node.interfaces
            }
            told = {
                f"{r.destination} via {r.via} dev {r.interface}"
                if r.via
                else f"{r.destination} dev {r.interface}"
                for r in node.routes
            }
            assert {*seen.routes} == connected | told


def test_the_routes_in_use_are_those_that_pyroute2_sees(tmp_path: Path) -> None:
    with wired("vpn", tmp_path) as lab:
        node = lab.nodes["vpn1"]
        routes.refuse(node, ["198.51.100.0/24"])
        for command in (
            "link add aux7 type bridge",
            "link set aux7 up",
            "-4 route add default dev aux7 metric 10",
        ):
            node.run(("ip", *command.split()))
        seen = inventory.take(node)
        used = routes.in_use(node)

    refused = {"unreachable 198.51.100.0/24"}
    assert refused < {*seen.routes}
    plain = [re.sub(" via [0-9.]+", "", r.replace("default", "0.0.0.0/0")) for r in seen.routes]
    assert sorted(used) == sorted({*plain} - refused - {r for r in plain if ":" in r})
    # The one with the lower metric is the first.
    everywhere = [route for route in used if route.startswith("0.0.0.0/0")]
    assert everywhere == ["0.0.0.0/0 dev dmz", "0.0.0.0/0 dev aux7"]


def test_what_is_left_behind_is_named(tmp_path: Path) -> None:
    with wired("vpn", tmp_path) as lab:
        assert inventory.leftovers(lab.nodes["sdc"], lab.topology) == ()
        lab.nodes["sdc"].run(("nft", "add", "table", "ip", "forgotten"))
        lab.nodes["sdc"].run(("ip", "link", "add", "stray", "type", "bridge"))
        left = inventory.leftovers(lab.nodes["sdc"], lab.topology)
        seen = inventory.take(lab.nodes["vpn1"])

    assert left == ("sdc: link stray", "sdc: nft table ip forgotten")
    assert [link.split()[0] for link in seen.links] == ["core", "dmz", "lo"]
    assert f"lo {VPN1}/32" in seen.addresses
    assert "default via 192.0.2.1 dev dmz" in seen.routes


def test_a_refusal_names_the_operation_and_the_object(tmp_path: Path) -> None:
    with wired("direct", tmp_path) as lab, pytest.raises(KernelError) as refused:
        links.build(lab.topology, lab.nodes, lab.wires)

    first = lab.topology.segments[0].name
    assert str(refused.value).startswith(f"cannot make bridge {first}: File exists")


def test_a_bad_rule_script_is_refused_whole(tmp_path: Path) -> None:
    with wired("direct", tmp_path) as lab, pytest.raises(KernelError, match="hmc") as refused:
        firewall.hmc_drop(lab.nodes["hmc"], "lan", "carrier-pigeon", 1)

    assert "carrier-pigeon" in str(refused.value)


def test_the_mtu_of_a_segment_holds_on_its_wire(tmp_path: Path) -> None:
    def narrow(topology: model.Topology) -> model.Topology:
        segments = tuple(replace(s, mtu=1300) if s.name == "dmz" else s for s in topology.segments)
        return replace(topology, segments=segments)

    with wired("direct", tmp_path, narrow) as lab:
        endpoint = lab.topology.endpoints[0]
        connect(lab, endpoint.address, endpoint.port)

    assert max(len(f) for f in lab.frames("dmz")) == 1314


def test_rate_and_delay_are_those_of_the_segment(tmp_path: Path) -> None:
    try:
        with wired("direct", tmp_path, shaped=True) as lab:
            endpoint = lab.topology.endpoints[0]
            connect(lab, endpoint.address, endpoint.port)
            seen = inventory.take(lab.nodes["firewall"])
    except KernelError as missing:
        if "netem" in str(missing):
            pytest.skip(str(missing))
        raise

    access = lab.topology.segment("fw-inet")
    flying = int(access.rate_bit_s * access.delay_s / 512)
    told = {link.split()[0]: re.findall(r"netem holds (\d+) packets", link) for link in seen.links}
    assert told == {"lan": ["1000"], "fw-inet": [f"{1000 + flying}"], "lo": []}
    there_and_back = 2 * sum(lab.topology.segment(name).delay_s for name in ("fw-inet", "dmz"))
    frames = lab.frames("lan")
    (syn,) = (f for f in frames if TCP in f and f[TCP].flags == "S")
    (answer,) = (f for f in frames if TCP in f and f[TCP].flags == "SA")
    took = float(answer.time) - float(syn.time)
    # Over it: ARP on two wires, which has its own round trips.
    assert there_and_back <= took < 3 * there_and_back + 0.05


def protect(lab: Wired) -> None:
    """An SA for each direction between hmc and vpn1, with the papers' algorithms, and policies."""
    hmc = lab.topology.node("hmc").interface("lan").ip
    for spi, source, target in (("0x1001", hmc, VPN1), ("0x1002", VPN1, hmc)):
        keys = (
            *("auth-trunc", "hmac(md5)", "0x" + "42" * 16, "96"),
            *("enc", "cbc(des3_ede)", "0x" + "0123456789abcdef" * 3),
        )
        ends = ("src", source, "dst", target, "proto", "esp")
        template = ("tmpl", *ends, "mode", "tunnel")
        for node in ("hmc", "vpn1"):
            way = "out" if (node == "hmc") == (source == hmc) else "in"
            for command in (
                ("state", "add", *ends, "spi", spi, "mode", "tunnel", "replay-window", "32", *keys),
                ("policy", "add", "src", source, "dst", target, "dir", way, *template),
            ):
                lab.nodes[node].run(("ip", "xfrm", *command))


def xfrm_stat(lab: Wired, node: str, line: str) -> int:
    text = lab.nodes[node].run(("cat", "/proc/thread-self/net/xfrm_stat"))
    return next(int(words[1]) for words in map(str.split, text.splitlines()) if words[0] == line)


@pytest.mark.parametrize(
    ("action", "lost", "line"),
    [("", 0, ""), ("tamper", 2, "XfrmInStateProtoError"), ("replay", 0, "XfrmInStateSeqError")],
)
def test_l2tp_in_an_sa_passes_the_guards_and_the_sa_notices_meddling(
    action: str, lost: int, line: str, tmp_path: Path
) -> None:
    change = with_meddling(action) if action else lambda topology: topology
    with wired("vpn", tmp_path, change) as lab:
        try:
            protect(lab)
        except DaemonError as refused:
            # Only what a kernel without ESP or without 3DES says; all else is a failure.
            if re.search("not supported|algorithm not found", str(refused)):
                pytest.skip("this kernel lacks ESP or 3DES; the lab's own has both")
            raise
        with (
            lab.socket("vpn1", socket.SOCK_DGRAM) as gateway,
            lab.socket("hmc", socket.SOCK_DGRAM) as hmc,
        ):
            gateway.bind((VPN1, 1701))
            for number in range(5):
                hmc.sendto(bytes((number,)) * 40, (VPN1, 1701))
            got = [packet[0] for packet in received(gateway, 5 - lost)]
        counters = firewall.counters(lab.nodes)
        noticed = xfrm_stat(lab, "vpn1", line) if line else 0
        left = inventory.leftovers(lab.nodes["vpn1"], lab.topology)

    assert got == list(range(5))[lost:]
    assert counters["hmc"]["l2tp-in-clear-out"] == counters["vpn1"]["l2tp-in-clear-in"] == 0
    assert noticed == (2 if line else 0)
    assert left[:2] == ("vpn1: 2 IPsec SAs", "vpn1: 2 IPsec policies")
    assert not any(UDP in frame for frame in lab.frames("fw-inet"))


def test_a_route_over_a_late_interface_and_an_unplugged_node(tmp_path: Path) -> None:
    with wired("vpn", tmp_path) as lab:
        node = lab.nodes["vpn1"]
        node.run(("ip", "link", "add", "ppp7", "type", "bridge"))
        node.run(("ip", "link", "set", "ppp7", "addrgenmode", "none"))
        node.run(("ip", "link", "set", "ppp7", "up"))
        routes.add(node, ["10.77.0.0/16"], "ppp7")
        links.unplug(node, ["dmz", "core"])
        seen = inventory.take(node)

    # Taking an interface down takes its routes away, and only its own.
    assert seen.routes == ("10.77.0.0/16 dev ppp7",)
