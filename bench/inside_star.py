"""A star of hosts on one switch: what the lab takes, and the bare calls that make the same objects.

The bare calls: for each host a thread that unshares and opens a netlink socket, then the messages that
the kernel cannot do without (links, addresses, default routes, rate and delay), encoded beforehand and
sent in one batch a namespace. No private files, sysctls, offloads, host names or pins, which are the
lab's own. Ours and bare in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import socket
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path

from lab.errors import KernelError
from lab.linux import links, netlink, syscalls
from lab.linux.netlink import NetlinkRequest
from lab.linux.nodes import STACK_BYTES, Node
from lab.topology import model

Took = dict[str, list[float]]


def star(hosts: int, *, shaped: bool) -> model.Topology:
    """``hosts`` hosts and a router on one segment."""
    segment = model.Segment(
        name="lan",
        subnet="10.9.0.0/16",
        rate_bit_s=100_000_000 if shaped else 0,
        delay_s=0.001 if shaped else 0.0,
        mtu=1500,
    )

    def node(number: int) -> model.NodePlan:
        address = f"10.9.{number // 250}.{number % 250 + 1}"
        mac = f"02:00:00:00:{number // 256:02x}:{number % 256:02x}"
        router = number == 0
        route = model.Route(destination="default", via="10.9.0.1", interface="lan")
        return model.NodePlan(
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
        region="all",
        ways=(),
        callers=(),
        segments=(segment,),
        nodes=tuple(map(node, range(hosts + 1))),
        firewall=None,
        telephone=None,
        lig=None,
        expect=(),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", type=Path)
    parser.add_argument("--hosts", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if os.environ.get("LAB_INSIDE") == "uml":
        # As every run of the lab does it.
        syscalls.populate_memory()

    threading.stack_size(STACK_BYTES)
    shaped = _can_shape()
    topology = star(arguments.hosts, shaped=shaped)
    took: Took = {"nodes": [], "links": [], "spaces": [], "calls": []}
    for _ in range(arguments.rounds + 1):
        _ours(topology, took)
        _bare(topology, took)

    result = {name: times[1:] for name, times in took.items()}
    arguments.result.write_text(json.dumps({**result, "shaped": shaped}))
    return 0


def _can_shape() -> bool:
    """Whether this kernel has netem; the lab's own has."""
    try:
        _ours(star(1, shaped=True), {"nodes": [], "links": []})
    except KernelError:
        return False
    return True


def _ours(topology: model.Topology, took: Took) -> None:
    with tempfile.TemporaryDirectory() as directory:
        nodes: dict[str, Node] = {}
        try:
            begin = time.perf_counter()
            wires = nodes["wires"] = Node.create_bare("wires", Path(directory))
            for node in topology.nodes:
                nodes[node.name] = Node.create(node, Path(directory))
            took["nodes"].append(time.perf_counter() - begin)

            begin = time.perf_counter()
            links.build(topology, nodes, wires)
            took["links"].append(time.perf_counter() - begin)
        finally:
            for made in nodes.values():
                made.close()


class _BareSpace:
    """Namespaces, the thread that holds them, and a socket into them."""

    def __init__(self) -> None:
        self._ready: queue.SimpleQueue[tuple[socket.socket, int]] = queue.SimpleQueue()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()
        self.socket, self.namespace = self._ready.get()

    def _work(self) -> None:
        syscalls.unshare(syscalls.CLONE_NEWNET | syscalls.CLONE_NEWNS | syscalls.CLONE_NEWUTS)
        made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, netlink.NETLINK_ROUTE)
        self._ready.put((made, os.open("/proc/thread-self/ns/net", os.O_RDONLY)))
        self._end.wait()

    def close(self) -> None:
        self.socket.close()
        os.close(self.namespace)
        self._end.set()
        self._thread.join()


def _bare(topology: model.Topology, took: Took) -> None:
    begin = time.perf_counter()
    names = ("wires", *(node.name for node in topology.nodes))
    spaces = {name: _BareSpace() for name in names}
    took["spaces"].append(time.perf_counter() - begin)

    namespaces = {name: space.namespace for name, space in spaces.items()}
    wired = links.wire_requests(topology, namespaces)
    batches = [("wires", wired[at : at + 100]) for at in range(0, len(wired), 100)]
    batches += [(node.name, links.node_requests(topology, node)) for node in topology.nodes]
    encoded = [(spaces[name].socket, _encoded(requests)) for name, requests in batches]

    begin = time.perf_counter()
    for sock, message in encoded:
        sock.send(message)
        # Only the last asks for an acknowledgement, and a refusal would come before it.
        answer = sock.recv(4096)
        if answer[16:20] != bytes(4):
            raise SystemExit(f"refused: {answer!r}")
    took["calls"].append(time.perf_counter() - begin)

    for space in spaces.values():
        space.close()


def _encoded(requests: list[NetlinkRequest]) -> bytes:
    message = b""
    for sequence, request in enumerate(requests, 1):
        length = 16 + len(request.body)
        flags = request.flags | netlink.REQUEST
        if sequence == len(requests):
            flags |= netlink.ACK
        message += struct.pack("=IHHII", length, request.kind, flags, sequence, 0)
        message += request.body + b"\0" * (-length & 3)
    return message


if __name__ == "__main__":
    sys.exit(main())
