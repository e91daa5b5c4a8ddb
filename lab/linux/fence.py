"""AT&T's fence on its gateway, as nftables text: who of the callers may talk to whom (S4 3.1).

``render`` gives the table, from the model alone. What one call adds are elements (``admit``,
``dismiss``), so no rule ever changes. A call has a number, which marks the flows that the caller
has opened in conntrack: a reply must belong to a flow of the call that now has the address. Flows of
an earlier call with this address keep the earlier number, and nothing has to be flushed (L-09). Zones of
conntrack would do the same, but nft 1.0.6 has no maps of them.

Everything else is dropped in silence (L-06), with a counter for each reason. Nothing here acts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lab.linux.firewall import chain, declared, identifier
from lab.linux.matches import first_packet
from lab.topology.telephone import Lig

TABLE = "lig-fence"

SPOOFED_SOURCE = "L-01-spoofed-source"
LISTED = "L-02-listed"
UNLISTED = "L-02-unlisted"
UTILITY = "L-03-utility"
UTILITY_REPLY = "L-03-utility-reply"
OTHER_DNS = "L-03-dns"
FREE_ADDRESS = "L-04-free-address"
REPLY = "L-05-reply"
UNSOLICITED = "L-05-unsolicited"
SILENCED = "L-06-silenced"
TOO_LONG = "L-06-too-long"
OTHER = "L-07-other"
PORT = "L-12-port"
BEFORE_OPEN = "P-20-before-open"
LITERAL = "X-09-utility-reply"

COUNTERS = {
    SPOOFED_SOURCE: "from a caller, source not the assigned address: dropped",
    LISTED: "from a caller to a server on its list: passed",
    UNLISTED: "from a caller to any other destination: dropped",
    UTILITY: "from a caller, DNS to the utility service: passed",
    UTILITY_REPLY: "to a caller, DNS from the utility service: passed",
    OTHER_DNS: "from a caller, DNS to any other destination: dropped",
    FREE_ADDRESS: "from outside to an address that no call has: dropped",
    REPLY: "from a server that the caller has contacted: passed",
    UNSOLICITED: "from outside to a caller, and no reply: dropped",
    SILENCED: "from the gateway itself, errors above all: dropped",
    TOO_LONG: "from the gateway itself, about a packet that fits no further: passed",
    OTHER: "any other packet: dropped",
    PORT: "from a caller to a server on its list, other port: dropped",
    BEFORE_OPEN: "from a caller whose IP link is not yet open: dropped",
    LITERAL: "to a caller, DNS from the utility service: dropped",
}
"""What each counter counts. ``PORT`` is there only if ports are minded, and one of the two for replies."""

DNS = "meta l4proto { tcp, udp } th"
CALLER = 'iifname "ppp*"'
TO_CALLER = "oifname . ip daddr @callers"
"""By the call itself: once the line is gone, and before the gateway knows it, routes lead elsewhere."""

_SETS = """\
	set open {
		type ifname
		comment "interfaces of calls"
	}

	set callers {
		type ifname . ipv4_addr
		comment "interface and address of each call"
	}

	set replies {
		type ipv4_addr . mark
		comment "address and number of each call"
	}

	map numbers {
		type ipv4_addr : mark
		comment "address to number of its call"
	}

	map lists {
		type ipv4_addr : verdict
		comment "address to list of its PAP user"
	}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What the fence knows of a call."""

    number: int
    """Never used before, and not 0."""
    interface: str
    address: str
    user: str


def render(lig: Lig) -> str:
    """The fence's table, with no call in it."""
    servers = dict.fromkeys(a for listed in lig.lists for a in listed.addresses)
    sets = [
        _SETS,
        _constant_set("pool", "ipv4_addr", lig.ppp.pool),
        # nft cannot compare two fields of a packet, but look the pair up.
        _constant_set("itself", "ipv4_addr . ipv4_addr", (f"{a} . {a}" for a in servers)),
    ]
    chains = [
        *(chain(chain_of(lig, x.user), _list(x.addresses)) for x in lig.lists),
        chain("listed", _listed(lig)),
        chain("unlisted", (f"{DNS} dport 53 {_drop(OTHER_DNS)}", _drop(UNLISTED))),
        chain("source", _source()),
        chain("forward", _forward()),
        chain("input", _input(lig)),
        chain("output", _output(lig)),
    ]
    return (
        f"table inet {TABLE} {{\n" + "\n".join([declared(_counters(lig)), *sets, *chains]) + "}\n"
    )


def chain_of(lig: Lig, user: str) -> str:
    """The chain with a user's list; ``unlisted`` for whom there is none."""
    for number, listed in enumerate(lig.lists, 1):
        if listed.user == user:
            return identifier(f"list-{number}-{user}")
    return "unlisted"


def admit(lig: Lig, call: Admission) -> str:
    """The transaction that lets a call's packets through."""
    return _elements("add", call, f" : goto {chain_of(lig, call.user)}", f" : {call.number:#x}")


def dismiss(call: Admission) -> str:
    """The transaction that takes back ``admit``."""
    return _elements("delete", call, "", "")


def _elements(verb: str, call: Admission, verdict: str, number: str) -> str:
    interface, address = f'"{call.interface}"', call.address
    entries = (
        f"open {{ {interface} }}",
        f"callers {{ {interface} . {address} }}",
        f"replies {{ {address} . {call.number:#x} }}",
        f"numbers {{ {address}{number} }}",
        f"lists {{ {address}{verdict} }}",
    )
    return "".join(f"{verb} element inet {TABLE} {entry}\n" for entry in entries)


# Rules.


def _counters(lig: Lig) -> dict[str, str]:
    absent = {UTILITY_REPLY if lig.literal_replies else LITERAL}
    if not lig.ports:
        absent.add(PORT)
    return {name: text for name, text in COUNTERS.items() if name not in absent}


def _list(addresses: tuple[str, ...]) -> Iterable[str]:
    if addresses:
        yield f"ip daddr {{ {', '.join(addresses)} }} goto listed"
    yield "goto unlisted"


def _listed(lig: Lig) -> Iterable[str]:
    """A flow gets the call's number with the first packet, here, where the packet is sure to pass."""
    passed = f"ct mark set ip saddr map @numbers {_counter(LISTED)} accept"
    if not lig.ports:
        yield passed
        return
    for protocol, port in lig.ports:
        yield f"{first_packet(protocol, port)} {passed}"
    yield _drop(PORT)


def _source() -> Iterable[str]:
    """L-01, for everything that comes from a caller."""
    yield "iifname . ip saddr @callers return"
    yield f"iifname @open {_drop(SPOOFED_SOURCE)}"
    yield _drop(BEFORE_OPEN)


def _forward() -> Iterable[str]:
    """A reply may be an ICMP error, if it comes from the server itself (L-12: it may refuse)."""
    yield "type filter hook forward priority filter; policy drop;"
    yield f"{CALLER} jump source"
    yield f"{CALLER} ip saddr vmap @lists"
    reply = "ct state established,related ct direction reply"
    pair = "ip daddr . ct mark @replies ip saddr . ct original ip daddr @itself"
    yield f"{TO_CALLER} {reply} {pair} {_counter(REPLY)} accept"
    yield f"{TO_CALLER} {_drop(UNSOLICITED)}"
    yield f"ip daddr @pool {_drop(FREE_ADDRESS)}"
    yield _drop(OTHER)


def _input(lig: Lig) -> Iterable[str]:
    """The utility service is an address of the gateway; nothing else of the gateway can be reached."""
    yield "type filter hook input priority filter; policy drop;"
    yield 'iifname "lo" accept'
    yield f"{CALLER} jump source"
    number = "ct mark set ip saddr map @numbers"
    yield f"{CALLER} ip daddr {lig.utility} {DNS} dport 53 {number} {_counter(UTILITY)} accept"
    yield f"{CALLER} {DNS} dport 53 {_drop(OTHER_DNS)}"
    yield _drop(OTHER)


def _output(lig: Lig) -> Iterable[str]:
    yield "type filter hook output priority filter; policy drop;"
    yield 'oifname "lo" accept'
    reply = "ct state established ct direction reply ip daddr . ct mark @replies"
    # X-09: to the letter, only servers of IBM are heard.
    deed = _drop(LITERAL) if lig.literal_replies else f"{_counter(UTILITY_REPLY)} accept"
    yield f"ip saddr {lig.utility} {DNS} sport 53 {TO_CALLER} {reply} {deed}"
    # Without it a path with a smaller MTU would be a black hole (RFC 1191). What the fence has
    # dropped has no flow to be related to.
    too_long = "ct state related icmp type destination-unreachable icmp code frag-needed"
    yield f"{too_long} {_counter(TOO_LONG)} accept"
    yield _drop(SILENCED)


def _counter(name: str) -> str:
    return f'counter name "{name}"'


def _drop(name: str) -> str:
    return f"{_counter(name)} drop"


def _constant_set(name: str, kind: str, elements: Iterable[str]) -> str:
    listed = ", ".join(elements)
    filled = f"\t\telements = {{ {listed} }}\n" if listed else ""
    return f"\tset {name} {{\n\t\ttype {kind}\n{filled}\t}}\n"
