"""The model of inbound remote service: how IBM's people come in to a console (S3, S4 2.2). Plain data."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum

from lab.secret import Secret
from lab.topology.ppp import PppAccount
from lab.topology.terminal import TerminalAccount

PPP_ADDRESS = "10.253.0.1"
"""If the user enters none (Q-08)."""
MOST_TRIES = 3
"""Wrong tries to authenticate before a console hangs up (I-05)."""


class Inbound(StrEnum):
    """By what a customer lets IBM's people come in (S4 2.2); ``none``: not at all (I-01)."""

    none = ""
    modem = "modem"
    vpn = "vpn"
    terminal = "terminal"
    """A modem and an ASCII terminal on it, as DS8000 has (I-24)."""
    internet = "internet"
    """A connection of the console's own to a relay of IBM's (I-26, I-27)."""


RELAY_PORTS = (8200, 443, 80)
"""Of a relay, in the order in which T2-10 lists them; an HMC tries them in this order (the lab's choice)."""
CODE_DIGITS = 7
"""Of the code with which a customer's end and a representative are brought together (T2-10)."""
BY_TELEPHONE = frozenset({Inbound.modem, Inbound.terminal})
"""By which the console's modem is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A logical partition behind the console."""

    name: str
    segment: str
    """Between it and the console."""
    address: str
    """Its own there."""
    alias: str
    """By which a session reaches it, if it is allowed (I-06); else nobody has the address (I-08)."""
    allowed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteService:
    """A console's side of it, and IBM's server that dials the console."""

    console: str
    """The HMC's node."""
    neighbour: str
    """A host on the console's own wire, from where no firewall is in the way."""
    ports: tuple[int, ...]
    """Of TCP and UDP, where the console is open during a session (A-40 to A-42)."""
    dialer: str = ""
    """IBM's server with a modem (I-04); empty if the console has no modem that could be called."""
    number: str = ""
    """The console's telephone number; empty without a dialer."""
    server: str = ""
    """IBM's Service Server, from which a session by VPN or by Internet is used; empty if there is none."""
    intranet: str = ""
    """A PC of IBM's intranet, from which to log in at the workplace; empty without a workplace."""
    log_in_address: str = ""
    """The workplace's own address, to which the PC connects."""
    relay: str = ""
    """IBM's relay, to which the console connects by Internet; empty if there is none."""
    relay_address: str = ""
    """The relay's on the Internet."""
    relay_inside: str = ""
    """The relay's on IBM's own network, where the representative is."""
    ways_in: tuple[str, ...] = ()
    """By what a console of this generation can let people in (G-03, G-04)."""
    vpn_way: str = ""
    """The console's way home whose IPsec a session by VPN uses (I-12); empty if it has none."""
    layout: str = ""
    """Of a session by VPN: ``tunnels``, one of L2TP for each PPP session, or ``sessions`` in one (X-08)."""
    console_only: bool = False
    """Whether a session of this generation reaches no partition (I-22)."""
    by_call: bool = False
    """The console begins a session by VPN when its modem is called, and not at once (X-05)."""
    vpn_account: PppAccount | None = None
    """The console's own at IBM's gateways, for sessions by VPN."""
    by: Inbound = Inbound.none
    """By what the lab's own scenario lets a session in."""
    code: str = ""
    """By Internet: what the customer enters, as the representative has told it. Never in a topology."""
    forwards: tuple[int, ...] = ()
    """By Internet: the listed ports to which the customer lets the session be led; none: all of them."""
    ppp_address: str = ""
    """What the customer enters into the panel's field: the console's own address of PPP."""
    caller_address: str = ""
    """The representative's."""
    console_allowed: bool = False
    """Whether the session may reach the console itself (I-09, I-10)."""
    partitions: tuple[Partition, ...] = ()
    terminal_account: TerminalAccount | None = None
    """The representative's at a DS8000's terminal, by modem and by VPN; None where a generation has none."""
    stateful: bool = False
    """Whether the lock-down lets through what answers the console's own sockets, which the papers leave open;
    to the letter it does not (I-32)."""
    never_enabled: bool = False
    """The representative calls, and nobody has enabled anything."""
    expired_token: bool = False
    """The representative's authorization has expired before the representative calls."""
    wrong_tries: int = 0
    """So many times the representative takes another PPP address for the right one, or mistypes."""
    replays: bool = False
    """In the second session the representative knows the first one's response, and no other."""
    late_lockdown: bool = False
    """The lock-down comes when the session is up already."""
    lockdown_forgets_udp: bool = False
    """The lock-down looks at TCP only."""
    relay_silent: bool = False
    """IBM's relay takes the console's connections and says nothing."""
    late_code: bool = False
    """The customer enters the code when it has expired."""
    stays_on: bool = False
    """The representative does not hang up, and waits for the line to go."""

    @property
    def allowed(self) -> tuple[Partition, ...]:
        """The partitions that a session may reach."""
        return tuple(partition for partition in self.partitions if partition.allowed)

    @property
    def led_to(self) -> tuple[int, ...]:
        """The console's ports that a session by Internet may be led to."""
        return (self.forwards or self.ports) if self.console_allowed else ()

    @property
    def workplace(self) -> str:
        """The node at which the representative works; empty if IBM has none."""
        if self.by and self.by not in BY_TELEPHONE:
            return self.server
        return self.dialer or self.server


def credentials(ppp_address: str) -> PppAccount:
    """With what a representative authenticates: "based on" the PPP address (I-05).

    The papers do not say how (Q-07). The lab's choice: the address is in the user's name, and the secret is
    an HMAC-SHA256 of the address, by a key that all HMCs and IBM know.
    """
    digest = hmac.new(b"callhome-lab remote service", ppp_address.encode(), hashlib.sha256).digest()
    secret = base64.b32encode(digest[:20]).decode().lower()
    return PppAccount(user=f"ibm.{ppp_address}", secret=Secret(secret))
