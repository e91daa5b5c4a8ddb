"""Targets that a user enters at an agent, beside the servers that IBM's papers list (OUT-44). Plain data.

Electronic Service Agent and consoles have functions at which an address and a port are entered, as to offload
data; the lists of simplified connectivity are not about these (S1, S3 Appendix).
"""

from __future__ import annotations

from dataclasses import dataclass

from lab.names import place

REQUIREMENT = "OUT-44"
"""Which asks for the firewall's rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserTarget:
    """Where one agent connects by TCP, because somebody has entered that there."""

    name: str
    agent: str
    source: str
    """The agent's own address, before any NAT."""
    node: str
    address: str
    port: int

    @property
    def where(self) -> str:
        """``offload (203.0.113.20:22)``."""
        return f"{self.name} ({place(self.address, self.port)})"


def environment(targets: tuple[UserTarget, ...], node: str) -> dict[str, str]:
    """What a command on an agent's host is told of them; nothing without one."""
    own = [
        f"{each.name}={place(each.address, each.port)}" for each in targets if each.agent == node
    ]
    return {"LAB_USER_TARGETS": " ".join(own)} if own else {}
