"""The Events Manager and the consoles whose events wait for approval, in the model (M-10 to M-14)."""

from __future__ import annotations

from dataclasses import dataclass

from lab.secret import Secret

EVENTS_PORT = 443
"""TCP: HTTPS (M-11)."""
PAGE = "/events"
EVENTS_USER = "hscroot"
"""Whom HMCs are delivered with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldingConsole:
    """A console that sends an event to IBM only once the event is approved."""

    node: str
    address: str
    """By which the manager calls it; of one that is not registered, the first."""
    addresses: tuple[str, ...]
    registered: bool
    """Whether the customer has registered it at the manager (M-10)."""
    token: Secret
    """By which it knows the manager; of one that is not registered nobody else has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldEvents:
    """Who manages whose events."""

    manager: str
    addresses: tuple[str, ...]
    """The manager's."""
    user: str
    password: Secret
    """With what people log in at the manager's page."""
    consoles: tuple[HoldingConsole, ...]
    waits_s: float

    @property
    def registered(self) -> tuple[HoldingConsole, ...]:
        return tuple(each for each in self.consoles if each.registered)

    def is_request(self, source: str, destination: str, port: int) -> bool:
        """Whether the manager sends something from and to these addresses and port to ask its consoles."""
        asked = {address for each in self.registered for address in each.addresses}
        return source in self.addresses and destination in asked and port == EVENTS_PORT


def environment(events: HeldEvents | None, node: str) -> dict[str, str]:
    """What a command on the manager is told of the page there; nothing elsewhere."""
    if events is None or events.manager != node:
        return {}
    return {
        "LAB_EVENTS_MANAGER": f"https://{events.addresses[0]}{PAGE}",
        "LAB_EVENTS_MANAGER_USER": events.user,
        "LAB_EVENTS_MANAGER_PASSWORD": events.password.reveal(),
    }
