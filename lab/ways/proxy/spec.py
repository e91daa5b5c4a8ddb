"""What a user may write about a way home through proxies."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from lab.topology.part import WaySpec
from lab.topology.proxy import MOST_PROXIES
from lab.topology.values import NodeName


class ProxySpec(WaySpec):
    """TLS in a tunnel through one of the customer's HTTP proxies."""

    way_out: ClassVar[str] = "proxy"
    kind: Literal["proxy"]
    proxies: tuple[NodeName | None, ...] = Field(
        min_length=1,
        max_length=MOST_PROXIES,
        description="Proxies in the order in which they are tried, three at most; ~ is an empty slot.",
    )
    looks_up_servers: ClassVar[bool] = False

    @property
    def configured(self) -> tuple[str, ...]:
        """Without the empty slots."""
        return tuple(name for name in self.proxies if name is not None)


Spec = ProxySpec
