"""What a user writes in a topology file, and nothing more.

Types of single values only: whatever concerns two places of a file at once is in ``check``,
whatever is derived is in ``resolve``. Field descriptions are for ``lab schema``.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, WithJsonSchema

from lab.catalogue import Region
from lab.topology import units
from lab.topology.model import Encapsulation, PathKind, Role, SessionLayout

MAX_LINKS = 100
MAX_NODES = 2000

NODE_NAME = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
LINK_NAME = NODE_NAME


def _check_subnet(text: object) -> str:
    try:
        if not isinstance(text, str) or "/" not in text:
            raise ValueError
        subnet = ipaddress.ip_interface(text).network
    except ValueError:
        raise ValueError(f"must be an IPv4 subnet such as 192.168.10.0/24, not {text!r}") from None
    if subnet.version != 4:
        raise ValueError(f"must be an IPv4 subnet; {text} is IPv6, which the lab cannot do yet")
    if str(subnet) != text:
        raise ValueError(f"{text} has bits set outside its mask; perhaps {subnet} is meant")
    if subnet.prefixlen > 29:
        raise ValueError(f"{text} is too small; a link needs a /29 at least")

    return text


def _check_address(text: object) -> object:
    if text is None:
        return None
    try:
        address = ipaddress.ip_address(text) if isinstance(text, str) else None
    except ValueError:
        address = None
    if address is None:
        raise ValueError(f"must be an IPv4 address such as 192.168.10.10, or nothing, not {text!r}")
    if address.version != 4:
        raise ValueError(f"must be an IPv4 address; {text} is IPv6, which the lab cannot do yet")

    return text


def _within(low: float, high: float, shown: str) -> Any:
    def check(number: float) -> float:
        if not low <= number <= high:
            raise ValueError(f"must be {shown}")
        return number

    return check


def _rate(text: object) -> int:
    return int(_within(300, 10**11, "between 300bit and 100Gbit")(units.parse_rate(text)))


def _delay(text: object) -> float:
    return float(_within(0, 10, "at most 10s")(units.parse_duration(text)))


def _duration(text: object) -> float:
    return float(_within(1, 86400 * 365, "between 1s and 365d")(units.parse_duration(text)))


def _text(pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$", "examples": list(examples)})


Subnet = Annotated[str, BeforeValidator(_check_subnet)]
Address = Annotated[str | None, BeforeValidator(_check_address)]
Rate = Annotated[int, BeforeValidator(_rate), _text(units.RATE, "100Mbit", "33.6kbit")]
Delay = Annotated[float, BeforeValidator(_delay), _text(units.DURATION, "20ms")]
Duration = Annotated[float, BeforeValidator(_duration), _text(units.DURATION, "26min", "8h")]
NodeName = Annotated[str, Field(pattern=NODE_NAME, max_length=11)]
LinkName = Annotated[str, Field(pattern=LINK_NAME, max_length=15)]


class Spec(BaseModel):
    """The base of every part: unknown keys are refused, nothing changes, text stays text."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class NodeSpec(Spec):
    """A machine."""

    role: Role = Field(description="What the machine is in IBM's papers.")
    snat: bool | None = Field(
        default=None,
        strict=True,
        description="Firewall only: hide the customer's addresses behind the firewall's own.",
    )
    pool: Subnet | None = Field(
        default=None,
        description="VPN gateway only: its PPP's own address and the ones that callers get.",
    )


class LinkSpec(Spec):
    """A wire: a switch that its nodes are plugged into, and that is captured."""

    subnet: Subnet = Field(description="IPv4 subnet, such as 192.168.10.0/24.")
    rate: Rate = Field(description="What each plugged interface can send, such as 100Mbit.")
    delay: Delay = Field(default=0.0, description="One-way delay between two nodes, such as 20ms.")
    mtu: int = Field(default=1500, ge=576, le=9000, strict=True, description="Largest IP packet.")
    nodes: dict[NodeName, Address] = Field(
        description="The nodes on this link with their addresses; an empty one is allocated."
    )


class IpsecSpec(Spec):
    """IKE and ESP, where the lab's defaults are to be varied."""

    encapsulation: Encapsulation = Field(
        default=Encapsulation.tunnel,
        description="The papers say tunnel mode; RFC 3193 prefers transport (X-03).",
    )
    integrity: Literal["md5", "sha1"] = Field(
        default="md5", description='The papers say "160-bit MD5": MD5, or SHA-1 by its bits (X-01).'
    )
    rekey_min: Duration = Field(default=26 * 60.0, description="Earliest new ESP keys (P-06).")
    rekey_max: Duration = Field(default=34 * 60.0, description="Latest new ESP keys (P-06).")
    ike_lifetime: Duration = Field(
        default=7 * 86400.0, description="When IKE authenticates again (Q-01)."
    )


class L2tpSpec(Spec):
    """L2TP and PPP, where the lab's defaults are to be varied."""

    layout: SessionLayout = Field(
        default=SessionLayout.sessions,
        description="Several PPP sessions in one L2TP tunnel, or a tunnel for each (X-08).",
    )
    sessions: int = Field(default=1, ge=1, le=16, strict=True, description="PPP sessions a client.")


class PathSpec(Spec):
    """How the agent gets to IBM."""

    kind: PathKind = Field(description="direct: TLS over the Internet; vpn: the same in IBM's VPN.")
    agents: tuple[str, ...] = Field(description="The hosts that call home.")
    gateways: tuple[str, ...] = Field(
        default=(), description="vpn only: the gateways in the order in which they are tried."
    )
    ipsec: IpsecSpec | None = Field(default=None, description="vpn only: variations of IPsec.")
    l2tp: L2tpSpec | None = Field(default=None, description="vpn only: variations of L2TP.")


class TopologySpec(Spec):
    """A topology file."""

    schema_: Literal[1] = Field(alias="schema", description="The version of this format: 1.")
    summary: str = Field(min_length=1, max_length=200, description="One line for `lab list`.")
    profile: str = Field(description="Whose address tables hold: a generation of IBM's papers.")
    region: Region = Field(
        default=Region.americas, description="Where the customer is; some addresses depend on it."
    )
    nodes: dict[NodeName, NodeSpec] = Field(
        max_length=MAX_NODES, description="The machines, by name."
    )
    links: dict[LinkName, LinkSpec] = Field(max_length=MAX_LINKS, description="The wires, by name.")
    path: PathSpec = Field(description="How the agent gets to IBM.")
    expect: tuple[str, ...] = Field(
        default=(), description="IDs of the requirements that a run is judged by."
    )

    _name: str = PrivateAttr(default="unnamed")
    _source: str = PrivateAttr(default="")

    def model_post_init(self, context: Any) -> None:
        """Take name and source from the loader: the file's name is the topology's."""
        if context:
            self._name, self._source = context["name"], context["source"]

    @property
    def name(self) -> str:
        return self._name

    @property
    def source(self) -> str:
        return self._source

    @property
    def firewall(self) -> str | None:
        return next((n for n, node in self.nodes.items() if node.role is Role.firewall), None)

    @property
    def snat(self) -> bool:
        return bool(self.firewall and self.nodes[self.firewall].snat)

    def links_of(self, node: str) -> tuple[str, ...]:
        return tuple(name for name, link in self.links.items() if node in link.nodes)
