"""Outgoing calls by xl2tpd: an LNS asks a LAC to dial a number (OCRQ, RFC 2661 6.9), and has PPP on the call.

xl2tpd (1.3.18) asks by its command ``o <section> <number>``. The section is called LAC, and opens the tunnel
as for an incoming call; the command alone makes it the LNS of the call. It starts pppd when OCCN comes, says
so in a line of its own (``OutgoingCallUp``), and never tells of OCRP. It forgets a call that it has cleared
only when the acknowledgement of its CDN names the call: the ZLB must have the call's session ID (control.c,
handle_control).
"""

from __future__ import annotations

import contextlib

from lab.errors import DaemonError, DeadlineExceeded
from lab.linux import furnishing
from lab.linux.nodes import Node
from lab.topology.model import PppAccount
from lab.wait import wait_until
from tunnels import _xl2tpd, ppp
from tunnels._l2tp_daemon import Xl2tpd
from tunnels._xl2tpd import CallClosed, LacSection, OutgoingCallUp, PppdEnded, TunnelClosed

CLOSE_DEADLINE_S = 15.0


class OutgoingCalls(Xl2tpd):
    """An LNS that has one LAC dial for it, one call at a time."""

    def __init__(
        self,
        node: Node,
        section: LacSection,
        local_address: str,
        account: PppAccount,
        options: ppp.Options,
    ) -> None:
        configuration = _xl2tpd.render_lac(local_address, [section], debug_avps=True)
        super().__init__(node, configuration, [account], {section.options_file: options})
        self._section = section

    def ask(self, number: str) -> None:
        """Have a number dialled; what comes of it, ``facts`` tells."""
        node = self._node
        node.furnish()
        node.call(furnishing.give_folder, _xl2tpd.OUTGOING, node.run_dir)
        node.write(f"{_xl2tpd.OUTGOING}/{number}.options", "")
        self.command(f"o {self._section.name} {number}")

    @property
    def open_calls(self) -> list[OutgoingCallUp]:
        """The calls that have not ended."""
        found: dict[int, OutgoingCallUp] = {}
        for fact in self.facts():
            match fact:
                case OutgoingCallUp():
                    found[fact.serial] = fact
                case CallClosed(serial=serial):
                    found.pop(serial, None)
                case PppdEnded(call_remote_id=remote):
                    found = {n: call for n, call in found.items() if call.remote_id != remote}
                case TunnelClosed():
                    found.clear()
                case _:
                    pass
        return [*found.values()]

    def hang_up(self) -> None:
        """End the call by LCP, and wait for that and for the LAC's acknowledgement."""
        for call in self.open_calls:
            self.command(f"h {call.local_id}")
        wait_until("every pppd ended", lambda: not self.open_calls, CLOSE_DEADLINE_S)
        wait_until("every CDN acknowledged", self._no_call, CLOSE_DEADLINE_S)

    def _no_call(self) -> bool:
        since = self.running.log.size
        self.command("s")
        return _xl2tpd.parse_call_count(self.running.log.text(since)) == 0

    def stop(self) -> None:
        """Hang up if there is somebody to hang up on, close the tunnel, and end the daemon."""
        if self.alive:
            # A LAC that is gone cannot acknowledge; SIGTERM closes the tunnel all the same.
            with contextlib.suppress(DeadlineExceeded, DaemonError):
                self.hang_up()
                self.command(f"d {self._section.name}")
        super().stop()
