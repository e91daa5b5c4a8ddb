"""How the office at IBM's server reaches a console (``office.ConsoleAccess``), way in by way in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lab.errors import ProtocolError
from lab.linux.process import Popen
from lab.names import all_of
from lab.service.panel import Panel
from lab.service.representative import Representative
from lab.service.server.office import ConsoleAccess, Verb
from lab.service.server.workplace import start_as
from lab.service.wanted import told
from lab.topology.model import RemoteService
from lab.topology.service import BY_TELEPHONE


def of(representative: Representative, service: RemoteService, panel: Panel) -> ConsoleAccess:
    """The one that is made for a representative."""
    from lab.service.at_relay import RelayedRepresentative
    from lab.service.relay_desk import RelayAccess
    from lab.service.server_typist import ServerTypist
    from lab.service.terminal_caller import TerminalAccess, TerminalCaller

    if isinstance(representative, RelayedRepresentative):
        return RelayAccess(representative, service, panel)
    if isinstance(representative, TerminalCaller | ServerTypist):
        return TerminalAccess(representative, service, panel)
    return WayInAccess(representative, service, panel)


class WayInAccess:
    """How the office at the server reaches the console (``office.ConsoleAccess``)."""

    def __init__(
        self, representative: Representative, service: RemoteService, panel: Panel
    ) -> None:
        self._representative = representative
        self._service = service
        self._panel = panel

    @property
    def connected(self) -> bool:
        return self._representative.connected

    @property
    def verbs(self) -> Mapping[str, Verb]:
        return {}

    def knock(self, options: Mapping[str, Any]) -> str:
        self._wanted(options)
        console = self._service.console
        if not self._representative.knock():
            raise ProtocolError(f"{console} lets nobody in: {self._representative.said}")
        return f"{console} answers"

    def authenticate(self, options: Mapping[str, Any]) -> str:
        wanted = self._wanted(options)
        console, address = wanted.console, wanted.ppp_address
        if not self._representative.authenticate(wanted):
            problem = f"does not take the credentials of {address}"
            if wanted.workplace == wanted.server:
                problem = f"has no session in which it is {address}"
            raise ProtocolError(f"{console} {problem}")
        partitions = [f"{p.name} by {p.alias}" for p in wanted.partitions if p.alias]
        others = f"; perhaps {all_of(partitions)}" if partitions else ""
        return f"connected: {console} is {address}{others}"

    def _wanted(self, options: Mapping[str, Any]) -> RemoteService:
        """What the representative knows of the console's side. Raises UsageError for what makes no sense."""
        wanted = told(self._service, {"ppp_address": options.get("ppp_address")})
        agreed = self._panel.settings
        if wanted.by in BY_TELEPHONE or agreed is None:
            return wanted
        # The session's addresses are not the representative's to choose: the customer tells them.
        return replace(agreed, ppp_address=options.get("ppp_address") or agreed.ppp_address)

    def leave(self) -> None:
        self._representative.leave()

    def run(self, argv: Sequence[str], uid: int, streams: Sequence[int]) -> Popen[bytes]:
        return start_as(self._representative.place, argv, uid, streams)
