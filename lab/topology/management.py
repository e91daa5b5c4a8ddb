"""The Integrated Management Module beside an agent's host, in the model (S0; E-04, E-05)."""

from __future__ import annotations

from dataclasses import dataclass

from lab.secret import Secret

HTTPS_PORT, HTTP_PORT = 5989, 5988
"""S0; IANA has them as wbem-https and wbem-http."""
NOTICES_PORT = 5990
"""Where the lab's own agent takes notices: IANA has it as wbem-exp-https."""
SEVERITIES = {"degraded": 3, "minor": 4, "major": 5, "critical": 6, "fatal": 7}
"""PerceivedSeverity (CIM_AlertIndication) of what is a failure."""
MODULE_USER = "USERID"
"""What modules are delivered with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModulePlan:
    """A module, and the one agent's host that it watches."""

    node: str
    address: str
    """On the link that both are on."""
    link: str
    agent: str
    agent_address: str
    """On the same link."""
    user: str
    password: Secret
    has_https: bool = True
    """Whether it listens at 5989; at 5988 it always does."""

    @property
    def ports(self) -> tuple[int, ...]:
        """Where it is asked."""
        return (HTTPS_PORT, HTTP_PORT) if self.has_https else (HTTP_PORT,)


def environment(modules: tuple[ModulePlan, ...], node: str) -> dict[str, str]:
    """What a command on an agent's host is told of the module there; nothing without one."""
    for module in modules:
        if module.agent == node:
            return {
                "LAB_IMM": module.address,
                "LAB_IMM_USER": module.user,
                "LAB_IMM_PASSWORD": module.password.reveal(),
            }
    return {}
