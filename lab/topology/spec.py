"""What a user writes in a topology file, and nothing more.

The parts of the file; what a single value may be is in ``values``, whatever concerns two places of
a file at once is in ``check``, whatever is derived is in ``resolve``. Field descriptions are for
``lab schema``.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from lab.catalogue import Region
from lab.topology.model import Encapsulation, PathKind, Role, SessionLayout
from lab.topology.telephone import Outcome, ResultTable
from lab.topology.values import MODEM_RATES as MODEM_RATES
from lab.topology.values import (
    Address,
    After,
    BitErrorRate,
    Delay,
    Duration,
    InitString,
    LinkName,
    ModemRate,
    NodeName,
    Number,
    Pause,
    Pool,
    Rate,
    Subnet,
)

MAX_LINKS = 100
MAX_NODES = 2000
MAX_MODEMS = 64
MAX_CALLS = 100
MAX_TIMES = 1000


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
    pool: Pool | None = Field(
        default=None,
        description="VPN gateway and LIG only: its PPP's own address and those that callers get.",
    )
    modems: int = Field(
        default=0, ge=0, le=MAX_MODEMS, strict=True, description="HMC and LIG only: how many."
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


class LineSpec(Spec):
    """A node's telephone lines: as many as it has modems, all of one number."""

    number: Number = Field(description="Digits, quoted; spaces and hyphens do not count.")
    rate: ModemRate = Field(
        default=33600, description="What its modems can do at most, in bit/s: a real modem's rate."
    )
    delay: Delay = Field(default=0.01, description="One-way delay to the exchange, such as 10ms.")


class CallSpec(Spec):
    """What befalls telephone calls; of those that fit one, the first that is not used up."""

    outcome: Outcome = Field(description="What becomes of the call.")
    from_: str | None = Field(
        default=None, alias="from", description="Whose calls: a node, or one line of it."
    )
    to: Number | None = Field(default=None, description="Calls to this number only.")
    times: int | None = Field(
        default=None,
        ge=1,
        le=MAX_TIMES,
        strict=True,
        description="How many calls of each line; all, if left out.",
    )
    rate: ModemRate | None = Field(
        default=None, description="What the modems agree on at most, in bit/s: a real modem's rate."
    )
    after: After | None = Field(
        default=None,
        description="line-drops only: after a time, such as 20s, or so many bytes, such as 5kB.",
    )
    bit_error_rate: BitErrorRate | None = Field(
        default=None, description="The share of the bits that are flipped, such as 4e-5."
    )


class DialSpec(Spec):
    """Modems, dialling and AT&T's fence, where the lab's defaults are to be varied."""

    init: InitString = Field(default="ATZ", description="What the modem is told first.")
    rounds: int = Field(
        default=2, ge=1, le=100, strict=True, description="How often the whole list is tried."
    )
    pause: Pause = Field(default=10.0, description="Between two calls, such as 10s.")
    result_codes: ResultTable = Field(
        default=ResultTable.hayes, description="Whose numeric result codes the modems give."
    )
    fence_ports: bool = Field(
        default=False,
        strict=True,
        description="The fence looks at ports, too; the papers mention addresses only (L-12).",
    )
    literal_replies: bool = Field(
        default=False,
        strict=True,
        description="The fence holds back replies of the name server, as the papers say (X-09).",
    )
    regions: dict[NodeName, Region] = Field(
        default_factory=dict,
        description="Of which region an agent's list is, where it is not the topology's (L-10).",
    )


class PathSpec(Spec):
    """How the agent gets to IBM."""

    kind: PathKind = Field(
        description="direct: TLS over the Internet; vpn: the same in IBM's VPN; dial: by telephone."
    )
    agents: tuple[str, ...] = Field(description="The hosts that call home.")
    gateways: tuple[str, ...] = Field(
        default=(), description="vpn only: the gateways in the order in which they are tried."
    )
    ipsec: IpsecSpec | None = Field(default=None, description="vpn only: variations of IPsec.")
    l2tp: L2tpSpec | None = Field(default=None, description="vpn only: variations of L2TP.")
    numbers: tuple[Number, ...] = Field(
        default=(), description="dial only: the numbers in the order in which they are tried."
    )
    dial: DialSpec | None = Field(default=None, description="dial only: variations of it.")


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
    telephone: dict[NodeName, LineSpec] = Field(
        default_factory=dict, description="The telephone lines of the exchange, by node."
    )
    calls: tuple[CallSpec, ...] = Field(
        default=(), max_length=MAX_CALLS, description="What befalls telephone calls, in this order."
    )
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
    def exchange(self) -> str | None:
        return next((n for n, node in self.nodes.items() if node.role is Role.exchange), None)

    @property
    def lig(self) -> str | None:
        return next((n for n, node in self.nodes.items() if node.role is Role.lig), None)

    @property
    def snat(self) -> bool:
        return bool(self.firewall and self.nodes[self.firewall].snat)

    def links_of(self, node: str) -> tuple[str, ...]:
        return tuple(name for name, link in self.links.items() if node in link.nodes)
