"""A partition of i5/OS between real peers: xl2tpds and pppds, charons and the telephone. No assertions."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from lab.errors import DeadlineExceeded, ProtocolError
from lab.i5 import partition
from lab.i5.partition import I5Partition
from lab.linux import firewall, links, proc
from lab.linux.nodes import Node
from lab.record.event import Event
from lab.record.record import Record
from lab.record.story import Story
from lab.teardown import Teardown
from lab.telephony import equipment
from lab.topology.model import Topology
from lab.wait import Deadline, wait_until
from lab.ways.dial.plan import dialers
from lab.ways.ground import Ground
from lab.ways.pass_through import plan as pass_through
from lab.ways.vpn import plan as vpn
from lab.ways.vpn.plan import SessionLayout
from lab.wire import pcapng
from lab.wire.capture import start_capture
from tests.partitions import partition_topology
from tunnels import _xl2tpd, lig, ppp
from tunnels._l2tp_daemon import read_kernel_table
from tunnels._xl2tpd import CallClosed, LacSection, OutgoingCallUp, PppdEnded, TunnelClosed
from tunnels.ipsec import Charon
from tunnels.l2tp import Lac, Lns
from tunnels.outgoing import OutgoingCalls

DEADLINE_S = 120.0
E_ = TypeVar("E_", bound=Event)


class NotedStory(Story):
    """Keeps what it is told."""

    def __init__(self, folder: Path, events: list[Event]) -> None:
        super().__init__(folder, silent=True)
        self._told = events

    def tell(self, event: Event) -> None:
        self._told.append(event)
        super().tell(event)


@dataclass
class PartitionLab:
    """A topology whose partition is at work."""

    topology: Topology
    nodes: dict[str, Node]
    record: Record
    folder: Path
    ground: Ground = field(init=False)
    partition: I5Partition = field(init=False)
    events: list[Event] = field(default_factory=list)
    gateways: dict[str, list[Charon | Lns]] = field(default_factory=dict)
    own: ExitStack = field(default_factory=ExitStack)
    """Closing it shuts the partition down."""
    _stack: ExitStack = field(default_factory=ExitStack)

    def told(self, kind: type[E_]) -> list[E_]:
        return [event for event in self.events if isinstance(event, kind)]

    def kernel_table(self, node: str = "i5") -> list[str]:
        """What the kernel of a node has of L2TP: names of tunnels and sessions."""
        table = self.nodes[node].call(proc.read, "thread-self/net/pppol2tp")
        return [line.split("'")[1] for line in table.splitlines() if "'" in line]

    def idle(self) -> None:
        """Wait until the partition has nothing any more."""
        wait_until("the partition is idle", lambda: self.partition.idle, DEADLINE_S)

    def start_gateway(self, name: str) -> None:
        connections = [c for c in vpn.connections(self.topology) if c.gateway == name]
        (server,) = (s for s in vpn.servers(self.topology) if s.gateway == name)
        node, tell = self.nodes[name], self.events.append
        ends: list[Charon | Lns] = [
            Charon(node, tuple(connections), self.record, tell),
            Lns(node, server, tell),
        ]
        for end in ends:
            self._stack.callback(end.stop)
            end.launch()
        for end in ends:
            end.ready()
        self.gateways[name] = ends

    def lac(
        self, client: str, *, calls: int = 1, layout: SessionLayout = SessionLayout.sessions
    ) -> Lac:
        """The xl2tpd of an HMC that borrows the VPN."""
        (way,) = vpn.plans(self.topology)
        (below,) = pass_through.plans(self.topology)
        borrower = below.borrower(client)
        own = replace(way.client(client), sessions=calls, layout=layout)
        server = replace(way.servers[0], gateway="i5", address=borrower.partition_address)
        lac = Lac(
            self.nodes[client], own, server, borrower.address, self.record, self.events.append
        )
        self._stack.callback(lac.stop)
        lac.launch()
        lac.ready()
        return lac

    def caller(self, client: str) -> TriedCalls:
        """The xl2tpd of an HMC that borrows the modem."""
        (below,) = pass_through.plans(self.topology)
        borrower = below.borrower(client)
        (plan,) = (d for d in dialers(self.topology) if d.client == client)
        node = self.nodes[client]
        section = LacSection(
            name="i5",
            lns=borrower.partition_address,
            hostname=borrower.hostname,
            options_file="/etc/ppp/options.i5",
        )
        options = ppp.Options(
            name=plan.account.user,
            log=node.log_dir / "pppd.log",
            mtu=plan.mtu,
            offer=plan.accept_auth,
        )
        caller = TriedCalls(node, section, borrower.address, plan.account, options)
        self._stack.callback(caller.stop)
        caller.launch()
        caller.ready()
        return caller


class CallNotPlaced(ProtocolError):
    """The LAC gives no call, or PPP does not come up on it; has the words of CDN or StopCCN, if any."""

    def __init__(self, why: str, words: str = "") -> None:
        super().__init__(why)
        self.words = words


class TriedCalls(OutgoingCalls):
    """An LNS whose calls are waited for."""

    _facts_before = 0

    def call(self, number: str, deadline_s: float) -> ppp.Link:
        """Have a number dialled, and wait until IPCP is open; raises CallNotPlaced."""
        self._facts_before = len(self.facts())
        self.ask(number)
        try:
            return wait_until(
                f"IPCP open on the call to {number}", self._link, Deadline(deadline_s)
            )
        except DeadlineExceeded as late:
            raise CallNotPlaced(f"no call to {number} within {deadline_s:g} s") from late

    def _link(self) -> ppp.Link | None:
        self.running.check()
        call: OutgoingCallUp | None = None
        for fact in self.facts()[self._facts_before :]:
            match fact:
                case OutgoingCallUp():
                    call = fact
                case CallClosed(why=why):
                    raise CallNotPlaced("the LAC gives no call", why)
                case TunnelClosed(why=why):
                    raise CallNotPlaced("the LAC gives no tunnel", why)
                case PppdEnded(status=status):
                    raise CallNotPlaced(f"pppd {ppp.describe_exit(status)}")
                case _:
                    pass
        if call is None:
            return None
        interface = _xl2tpd.parse_sessions(self._node.call(read_kernel_table)).get(call.local_id)
        return ppp.find_link(self._node, interface) if interface else None


@contextmanager
def partition_lab(
    folder: Path,
    name: str,
    change: Callable[[Topology], Topology] = lambda t: t,
    *,
    modems: int = 1,
) -> Iterator[PartitionLab]:
    """A topology of ``tests/data/partition`` with its partition; tests start gateways and HMCs."""
    topology = change(partition_topology(name, modems))
    with ExitStack() as stack:
        wires = stack.enter_context(Node.create_bare("wires", folder))
        nodes = {n.name: stack.enter_context(Node.create(n, folder)) for n in topology.nodes}
        links.build(topology, nodes, wires)
        firewall.apply(topology, nodes)
        capturing = start_capture(links.ports(topology), wires, folder / "wire")
        with capturing as capture, Teardown() as teardown:
            lab = PartitionLab(topology, nodes, Record(), folder)
            lab.ground = ground = Ground(
                topology=topology,
                nodes=nodes,
                record=lab.record,
                story=NotedStory(folder, lab.events),
                run_dir=folder,
            )
            if topology.telephone is not None:
                teardown.enter("the telephone", equipment.start(ground, nodes["pstn"]))
                teardown.enter("the bank", lig.start(ground, nodes["lig"]))
            teardown.add("i5", lab.own.close)
            lab.partition = lab.own.enter_context(partition.start(ground, nodes["i5"]))
            ground.services["i5"] = lab.partition
            teardown.add("the peers", lab._stack.close)
            yield lab
        pcapng.convert(capture.spool)


def tshark(folder: Path, segment: str, *arguments: str) -> list[str]:
    """The lines that tshark prints of a segment."""
    file = folder / "wire" / f"{segment}.pcapng"
    done = subprocess.run(
        ["tshark", "-n", "-r", file, *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=DEADLINE_S,
    )
    return done.stdout.splitlines()


def messages(folder: Path) -> list[str]:
    """The L2TP control messages on i5-lan: source, number, and the called number or result if any."""
    fields = ("ip.src", "l2tp.avp.message_type", "l2tp.avp.called_number", "l2tp.result_code")
    wanted = [word for name in fields for word in ("-e", name)]
    shown = "l2tp.type == 1 && l2tp.avp.message_type"
    return tshark(folder, "i5-lan", "-Y", shown, "-T", "fields", "-E", "separator=/s", *wanted)
