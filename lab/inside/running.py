"""A running lab: nodes, wires, rules, captures, servers and the path, up and down again.

Runs inside the kernel that holds the lab. The only module that knows the order of things; each part
knows only itself. What is seen goes into ``record``; judging is ``verify``'s business.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from lab import codec
from lab.errors import ExpectationFailed, PathError
from lab.inside import deaths, leftovers, shared, visitors
from lab.inside.containers import NO_CONTAINERS, Containers
from lab.inside.environment import command_environment
from lab.inside.homeward import Homeward
from lab.linux import firewall, inventory, links, system_log
from lab.linux.nodes import Node
from lab.linux.process import Daemon, Popen, attended, exit_status, how_ended
from lab.names import check_known
from lab.paths import COMMANDS_FILE
from lab.record.call_event import Served
from lab.record.daemon_event import DaemonEnded
from lab.record.event import BrokeOff, LabUp, PathFailed, PathLost
from lab.record.record import Record, Transaction
from lab.record.story import Story
from lab.teardown import Teardown
from lab.topology.model import NodePlan, Topology
from lab.topology.own_program import find
from lab.topology.roles import TRAITS, Role
from lab.ways.ground import Ground, NodeService, StartService
from lab.wire.capture import start_capture

if TYPE_CHECKING:
    from lab.ibm.server import Server
    from lab.image.plan import ImagePlan
    from lab.inside.many_agents import Nursery
    from lab.inside.own_program import Replacement
    from lab.linux.users import LocalUser
    from lab.service.remote import Remote
    from tunnels.dns import Dnsmasq

S = TypeVar("S", bound=NodeService)
PPPD_ENDED_BY_SIGNAL = 5
"""pppd(8), EXIT STATUS."""


@contextlib.contextmanager
def start_lab(
    topology: Topology, run_dir: Path, story: Story, containers: Containers = NO_CONTAINERS
) -> Iterator[RunningLab]:
    """Build a lab; on leaving, take down all of it and write the record, whatever became of the lab."""
    lab = RunningLab(topology, run_dir, story)
    lab.containers = containers
    record = lab.record
    record.started = story.started
    try:
        with lab._teardown:
            lab._build()
            try:
                yield lab
            finally:
                lab._tell_of_daemons()
                lab.end_visitors()
    except Exception as error:
        record.fail(error)
        raise
    finally:
        record.ledger = list(lab.transactions)
        if (run_dir / COMMANDS_FILE).exists():
            from lab.inside import commands

            commands.collect(lab._ground)
        record.ended = time.time()
        lab._tell_the_rest()
        (run_dir / "record.json").write_text(codec.dump(record))


class RunningLab:
    """A lab that stands; ``start_lab`` makes one.

    ``path_up`` brings the way home up, and may fail while the lab goes on standing.
    """

    def __init__(self, topology: Topology, run_dir: Path, story: Story) -> None:
        self.topology = topology
        self.run_dir = run_dir
        self.story = story
        self.record = Record()
        self.nodes: dict[str, Node] = {}
        self.images: dict[str, ImagePlan] = {}
        """Which nodes' commands have an image for their root."""
        self.containers = NO_CONTAINERS
        """Which nodes are containers of Docker's or Podman's."""
        self._teardown = Teardown()
        self._homeward: Homeward | None = None
        self._remote_service: Remote | None = None
        self.nursery: Nursery | None = None
        """From what the lab's own agents are started, where there are many."""
        self.user: LocalUser | None = None
        """As whom commands of users run; None: as root."""
        self.name_server: Dnsmasq | None = None
        """IBM's, where the lab has name servers."""
        self._ground = Ground(
            topology=topology, nodes=self.nodes, record=self.record, story=story, run_dir=run_dir
        )

    def _build(self) -> None:
        self._teardown.add("what is left", self._look_for_leftovers)
        self._teardown.enter("the shared folder", shared.start(self.run_dir))
        wires = self._teardown.enter("the wires", Node.create_bare("wires", self.run_dir))
        self.nodes["wires"] = wires
        log = self._watch("the system log", system_log.start())
        for planned in self.topology.nodes:
            node = Node.create(planned, self.run_dir, self.containers.network(planned.name))
            node.system_log = log
            self._teardown.add(planned.name, node.close)
            self.nodes[planned.name] = node
        self._teardown.add("what daemons left in the nodes", self._look_into_nodes)

        links.build(self.topology, self.nodes, wires)
        self._teardown.enter("the captures", self._capturing(wires))
        firewall.apply(self.topology, self.nodes)
        self._teardown.add("the packet rules", lambda: firewall.clear(self.nodes))
        self._teardown.add("the counters", self._read_counters)
        self._start_name_servers()
        for role in TRAITS:
            for planned in self.topology.with_role(role):
                self._start_service(planned)
        self._start_listeners()
        self._start_consoles()
        self._homeward = Homeward.start(self._ground, self._teardown)
        self._start_remote_service()
        names = tuple(node.name for node in self.topology.nodes)
        began = self.record.started
        self.story.tell(LabUp(topology=self.topology.name, nodes=names, started=began))

    @contextlib.contextmanager
    def _capturing(self, wires: Node) -> Iterator[None]:
        """Capture every wire, and note at the end how many frames were lost."""
        ports, wire_dir = links.ports(self.topology), self.run_dir / "wire"
        with start_capture(ports, wires, wire_dir, self._taken()) as capture:
            yield
        self.record.frames_lost = capture.lost

    def _taken(self) -> bytes:
        """Which frames are captured: all but those of scans, where there are scans."""
        if self.topology.service is None:
            return b""
        from lab.service import marks

        return marks.left_out()

    def _watch(self, name: str, started: AbstractContextManager[S]) -> S:
        """Enter it, and have ``check`` ask whether it broke."""
        self._ground.watched.append(entered := self._teardown.enter(name, started))
        return entered

    def _start_name_servers(self) -> None:
        if self.topology.dns is not None:
            from tunnels import dns

            self.name_server = self._teardown.enter("the name servers", dns.start(self._ground))

    def _start_listeners(self) -> None:
        """Where remote service is tried, nothing must be closed for want of a listener."""
        if (service := self.topology.service) is None:
            return
        from lab.service import listeners

        for name in listeners.hosts(service):
            self._watch(f"{name}'s listeners", listeners.start(self.nodes[name]))

    def _start_consoles(self) -> None:
        if self.topology.consoles or self.topology.events:
            from lab.inside import consoles

            self._watch("the consoles", consoles.start(self._ground, self))

    def _start_remote_service(self) -> None:
        service = self.topology.service
        if service is not None and service.workplace:
            from lab.service import remote

            started = remote.start(self._ground, service, self.homeward.driver)
            self._remote_service = self._watch("remote service", started)

    def _start_service(self, planned: NodePlan) -> None:
        """What a node runs because of its role, or the user's own program in the place of that."""
        node, own = self.nodes[planned.name], find(self.topology.own_programs, planned.name)
        module = TRAITS[planned.role].service
        if own is None and not module:
            return
        # Only those that the topology needs: imports are what a run in the guest costs.
        if own is not None:
            from lab.inside import own_program

            service: AbstractContextManager[NodeService] = own_program.start(
                self._ground, node, own
            )
        else:
            start: StartService = importlib.import_module(module).start
            service = start(self._ground, node)
        self._ground.services[node.name] = self._teardown.enter(f"what {node.name} runs", service)

    def _tell_the_rest(self) -> None:
        """What is only known at the end, and then all events in the order of their times."""
        (sdc,) = self.topology.with_role(Role.sdc)
        for entry in self.record.ledger:
            self.story.tell(Served.of(entry, source=sdc.name, request=entry.kind))
        if self.record.blame is not None and self.record.broke_off:
            self.story.tell(BrokeOff(blame=self.record.blame, words=self.record.error))
        self.story.put_in_order()

    # The path.

    def path_up(self) -> None:
        """Bring the way home up on every agent's host; raises ProtocolError if it does not come."""
        self.homeward.up()
        self.record.path_up = time.time()

    def path_failed(self, error: PathError, *, again: bool = False) -> None:
        """Note that a way did not come up: the lab has not broken, and this is what was to be found out."""
        self.record.fail(error)
        self.story.tell(PathFailed(again=again, words=error.message))

    def path_lost(self, error: PathError) -> None:
        """Note that a way was lost while it was put to the test: the lab has not broken."""
        self.record.fail(error)
        self.story.tell(PathLost(words=error.message))

    def die(self, name: str) -> None:
        """A node dies: no packet leaves or enters it any more, and its daemons are killed."""
        deaths.die(self._ground, name)

    def move_servers(self) -> None:
        """IBM's servers leave addresses for others, and the name server says so; the topology has moves."""
        dns = self.topology.dns
        assert dns is not None, "asked for"
        assert self.name_server is not None, "the lab stands"
        from lab.ibm.events import ServersMoved

        sdc = self.with_role(Role.sdc)
        for move in dns.moves:
            for address in move.old:
                sdc.run(["ip", "address", "delete", f"{address}/32", "dev", "lo"])
        self.name_server.change(dns.records_after)
        for move in dns.moves:
            self.story.tell(
                ServersMoved(
                    source=sdc.name,
                    name=move.name,
                    old=", ".join(move.old),
                    new=", ".join(move.new),
                    ttl_s=dns.server.ttl_s,
                )
            )

    def check(self) -> None:
        """Raise LabError if the lab itself broke since it stands."""
        self._ground.check()

    @property
    def homeward(self) -> Homeward:
        """Every agent's ways home."""
        assert self._homeward is not None, "the lab stands"
        return self._homeward

    @property
    def remote_service(self) -> Remote:
        """The console's panel, and IBM's representative."""
        assert self._remote_service is not None, "representatives have a workplace"
        return self._remote_service

    @property
    def has_own_servers(self) -> bool:
        """Whether a program of the user's own is in the place of IBM's servers; it keeps no ledger."""
        (sdc,) = self.topology.with_role(Role.sdc)
        return find(self.topology.own_programs, sdc.name) is not None

    @property
    def transactions(self) -> tuple[Transaction, ...]:
        """What IBM's servers have heard so far."""
        (sdc,) = self.topology.with_role(Role.sdc)
        server = self.service(sdc.name)
        if server is None or self.has_own_servers:
            return ()
        return cast("Server", server).transactions

    def service(self, node: str) -> NodeService | None:
        """What a node runs because of its role."""
        return self._ground.services.get(node)

    # What users do in it.

    def node(self, name: str) -> Node:
        """A node by name; raises UsageError that lists them."""
        check_known("node", name, self.nodes)
        return self.nodes[name]

    def with_role(self, role: Role) -> Node:
        """The one node with a role; ``check`` has seen that there is one."""
        (planned,) = self.topology.with_role(role)
        return self.nodes[planned.name]

    def environment(self, node: str) -> dict[str, str]:
        """What a command in a node is told."""
        way = self.homeward.in_use(node)
        return command_environment(self.topology, node, os.fspath(self.run_dir), way)

    def attend(self, node: str, argv: list[str]) -> int:
        """Run a command in a node on our own standard streams; its exit status, 128 + n by a signal."""
        # Not at the head: most labs run no command of a user's.
        from lab.inside import commands, way_desk

        watch = commands.CommandWatch(self._ground)
        with (
            way_desk.opened(self, (node, *self.topology.agents), watch.sparing) as desk,
            self.attended(node, argv) as command,
        ):
            # Waited for here: the node's own thread is needed meanwhile, as by a gateway's modems.
            status = exit_status(desk.wait_for(command))
        watch.note(node, argv, {**os.environ, **self.environment(node)}, status)
        return status

    def attended(self, node: str, argv: list[str]) -> AbstractContextManager[Popen[bytes]]:
        """A command in a node on our own standard streams; the end of the ``with`` block ends it."""
        there = self.node(node)
        there.furnish()
        told = self.environment(node)
        if self.containers.has(node):
            return self.containers.attended(self.run_dir, node, argv, told)
        if image := self.images.get(node):
            argv, told = image.argv(os.fspath(self.run_dir), argv), image.environment(told)
        if self.user is not None:
            # By a program of its own: our own memory must never be copied, and Popen would copy it.
            argv, told = [*self.user.setpriv(), *argv], told | self.user.environment
        return attended(argv, {**os.environ, **told}, there.call)

    def end_visitors(self) -> None:
        """End what users' commands left running, before the lab goes: nothing of that is the lab's."""
        # Where a program of the user's own runs, that ends what it has put into the background.
        own = {each.node for each in self.topology.own_programs}
        for left in visitors.end(n for n in self.nodes.values() if n.name not in own):
            self.record.left_running.append(left)
            self.story.tell(left)

    def furnish(self) -> None:
        """Make every node ready for programs that are started past us, by the attendant."""
        for planned in self.topology.nodes:
            self.nodes[planned.name].furnish()

    # What is read at the end.

    def _tell_of_daemons(self) -> None:
        """Which daemons have ended that the lab did not end: a program in their node has, or they broke."""
        ended = [
            (node.name, daemon.program, daemon.exit_status or 0)
            for node in self.nodes.values()
            for daemon in node.daemons
            if daemon.broke or _was_told_to_end(daemon)
        ]
        for name, program, status in (*ended, *self.homeward.ended_daemons()):
            self.story.tell(DaemonEnded(source=name, program=program, how=how_ended(status)))
        self.containers.tell_of_ends(self.record, self.story)
        for own in self.topology.own_programs:
            service = cast("Replacement", self._ground.services[own.node])
            if (returned := service.ended) is not None:
                how = how_ended(returned)
                self.story.tell(DaemonEnded(source=own.node, program=own.name, how=how))
                # Whatever the calls found before: the rest of the run was without it.
                self.record.fail(ExpectationFailed(f"{own.node}'s {own.name} ended {how}"))

    def _read_counters(self) -> None:
        nodes = {n.name: self.nodes[n.name] for n in self.topology.nodes}
        self.record.counters = firewall.counters(nodes)
        for name, node in nodes.items():
            if counts := node.call(inventory.xfrm_errors):
                self.record.xfrm[name] = counts

    def _look_into_nodes(self) -> None:
        """g6: what daemons made must be gone before its namespace goes."""
        self.record.leftovers += leftovers.in_nodes(self.topology, self.nodes)

    def _look_for_leftovers(self) -> None:
        """g6: the last step of all: no pin of a namespace may be there any more."""
        self.record.leftovers += leftovers.of_pins(self.nodes)


def _was_told_to_end(daemon: Daemon) -> bool:
    """Whether a pppd has ended by a signal: that is no defect, and pppd has an exit status for it."""
    return daemon.program == "pppd" and daemon.exit_status == PPPD_ENDED_BY_SIGNAL
