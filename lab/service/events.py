"""What happens when remote service is tried. The source is the node that tries it."""

from __future__ import annotations

from zlib import crc32

from lab.names import all_of
from lab.record.event import Event, kinds_of

OFF, SESSION, OVER, CLOSED = "off", "session", "over", "closed"
"""States of remote service; ``CLOSED`` is a session that may not reach the console."""
Counts = tuple[int, int, int]
"""Packets of a scan: TCP, UDP, and of all other IP protocols."""


class HostScanned(
    Event,
    topic="scan",
    recaps="{scan} found {found}",
    aspects={"{scan} found": "{found}"},
    chance="address sent at_firewall at_host",
):
    """All 65,535 TCP and UDP ports of a host, all other IP protocols and a ping were tried.

    Ports are told as ``22, 30000-30009``. The time is the end.
    """

    started: float
    address: str
    """The source's own."""
    target: str
    purpose: str
    """``attack`` or ``control``."""
    state: str
    """Of remote service meanwhile: ``off``, ``session``, ``over``; ``closed`` is a session that may not reach
    the console."""
    sent: Counts
    at_firewall: Counts
    """As the customer's firewall counted them when they came."""
    at_host: Counts
    """As the host itself counted them, before any rule."""
    tcp: str
    """Ports that answered with SYN/ACK."""
    refused: str
    """Ports that answered with RST."""
    udp: str
    """Ports that answered with a datagram."""
    protocols: tuple[int, ...]
    """All other IP protocols of what came back from the host."""
    errors: int
    """ICMP errors about the scan, from whomever."""
    by: str = ""
    """Of a session with several of PPP: whose it came by, the console's or a partition's."""

    @property
    def silent(self) -> bool:
        """Whether nothing came back."""
        return not (self.tcp or self.refused or self.udp or self.protocols or self.errors)

    @property
    def scan(self) -> str:
        """Which scan it is."""
        of = f", by the session of {self.by}," if self.by else ""
        what = "" if self.purpose == "attack" else f" for {self.purpose}"
        return f"{self.source}'s scan of {self.target}{what}{of} with remote service {self.state}"

    @property
    def sentence(self) -> str:
        found = "nothing answers" if self.silent else self.found
        return f"{self.source} scans {self.target}: {found}"

    @property
    def found(self) -> str:
        if self.silent:
            return "nothing"
        answers = {
            "TCP": self.tcp,
            "TCP, refused": self.refused,
            "UDP": self.udp,
            "IP protocols": spans(self.protocols),
        }
        told = [f"{what} {ports}" for what, ports in answers.items() if ports]
        told += [f"{self.errors} ICMP errors"] if self.errors else []
        return "; ".join(told)


class Flooded(
    Event,
    topic="scan",
    recaps="{source} flooded TCP {port} of {targets} while a session came up",
    aspects={
        "{source} flooded TCP {port} of {targets} while a session came up, and there answered": "{answered}"
    },
    chance="address sent",
):
    """SYNs for one closed port were sent all the time while a session came up (I-18). The time is the end."""

    started: float
    address: str
    """The source's own."""
    targets: tuple[str, ...]
    """Addresses that the session may get."""
    port: int
    sent: int
    answered: tuple[str, ...]
    """Those of the targets that sent a SYN/ACK."""

    @property
    def sentence(self) -> str:
        found = f"{all_of(self.answered)} answered" if self.answered else "nothing answered"
        return f"{self.source} floods TCP {self.port} while a session comes up: {found}"


class CalledIn(Event, topic="call"):
    """IBM's server dialled a console's modem (I-04). The time is when the server's modem had its result."""

    started: float
    number: str
    result: str
    """The final result code of the server's modem (V.250 5.7.1)."""

    @property
    def sentence(self) -> str:
        return f"{self.source} dials {self.number}: {self.result}"


class InboundEnabled(Event, topic="service"):
    """The customer lets IBM's people in, for one session (I-02)."""

    by: str
    console_allowed: bool
    partitions: tuple[str, ...]
    """Those that the session may reach."""

    @property
    def sentence(self) -> str:
        whom = [*((self.source,) if self.console_allowed else ()), *self.partitions]
        return f"{self.source} lets one session in by {self.by}: to {all_of(whom) or 'nobody'}"


class InboundDisabled(Event, topic="service", recaps="{source} let nobody in any more: {reason}"):
    """Nobody can come in any more."""

    reason: str
    """``used``, ``disabled``, ``wrong-tries``, ``no-modem``, ``no-vpn``, ``no-relay``, ``code-refused``;
    ``broke`` is the lab's own fault."""

    @property
    def sentence(self) -> str:
        words = {
            "used": "the session is over",
            "wrong-tries": "three wrong tries",
            "no-modem": "its modem does not do what it is told",
            "no-vpn": "no VPN comes up",
            "broke": "the lab broke",
            "no-relay": "it does not come to the relay",
            "code-refused": "the relay takes no such code",
        }
        return f"{self.source} lets nobody in: {words.get(self.reason, 'the customer has disabled it')}"


class WrongTry(
    Event,
    topic="service",
    tells="{source}: try {number} to authenticate failed",
    chance="exit_status",
):
    """A caller did not authenticate by CHAP (I-05)."""

    number: int
    exit_status: int
    """pppd(8) EXIT STATUS."""


class VpnBorrowed(Event, topic="service", tells="{source} has its VPN for remote service"):
    """The console's tunnel for calling home is down, if it stood: the VPN is for a session now."""


class LockedDown(
    Event, topic="service", recaps="{source} locked the session down{whom}", chance="interface"
):
    """The lock-down stands; the session's interface is not up yet (I-18)."""

    interface: str
    """By VPN a pattern, ``ppp*``."""
    user: str
    """Who authenticated; empty by VPN, where the console has not called yet."""

    @property
    def sentence(self) -> str:
        return f"{self.source} locks {self.interface} down{self.whom}"

    @property
    def whom(self) -> str:
        return f" for {self.user}" if self.user else ""


class SessionUp(
    Event,
    topic="service",
    tells="{source} is {address}, the representative {caller}",
    recaps="a session with {source} came up",
    aspects={
        "{source}'s address in the session was": "{address}",
        "the representative's address in {source}'s session was": "{caller}",
        "the partitions' addresses in {source}'s session were": "{aliases}",
        "{source}'s session was by the gateway": "{gateway}",
    },
    chance="interface",
):
    """IPCP is open, and packets of the session can come."""

    interface: str
    """By VPN all of them: the console's own, and one for each allowed partition."""
    address: str
    caller: str
    aliases: tuple[str, ...]
    """Addresses beside ``address``: one for each allowed partition (I-06, I-16)."""
    gateway: str = ""
    """Of a session by VPN: IBM's gateway."""


class SessionDown(
    Event,
    topic="service",
    tells="the session with {source} has ended",
    aspects={
        "the session with {source} ended, and the status of pppd was": "{exit_status}",
        "the session with {source} ended, and the lock-down had dropped": "{dropped} packets",
        "the session with {source} ended, and the cause was": "{ended}",
    },
):
    """The session's interface, its aliases and the lock-down are gone."""

    exit_status: int
    """pppd(8) EXIT STATUS."""
    dropped: int
    """Packets that the lock-down kept out."""
    ended: str = ""
    """By VPN: the cause that ``ppp-down`` has of the console's own session."""


class LogInDenied(Event, topic="service", tells="{source} denies try {number} to log in: {reason}"):
    """A try to log in at a DS8000's terminal was a wrong one (I-23)."""

    number: int
    """Since the enabling, whatever the call."""
    reason: str


class LoggedIn(Event, topic="service", tells="{source} lets {user} in at the terminal"):
    """User ID, password and response were right: a session at the terminal begins (I-23)."""

    user: str


class LoggedOut(
    Event,
    topic="service",
    recaps="{source}'s terminal was closed ({ending}), and {left} programs went on",
):
    """The session at the terminal has ended, with all that was started there."""

    ending: str
    """``left``, ``line_gone``, or ``told``: the console ended it, or the session was over."""
    left: int
    """Processes of the session that are still there."""

    @property
    def sentence(self) -> str:
        words = {"left": "the representative has left", "line_gone": "the line has gone"}
        still = f"; {self.left} programs go on" if self.left else ""
        return f"{self.source}'s terminal is closed: {words.get(self.ending, 'the console ended it')}{still}"


class InboundRefused(Event, topic="service", tells="the panel of {source} refuses {by}: {reason}"):
    """The panel was asked for a way in that a console of this generation does not have (G-03 to G-05)."""

    by: str
    reason: str


class CustomerRules(
    Event,
    topic="service",
    recaps="the customer's own rules on {source} were listed {moment} the session",
    aspects={"the customer's own rules on {source} {moment} the session were": "{listing}"},
):
    """The customer's own rules on the console, as the kernel lists them (I-11)."""

    moment: str
    """``before``, ``during`` or ``after`` the session."""
    rules: str

    @property
    def listing(self) -> str:
        """Too long for a sentence."""
        lines = len(self.rules.splitlines())
        return f"{lines} lines with checksum {crc32(self.rules.encode()):08x}"


class ConsoleUsed(
    Event,
    topic="service",
    recaps="{source} used {program} at {host} ({address}, TCP {port}): {outcome}",
    aspects={"{source} used {program} at {host} ({address}, TCP {port}), which": "{outcome}"},
):
    """The representative used what the console offers, by a program of the representative's own."""

    started: float
    host: str
    address: str
    port: int
    program: str
    """``ssh`` or ``curl``."""
    status: int
    """The exit status of the program."""
    answer: str
    """The first line of what it said."""

    @property
    def sentence(self) -> str:
        outcome = f"says {self.answer!r}" if self.status == 0 else f"ends with {self.status}"
        return (
            f"{self.source} to {self.host} ({self.address}:{self.port}): {self.program} {outcome}"
        )

    @property
    def outcome(self) -> str:
        return f"ended with status {self.status} and said {self.answer!r}"


class SessionSought(Event, topic="service"):
    """IBM's Service Server looked for a session of a console's at the VPN gateways."""

    console: str
    gateway: str
    """Where there is one; empty if there is none."""

    @property
    def sentence(self) -> str:
        found = f"it is at {self.gateway}" if self.gateway else "there is none"
        return f"{self.source} looks for a session of {self.console}: {found}"


class ServiceTried(
    Event,
    topic="service",
    aspects={"{source} tried {host} ({address}, TCP {port}), which": "{outcome}"},
):
    """The representative tried one port in a session, as a program would."""

    address: str
    host: str
    """Whose the address is, or would be."""
    port: int
    answer: str
    """The first line of what came back; empty if nothing did."""

    @property
    def sentence(self) -> str:
        return f"{self.source} to {self.host} ({self.address}:{self.port}): {self.outcome}"

    @property
    def outcome(self) -> str:
        return f"says {self.answer!r}" if self.answer else "does not answer"


KINDS = kinds_of(__name__)


def spans(numbers: tuple[int, ...] | set[int]) -> str:
    """Numbers in order, with runs of them as spans: ``22, 30000-30009``."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in found)
