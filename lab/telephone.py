"""The telephone of a lab: exchange and modems, and AT&T's gateway that answers.

It is there, and silent, also where no way home goes by telephone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.nodes import Node
from lab.record import Record
from lab.teardown import Teardown
from lab.telephony.equipment import Equipment, start_equipment
from lab.topology.model import Topology
from lab.ways.dial.plan import dialers
from tunnels import ppp, started
from tunnels.lig import Bank


@dataclass(slots=True)
class SwitchRoom:
    """The telephone equipment of a lab that stands."""

    equipment: Equipment
    bank: Bank | None

    def check(self) -> None:
        """Raise LabError if a part of it broke."""
        for part in (self.equipment, self.bank):
            if part is not None:
                part.check()


@contextmanager
def start(
    topology: Topology, nodes: Mapping[str, Node], record: Record, run_dir: Path
) -> Iterator[SwitchRoom]:
    """Put the telephone up, with AT&T's gateway if there is one; needs ``topology.telephone``."""
    telephone, lig = topology.telephone, topology.lig
    assert telephone is not None, "whoever asks for it has looked"
    seed = f"{topology.name} {topology.fault}"
    teardown = Teardown()
    with teardown:
        equipment = start_equipment(telephone, nodes, run_dir / "wire", seed)
        room = SwitchRoom(teardown.enter("the telephone", equipment), None)
        if lig is not None:
            bank = Bank(nodes[lig.node], lig, telephone.lines, record)
            room.bank = teardown.enter(f"{lig.node}'s modems", started(bank))
            _give_passwords(topology, nodes)
        yield room


def _give_passwords(topology: Topology, nodes: Mapping[str, Node]) -> None:
    """Each agent's host knows its own, also for a program of the user's that dials."""
    own = {dialer.client: dialer.account for dialer in dialers(topology)}
    for agent in topology.agents:
        if account := own.get(agent) or topology.ppp_account(agent):
            ppp.write_secrets(nodes[agent], [account])
