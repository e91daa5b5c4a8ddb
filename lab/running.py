"""A running lab: nodes, wires, rules, captures, servers and the path, up and down again.

Runs inside the kernel that holds the lab. The only module that knows the order of things; each part
knows only itself. What is seen goes into ``record``; judging is ``verify``'s business.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from lab import codec, firewall, inventory, links
from lab.errors import PathError
from lab.ibm.server import Server
from lab.names import check_known
from lab.nodes import Node
from lab.process import start_attended
from lab.record import Record, Transaction
from lab.story import Story
from lab.teardown import Teardown
from lab.topology.model import PathKind, Topology
from lab.wire.capture import Capture

if TYPE_CHECKING:
    from lab.dial import Dial
    from lab.vpn import Vpn

XFRM_STAT = "/proc/thread-self/net/xfrm_stat"


class RunningLab:
    """A lab that stands; a context manager around everything that it makes.

    ``path_up`` brings the way home up, and may fail while the lab goes on standing.
    """

    def __init__(self, topology: Topology, run_dir: Path, story: Story) -> None:
        self.topology = topology
        self.run_dir = run_dir
        self.story = story
        self.record = Record()
        self.nodes: dict[str, Node] = {}
        self._teardown = Teardown()
        self._server: Server | None = None
        self._vpn: Vpn | None = None
        self._dial: Dial | None = None

    # Up and down.

    def __enter__(self) -> RunningLab:
        self.record.started = time.time()
        try:
            self._build()
        except BaseException as error:
            self._close(error)
            raise
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._close(error)

    def _build(self) -> None:
        self._teardown.add("what is left", self._look_for_leftovers)
        wires = self._teardown.enter("the wires", Node.create_bare("wires", self.run_dir))
        self.nodes["wires"] = wires
        for planned in self.topology.nodes:
            node = Node.create(planned, self.run_dir)
            self._teardown.add(planned.name, node.close)
            self.nodes[planned.name] = node
        self._teardown.add("what daemons left in the nodes", self._look_into_nodes)

        links.build(self.topology, self.nodes, wires)
        capture = Capture(links.ports(self.topology), wires, self.run_dir / "wire")
        self._teardown.add("the frames that captures lost", lambda: self._note_losses(capture))
        self._teardown.enter("the captures", capture)
        firewall.apply(self.topology, self.nodes)
        self._teardown.add("the packet rules", lambda: firewall.clear(self.nodes))
        self._teardown.add("the counters", self._read_counters)
        self._server = self._teardown.enter(
            "sdc's servers", Server(self.topology, self.nodes["sdc"], self.run_dir)
        )
        if self.topology.telephone is not None:
            from lab.dial import Dial

            dial = Dial(self.topology, self.nodes, self.record, self.story, self.run_dir)
            self._dial = self._teardown.enter("the telephone", dial)
        names = ", ".join(node.name for node in self.topology.nodes)
        self.story.tell("lab", f"{self.topology.name}: {names}")

    def _close(self, error: BaseException | None) -> None:
        try:
            self._teardown.__exit__(type(error) if error else None, error, None)
        except Exception as failure:
            error = failure
            raise
        finally:
            if self._server is not None:
                self.record.ledger = list(self._server.transactions)
            self.record.ended = time.time()
            if error is not None and not self.record.error:
                self.record.error = str(error)
            self.record.broke_off = isinstance(error, Exception) and not isinstance(
                error, PathError
            )
            text = codec.dump(self.record)
            (self.run_dir / "record.json").write_text(text)

    # The path.

    def path_up(self) -> None:
        """Bring the way home up on every agent's host; raises ProtocolError if it does not come."""
        if self.topology.path is PathKind.vpn:
            if self._vpn is None:
                # Only where it is needed: imports are what a run in the guest costs.
                from lab.vpn import Vpn

                vpn = Vpn(self.topology, self.nodes, self.record, self.story)
                self._vpn = self._teardown.enter("the VPN", vpn)
            self._vpn.up()
        elif self.topology.path is PathKind.dial:
            assert self._dial is not None, "check has seen it"
            self._dial.up()
        else:
            agents = ", ".join(self.topology.agents)
            self.story.tell("path", f"{agents} by the default route")

        self.record.path_up = time.time()
        for agent in self.topology.agents:
            self.record.routes[agent] = [
                _plain_route(route) for route in inventory.take(self.nodes[agent]).routes
            ]

    def die(self, name: str) -> None:
        """A node dies: no packet leaves or enters it any more, and its daemons are killed."""
        planned = self.topology.node(name)
        links.unplug(self.nodes[name], [i.name for i in planned.interfaces])
        for daemon in self.nodes[name].daemons:
            daemon.signal(signal.SIGKILL)
        # What its kernel knew is gone with it.
        for table in ("state", "policy"):
            self.nodes[name].run(["ip", "xfrm", table, "flush"])

    @property
    def vpn(self) -> Vpn | None:
        """The VPN, on topologies that have one, once ``path_up`` was called."""
        return self._vpn

    @property
    def transactions(self) -> tuple[Transaction, ...]:
        """What sdc's servers have heard so far."""
        return self._server.transactions if self._server else ()

    @property
    def dial(self) -> Dial | None:
        """The telephone, on topologies that have one."""
        return self._dial

    @property
    def way(self) -> Vpn | Dial | None:
        """What keeps the way home up; None where it is only routes."""
        return self._dial if self.topology.path is PathKind.dial else self._vpn

    # What users do in it.

    def node(self, name: str) -> Node:
        """A node by name; raises UsageError that lists them."""
        check_known("node", name, self.nodes)
        return self.nodes[name]

    def environment(self, node: str) -> dict[str, str]:
        """What a command in a node is told."""
        return command_environment(self.topology, node, os.fspath(self.run_dir))

    def attend(self, node: str, argv: list[str]) -> int:
        """Run a command in a node on our own standard streams; its exit status, 128 + n by a signal."""
        there = self.node(node)
        there.furnish()
        popen = there.call(start_attended, argv, {**os.environ, **self.environment(node)})
        # Waited for here: the node's own thread is needed meanwhile, as by a gateway's modems.
        status = popen.wait()
        return status if status >= 0 else 128 - status

    # What is read at the end.

    def _read_counters(self) -> None:
        nodes = {n.name: self.nodes[n.name] for n in self.topology.nodes}
        self.record.counters = firewall.counters(nodes)
        for name, node in nodes.items():
            if counts := node.call(_xfrm_stat):
                self.record.xfrm[name] = counts

    def _note_losses(self, capture: Capture) -> None:
        self.record.frames_lost = capture.lost

    def _look_into_nodes(self) -> None:
        """g6: what daemons made must be gone before its namespace goes."""
        for planned in self.topology.nodes:
            node = self.nodes[planned.name]
            self.record.leftovers += inventory.leftovers(node, planned)
            self.record.leftovers += [f"{planned.name}: process {pid}" for pid in node.strays()]

    def _look_for_leftovers(self) -> None:
        """g6: the last step of all: no pin of a namespace may be there any more."""
        for folder in ("/run/netns", "/run/mntns", "/run/utsns"):
            for name in self.nodes:
                if os.path.lexists(f"{folder}/{name}"):
                    self.record.leftovers.append(f"{folder}/{name}")


def command_environment(topology: Topology, node: str, run_dir: str) -> dict[str, str]:
    """What a command in a node is told (design: LAB_TOPOLOGY and the like).

    ``LAB_SERVERS`` has every server that is listed for the node, in the order of trying.
    """
    servers = [
        f"https://{e.name}" + ("" if e.port == 443 else f":{e.port}")
        for e in topology.endpoints_of(node)
    ]
    return {
        "LAB_TOPOLOGY": topology.name,
        "LAB_NODE": node,
        "LAB_RUN_DIR": run_dir,
        "LAB_CA_FILE": f"{run_dir}/keys/ca.pem",
        "LAB_PROBE": topology.probe,
        "LAB_SERVER": servers[0],
        "LAB_SERVERS": ",".join(dict.fromkeys(servers)),
        **_dial_environment(topology, node),
    }


def _dial_environment(topology: Topology, node: str) -> dict[str, str]:
    """What a dialler of the user's needs, on an agent's host: the password is in pap-secrets there."""
    account = topology.dial_account(node) if node in topology.agents else None
    if account is None or topology.lig is None or topology.telephone is None:
        return {}
    numbers = [number for d in topology.dialers if d.client == node for number in d.numbers]
    if not numbers:
        lig = topology.lig.node
        numbers = [line.number for line in topology.telephone.lines if line.node == lig]
    return {"LAB_NUMBERS": ",".join(dict.fromkeys(numbers)), "LAB_USER": account.user}


def _plain_route(text: str) -> str:
    """``default via 192.168.10.1 dev lan`` as ``0.0.0.0/0 dev lan``."""
    words = text.split()
    prefix = "0.0.0.0/0" if words[0] == "default" else words[0]
    return f"{prefix} dev {words[words.index('dev') + 1]}"


def _xfrm_stat() -> dict[str, int]:
    """The node's IPsec error counters that are not zero (CONFIG_XFRM_STATISTICS)."""
    try:
        with Path(XFRM_STAT).open() as file:
            pairs = (line.split() for line in file)
            return {name: int(value) for name, value in pairs if int(value)}
    except FileNotFoundError:
        return {}
