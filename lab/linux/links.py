"""The wires of a lab: a bridge per segment in the ``wires`` namespace, a veth from it straight into
each node, and in the nodes the addresses, routes, sysctls and the rate and delay of each plug.

Everything is decided in the model; here it becomes netlink messages, one batch a namespace. Making
and closing namespaces is ``nodes``' business, packet rules are ``firewall``'s, and looking at what
exists is ``inventory``'s.

Every interface index is chosen by us, so that no answer has to be read before the next message.
"""

from __future__ import annotations

import array
import fcntl
import os
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.errors import KernelError
from lab.linux import addresses, netem, netlink, routes
from lab.linux.netlink import NetlinkRequest, NetlinkSocket, attribute, nest, text, u8, u32
from lab.linux.nodes import Node
from lab.topology import model

LOOPBACK_INDEX = 1
FIRST_INDEX = 100
"""Below it a kernel may put what it makes by itself in a new namespace (``tunl0``, ``sit0``)."""
FIRST_PORT_INDEX = 1000
FIRST_TRUNK_INDEX = 1000
"""Of the device below a VLAN's, in a node: so much above the VLAN's own."""

FRESH_SYSCTLS: Mapping[str, str] = {
    "net.ipv4.ip_forward": "0",
    # A path may be asymmetric on purpose (T3-15); the kernel takes the stricter of ``all`` and a
    # link's own.
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
}
"""What every node starts from: a new namespace has the host's settings, which may differ."""
ROUTER_SYSCTLS: Mapping[str, str] = {
    # First, as it resets others; by it ``ppp0`` will forward, too.
    "net.ipv4.ip_forward": "1",
    # Else it would advise the hosts of a shared segment to bypass it.
    "net.ipv4.conf.all.send_redirects": "0",
}
IPV6_SYSCTLS: Mapping[str, str] = {
    # Nothing on the lab's wires advertises routers, and nobody asks for one (RFC 4861 6.3.7).
    "net.ipv6.conf.default.accept_ra": "0",
}
"""What a node on a link with IPv6 needs beside ``FRESH_SYSCTLS``, before its links are made."""
CONTAINER_IPV6_SYSCTLS: Mapping[str, str] = {
    # Docker has them at 1 where it makes no network.
    "net.ipv6.conf.all.disable_ipv6": "0",
    "net.ipv6.conf.default.disable_ipv6": "0",
}
"""What such a node needs besides, if its network was a container's first."""
IPV6_ROUTER_SYSCTLS: Mapping[str, str] = {"net.ipv6.conf.all.forwarding": "1"}
LATER_SYSCTLS: Mapping[str, str] = {
    # A router would report on ``ppp0`` which groups it listens to; PPP of the papers is for IPv4.
    "net.ipv6.conf.default.disable_ipv6": "1",
}
"""What such a node's links have that come after those of the model."""
WIRES_SYSCTLS: Mapping[str, str] = {
    "net.ipv6.conf.all.disable_ipv6": "1",
    "net.ipv6.conf.default.disable_ipv6": "1",
    # Where br_netfilter is there, it would pass every frame through the wires' own empty rules.
    "net.bridge.bridge-nf-call-iptables": "0",
    "net.bridge.bridge-nf-call-ip6tables": "0",
    "net.bridge.bridge-nf-call-arptables": "0",
}
_OPTIONAL_SYSCTLS = ("net.ipv6.", "net.bridge.")

_RTM_NEWLINK = 16

_IFF_UP = 1
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_LINK = 1, 3, 4, 5
_IFLA_VLAN_ID = 1
_IFLA_MASTER, _IFLA_LINKINFO, _IFLA_AF_SPEC, _IFLA_NET_NS_FD = 10, 18, 26, 28
_IFLA_INFO_KIND, _IFLA_INFO_DATA = 1, 2
_VETH_INFO_PEER = 1
_IFLA_BR_FORWARD_DELAY, _IFLA_BR_STP_STATE = 1, 5
_IFLA_BR_MCAST_SNOOPING, _IFLA_BR_MCAST_QUERIER = 23, 25

_IFLA_INET_CONF, _IFLA_INET6_ADDR_GEN_MODE = 1, 8
_IN6_ADDR_GEN_MODE_NONE = 1
_DEVCONF = {
    "send_redirects": (6, 0),
    "rp_filter": (8, 0),
    "arp_announce": (18, 2),
    "arp_ignore": (19, 1),
}

_SIOCGSKNS = 0x894C
_SIOCETHTOOL = 0x8946
_ETHTOOL_OFF = {"checksums": 0x17, "segmentation": 0x24, "scatter-gather": 0x19}

_LINK = struct.Struct("=BxHiII")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plug:
    """One interface of a node and its port of the segment's bridge."""

    node: str
    number: int
    interface: model.Interface
    segment: model.Segment
    port_index: int
    bridge_index: int


def build(topology: model.Topology, nodes: Mapping[str, Node], wires: Node) -> None:
    """Make every wire, address and route of the topology; frames can flow when it returns."""
    namespaces: dict[str, int] = {}
    fresh = wires.call(_differing, FRESH_SYSCTLS)
    wires.call(_set, wires.name, WIRES_SYSCTLS)
    try:
        for node in topology.nodes:
            there = nodes[node.name]
            # A network that is not new has settings of its own.
            own = there.call(_differing, FRESH_SYSCTLS) if there.network else fresh
            six = CONTAINER_IPV6_SYSCTLS if there.network and _by_ipv6(node) else {}
            if sysctls := {**six, **_sysctls(node, own)}:
                there.call(_set, node.name, sysctls)
            socket_there = nodes[node.name].netlink.socket
            namespaces[node.name] = fcntl.ioctl(socket_there, _SIOCGSKNS, 0)

        wires.netlink.transact(wire_requests(topology, namespaces))
        for node in topology.nodes:
            sock = nodes[node.name].netlink
            for interface in node.interfaces:
                port = topology.segment(interface.segment).port_of(interface.name)
                _offloads_off(sock, node.name, port)
            sock.transact(node_requests(topology, node))
            if _by_ipv6(node):
                nodes[node.name].call(_set, node.name, LATER_SYSCTLS)
    finally:
        for namespace in namespaces.values():
            os.close(namespace)


def wire_requests(topology: model.Topology, namespaces: Mapping[str, int]) -> list[NetlinkRequest]:
    """What ``wires`` is told: bridges and veths; ``namespaces`` has a descriptor per node."""
    requests = [_bridge(FIRST_INDEX + place, s) for place, s in enumerate(topology.segments)]
    requests += (_veth(plug, namespaces[plug.node]) for plug in _plugs(topology))
    return requests


def ports(topology: model.Topology) -> dict[int, str]:
    """The bridges' ports in ``wires``: interface index to the segment that frames enter there."""
    return {plug.port_index: plug.interface.segment for plug in _plugs(topology)}


def _plugs(topology: model.Topology) -> Iterator[_Plug]:
    places = {segment.name: place for place, segment in enumerate(topology.segments)}
    port_index = FIRST_PORT_INDEX
    for node in topology.nodes:
        for number, interface in enumerate(node.interfaces):
            place = places[interface.segment]
            yield _Plug(
                node=node.name,
                number=number,
                interface=interface,
                segment=topology.segments[place],
                port_index=port_index,
                bridge_index=FIRST_INDEX + place,
            )
            port_index += 1


def node_requests(topology: model.Topology, node: model.NodePlan) -> list[NetlinkRequest]:
    """What a node is told once its wires are there: up, addresses, rates and delays, routes."""
    requests: list[NetlinkRequest] = []
    indexes: dict[str, int] = {}
    for index, interface in enumerate(node.interfaces, FIRST_INDEX):
        indexes[interface.name] = index
        label = f"{node.name}'s {interface.name}"
        segment = topology.segment(interface.segment)
        if segment.vlan:
            port = FIRST_TRUNK_INDEX + index
            requests += _settings(label, port), _up(label, port)
            requests.append(_vlan(label, index, port, interface.name, segment))
        requests += _settings(label, index), _up(label, index)
        requests += addresses.of_interface(label, index, interface)
        rate_bit_s = segment.rate_of(node.name)
        if rate_bit_s or segment.delay_s or segment.impairment:
            requests.append(netem.request(label, index, segment, rate_bit_s))

    for address in (*node.service_addresses, *node.unlisted_addresses):
        requests.append(addresses.request(f"{node.name}'s lo", LOOPBACK_INDEX, address))

    requests.extend(routes.request(node.name, indexes, route) for route in node.routes)
    return requests


def join(node: Node, name: str, other: Node, other_name: str) -> None:
    """Make a wire between two nodes that no model knows; neither end is up, or has an address."""
    namespace = fcntl.ioctl(other.netlink.socket, _SIOCGSKNS, 0)
    try:
        peer = _LINK.pack(0, 0, 0, 0, 0) + text(_IFLA_IFNAME, other_name)
        peer += u32(_IFLA_NET_NS_FD, namespace)
        body = _LINK.pack(0, 0, 0, 0, 0) + text(_IFLA_IFNAME, name)
        label = f"{node.name} and {other.name}"
        data = attribute(_VETH_INFO_PEER, peer)
        node.netlink.transact([_new_link("make link between", label, body, "veth", data)])
    finally:
        os.close(namespace)


def unplug(node: Node, interfaces: Iterable[str]) -> None:
    """Take a node's interfaces down for good: to everybody else it has died."""
    for interface in interfaces:
        index = node.call(socket.if_nametoindex, interface)
        down = _LINK.pack(0, 0, index, 0, _IFF_UP)
        request = NetlinkRequest("take down", f"{node.name}'s {interface}", _RTM_NEWLINK, 0, down)
        node.netlink.transact([request])


def forward(node: Node, interface: str, *, on: bool) -> None:
    """Whether a node passes on what comes in by one interface; on no other."""
    node.call(_set, node.name, {f"net.ipv4.conf.{interface}.forwarding": str(int(on))})


# In the nodes' own threads.


def _differing(sysctls: Mapping[str, str]) -> dict[str, str]:
    """Those that a new namespace, as ``wires`` still is, does not have by itself.

    In User-Mode Linux a sysctl costs 0.1 ms, so none is written that holds anyway.
    """
    return {
        name: value
        for name, value in sysctls.items()
        if Path(_sysctl_file(name)).read_text().strip() != value
    }


def _sysctl_file(name: str) -> str:
    # /proc/sys/net shows the namespace of the thread that opens it.
    return f"/proc/sys/{name.replace('.', '/')}"


def _set(node_name: str, sysctls: Mapping[str, str]) -> None:
    for name, value in sysctls.items():
        try:
            file = os.open(_sysctl_file(name), os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(file, value.encode())
            finally:
                os.close(file)
        except OSError as error:
            absent = isinstance(error, FileNotFoundError)
            if not (absent and name.startswith(_OPTIONAL_SYSCTLS)):
                raise KernelError("set", f"{node_name}'s {name}", str(error.strerror)) from error


# Links.


def _bridge(index: int, segment: model.Segment) -> NetlinkRequest:
    # A switch that never speaks: no spanning tree, no multicast snooping or queries.
    silence = (
        u32(_IFLA_BR_STP_STATE, 0)
        + u32(_IFLA_BR_FORWARD_DELAY, 0)
        + u8(_IFLA_BR_MCAST_SNOOPING, 0)
        + u8(_IFLA_BR_MCAST_QUERIER, 0)
    )
    body = (
        _LINK.pack(0, 0, index, _IFF_UP, _IFF_UP)
        + text(_IFLA_IFNAME, segment.name)
        + attribute(_IFLA_ADDRESS, _switch_mac(index))
        + u32(_IFLA_MTU, segment.mtu)
    )
    return _new_link("make bridge", segment.name, body, "bridge", silence)


def _veth(plug: _Plug, namespace: int) -> NetlinkRequest:
    mtu = u32(_IFLA_MTU, plug.segment.mtu)
    index = FIRST_INDEX + plug.number
    peer = (
        # A veth cannot be up before it has its other end; ``node_requests`` sees to it.
        _LINK.pack(0, 0, FIRST_TRUNK_INDEX + index if plug.segment.vlan else index, 0, 0)
        + text(_IFLA_IFNAME, plug.segment.port_of(plug.interface.name))
        + attribute(_IFLA_ADDRESS, bytes.fromhex(plug.interface.mac.replace(":", "")))
        + mtu
        + u32(_IFLA_NET_NS_FD, namespace)
    )
    body = (
        _LINK.pack(0, 0, plug.port_index, _IFF_UP, _IFF_UP)
        + text(_IFLA_IFNAME, f"{plug.node}.{plug.number}")
        + attribute(_IFLA_ADDRESS, _switch_mac(plug.port_index))
        + mtu
        + u32(_IFLA_MASTER, plug.bridge_index)
    )
    label = f"{plug.node}'s {plug.interface.name}"
    return _new_link("make link", label, body, "veth", attribute(_VETH_INFO_PEER, peer))


def _vlan(label: str, index: int, port: int, name: str, segment: model.Segment) -> NetlinkRequest:
    """What sends and takes the frames of one VLAN on a device."""
    body = (
        _LINK.pack(0, 0, index, 0, 0)
        + text(_IFLA_IFNAME, name)
        + u32(_IFLA_LINK, port)
        + u32(_IFLA_MTU, segment.mtu)
    )
    data = attribute(_IFLA_VLAN_ID, struct.pack("=H", segment.vlan))
    return _new_link(f"make VLAN {segment.vlan} of", label, body, "vlan", data)


def _new_link(operation: str, label: str, body: bytes, kind: str, data: bytes) -> NetlinkRequest:
    """The request that makes a link; ``data`` is what only its kind has."""
    body += nest(_IFLA_LINKINFO, text(_IFLA_INFO_KIND, kind), nest(_IFLA_INFO_DATA, data))
    return NetlinkRequest(operation, label, _RTM_NEWLINK, netlink.CREATE | netlink.EXCL, body)


def _settings(label: str, index: int) -> NetlinkRequest:
    """What would otherwise take a sysctl each; to be sent before the interface comes up."""
    settings = nest(_IFLA_INET_CONF, *(u32(kind, value) for kind, value in _DEVCONF.values()))
    silence = u8(_IFLA_INET6_ADDR_GEN_MODE, _IN6_ADDR_GEN_MODE_NONE)
    body = _LINK.pack(0, 0, index, 0, 0) + nest(
        _IFLA_AF_SPEC,
        # Service addresses on lo: neither answered for nor asked with on a wire that is not theirs.
        nest(socket.AF_INET, settings),
        # No link-local address: no router solicitation, no MLD report, no duplicate detection.
        nest(socket.AF_INET6, silence),
    )
    return NetlinkRequest("set ARP and IPv6 of", label, _RTM_NEWLINK, 0, body)


def _up(label: str, index: int) -> NetlinkRequest:
    return NetlinkRequest(
        "bring up", label, _RTM_NEWLINK, 0, _LINK.pack(0, 0, index, _IFF_UP, _IFF_UP)
    )


def _switch_mac(index: int) -> bytes:
    """A switch's address; no frame carries one, but the kernel's own would be random."""
    return b"\x06\x00" + struct.pack(">I", index)


def _offloads_off(sock: NetlinkSocket, node_name: str, interface: str) -> None:
    """Have the node compute checksums and cut segments itself, so that frames on the wire are true.

    Only at the node's end: nothing originates at the port. TSO goes with the checksums, and a veth
    does no GRO unless asked. Without scatter-gather each frame on the wire has bytes of its own: the kernel
    puts ESP into pages beside the head of a buffer, two copies of a duplicated frame would share these pages,
    and a receiver that decrypts the first copy in place would write clear text into the second. The
    ioctl works on any socket.
    """
    for feature, command in _ETHTOOL_OFF.items():
        value = array.array("I", (command, 0))
        # struct ifreq with a pointer to struct ethtool_value.
        request = struct.pack("16sP16x", interface.encode(), value.buffer_info()[0])
        try:
            fcntl.ioctl(sock.socket, _SIOCETHTOOL, request)
        except OSError as error:
            reason = str(error.strerror)
            raise KernelError(
                f"switch off {feature} of", f"{node_name}'s {interface}", reason
            ) from error


# What a node's namespace gets.


def _sysctls(node: model.NodePlan, fresh: Mapping[str, str]) -> dict[str, str]:
    return {
        **fresh,
        **(ROUTER_SYSCTLS if node.forwarding else {}),
        **(IPV6_SYSCTLS if _by_ipv6(node) else {}),
        **(IPV6_ROUTER_SYSCTLS if _by_ipv6(node) and node.forwarding else {}),
    }


def _by_ipv6(node: model.NodePlan) -> bool:
    return any(interface.address6 for interface in node.interfaces)
