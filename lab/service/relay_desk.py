"""How the office at IBM's server reaches a console by a relay: codes, and ports that are led on to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.errors import ProtocolError, UsageError
from lab.service.access import WayInAccess
from lab.service.at_relay import RelayedRepresentative
from lab.service.server.office import Verb


class RelayAccess(WayInAccess):
    """Of one representative."""

    _representative: RelayedRepresentative

    @property
    def verbs(self) -> Mapping[str, Verb]:
        return {"extend": self.extend, "ask": self.ask}

    def knock(self, options: Mapping[str, Any]) -> str:
        """Get a code to tell the customer."""
        representative = self._representative
        if not representative.knock():
            raise ProtocolError(f"no code: {representative.said}")
        return (
            f"the code is {representative.code}, valid for {representative.valid_s} s from then on: "
            f"lab-inbound enable --by internet --code {representative.code}"
        )

    def extend(self, options: Mapping[str, Any]) -> str:
        valid_s = self._representative.extend()
        return f"the code {self._representative.code} is valid for {valid_s} s from now"

    def authenticate(self, options: Mapping[str, Any]) -> str:
        """Wait for the customer, and say where the console's ports are reached."""
        representative, console = self._representative, self._service.console
        if not representative.authenticate(self._service):
            said = representative.said or "nobody has entered the code"
            raise ProtocolError(f"no session with {console}: {said}")
        where = [
            f"  {port} of {console} is {address} port {local}"
            for port, (address, local) in representative.forwards.items()
        ]
        return "\n".join([f"connected to {console}", *where])

    def ask(self, options: Mapping[str, Any]) -> str:
        """Ask the console for ports, or for every one."""
        ports = options.get("ports") or range(1, 65_536)
        for port in ports:
            if not 0 < port < 65_536:
                raise UsageError(f"there is no port {port}")
        opened = self._representative.ask_ports(ports)
        return f"{self._service.console} opens TCP {opened or 'none'} of {len(ports):,} asked for"
