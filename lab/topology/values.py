"""The types of single values in a topology file: from text as people write it, or an error that helps.

Whatever a value means beside another one is in ``check``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, Field, WithJsonSchema

from lab.topology import units

N = TypeVar("N", int, float)

NODE_NAME = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
LINK_NAME = NODE_NAME
MAX_NODE_NAME = 11
"""Characters: the kernel has 15 for a link's name, of which the port of a switch adds some."""
LEVEL = r"^[!-~]{0,32}$"
"""The level of a console's software."""

MODEM_RATES = (
    *(300, 1200, 2400, 4800, 7200, 9600, 12000, 14400),
    *(16800, 19200, 21600, 24000, 26400, 28800, 31200, 33600),
)
"""Bits per second that a modem can have on an analog line: V.21 and V.22 to V.34 (03/98)."""

SUBNET6_BITS = 64

KEYS = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "22233344455566677778889999")
"""Letters on a telephone's keys (ITU-T E.161)."""

POINT_TO_POINT = 31
"""Prefix of a link of two nodes, without network and broadcast address (RFC 3021)."""
MOST_ERRORS = 0.5
"""A line that flips more bits carries the message upside down."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment in a call: so long after its modems have agreed, or when so much has arrived."""

    seconds: float = 0.0
    octets: int = 0


def _check_subnet(text: object) -> str:
    subnet = _parse_subnet(text)
    if subnet.prefixlen > 31:
        raise ValueError(f"{text} is too small; a link needs a /31 at least (RFC 3021)")

    return str(subnet)


def _check_pool(text: object) -> str:
    subnet = _parse_subnet(text)
    if subnet.prefixlen > 30:
        raise ValueError(f"{text} is too small; a pool needs a /30 at least")
    if subnet.prefixlen < 16:
        raise ValueError(f"{text} is too large; a pool is a /16 at most")

    return str(subnet)


def _check_subnet6(text: object) -> str:
    try:
        if not isinstance(text, str) or "/" not in text:
            raise ValueError
        subnet = ipaddress.ip_interface(text).network
    except ValueError:
        raise ValueError(f"must be an IPv6 subnet such as 2001:db8:10::/64, not {text!r}") from None
    if not isinstance(subnet, ipaddress.IPv6Network):
        raise ValueError(f"must be an IPv6 subnet; {text} is IPv4, which goes under subnet")
    if subnet.prefixlen != SUBNET6_BITS:
        raise ValueError(f"{text} is no /64, which a link's prefix is (RFC 4291 2.5.1)")
    if ipaddress.ip_interface(text).ip != subnet.network_address:
        raise ValueError(f"{text} has bits set outside its mask; perhaps {subnet} is meant")
    if subnet.is_link_local or subnet.is_multicast or subnet.is_loopback:
        raise ValueError(f"{text} is for other purposes than a link; 2001:db8::/32 is for examples")

    return str(subnet)


def _check_address6(text: object) -> str:
    try:
        address = ipaddress.ip_address(text) if isinstance(text, str) else None
    except ValueError:
        address = None
    if not isinstance(address, ipaddress.IPv6Address) or address.scope_id:
        raise ValueError(f"must be an IPv6 address such as 2001:db8:10::10, not {text!r}")

    return str(address)


def _parse_subnet(text: object) -> ipaddress.IPv4Network:
    try:
        if not isinstance(text, str) or "/" not in text:
            raise ValueError
        subnet = ipaddress.ip_interface(text).network
    except ValueError:
        raise ValueError(f"must be an IPv4 subnet such as 192.168.10.0/24, not {text!r}") from None
    if not isinstance(subnet, ipaddress.IPv4Network):
        raise ValueError(f"must be an IPv4 subnet; {text} is IPv6, which goes under subnet6")
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
        raise ValueError(f"must be an IPv4 address; {text} is IPv6, which goes under nodes6")

    return text


def _within(
    parse: Callable[[object], N], low: float, high: float, shown: str
) -> Callable[[object], N]:
    """A parser that refuses what is out of bounds."""

    def check(text: object) -> N:
        number = parse(text)
        if not low <= number <= high:
            raise ValueError(f"must be {shown}")
        return number

    return check


_rate = _within(units.parse_rate, 300, 10**11, "between 300bit and 100Gbit")
_delay = _within(units.parse_duration, 0, 10, "at most 10s")
_duration = _within(units.parse_duration, 1, 86400 * 365, "between 1s and 365d")
_pause = _within(units.parse_duration, 0, 3600, "at most 1h")
_moment_s = _within(units.parse_duration, 0.001, 86400, "between 1ms and 24h")
_moment_octets = _within(units.parse_size, 1, 10**9, "between 1B and 1000MB")


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
                f"character {position} of {given!r} is {character!r}{_dialled(given)}"
            )

    digits = given.replace(" ", "").replace("-", "")
    if not 3 <= len(digits) <= 20:
        raise ValueError(f"a telephone number has 3 to 20 digits, and {given!r} has {len(digits)}")

    return digits


def _dialled(text: str) -> str:
    """What to write for a number with letters, as they are on a telephone's keys, and other signs."""
    kept = re.sub(r"[^0-9 -]+", " ", text.upper().translate(KEYS))
    number = " ".join(kept.split()).strip(" -")
    return f'; write "{number}"' if 3 <= sum(map(str.isdigit, number)) <= 20 else ""


def _after(given: object) -> Moment:
    if isinstance(given, str) and re.fullmatch(units.SIZE, given):
        return Moment(octets=_moment_octets(given))
    if isinstance(given, str) and re.fullmatch(units.DURATION, given):
        return Moment(seconds=_moment_s(given))
    raise ValueError(f"must be a time or a size, such as 20s or 5kB, not {given!r}")


def _bit_error_rate(given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise ValueError(f"must be a number such as 4e-5, not {given!r}")
    if not 0 < given <= MOST_ERRORS:
        problem = f"must be more than 0, and {MOST_ERRORS} at most, not {given}"
        raise ValueError(f"{problem}: it is a share of the bits, such as 4e-5")

    return float(given)


def _init_string(given: object) -> str:
    if not isinstance(given, str) or given[:2].upper() != "AT":
        raise ValueError(f"must be a modem command such as ATZ, not {given!r}")
    if not (given.isascii() and given.isprintable()) or len(given) > 80:
        raise ValueError("a modem command has 80 characters at most, all of them printable ASCII")

    return given


def _text(pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$", "examples": list(examples)})


Subnet = Annotated[str, BeforeValidator(_check_subnet)]
Subnet6 = Annotated[str, BeforeValidator(_check_subnet6)]
Address6 = Annotated[str, BeforeValidator(_check_address6)]
Pool = Annotated[str, BeforeValidator(_check_pool)]
Address = Annotated[str | None, BeforeValidator(_check_address)]
Rate = Annotated[int, BeforeValidator(_rate), _text(units.RATE, "100Mbit", "33.6kbit")]
Percent = Annotated[float, BeforeValidator(units.parse_percent), _text(units.PERCENT, "2%", "0.1%")]
Delay = Annotated[float, BeforeValidator(_delay), _text(units.DURATION, "20ms")]
Duration = Annotated[float, BeforeValidator(_duration), _text(units.DURATION, "26min", "8h")]
Pause = Annotated[float, BeforeValidator(_pause), _text(units.DURATION, "10s")]
ModemRate = Annotated[
    int, BeforeValidator(_modem_rate), WithJsonSchema({"type": "integer", "enum": [*MODEM_RATES]})
]
Number = Annotated[
    str, BeforeValidator(_number), _text("[ -]*([0-9][ -]*){3,20}", "15075550101", "1-507-555-0101")
]
After = Annotated[
    Moment, BeforeValidator(_after), _text(f"({units.DURATION}|{units.SIZE})", "20s", "5kB")
]
BitErrorRate = Annotated[
    float,
    BeforeValidator(_bit_error_rate),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": MOST_ERRORS}),
]
InitString = Annotated[str, BeforeValidator(_init_string), _text("[Aa][Tt][ -~]{0,78}", "ATZ")]
NodeName = Annotated[str, Field(pattern=NODE_NAME, max_length=MAX_NODE_NAME)]
WayName = Annotated[str, Field(pattern=NODE_NAME, max_length=15)]
LinkName = Annotated[str, Field(pattern=LINK_NAME, max_length=15)]
