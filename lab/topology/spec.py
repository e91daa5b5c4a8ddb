"""What a user writes in a topology file, and nothing more.

Types of single values only: whatever concerns two places of a file at once is in ``check``,
whatever is derived is in ``resolve``. Field descriptions are for ``lab schema``.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, WithJsonSchema

from lab.catalogue import Region
from lab.topology import units
from lab.topology.model import Encapsulation, PathKind, Role, SessionLayout
from lab.topology.telephone import ResultTable

MAX_LINKS = 100
MAX_NODES = 2000
MAX_MODEMS = 64

NODE_NAME = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
LINK_NAME = NODE_NAME

MODEM_RATES = (
    *(300, 1200, 2400, 4800, 7200, 9600, 12000, 14400),
    *(16800, 19200, 21600, 24000, 26400, 28800, 31200, 33600),
)
"""Bits per second that a modem can have on an analog line: V.21 and V.22 to V.34 (03/98)."""


def _check_subnet(text: object) -> str:
    subnet = _parse_subnet(text)
    if subnet.prefixlen > 29:
        raise ValueError(f"{text} is too small; a link needs a /29 at least")

    return str(subnet)


def _check_pool(text: object) -> str:
    subnet = _parse_subnet(text)
    if subnet.prefixlen > 30:
        raise ValueError(f"{text} is too small; a pool needs a /30 at least")
    if subnet.prefixlen < 16:
        raise ValueError(f"{text} is too large; a pool is a /16 at most")

    return str(subnet)


def _parse_subnet(text: object) -> ipaddress.IPv4Network:
    try:
        if not isinstance(text, str) or "/" not in text:
            raise ValueError
        subnet = ipaddress.ip_interface(text).network
    except ValueError:
        raise ValueError(f"must be an IPv4 subnet such as 192.168.10.0/24, not {text!r}") from None
    if not isinstance(subnet, ipaddress.IPv4Network):
        raise ValueError(f"must be an IPv4 subnet; {text} is IPv6, which the lab cannot do yet")
    if str(subnet) != text:
        raise ValueError(f"{text} has bits set outside its mask; perhaps {subnet} is meant")

    return subnet


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


def _pause(text: object) -> float:
    return float(_within(0, 3600, "at most 1h")(units.parse_duration(text)))


def _modem_rate(given: object) -> int:
    if isinstance(given, str) and re.fullmatch(units.RATE, given):
        nearest = _nearest_modem_rate(units.parse_rate(given))
        raise ValueError(f"must be a whole number of bit/s, such as {nearest}, not {given!r}")
    if isinstance(given, bool) or not isinstance(given, int):
        raise ValueError(f"must be a whole number of bit/s, such as 33600, not {given!r}")
    if given not in MODEM_RATES:
        nearest = _nearest_modem_rate(given)
        raise ValueError(f"no modem has {given} bit/s; the nearest is {nearest}")

    return given


def _nearest_modem_rate(bit_s: int) -> int:
    return min(MODEM_RATES, key=lambda rate: abs(rate - bit_s))


def _number(given: object) -> str:
    """Digits without the spaces and hyphens that people put between them."""
    if isinstance(given, int) and not isinstance(given, bool):
        raise ValueError(f'a telephone number is text and not a quantity; quote it: "{given}"')
    if not isinstance(given, str):
        raise ValueError(f'must be a telephone number such as "15075550101", not {given!r}')

    for position, character in enumerate(given, 1):
        if character not in "0123456789 -":
            raise ValueError(
                f"a telephone number has digits, spaces and hyphens only; "
                f"character {position} of {given!r} is {character!r}"
            )

    digits = given.replace(" ", "").replace("-", "")
    if not 3 <= len(digits) <= 20:
        raise ValueError(f"a telephone number has 3 to 20 digits, and {given!r} has {len(digits)}")

    return digits


def _init_string(given: object) -> str:
    if not isinstance(given, str) or given[:2].upper() != "AT":
        raise ValueError(f"must be a modem command such as ATZ, not {given!r}")
    if not (given.isascii() and given.isprintable()) or len(given) > 80:
        raise ValueError("a modem command has 80 characters at most, all of them printable ASCII")

    return given


def _text(pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$", "examples": list(examples)})


Subnet = Annotated[str, BeforeValidator(_check_subnet)]
Pool = Annotated[str, BeforeValidator(_check_pool)]
Address = Annotated[str | None, BeforeValidator(_check_address)]
Rate = Annotated[int, BeforeValidator(_rate), _text(units.RATE, "100Mbit", "33.6kbit")]
Delay = Annotated[float, BeforeValidator(_delay), _text(units.DURATION, "20ms")]
Duration = Annotated[float, BeforeValidator(_duration), _text(units.DURATION, "26min", "8h")]
Pause = Annotated[float, BeforeValidator(_pause), _text(units.DURATION, "10s")]
ModemRate = Annotated[
    int, BeforeValidator(_modem_rate), WithJsonSchema({"type": "integer", "enum": [*MODEM_RATES]})
]
Number = Annotated[
    str, BeforeValidator(_number), _text("[ -]*([0-9][ -]*){3,20}", "15075550101", "1-507-555-0101")
]
InitString = Annotated[str, BeforeValidator(_init_string), _text("[Aa][Tt][ -~]{0,78}", "ATZ")]
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
