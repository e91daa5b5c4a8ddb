"""A partition of i5/OS at work: one thread for its L2TP, with its sockets and timers; what blocks has others.

The thread is in the node's network. What it does is decided by ``passing``, and carried out by ``lending``;
what is said by L2TP is the control plane's.
"""

from __future__ import annotations

import contextlib
import os
import queue
import random
import selectors
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from lab.i5 import clearing
from lab.i5.carriers import Carriers
from lab.i5.errands import STACK_BYTES, Outbox, Runner
from lab.i5.lending import Lending, PartitionModem
from lab.i5.modems import find_modems
from lab.i5.passing import CallPassing
from lab.i5.plan import PartitionPlan, plan_of
from lab.i5.security import GatewaySecurity
from lab.l2tp.call import L2tpCall
from lab.l2tp.connection import ControlConnection
from lab.l2tp.control_plane import ControlPlane
from lab.l2tp.outputs import (
    CallAccepted,
    CallAsked,
    CallCleared,
    CallEstablished,
    ConnectionDown,
    ConnectionUp,
    L2tpOutput,
    LineErrorsTold,
    LinkInfoTold,
    SendDatagram,
)
from lab.l2tp.requests import Clearing, OutgoingCallRequest
from lab.l2tp.settings import L2tpSettings
from lab.l2tp.states import L2tpState
from lab.linux import syscalls
from lab.linux.nodes import Node
from lab.linux.ppp_channels import TunnelIds
from lab.linux.worker import Broke, start_worker
from lab.record.cause import GatewayCause
from lab.record.event import Tell
from lab.record.record import Record
from lab.teardown import Teardown
from lab.ways.vpn.events import L2tpUp
from lab.wire.l2tp_codes import BearerType, FramingType, GeneralError, StopResult

if TYPE_CHECKING:
    from lab.ways.ground import Ground

START_S = 30.0

_NO_BORROWER = Clearing.connection(StopResult.not_authorized, "gateways borrow nothing here")
_NO_ROOM = Clearing.connection(StopResult.general_error, error=GeneralError.no_resources)
_BY_MODEM = FramingType.asynchronous
"""What the lines of modems have; a peer that is offered more may ask for more (xl2tpd does)."""
_SHUT_DOWN = Clearing.connection(StopResult.shutting_down)


@contextlib.contextmanager
def start(ground: Ground, node: Node) -> Iterator[I5Partition]:
    """The partition, as long as the context lasts; afterwards no socket, thread, tunnel or call is left."""
    plan = plan_of(ground.topology, node.name)
    with start_partition(node, plan, ground.record, ground.story.tell) as partition:
        yield partition


@contextlib.contextmanager
def start_partition(
    node: Node, plan: PartitionPlan, record: Record, tell: Tell
) -> Iterator[I5Partition]:
    with Teardown() as teardown:
        partition = I5Partition(node, plan, record, tell, teardown)
        teardown.add(f"the partition {node.name}", partition.check)
        partition.launch()
        yield partition


class I5Partition:
    """What runs on a partition's node."""

    _lending: Lending
    """As the next two, from ``launch`` on."""
    _passing: CallPassing
    _plane: ControlPlane

    def __init__(
        self, node: Node, plan: PartitionPlan, record: Record, tell: Tell, teardown: Teardown
    ) -> None:
        self._node = node
        self._plan = plan
        self._record = record
        self._tell = tell
        self._teardown = teardown
        self._broke = Broke(f"the partition {node.name}")
        self._dead = threading.Event()
        self._listening = threading.Event()
        self._ended = threading.Event()
        self._up: set[ControlConnection] = set()
        """The tunnels that were established."""
        self._going: dict[ControlConnection, tuple[str, GatewayCause, str]] = {}
        """Tunnels to gateways that have ended here, while a last message may be under way."""

    def check(self) -> None:
        """Raise, once, what ended a thread before its time."""
        self._broke.check()

    @property
    def idle(self) -> bool:
        """Whether no tunnel is up, and nothing else for any call; only a last message may be repeated."""
        connections = list(self._plane.connections.values())
        return self._passing.idle and all(c.state is L2tpState.closed for c in connections)

    @property
    def calling(self) -> bool:
        """Whether a modem is in use."""
        return any(modem.call is not None for modem in self._lending.modems)

    @property
    def ignored(self) -> Mapping[str, int]:
        """The datagrams that changed nothing, by reason; ``data``: those that the kernel did not take."""
        return self._plane.ignored

    def details(self) -> list[str]:
        """The SAs with gateways, in lines for people, once no IKE is at work; nothing of a dead partition."""
        if self._lending.security is None or self._dead.is_set():
            return []
        security, runner = self._lending.security
        told: queue.SimpleQueue[list[str]] = queue.SimpleQueue()
        runner.give(security.details, told.put)
        with contextlib.suppress(queue.Empty):
            return told.get(timeout=START_S)
        return []

    def die(self) -> None:
        """Be gone as a machine without power: no peer is told anything."""
        if self._lending.security is not None:
            self._lending.security[0].die()
        self._dead.set()
        self._outbox.put(lambda: None)
        self._ended.wait(START_S)

    # The start.

    def launch(self) -> None:
        """Find the modems, start the daemon and the threads, and wait until UDP 1701 is heard."""
        node, plan, teardown = self._node, self._plan, self._teardown
        node.furnish()
        network = node.open_network()
        teardown.add("its network", lambda: os.close(network))
        devices = node.call(os.open, "/dev", os.O_PATH | os.O_CLOEXEC)
        teardown.add("its devices", lambda: os.close(devices))
        selector = teardown.enter("its selector", selectors.DefaultSelector())
        self._outbox = outbox = Outbox()
        teardown.add("its outbox", outbox.close)
        selector.register(outbox, selectors.EVENT_READ, self._take_answers)

        modems = find_modems(node, plan.devices, self._record, self._tell)
        settings = L2tpSettings(
            host_name=plan.hostname,
            bearer=BearerType.analog if modems else None,
            framing=_BY_MODEM if modems else _BY_MODEM | FramingType.synchronous,
            hello_s=plan.hello_s,
        )
        # The same numbers in every run of a topology.
        self._plane = plane = ControlPlane(settings, random.Random(plan.hostname))
        self._carriers = Carriers(selector, self._receive)
        self._lending = lending = Lending(
            node, plan, plane, self._carriers, selector, self._tell, devices
        )
        gateways = dict.fromkeys(plan.borrowers, plan.gateways)
        self._passing = CallPassing(node.name, gateways, lending)
        lending.line_ended = self._passing.line_lost
        for device in modems:
            self._start_modem(device)
        if plan.connections:
            self._start_security()
        run = self._in_network(network, selector)
        teardown.enter("its thread", start_worker(run, f"i5 {node.name}", stack_bytes=STACK_BYTES))
        self._listening.wait(START_S)
        self.check()

    def _start_modem(self, device: str) -> None:
        runner = Runner(f"{self._node.name} {device}", self._outbox, self._broke)
        modem = PartitionModem(device, runner)
        runner.start()
        self._teardown.add(device, modem.end)
        self._lending.modems.append(modem)

    def _start_security(self) -> None:
        runner = Runner(f"{self._node.name} IKE", self._outbox, self._broke)
        connections = tuple(self._plan.connections.values())
        security = GatewaySecurity(self._node, connections, self._record, self._tell)
        runner.start()
        self._teardown.add("its IKE", runner.end)
        self._teardown.add("its charon", security.stop)
        security.launch()
        self._lending.security = security, runner

    # The thread.

    def _in_network(self, network: int, selector: selectors.BaseSelector) -> Callable[[int], None]:
        def run(told: int) -> None:
            try:
                with self._broke:
                    syscalls.set_namespace(network, syscalls.CLONE_NEWNET)
                    for address in dict.fromkeys(self._plan.addresses.values()):
                        self._carriers.listen(address)
                    selector.register(told, selectors.EVENT_READ)
                    self._listening.set()
                    while self._turn(selector):
                        pass
                with self._broke:
                    self._end()
            finally:
                self._listening.set()
                self._ended.set()

        return run

    def _turn(self, selector: selectors.BaseSelector) -> bool:
        """Wait for something, and do all that is to be done then; False when it was the end."""
        due = self._plane.next_due
        patience_s = None if due is None else max(0.0, due - time.monotonic())
        for key, _ in selector.select(patience_s):
            if key.data is None:
                return False
            key.data()
        if self._dead.is_set():
            return False
        self._plane.tick(time.monotonic())
        self._perform()
        return True

    def _receive(self, data: bytes, peer: tuple[str, int]) -> None:
        # Whoever borrows nothing is not even answered.
        if peer[0] in self._plan.addresses:
            self._plane.receive(data, peer, time.monotonic())

    def _take_answers(self) -> None:
        for answer in self._outbox.take():
            if not self._dead.is_set():
                answer()

    def _perform(self) -> None:
        """Do what the control plane says, until it has nothing more to say."""
        done = False
        while not done:
            outputs = self._plane.take()
            for output in outputs:
                self._do(output)
            gone = [each for each in self._going if self._is_over(each)]
            for connection in gone:
                gateway, cause, detail = self._going.pop(connection)
                self._passing.gateway_down(gateway, cause, detail)
            done = not (outputs or gone)

    def _is_over(self, connection: ControlConnection) -> bool:
        """Whether nothing of a connection that has ended is under way: IPsec may go with it."""
        known = self._plane.connections.get(connection.local_id) is connection
        return connection.delivery.settled or not known

    def _end(self) -> None:
        """Leave nothing; peers are told, unless the partition has died."""
        if not self._dead.is_set():
            for connection in list(self._plane.connections.values()):
                connection.close(_SHUT_DOWN, time.monotonic())
            for output in self._plane.take():
                if isinstance(output, SendDatagram):
                    self._send(output)
        self._lending.close()
        self._carriers.close()

    # What the control plane says.

    def _do(self, output: L2tpOutput) -> None:
        match output:
            case SendDatagram():
                self._send(output)
            case ConnectionUp(connection=connection):
                self._tunnel_up(connection)
            case ConnectionDown(connection=connection, clearing=why):
                self._tunnel_down(connection, why)
            case CallAsked(call=call):
                self._asked(call)
            case CallAccepted(call=call):
                self._passing.answered(self._lending.leg(call))
            case CallEstablished():
                pass  # The gateway has had its ICCN, and a telephone call is up already.
            case CallCleared(call=call, clearing=why):
                self._cleared(call, why)
            case LineErrorsTold() | LinkInfoTold():
                pass  # The kernel heeds LCP itself, and nobody asks for the errors of a line.

    def _asked(self, call: L2tpCall) -> None:
        client = self._client_of(call.connection)
        leg = self._lending.leg(call)
        if not client:
            leg.clear(clearing.NO_VPN)
        elif isinstance(call.request, OutgoingCallRequest):
            self._passing.outgoing(client, leg, call.request.called_number)
        else:
            self._passing.incoming(client, leg)

    def _cleared(self, call: L2tpCall, why: Clearing) -> None:
        leg = self._lending.leg(call)
        self._lending.forget(call)
        if client := self._client_of(call.connection):
            ended = clearing.passed_on(why) if why.of_call else clearing.lost_hmc(why)
            self._passing.cleared(leg, ended, client)
        elif why.of_call:
            gateway = self._lending.gateway_of(call.connection)
            self._passing.cleared(leg, clearing.passed_on(why), gateway)
        # Of a gateway whose tunnel has ended ``gateway_down`` tells.

    def _send(self, output: SendDatagram) -> None:
        self._carriers.send(output.data, self._plan.addresses[output.peer[0]], output.peer)

    def _client_of(self, connection: ControlConnection) -> str:
        """The HMC at the other end; empty if it is none."""
        return "" if connection.asked_here else self._plan.clients.get(connection.peer[0], "")

    def _tunnel_up(self, connection: ControlConnection) -> None:
        gateway = self._lending.gateway_of(connection)
        if not gateway and not self._client_of(connection):
            connection.close(_NO_BORROWER, time.monotonic())
            return
        peer = connection.peer
        ids = TunnelIds(connection.local_id, connection.remote_id)
        try:
            self._carriers.open_tunnel(self._plan.addresses[peer[0]], peer, ids)
        except OSError:
            connection.close(_NO_ROOM, time.monotonic())
            return
        self._up.add(connection)
        if gateway:
            self._passing.gateway_up(gateway)
        else:
            node, client = self._node.name, self._client_of(connection)
            numbers = (connection.remote_id, connection.local_id)
            self._tell(L2tpUp(source=client, gateway=node, tunnels=(numbers,)))

    def _tunnel_down(self, connection: ControlConnection, why: Clearing) -> None:
        self._carriers.close_tunnel(connection.local_id)
        was_up = connection in self._up
        self._up.discard(connection)
        if gateway := self._lending.gateway_of(connection):
            cause = GatewayCause.tunnel_closed if was_up else GatewayCause.no_tunnel
            self._going[connection] = gateway, cause, why.text or str(why)
