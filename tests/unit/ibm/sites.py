"""What the tests of IBM's side stand on: a run directory, a stand-in node, loopback addresses."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

from lab import codec
from lab.ibm import authority
from lab.ibm.conversation import Limits
from lab.ibm.server import Server, serving
from lab.linux.nodes import Node
from lab.record.record import Transaction
from lab.topology import resolve_servers
from lab.topology.model import Agent, Endpoint, Interface, NodePlan, Role, Topology
from lab.topology.servers import ListedServer, Speaks, TlsPlan
from lab.wait import wait_until
from lab.ways.direct.plan import DirectPlan
from tests.ports import free_port

P = ParamSpec("P")
T = TypeVar("T")

ADDRESSES = "127.0.0.2", "127.0.0.3"


class HostNode:
    """Stands in for nodes.Node: the host's own namespaces, and a note of who asked."""

    name = "far"

    def __init__(self) -> None:
        self.calls = 0

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self.calls += 1
        return function(*args, **kwargs)


def speaking(speaks: Speaks, plan: TlsPlan | None = None) -> Callable[[Topology], Topology]:
    """All servers of a topology speak this, and have the TLS of a plan."""

    def change(topology: Topology) -> Topology:
        plans = (plan,) if plan is not None else topology.tls
        name = "" if speaks is Speaks.http else plans[0].name
        servers = tuple(replace(each, speaks=speaks, tls=name) for each in topology.servers)
        return replace(topology, servers=servers, tls=plans)

    return change


def make_topology(*endpoints: Endpoint) -> Topology:
    sdc = NodePlan(
        name="sdc",
        role=Role.sdc,
        interfaces=(Interface(segment="dmz", mac="02:00:00:00:00:01", address="203.0.113.9/24"),),
        service_addresses=tuple(endpoint.address for endpoint in endpoints),
        routes=(),
        forwarding=False,
        hosts=(),
    )
    hmc = NodePlan(
        name="hmc",
        role=Role.hmc,
        interfaces=(),
        service_addresses=(),
        routes=(),
        forwarding=False,
        hosts=(("127.0.0.2", "eccgw01.boulder.ibm.com"), ("192.0.2.1", "not-a-server.example")),
    )
    way = DirectPlan(
        name="internet",
        kind="direct",
        over="",
        agents=("hmc",),
        endpoints=endpoints,
        probe="127.0.0.2",
    )
    return Topology(
        name="loopback",
        summary="",
        source="",
        profile="hmc-2007",
        region="americas",
        ways=(way,),
        callers=(Agent(name="hmc", ways=("internet",)),),
        segments=(),
        nodes=(hmc, sdc),
        firewall=None,
        telephone=None,
        lig=None,
        expect=(),
        servers=tuple(
            ListedServer(
                name=each.name,
                address=each.address,
                port=each.port,
                rows=(each.row,),
                speaks=Speaks.https,
                tls=resolve_servers.TODAY,
            )
            for each in endpoints
        ),
        tls=(resolve_servers.plan(resolve_servers.TODAY, literal=True),),
    )


class Site:
    """A run directory with its keys, and the server over it."""

    def __init__(
        self, run_dir: Path, change: Callable[[Topology], Topology] = lambda topology: topology
    ) -> None:
        self.run_dir = run_dir
        self.node = HostNode()
        self.port = free_port()
        self.topology = change(
            make_topology(
                *(
                    Endpoint(name=f"name-{address}", address=address, port=self.port, row="A-01")
                    for address in ADDRESSES
                ),
                Endpoint(name="localhost", address="127.0.0.1", port=self.port, row="A-02"),
            )
        )
        authority.issue(self.topology, self.keys_dir)

    @property
    def keys_dir(self) -> Path:
        return self.run_dir / "keys"

    @property
    def ca_file(self) -> str:
        return str(self.keys_dir / "ca.pem")

    def url(self, host: str = ADDRESSES[0]) -> str:
        return f"https://{host}:{self.port}"

    def server(self, limits: Limits | None = None) -> AbstractContextManager[Server]:
        return serving(self.topology, cast(Node, self.node), self.run_dir, limits)


def read(path: Path) -> tuple[Transaction, ...]:
    """What a ledger's file says."""
    return tuple(codec.load(Transaction, line) for line in path.read_text("utf-8").splitlines())


def entries(server: Server, count: int) -> tuple[Transaction, ...]:
    """The ledger, once it has so many entries."""
    return wait_until(
        f"{count} entries in the ledger",
        lambda: server.transactions if len(server.transactions) >= count else None,
        60.0,
        seen=lambda: repr(server.transactions),
    )


def lab_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("sdc")]
