"""pppd's options, secrets, exit statuses and log lines; pure text, whatever carries the PPP.

No secret is ever an option: options end up in process lists and in xl2tpd's log.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from lab.topology.model import PppAccount, PppAuth


class ExitStatus(IntEnum):
    """pppd(8) EXIT STATUS, with the sentences of that page."""

    sentence: str

    def __new__(cls, status: int, sentence: str) -> ExitStatus:
        member = int.__new__(cls, status)
        member._value_, member.sentence = status, sentence
        return member

    OK = (
        0,
        (
            "pppd has detached, or otherwise the connection was successfully established and "
            "terminated at the peer's request"
        ),
    )
    FATAL_ERROR = (
        1,
        (
            "an immediately fatal error of some kind occurred, such as an essential system call "
            "failing, or running out of virtual memory"
        ),
    )
    OPTION_ERROR = (
        2,
        (
            "an error was detected in processing the options given, such as two mutually exclusive "
            "options being used"
        ),
    )
    NOT_ROOT = 3, "pppd is not setuid-root and the invoking user is not root"
    NO_KERNEL_SUPPORT = (
        4,
        (
            "the kernel does not support PPP, for example, the PPP kernel driver is not included or "
            "cannot be loaded"
        ),
    )
    USER_REQUEST = 5, "pppd terminated because it was sent a SIGINT, SIGTERM or SIGHUP signal"
    LOCK_FAILED = 6, "the serial port could not be locked"
    OPEN_FAILED = 7, "the serial port could not be opened"
    CONNECT_FAILED = 8, "the connect script failed (returned a non-zero exit status)"
    PTYCMD_FAILED = 9, "the command specified as the argument to the pty option could not be run"
    NEGOTIATION_FAILED = (
        10,
        (
            "the PPP negotiation failed, that is, it didn't reach the point where at least one "
            "network protocol (e.g. IP) was running"
        ),
    )
    PEER_AUTH_FAILED = 11, "the peer system failed (or refused) to authenticate itself"
    IDLE_TIMEOUT = 12, "the link was established successfully and terminated because it was idle"
    CONNECT_TIME = (
        13,
        (
            "the link was established successfully and terminated because the connect time limit "
            "was reached"
        ),
    )
    CALLBACK = 14, "callback was negotiated and an incoming call should arrive shortly"
    PEER_DEAD = 15, "the link was terminated because the peer is not responding to echo requests"
    HANGUP = 16, "the link was terminated by the modem hanging up"
    LOOPBACK = 17, "the PPP negotiation failed because serial loopback was detected"
    INIT_FAILED = 18, "the init script failed (returned a non-zero exit status)"
    AUTH_TO_PEER_FAILED = 19, "we failed to authenticate ourselves to the peer"


def describe_exit(status: int) -> str:
    """``exit status 19: we failed to authenticate ourselves to the peer``."""
    for known in ExitStatus:
        if status == known:
            return f"exit status {status}: {known.sentence}"
    return f"exit status {status}, which pppd(8) does not know"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What one pppd is told beside its device."""

    name: str
    """The name by which it authenticates itself, or as which it challenges."""
    log: Path
    mtu: int
    demand: PppAuth | None = None
    """What the peer must authenticate itself with; None where it need not."""
    offer: tuple[PppAuth, ...] = ()
    """What it agrees to authenticate itself with."""
    addresses: tuple[str, str] | None = None
    """Its own and the peer's, both fixed; None where it takes what the peer says."""
    dns: str = ""
    """A name server that a peer who asks is told (RFC 1877)."""
    ask_dns: bool = False
    """Whether it asks its peer for name servers, and writes them to /etc/ppp/resolv.conf."""
    unit: int | None = None
    """The number of the interface: ``ppp<unit>``; None where any free one will do."""
    environment: tuple[tuple[str, str], ...] = ()
    """What its scripts find in their environment, beside pppd(8) SCRIPTS."""
    echo_interval_s: int = 0
    echo_failures: int = 0


# pppd's own names of what is neither CHAP with MD5 nor PAP.
_OTHER_PROTOCOLS = ("mschap", "mschap-v2", "eap")


def render_options(options: Options) -> str:
    """An options file."""
    lines = [
        f'name "{options.name}"',
        *_authentication(options),
        f"mtu {options.mtu}",
        f"mru {options.mtu}",
        # RFC 1661 6.5, 6.6: with both fields uncompressed each frame carries FF 03 and two bytes of
        # protocol, as T1-13 counts.
        "noaccomp",
        "nopcomp",
        "noccp",
        "nobsdcomp",
        "nodeflate",
        "novj",
        "noipv6",
        *_addresses(options),
        "noipdefault",
        "nodefaultroute",
        "noproxyarp",
        "noktune",
        "nodetach",
        "debug",
        "hide-password",
        f'logfile "{options.log}"',
    ]
    if options.echo_interval_s:
        lines += [
            f"lcp-echo-interval {options.echo_interval_s}",
            f"lcp-echo-failure {options.echo_failures}",
        ]
    if options.unit is not None:
        lines.append(f"unit {options.unit}")
    if options.ask_dns:
        lines.append("usepeerdns")
    if options.dns:
        lines.append(f"ms-dns {options.dns}")
    lines += [f'set "{name}={value}"' for name, value in options.environment]
    return "".join(f"{line}\n" for line in lines)


def _addresses(options: Options) -> Iterable[str]:
    if options.addresses is None:
        return ("ipcp-accept-local", "ipcp-accept-remote")
    return (":".join(options.addresses),)


def _authentication(options: Options) -> Iterable[str]:
    if options.demand is None:
        yield "noauth"
    else:
        yield "auth"
        yield f"require-{options.demand}"

    for auth in PppAuth:
        if auth not in options.offer:
            yield f"refuse-{auth}"
    for protocol in _OTHER_PROTOCOLS:
        yield f"refuse-{protocol}"


def render_secrets(accounts: Iterable[PppAccount]) -> str:
    """chap-secrets or pap-secrets: any server, any address (the pool decides)."""
    return "".join(f'"{account.user}" * "{account.secret.reveal()}" *\n' for account in accounts)


_COMPLAINTS = (
    r"CHAP authentication failed.*",
    r"PAP authentication failed.*",
    r"peer refused to authenticate.*",
    r"Peer .* failed (?:CHAP|PAP) authentication",
    r"rcvd \[LCP TermReq id=\w+ \"(?P<said>[^\"]+)\"\]",
    r"No response to \d+ echo-requests",
    r"LCP: timeout sending Config-Requests",
    r"IPCP: timeout sending Config-Requests",
    r"Could not determine (?:local|remote) IP address.*",
    r"(?:The remote system is required to authenticate itself|.*authentication is required).*",
    r"Connect time expired|Modem hangup|Terminating on signal \d+",
    r"LCP terminated by peer.*",
)
_COMPLAINT = re.compile("|".join(f"(?:{pattern})" for pattern in _COMPLAINTS))


def complaints(log: str) -> tuple[str, ...]:
    """What pppd's log says went wrong, in its words and in order, each once."""
    found = [
        f"the peer says: {match['said']}" if match["said"] else match[0]
        for match in map(_COMPLAINT.search, log.splitlines())
        if match is not None
    ]
    return tuple(dict.fromkeys(found))
