"""The model of the telephone: the exchange, its lines and modems, who dials, and AT&T's gateway.

Plain data, as all of ``model``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lab.topology.ppp import PppServer


class Outcome(StrEnum):
    """What becomes of a telephone call, where it is not simply put through."""

    no_dialtone = "no-dialtone"
    busy = "busy"
    no_answer = "no-answer"
    """The caller hears the ringing, and nothing rings."""
    unobtainable = "unobtainable"
    voice = "voice"
    training_fails = "training-fails"
    slow_training = "slow-training"
    line_drops = "line-drops"
    noise = "noise"
    lines_taken = "lines-taken"
    """Every line of the number has a call; the caller hears what it hears of one busy line."""


class ResultTable(StrEnum):
    """Whose numeric result codes a modem gives (T1-12)."""

    hayes = "hayes"
    ibm = "ibm"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModemLine:
    """A subscriber's line of the exchange, and the modem at its end."""

    name: str
    """The node, or ``<node>-<n>`` where it has several."""
    node: str
    device: str
    """The modem in the node: ``/dev/modem0``."""
    number: str
    """Digits. Several lines of one number are a hunt group: a call takes the first free one."""
    rate_bit_s: int
    """What the modem can at most; a call has the lesser of two."""
    delay_s: float
    """Of this subscriber's loop; a call has the sum of two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRule:
    """What befalls calls: how faults of the telephone are written. Empty and 0 mean any, or none."""

    outcome: Outcome
    caller: str = ""
    """A line's name."""
    number: str = ""
    times: int = 0
    """To how many calls it applies; 0: to all."""
    rate_bit_s: int = 0
    after_s: float = 0.0
    after_bytes: int = 0
    bit_error_rate: float = 0.0


class ModemFault(StrEnum):
    """What can be wrong with a modem itself."""

    none = ""
    dead = "dead"
    """Answers nothing."""
    garbage = "garbage"
    """Sends what no modem says."""
    unplugged = "unplugged"
    """Is pulled out in the middle of a call."""
    in_use = "in-use"
    """Works, and is another program's of the same machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telephone:
    """The exchange with its lines."""

    node: str
    lines: tuple[ModemLine, ...]
    result_table: ResultTable
    rules: tuple[CallRule, ...] = ()
    broken: tuple[tuple[str, ModemFault], ...] = ()
    """Line and what is wrong with its modem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FenceList:
    """Whom a PAP user may talk to (L-02, L-08): what AT&T has authorized for the id."""

    user: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IbmAddress:
    """A server or a VPN gateway in the profile's table of addresses."""

    address: str
    regions: tuple[str, ...]
    """Whose customers need the address: ``americas``, ``non-americas``, ``all``."""
    is_vpn_gateway: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Lig:
    """AT&T's gateway: a bank of modems, PPP for each call, a name server, and the fence."""

    node: str
    outside: str
    """The segment towards the Internet: ``lig-inet``."""
    ppp: PppServer
    utility: str
    """AT&T's utility service: the address of its name server (L-03)."""
    lists: tuple[FenceList, ...]
    catalogue: tuple[IbmAddress, ...]
    """All that is IBM's, by which the lists are judged (L-08, L-10, L-11)."""
    ports: tuple[tuple[str, int], ...]
    """Protocol and port, if the fence is to look at them, too (L-12); else empty."""
    literal_replies: bool
    """X-09 to the letter: replies of the utility service do not come back in."""
    mtu: int
    dns_silent: bool = False
    echo_silent: bool = False
    """LCP echo requests get no answer."""

    def listed(self, user: str) -> tuple[str, ...]:
        """Whom a PAP user may talk to (L-02, L-08)."""
        return next((x.addresses for x in self.lists if x.user == user), ())
