"""PPP by pppd, whatever carries it: what a node's pppd is told, what its log and exit status say, and
what its interface has become.

The carrier (an L2TP session, a telephone line) starts pppd and learns its exit status; it uses this
module for the rest. No secret is ever an option: options end up in process lists and in xl2tpd's log.
"""

from __future__ import annotations

import fcntl
import re
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from lab.linux import configuration, furnishing
from lab.linux.nodes import Node
from lab.record.cause import PppCause
from lab.topology.model import PppAccount, PppAuth

_SIOCGIFFLAGS = 0x8913
_SIOCGIFADDR = 0x8915
_SIOCGIFDSTADDR = 0x8917
_SIOCGIFMTU = 0x8921
_IFF_UP = 0x1


# What pppd is told.


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
    """Its own and the peer's, both fixed; None where it takes what the peer says.

    An end that demands authentication gives addresses, and takes none: xl2tpd names them for each call.
    """
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
    if options.addresses is None and options.demand is not None:
        return ()
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


def write_options(node: Node, path: str, options: Options) -> None:
    """Write an options file for a pppd of the lab's own in the node, and make room for its log.

    Scripts of packages are not for that pppd: the one of Debian's ppp would change /etc/resolv.conf.
    """
    options.log.parent.mkdir(parents=True, exist_ok=True)
    configuration.write(node, path, render_options(options))
    node.hide(furnishing.HOOKS)


def write_secrets(node: Node, accounts: Iterable[PppAccount]) -> None:
    """Write the node's private secrets, for CHAP and PAP alike; the options say which is used."""
    text = render_secrets(accounts)
    node.write("/etc/ppp/chap-secrets", text)
    node.write("/etc/ppp/pap-secrets", text)
    # pppd reads it first, if it is there; nothing of the surrounding system may come in by it.
    node.write("/etc/ppp/options", "")


# What became of it.

EXIT_STATUSES = tuple(
    resources.files(__package__).joinpath("exit-statuses.txt").read_text("utf-8").splitlines()
)
"""What each status from 0 on means, in the words of pppd(8) EXIT STATUS."""

_ENDED_BY_SIGNAL = 5

_PROVES_A_DEFECT = (2, 3, 4)
MAY_END_WITH = frozenset(range(len(EXIT_STATUSES))) - {*_PROVES_A_DEFECT}
"""The exit statuses of an end that proves no defect. Fatal errors are among them: to pppd a serial port that
goes away is one. After a signal such as SIGSEGV pppd ends with 127, which its page does not know."""


def describe_exit(status: int) -> str:
    """``exit status 19: we failed to authenticate ourselves to the peer``, ``signal 11``."""
    if status < 0:
        return f"signal {-status}"
    if 0 <= status < len(EXIT_STATUSES):
        return f"exit status {status}: {EXIT_STATUSES[status]}"
    return f"exit status {status}, which pppd(8) does not know"


_COMPLAINTS = (
    (r"(?:CHAP|PAP) authentication failed", PppCause.not_accepted),
    (r"peer refused to authenticate", PppCause.not_willing),
    (
        r"The remote system is required to authenticate itself|authentication is required",
        PppCause.not_willing,
    ),
    (r"Peer .* failed (?:CHAP|PAP) authentication", PppCause.not_genuine),
    (r"rcvd \[LCP TermReq id=\w+ \"([^\"]+)\"\]", PppCause.ended_by_peer),
    (r"LCP terminated by peer(?: \((.*)\))?", PppCause.ended_by_peer),
    (r"No response to \d+ echo-requests", PppCause.no_echo),
    (r"LCP: timeout sending Config-Requests", PppCause.no_lcp),
    (r"IPCP: timeout sending Config-Requests", PppCause.no_ipcp),
    (r"Could not determine (?:local|remote) IP address", PppCause.no_address),
    (r"Modem hangup", PppCause.hangup),
    (r"Terminating on signal", PppCause.terminated),
)


def find_cause(log: str, status: int) -> tuple[PppCause | None, str]:
    """Why a pppd ended, and the peer's own words for it: by the first complaint in its log.

    What comes after that came of it. None: pppd neither complains nor says by its exit status that
    anything went wrong.
    """
    for line in log.splitlines():
        for pattern, cause in _COMPLAINTS:
            if match := re.search(pattern, line):
                return cause, (match[1] or "") if match.re.groups else ""
    if status == _ENDED_BY_SIGNAL:
        return PppCause.terminated, ""
    return (PppCause.unexplained if status > 0 else None), ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A PPP interface over which IP can go: IPCP has opened (RFC 1332)."""

    interface: str
    local_ip: str
    peer_ip: str
    mtu: int


def find_link(node: Node, interface: str) -> Link | None:
    """The interface's addresses once pppd has put it up, which it does when IPCP opens."""
    return node.call(_find_link, interface)


def _find_link(interface: str) -> Link | None:
    name = interface.encode()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:

        def ask(request: int) -> bytes:
            return fcntl.ioctl(control, request, struct.pack("16s24x", name))[16:]

        try:
            (flags,) = struct.unpack_from("H", ask(_SIOCGIFFLAGS))
            if not flags & _IFF_UP:
                return None
            local_ip = socket.inet_ntoa(ask(_SIOCGIFADDR)[4:8])
            peer_ip = socket.inet_ntoa(ask(_SIOCGIFDSTADDR)[4:8])
            (mtu,) = struct.unpack_from("i", ask(_SIOCGIFMTU))
        except OSError:
            # It has gone, or has no address yet.
            return None
    return Link(interface=interface, local_ip=local_ip, peer_ip=peer_ip, mtu=mtu)
