"""A star of hosts on one switch: what the lab takes, against the bare calls that do the same work.

The bare calls: an ``unshare`` and a netlink socket for each host, and the messages that the kernel
cannot do without (links, addresses, default routes, rate and delay), encoded beforehand and sent
one by one. Run as root, in the lab's kernel or natively; prints medians and ratios.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path

from lab import _linux, links, netlink
from lab.netlink import Request
from lab.nodes import Node
from lab.topology import model


def star(hosts: int, *, shaped: bool) -> model.Topology:
    """``hosts`` hosts and a router on one segment."""
    segment = model.Segment(
        name="lan",
        subnet="10.9.0.0/16",
        rate_bit_s=100_000_000 if shaped else 0,
        delay_s=0.001 if shaped else 0.0,
        mtu=1500,
    )

    def node(number: int) -> model.Node:
        address = f"10.9.{number // 250}.{number % 250 + 1}"
        mac = f"02:00:00:00:{number // 256:02x}:{number % 256:02x}"
        router = number == 0
        route = model.Route(destination="default", via="10.9.0.1", interface="lan")
        return model.Node(
            name=f"host-{number}",
            role=model.Role.host,
            interfaces=(model.Interface(segment="lan", mac=mac, address=f"{address}/16"),),
            service_addresses=(),
            routes=() if router else (route,),
            forwarding=router,
            hosts=(),
        )

    return model.Topology(
        name="star",
        summary="",
        source="",
        profile="",
        path=model.PathKind.direct,
        agents=(),
        segments=(segment,),
        nodes=tuple(map(node, range(hosts + 1))),
        firewall=None,
        ipsec=(),
        l2tp_servers=(),
        l2tp_clients=(),
        vpn_paths=(),
        endpoints=(),
        probe="",
        expect=(),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--unshaped", action="store_true", help="where the kernel has no netem")
    arguments = parser.parse_args()
    topology = star(arguments.hosts, shaped=not arguments.unshaped)

    took: dict[str, list[float]] = {"nodes": [], "links": [], "spaces": [], "calls": []}
    for _ in range(arguments.rounds):
        _ours(topology, took)
        _bare(topology, took)

    median = {name: statistics.median(times) for name, times in took.items()}
    print(f"star of {arguments.hosts} hosts, {arguments.rounds} rounds, medians in ms:")
    print(f"  nodes.Node.create   {median['nodes'] * 1e3:7.1f}")
    print(f"  links.build         {median['links'] * 1e3:7.1f}")
    print(f"  bare unshare calls  {median['spaces'] * 1e3:7.1f}")
    print(f"  bare netlink calls  {median['calls'] * 1e3:7.1f}")
    print(f"  links ratio         {median['links'] / median['calls']:7.2f}")
    whole = (median["nodes"] + median["links"]) / (median["spaces"] + median["calls"])
    print(f"  whole ratio         {whole:7.2f}")
    return 0


def _ours(topology: model.Topology, took: dict[str, list[float]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        begin = time.perf_counter()
        wires = Node.create_bare("wires", Path(directory))
        nodes = {node.name: Node.create(node, Path(directory)) for node in topology.nodes}
        took["nodes"].append(time.perf_counter() - begin)

        begin = time.perf_counter()
        links.build(topology, nodes, wires)
        took["links"].append(time.perf_counter() - begin)

        for node in (wires, *nodes.values()):
            node.close()


def _bare(topology: model.Topology, took: dict[str, list[float]]) -> None:
    """In a thread of its own, which moves from namespace to namespace."""
    thread = threading.Thread(target=_bare_star, args=(topology, took))
    thread.start()
    thread.join()


def _bare_star(topology: model.Topology, took: dict[str, list[float]]) -> None:
    begin = time.perf_counter()
    sockets: dict[str, socket.socket] = {}
    namespaces: dict[str, int] = {}
    for name in ("wires", *(node.name for node in topology.nodes)):
        _linux.unshare(_linux.CLONE_NEWNET)
        sockets[name] = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, netlink.NETLINK_ROUTE)
        namespaces[name] = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    took["spaces"].append(time.perf_counter() - begin)

    wired = links.wire_requests(topology, namespaces)
    calls = [(sockets["wires"], _encoded(request)) for request in wired]
    for node in topology.nodes:
        requests = links.node_requests(topology, node)
        calls.extend((sockets[node.name], _encoded(request)) for request in requests)

    begin = time.perf_counter()
    for sock, message in calls:
        sock.send(message)
        answer = sock.recv(4096)
        if answer[16:20] != bytes(4):
            raise SystemExit(f"refused: {answer!r}")
    took["calls"].append(time.perf_counter() - begin)

    for name, sock in sockets.items():
        sock.close()
        os.close(namespaces[name])


def _encoded(request: Request) -> bytes:
    length = 16 + len(request.body)
    flags = request.flags | netlink.REQUEST | netlink.ACK
    return struct.pack("=IHHII", length, request.kind, flags, 1, 0) + request.body


if __name__ == "__main__":
    sys.exit(main())
