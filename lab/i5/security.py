"""A partition's IPsec: up to a gateway while calls need it. All functions block; one thread calls them."""

from __future__ import annotations

from lab.errors import LabError
from lab.linux.nodes import Node
from lab.record.event import Tell
from lab.record.record import Record
from lab.teardown import Teardown
from lab.ways.vpn.plan import IpsecConnection
from tunnels.ipsec import Charon, hear_sas

GRACE_S = 30.0


class GatewaySecurity:
    """The partition's charon, which serves every HMC that borrows it."""

    def __init__(
        self, node: Node, connections: tuple[IpsecConnection, ...], record: Record, tell: Tell
    ) -> None:
        self._node = node
        self._record = record
        self._charon = Charon(node, connections, record, tell)
        self._ready = False
        self._died = False
        self._teardown = Teardown()

    def launch(self) -> None:
        """Start the daemon, and do not wait for it."""
        heard = hear_sas(self._node, self._record)
        self._teardown.enter(f"the listener for {self._node.name}'s SAs", heard)
        self._teardown.add(f"{self._node.name}'s charon", self._charon.stop)
        self._charon.launch()

    def bring_up(self, connection: IpsecConnection) -> str:
        """IPsec to a gateway: why it does not come up; empty if it is up. Raises LabError."""
        try:
            if not self._ready:
                self._charon.ready()
                self._ready = True
            failed = self._charon.initiate(connection, _budget_s(connection))
        except LabError:
            if self._died:
                return f"{self._node.name} has died"
            raise
        return failed.why if failed is not None else ""

    def take_down(self, connection: IpsecConnection) -> None:
        """Delete what ``bring_up`` has brought up, and tell the gateway. Raises LabError."""
        try:
            if self._charon.alive:
                self._charon.terminate(connection)
        except LabError:
            if not self._died:
                raise

    def details(self) -> list[str]:
        """What the daemon knows of its SAs, in lines for people; nothing if it has not been asked for any."""
        return self._charon.details() if self._ready and self._charon.alive else []

    def die(self) -> None:
        """From now on nothing that the daemon does not do is anybody's mistake; from any thread."""
        self._died = True

    def stop(self) -> None:
        """End the daemon, and with it what ``bring_up`` may be waiting for; from any thread."""
        self._died = True
        self._teardown.close()


def _budget_s(connection: IpsecConnection) -> float:
    """How long charon itself goes on with retransmissions, for both phases, and a little more."""
    return 2 * connection.retransmit_budget_s + GRACE_S
