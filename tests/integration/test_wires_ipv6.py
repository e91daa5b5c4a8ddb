"""IPv6 on the wires of the lab: addresses, routes, neighbours and packet rules in the kernel; needs root."""

from __future__ import annotations

import ipaddress
import os
import socket
from pathlib import Path

import pytest
from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import ICMPv6MLReport2, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RS, IPv6

from lab.linux import addresses, firewall, inventory
from tests.integration.test_wires import Wired, wired

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root and namespaces"),
]


def by_ipv6(lab: Wired, node: str, kind: int) -> socket.socket:
    opened = lab.nodes[node].socket(socket.AF_INET6, kind)
    opened.settimeout(60)
    return opened


def connect(lab: Wired, address: str) -> str:
    """Connect from hmc to port 443 of sdc; what sdc takes for the caller's address."""
    with by_ipv6(lab, "sdc", socket.SOCK_STREAM) as listener:
        listener.bind((address, 443))
        listener.listen()
        with by_ipv6(lab, "hmc", socket.SOCK_STREAM) as client:
            client.connect((address, 443))
            accepted, peer = listener.accept()
            accepted.close()
            return str(peer[0])


def test_an_allowed_connection_crosses_every_wire_once(tmp_path: Path) -> None:
    """At once, with neighbours found by IPv6, and with checksums that are right."""
    with wired("direct-ipv6", tmp_path) as lab:
        peer = connect(lab, lab.topology.endpoints[0].address)
        counters = firewall.counters(lab.nodes)["firewall"]

    assert peer == lab.topology.node("hmc").interface("lan").ip6
    assert counters["allow-F-03-1"] == 1
    assert counters["dropped-out"] == counters["dropped-in"] == counters["dropped-own"] == 0
    for wire in ("lan", "fw-inet", "dmz"):
        frames = [frame[IPv6] for frame in lab.frames(wire) if IPv6 in frame]
        assert sum(TCP in f and f[TCP].flags == "S" for f in frames) == 1
        assert sum(TCP in f and f[TCP].flags == "SA" for f in frames) == 1
        assert any(ICMPv6ND_NS in f for f in frames)
        assert any(ICMPv6ND_NA in f for f in frames)
        for frame in (f for f in frames if TCP in f):
            again = IPv6(bytes(frame))
            seen = again[TCP].chksum
            del again[TCP].chksum
            assert IPv6(bytes(again))[TCP].chksum == seen, "a checksum left to an offload"


def test_nobody_looks_for_routers_or_for_duplicates(tmp_path: Path) -> None:
    with wired("direct-ipv6", tmp_path) as lab:
        connect(lab, lab.topology.endpoints[0].address)
        told = lab.nodes["hmc"].run(("ip", "-6", "address", "show", "dev", "lan"))
        takes = lab.nodes["hmc"].run(("cat", "/proc/sys/net/ipv6/conf/lan/accept_ra"))

    assert "tentative" not in told
    # The first solicitation would come a second later, and what a router says would be believed.
    assert takes.strip() == "0"
    for wire in ("svc", "lan", "fw-inet", "dmz"):
        frames = [frame[IPv6] for frame in lab.frames(wire) if IPv6 in frame]
        assert not any(ICMPv6ND_RS in f for f in frames)
        assert not any(f.src == "::" for f in frames), "duplicate address detection"
        known = (TCP, ICMPv6ND_NS, ICMPv6ND_NA, ICMPv6MLReport2)
        assert all(any(layer in f for layer in known) for f in frames)


def test_everything_else_is_dropped_and_counted(tmp_path: Path) -> None:
    with wired("direct-ipv6", tmp_path) as lab:
        hmc = lab.topology.node("hmc").interface("lan").ip6
        sdc = lab.topology.node("sdc").interface("dmz").ip6
        with by_ipv6(lab, "hmc", socket.SOCK_DGRAM) as out:
            out.sendto(b"out", (sdc, 443))
        with by_ipv6(lab, "sdc", socket.SOCK_DGRAM) as back:
            back.sendto(b"in", (hmc, 443))
            back.sendto(b"in", (lab.topology.node("firewall").interface("fw-inet").ip6, 443))
        with by_ipv6(lab, "firewall", socket.SOCK_DGRAM) as own, pytest.raises(PermissionError):
            own.sendto(b"own", (sdc, 443))
        # By the time that this is through, all of them have come to where they were lost.
        connect(lab, lab.topology.endpoints[0].address)
        counters = firewall.counters(lab.nodes)["firewall"]

    assert counters["dropped-out"] == 1
    assert counters["dropped-in"] == 2
    assert counters["dropped-own"] == 1
    assert not any(
        UDP in f and f[UDP].dport == 443 for f in lab.frames("dmz") if f[IPv6].src == hmc
    )
    assert not any(UDP in f and f[IPv6].dst == hmc for f in lab.frames("lan") if IPv6 in f)


@pytest.mark.parametrize(("name", "host"), [("direct-ipv6", "hmc"), ("dual-stack", "aix")])
def test_pyroute2_sees_what_our_own_netlink_has_built(name: str, host: str, tmp_path: Path) -> None:
    with wired(name, tmp_path) as lab:
        seen = {node.name: inventory.take(lab.nodes[node.name]) for node in lab.topology.nodes}

    assert host in seen
    for node in lab.topology.nodes:
        made = {"lo ::1/128"}
        at_home = (*node.service_addresses, *node.unlisted_addresses)
        made |= {f"lo {address}/128" for address in at_home if ":" in address}
        linked, told = set(), set()
        for i in node.interfaces:
            made |= {f"{i.name} {i.address6}", f"{i.name} {addresses.link_local(i.ip6)}/64"}
            linked |= {f"{ipaddress.ip_interface(i.address6).network} dev {i.name}"}
            linked |= {f"fe80::/64 dev {i.name}"}
        told = {
            f"{r.destination} via {r.via} dev {r.interface}" for r in node.routes if ":" in r.via
        }
        of_ipv6 = {route for route in seen[node.name].routes if ":" in route}
        own = {f"{address}/128 dev lo" for address in at_home if ":" in address}
        assert {a for a in seen[node.name].addresses if ":" in a} == made
        assert of_ipv6 - {"::1/128 dev lo"} - own == linked | told


def test_a_node_without_ipv6_has_none(tmp_path: Path) -> None:
    with wired("direct", tmp_path) as lab:
        seen = inventory.take(lab.nodes["firewall"])

    assert [address for address in seen.addresses if ":" in address] in ([], ["lo ::1/128"])
    assert not any(IPv6 in frame for wire in ("lan", "fw-inet") for frame in lab.frames(wire))
