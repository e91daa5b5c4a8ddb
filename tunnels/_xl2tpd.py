"""xl2tpd's configuration, its log lines and the kernel's table of L2TP sessions; pure text.

Debian's xl2tpd prints pppd's whole command line into its log, so nothing secret may be an option.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from itertools import pairwise

CONFIGURATION = "/etc/xl2tpd/xl2tpd.conf"
SECRETS = "/etc/xl2tpd/l2tp-secrets"
CONTROL = "/run/xl2tpd/control"
PID_FILE = "/run/xl2tpd/pid"

MAX_RETRIES = 5
"""RFC 2661 5.8."""

OUTGOING = "/var/l2tp"
"""Where xl2tpd (1.3.18, control.c) has pppd read ``<number>.options`` for an outgoing call, beside the LAC
section's own file; pppd does not start without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LacSection:
    """A call that xl2tpd can place."""

    name: str
    lns: str
    hostname: str
    options_file: str
    redial_s: int = 0
    """Seconds until a further call; 0 for never."""


def render_lac(listen: str, sections: Iterable[LacSection], *, debug_avps: bool = False) -> str:
    """``debug_avps``: the log is to have what AVPs say, as the codes with which a peer clears a call."""
    return (
        _render_global(listen)
        + ("debug avp = yes\n" if debug_avps else "")
        + "".join(
            f"""
[lac {section.name}]
lns = {section.lns}
hostname = {section.hostname}
redial = {"yes" if section.redial_s else "no"}
{f"redial timeout = {section.redial_s}" if section.redial_s else "autodial = no"}
require authentication = no
length bit = yes
pass peer = no
pppoptfile = {section.options_file}
"""
            for section in sections
        )
    )


def render_lns(
    listen: str, hostname: str, local_ip: str, pool: Iterable[str], options_file: str
) -> str:
    """The configuration of a gateway; a pool without addresses makes it refuse every call."""
    ranges = "".join(f"ip range = {first}-{last}\n" for first, last in pool_ranges(pool))
    return f"""{_render_global(listen)}
[lns default]
{ranges}assign ip = yes
local ip = {local_ip}
hostname = {hostname}
require authentication = yes
length bit = yes
pass peer = no
pppoptfile = {options_file}
"""


def _render_global(listen: str) -> str:
    return f"""\
[global]
listen-addr = {listen}
port = 1701
access control = no
auth file = {SECRETS}
max retries = {MAX_RETRIES}
"""


def pool_ranges(pool: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Addresses as runs without gaps."""
    addresses = sorted({IPv4Address(address) for address in pool})
    if not addresses:
        return
    breaks = [i for i, (a, b) in enumerate(pairwise(addresses), 1) if int(b) != int(a) + 1]
    for start, end in pairwise([0, *breaks, len(addresses)]):
        yield str(addresses[start]), str(addresses[end - 1])


# The log.

OUT_OF_ADDRESSES = "Out of IP addresses on tunnel"
"""Of an LNS that refuses a call for that (1.3.18, control.c)."""


@dataclass(frozen=True, slots=True)
class TunnelUp:
    """``Connection established``: SCCCN was sent or received."""

    local_id: int
    remote_id: int


@dataclass(frozen=True, slots=True)
class Calling:
    """An ICRQ goes out in a tunnel; the n-th of a daemon has the serial number n."""

    tunnel_local_id: int


@dataclass(frozen=True, slots=True)
class CallUp:
    """``Call established``: ICCN was sent or received, and pppd is started."""

    local_id: int
    remote_id: int
    serial: int
    peer: str
    """The address at the other end."""


@dataclass(frozen=True, slots=True)
class OutgoingCallUp:
    """``parameters:``: OCCN was received for a call that an LNS had asked for (OCRQ), and pppd is started."""

    local_id: int
    remote_id: int
    serial: int
    number: str
    """The called number."""


@dataclass(frozen=True, slots=True)
class TransmitSpeed:
    """OCCN says how fast the LAC sends on its line; only where ``debug_avps`` was set."""

    bit_s: int


@dataclass(frozen=True, slots=True)
class PeerReason:
    """The codes of a CDN or StopCCN that has just come; only where ``debug_avps`` was set."""

    result: int
    error: int
    """-1 if there is none."""
    words: str


@dataclass(frozen=True, slots=True)
class PppdEnded:
    """A call's pppd is gone; a signal counts as its negative number."""

    call_remote_id: int
    status: int


@dataclass(frozen=True, slots=True)
class CallClosed:
    """The peer sent a CDN (RFC 2661 6.12)."""

    serial: int
    why: str


@dataclass(frozen=True, slots=True)
class TunnelClosed:
    """The peer sent a StopCCN, we did, or nobody answered; xl2tpd names one of the two ids."""

    why: str
    local_id: int = 0
    remote_id: int = 0


Fact = (
    TunnelUp
    | Calling
    | CallUp
    | OutgoingCallUp
    | TransmitSpeed
    | PeerReason
    | PppdEnded
    | CallClosed
    | TunnelClosed
)

_LINES: tuple[tuple[str, Callable[..., Fact]], ...] = (
    (
        r"Connection established to \S+ \d+\.  Local: (\d+), Remote: (\d+)",
        lambda local, remote: TunnelUp(int(local), int(remote)),
    ),
    (r"Calling on tunnel (\d+)", lambda local: Calling(int(local))),
    (
        r"Call established with ([^\s,]+).*Local: (\d+), Remote: (\d+), Serial: (\d+)",
        lambda peer, local, remote, serial: CallUp(int(local), int(remote), int(serial), peer),
    ),
    (
        r"parameters: Local: (\d+) , Remote: (\d+) , Serial: (\d+) , Pid: .* Phoneid: (\S+)",
        lambda local, remote, serial, number: OutgoingCallUp(
            int(local), int(remote), int(serial), number
        ),
    ),
    (r"transmit baud rate is (\d+)", lambda bit_s: TransmitSpeed(int(bit_s))),
    (
        r"peer closing for reason (\d+) \(.*\), error = (-?\d+) \((.*)\)",
        lambda result, error, words: PeerReason(int(result), int(error), words),
    ),
    (
        r"pppd exited for call (\d+) with code (\d+)",
        lambda remote, status: PppdEnded(int(remote), int(status)),
    ),
    (
        r"pppd terminated for call (\d+) by signal (\d+)",
        lambda remote, signal: PppdEnded(int(remote), -int(signal)),
    ),
    (
        r"Connection closed to \S+ serial (\d+) \((.*)\)",
        lambda serial, why: CallClosed(int(serial), why),
    ),
    (
        r"Connection closed to \S+ port \d+ \((.*)\), Local: (\d+)",
        lambda why, local: TunnelClosed(why, local_id=int(local)),
    ),
    (
        r"Connection (\d+) closed to \S+ port \d+ \((.*)\)",
        lambda remote, why: TunnelClosed(why, remote_id=int(remote)),
    ),
    (
        r"(Maximum retries exceeded) for tunnel (\d+)",
        lambda why, local: TunnelClosed(why, local_id=int(local)),
    ),
)


def parse_log(text: str) -> Iterator[Fact]:
    """The facts that a log tells, in order."""
    for line in text.splitlines():
        for pattern, fact in _LINES:
            if (match := re.search(pattern, line)) is not None:
                yield fact(*match.groups())
                break


# One for each tunnel; xl2tpd ends these lines in no newline.
_CALL_COUNT = re.compile(r" call count = (\d+)")


def parse_call_count(status: str) -> int:
    """How many calls there are, from what the command ``s`` puts into the log."""
    return sum(int(match[1]) for match in _CALL_COUNT.finditer(status))


# The kernel's table, /proc/net/pppol2tp.

_SESSION = re.compile(r"SESSION '.*',? \S+ ([0-9A-F]+)/([0-9A-F]+) -> ")
_INTERFACE = re.compile(r"^\s*interface (\S+)")


def parse_sessions(text: str) -> dict[int, str]:
    """A session's own id to its PPP interface, where pppd has one for it already."""
    found: dict[int, str] = {}
    session = 0
    for line in text.splitlines():
        if (match := _SESSION.search(line)) is not None:
            session = int(match[2], 16)
        elif (match := _INTERFACE.match(line)) is not None:
            found[session] = match[1]
    return found
