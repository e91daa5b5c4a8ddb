"""What ``lab-service`` can ask for where representatives come in by a relay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.errors import ProtocolError, UsageError
from lab.service.at_relay import RelayedRepresentative
from lab.service.desk import Verb
from lab.topology.model import RemoteService


class RelayVerbs:
    """Of one representative."""

    def __init__(self, representative: RelayedRepresentative, service: RemoteService) -> None:
        self._representative = representative
        self._service = service

    @property
    def verbs(self) -> dict[str, Verb]:
        return {
            "invite": self.invite,
            "extend": self.extend,
            "connect": self.connect,
            "ask": self.ask,
            "status": self.status,
            "hang-up": self.hang_up,
        }

    def invite(self, options: Mapping[str, Any]) -> str:
        """Get a code to tell the customer."""
        self._forbid_second()
        if not self._representative.knock():
            raise ProtocolError(f"no code: {self._representative.said}")
        return self.status(options)

    def extend(self, options: Mapping[str, Any]) -> str:
        valid_s = self._representative.extend()
        return f"the code {self._representative.code} is valid for {valid_s} s from now"

    def connect(self, options: Mapping[str, Any]) -> str:
        """Wait for the customer, and say where the console's ports are reached."""
        if not (self._representative.waiting or self._representative.joined):
            raise UsageError("there is no code that is waited with", hint="lab-service invite")
        if not self._representative.authenticate(self._service):
            said = self._representative.said or "nobody has entered the code"
            raise ProtocolError(f"no session with {self._service.console}: {said}")
        return self.status(options)

    def ask(self, options: Mapping[str, Any]) -> str:
        """Ask the console for ports, or for every one."""
        ports = options.get("ports") or range(1, 65_536)
        for port in ports:
            if not 0 < port < 65_536:
                raise UsageError(f"there is no port {port}")
        opened = self._representative.ask_ports(ports)
        return f"{self._service.console} opens TCP {opened or 'none'} of {len(ports):,} asked for"

    def status(self, options: Mapping[str, Any]) -> str:
        representative, console = self._representative, self._service.console
        if representative.connected:
            where = [
                f"  {port} of {console} is {address} port {local}"
                for port, (address, local) in representative.forwards.items()
            ]
            return "\n".join([f"connected to {console}", *where])
        if representative.waiting:
            return (
                f"the code is {representative.code}, valid for {representative.valid_s} s from then on: "
                f"lab-inbound enable --by internet --code {representative.code}"
            )
        return "not connected"

    def hang_up(self, options: Mapping[str, Any]) -> str:
        self._representative.leave()
        return self.status(options)

    def _forbid_second(self) -> None:
        if self._representative.connected:
            raise UsageError("a session stands already", hint="lab-service hang-up")
