"""What telephone lines show, and what shows on them of a VPN that runs over the telephone. Judges nothing."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from heapq import merge
from pathlib import Path

from lab.record.record import Record
from lab.topology.model import Topology
from lab.verify import telephone_calls
from lab.verify.premises import Premises
from lab.verify.telephone_calls import TelephoneCall, Utterance
from lab.ways.vpn.plan import IpsecConnection
from lab.wire import calls
from lab.wire.calls import Carried
from lab.wire.decode import Frame, Packet


class OnLines(Premises):
    """Topology, record and telephone lines of one run."""

    def __init__(self, topology: Topology, record: Record, run_dir: Path) -> None:
        super().__init__(topology, record)
        self.run_dir = run_dir

    @abstractmethod
    def packets(self, *segments: str) -> list[tuple[Frame, Packet]]:
        """The IP packets on these wires, in order."""

    @cached_property
    def all_carried(self) -> list[Carried]:
        """Everything that telephone calls carried, with fragments put together."""
        return calls.joined(telephone_calls.read_carried(self.run_dir))

    @cached_property
    def carried(self) -> list[Carried]:
        """Of that, what is no remote service: calls that IBM's server places are sessions (I-04)."""
        service = self.topology.service
        lines = self.topology.lines_of(service.dialer) if service is not None else ()
        theirs = tuple(f"{line.name}-" for line in lines)
        return [item for item in self.all_carried if not (theirs and item.ends.startswith(theirs))]

    @cached_property
    def service_calls(self) -> list[TelephoneCall]:
        """The calls that rang at the console whose remote service is tried."""
        service = self.topology.service
        lines = self.topology.lines_of(service.console) if service is not None else ()
        own = {line.name for line in lines}
        return [call for call in self.telephone_calls if call.called in own]

    @cached_property
    def dialogue(self) -> list[Utterance]:
        """What terminals and modems said."""
        return [said for said in self.events if isinstance(said, Utterance)]

    @cached_property
    def telephone_calls(self) -> list[TelephoneCall]:
        """Every telephone call, and every attempt at one."""
        telephone = self.topology.telephone
        if telephone is None:
            return []
        return telephone_calls.put_together(telephone, self.record, self.events, self.all_carried)

    # -- a VPN by telephone -------------------------------------------------------------------

    @cached_property
    def near_packets(self) -> list[tuple[Frame, Packet]]:
        """The IP packets on the agents' own wires and, where a VPN goes by telephone, on their lines."""
        on_lines = [(i.frame, i.data) for i in self.carried if i.data] if self.vpn_dials else []
        return list(merge(self.packets(*self.uplinks), on_lines, key=lambda seen: seen[0].time))

    def near_addresses(self, connection: IpsecConnection) -> set[str]:
        """The client's addresses in a connection: its own, or what its telephone calls were given."""
        calls = self.telephone_calls if not connection.client_address else []
        given = {call.address for call in calls if call.client == connection.client}
        return {connection.client_address, *given} - {""}

    def near_node(self, connection: IpsecConnection) -> str:
        """Where a client's packets come to the wires: by telephone, at AT&T's gateway."""
        return connection.client if connection.client_address else self.lig.node

    def client_at(self, address: str, at: float) -> str:
        """Who speaks to gateways from an address: on a wire of its own, or by the call that has it then."""
        if name := self.vpn_ends.get(address):
            return name
        calls = self.telephone_calls if self.vpn_dials else []
        held = [c for c in calls if c.address == address and c.opened <= at]
        return max(held, key=lambda call: call.opened).client if held else ""
