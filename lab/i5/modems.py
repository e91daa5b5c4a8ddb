"""A partition's modems: looked for at start, and dialled with. All functions block but ``give_up``."""

from __future__ import annotations

from collections.abc import Sequence

from lab.linux import ppp_channels
from lab.linux.nodes import Node
from lab.record.event import Tell
from lab.record.record import Record
from tunnels.calling import CallingModem, FinalResult, ModemFailed, probe_modem


def find_modems(node: Node, devices: Sequence[str], record: Record, tell: Tell) -> tuple[str, ...]:
    """The ports at which a modem answers AT; each port that was asked is told."""
    found = []
    for device in devices:
        probe = probe_modem(node, device)
        record.modems.append(probe)
        tell(probe)
        if probe.found:
            found.append(device)
    return tuple(found)


class LineCall:
    """A call by a modem: dialled, then made a PPP channel, then hung up."""

    def __init__(self, node: Node, device: str) -> None:
        self.device = device
        self._modem = CallingModem(node, device)
        self._port = -1

    def dial(self, number: str, init: str) -> FinalResult:
        """Call, and say what the modem said at last; the port stays open."""
        try:
            return self._modem.call(number, init)
        except ModemFailed as error:
            return FinalResult("", error.cause, 0, error.command, error.detail)

    def give_up(self) -> None:
        """Have a modem that dials end that, while another thread waits in ``dial``."""
        self._modem.give_up()

    def frame(self) -> int:
        """Make the line a PPP channel that ends with the carrier; its descriptor. Raises OSError."""
        self._port = self._modem.heed_carrier()
        ppp_channels.frame_line(self._port)
        return self._port

    def hang_up(self) -> None:
        """Let go of the port: DTR goes off, and with it the call."""
        if self._port >= 0:
            ppp_channels.unframe_line(self._port)
            self._port = -1
        self._modem.close()
