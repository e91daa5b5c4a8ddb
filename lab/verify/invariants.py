"""The global invariants g1 to g6, which hold in every scenario."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from typing import Any

from lab import names, ways
from lab.names import count
from lab.record.daemon_event import DaemonEnded
from lab.secret import Secret, find
from lab.topology.model import PppAccount, Role
from lab.topology.service import Inbound, credentials
from lab.topology.terminal import TERMINAL_PORT
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.verify.module_tries import is_lawful_in_clear, log_in
from lab.verify.outbound import clear_l2tp
from lab.verify.passed_on import ClearL2tp
from lab.wire import ppp
from lab.wire.decode import (
    ESP,
    ETHERTYPE_PPPOE,
    GRE,
    ICMP,
    ICMPV6,
    L2TP_V3,
    TCP,
    UDP,
    Frame,
    Packet,
)

_PPP_SIGNS = {
    "LCP": b"\xff\x03\xc0\x21",
    "PAP": b"\xff\x03\xc0\x23",
    "CHAP": b"\xff\x03\xc2\x23",
    "IPCP": b"\xff\x03\x80\x21",
}


_PPP_IN_GRE = b"\x88\x0b"


def check_g1(case: Case) -> Finding:
    """No packet to an address outside the list."""
    check = Check(
        "g1",
        f"each packet that leaves by {_outsides(case)} goes to an address of the profile's list",
    )
    listed = {address for address, _ in case.listed} | {case.topology.probe}
    for way in case.topology.ways:
        listed |= _wires(way.kind).destinations(case.topology, way)
    if (service := case.topology.service) is not None and service.relay_address:
        listed.add(service.relay_address)
    for frame, packet in case.departing:
        if packet.destination not in listed:
            check.object(f"a packet leaves for {packet.destination}, which is not listed", [frame])
    check.show(frame for frame, _ in case.departing[:4])
    _need_captures(case, check, case.outsides)
    reached = {packet.destination for _, packet in case.departing}
    if not reached:
        return check.not_tested(f"no packet{_but_lookups(case)} left by {_outsides(case)}")
    return check.finding(
        f"{count(len(case.departing), 'packet')} to {count(len(reached), 'address', 'addresses')}, "
        "all listed"
    )


def _but_lookups(case: Case) -> str:
    """What is no packet of anybody's way."""
    away = any(frame.segment in case.outsides for frame, _ in case.lookups)
    return " but lookups of names" if away else ""


def _outsides(case: Case) -> str:
    return " and ".join(case.outsides)


def _need_captures(case: Case, check: Check, segments: Iterable[str]) -> None:
    for segment in segments:
        check.want(segment in case.wire, f"there is no capture of {segment}")


def check_g2(case: Case) -> Finding:
    """No bare SYN towards the HMC on its uplink, which may be a telephone line."""
    uplinks = f"{case.inside} and the telephone" if case.dials else case.inside
    told = f", but {case.notifying}'s, to tell of a failure (E-05)" if case.notifying else ""
    if case.has_call_home_servers:
        told += ", but of consoles to TCP 9920 of call-home servers (M-05)"
    if case.topology.events is not None:
        told += ", but of the Events Manager to TCP 443 of consoles (M-11)"
    check = Check("g2", f"no bare SYN to {case.agents_text()} on {uplinks}{told}")
    packets = [(i.frame, i.data, not i.outgoing, " by telephone") for i in case.carried if i.data]
    packets += [
        (f, p, p.destination in case.agent_addresses, "")
        for f, p in case.packets(*case.uplinks)
        if not case.is_attempt(p)
    ]
    syns = [entry for entry in packets if entry[1].is_bare_syn]
    for frame, packet, to_hmc, by in syns:
        if to_hmc and not (is_between_consoles(case, packet) or case.is_notice(packet)):
            where = names.place(packet.destination, packet.destination_port)
            check.object(f"{packet.source} sends a SYN to {where}{by}", [frame])
    _need_captures(case, check, case.uplinks)
    seen = len(case.inside_frames) + len(case.carried)
    if not seen:
        return check.not_tested(f"no frame crossed {uplinks}")
    tried = sum(case.is_attempt(f.ip) for f in case.inside_frames if f.ip)
    of_agents = "the agent's host" if len(case.topology.agents) == 1 else "an agent's host"
    but = f" but for {tried} by which the lab tried to get in (OUT-02)" if tried else ""
    notices = sum(case.is_notice(packet) for _, packet, _, _ in syns)
    consoles = sum(is_between_consoles(case, packet) for _, packet, _, _ in syns)
    but += f" but for {consoles} of consoles" if consoles else ""
    but += f" but for {count(notices, 'notice')} of {case.notifying}" if notices else ""
    return check.finding(
        f"{count(seen, 'frame')} on {uplinks}, {count(len(syns), 'bare SYN')}, none to {of_agents}{but}"
    )


def is_between_consoles(case: Case, packet: Packet) -> bool:
    """Whether consoles say it to each other, at TCP 9920 or to approve events."""
    return case.is_inter_console(packet) or case.is_events_request(packet)


def check_g3(case: Case) -> Finding:
    """No L2TP and no PPP in clear on the outside wire."""
    check = Check("g3", f"no UDP 1701 and no PPP in clear on {_outsides(case)}")
    clear = [frame for frame in clear_l2tp(case) if frame.segment in case.outsides]
    check.forbid(clear, f"of UDP 1701 on {' and '.join(sorted({f.segment for f in clear}))}")

    encrypted = {(s.frame.segment, s.frame.number) for s in case.esp if s.opened.icv_good}
    frames = case.frames(*case.outsides)
    for frame in frames:
        if frame.ip and case.is_pass_through(frame.ip):
            continue
        if frame.ethertype in ETHERTYPE_PPPOE:
            check.object(f"PPPoE on {frame.segment}", [frame])
        if frame.ip and (name := _tunnel_of_ppp(frame.ip)):
            check.object(f"{name} on {frame.segment}", [frame])
        if (frame.segment, frame.number) in encrypted:
            continue
        for name, sign in _PPP_SIGNS.items():
            if sign in frame.data:
                check.object(f"{name} in clear on {frame.segment}", [frame])
    _need_captures(case, check, case.outsides)
    if not frames:
        return check.not_tested(f"no frame crossed {_outsides(case)}")
    return check.finding(
        f"{count(len(frames), 'frame')} on {_outsides(case)}, none with L2TP or PPP in clear"
    )


def _tunnel_of_ppp(packet: Packet) -> str:
    """PPTP, or L2TP without UDP; GRE may carry much else than PPP (RFC 2637 4.1)."""
    if packet.protocol == GRE and packet.payload[2:4] == _PPP_IN_GRE:
        return "PPP in GRE (protocol 47)"
    return "L2TP (protocol 115)" if packet.protocol == L2TP_V3 and packet.payload else ""


def check_g4(case: Case) -> Finding:
    """No protocol of a path that is not in use."""
    own = " and ".join(
        filter(None, dict.fromkeys(_wires(w.kind).title(case.topology) for w in case.topology.ways))
    )
    way = case.outsides[-1]
    check = Check("g4", f"{own} and no other path's protocol leaves by {way}{_silent_text(case)}")
    kinds: dict[str, int] = {}
    for frame, packet in case.departing:
        kind = _protocol(packet)
        sort = "what tries the fence" if case.is_trial(packet) else kind
        kinds[sort] = kinds.get(sort, 0) + 1
        if not _belongs(case, frame, packet):
            check.object(f"{kind} leaves by {frame.segment}", [frame])
    for kind in sorted({*ways.kinds()} - _kinds(case)):
        for sign, frames in _wires(kind).signs(case):
            check.object(sign, frames)
    check.show(frame for frame, _ in case.departing[:4])
    _need_captures(case, check, case.outsides)
    if not kinds:
        return check.not_tested(f"no packet{_but_lookups(case)} left by {_outsides(case)}")
    return check.finding(", ".join(f"{number} of {kind}" for kind, number in kinds.items()))


def _wires(kind: str) -> Any:
    return ways.stage(kind, "wires")


def _kinds(case: Case) -> set[str]:
    return {way.kind for way in case.topology.ways}


def _silent_text(case: Case) -> str:
    if case.dials:
        only = all(way.dials for way in case.topology.own_ways)
        silent = f"; nothing leaves by {case.outside}" if case.exits and only else ""
        return f", but for what tries the fence{silent}"
    return ", and the modems are silent" if case.topology.telephone else ""


def _belongs(case: Case, frame: Frame, packet: Packet) -> bool:
    return case.is_of_relay(packet) or any(
        _wires(kind).allows(case, frame, packet) for kind in _kinds(case)
    )


def _protocol(packet: Packet) -> str:
    if packet.protocol in (TCP, UDP):
        name = "TCP" if packet.protocol == TCP else "UDP"
        if packet.lacks_ports:
            return f"{name}, unread as {packet.unread}"
        return f"{name} {packet.destination_port}"
    known = {ESP: "ESP", ICMP: "ICMP", ICMPV6: "ICMPv6"}
    return known.get(packet.protocol, f"IP protocol {packet.protocol}")


_AT_ONCE = 4096
"""Frames: to join all of a run would take as much memory as the captures."""


def _somewhere(
    frames: list[Frame], credentials: list[tuple[str, bytes]]
) -> list[tuple[str, bytes]]:
    """Those of the credentials that some frame may have; many frames are searched at a time."""
    found: set[bytes] = set()
    for start in range(0, len(frames), _AT_ONCE):
        several = b"\0".join(frame.data for frame in frames[start : start + _AT_ONCE])
        found |= {value for _, value in credentials if value in several}
    return [(name, value) for name, value in credentials if value in found]


def check_g5(case: Case) -> Finding:
    """No credential in clear."""
    but = ", but for user names in the L2TP that is in clear (OUT-27)" if case.clear else ""
    # By PAP the password is in clear on the way to a partition's modem, as on the telephone line (P-11).
    by_pap = {id(seen.frame) for seen in case.clear if seen.ppp and seen.ppp.protocol == ppp.PAP}
    but += ", and for PAP in it (OUT-30)" if by_pap else ""
    if case.topology.modules:
        but += ", and for what a management module is told by HTTP, where it has no HTTPS (R-06)"
    check = Check(
        "g5", f"no key, secret, user name or system identification is in clear on any wire{but}"
    )
    credentials = _credentials(case)
    frames: list[Frame] = [frame for found in case.wire.values() for frame in found]
    # By PAP the password is in clear on the telephone line (P-11); nowhere else, and nothing else is.
    frames += [i.frame for i in case.carried if i.ppp and i.ppp.protocol != ppp.PAP]
    named = {id(seen.frame) for seen in case.clear if _says_name(seen)}
    modules_own = 0
    somewhere = _somewhere(frames, credentials)
    # A search of the whole model: for what is there, and that is rare.
    accounts = [account for _, account in find(case.topology, PppAccount)] if somewhere else []
    users = {account.user.encode() for account in accounts}
    passwords = {account.secret.reveal().encode() for account in accounts}
    for frame in frames if somewhere else ():
        for name, value in somewhere:
            own = id(frame) in named and value in users
            own |= id(frame) in by_pap and value in users | passwords
            if value in frame.data and is_lawful_in_clear(case, frame, value):
                own, modules_own = True, modules_own + 1
            if value in frame.data and not (own or _is_typed_at_terminal(case, frame, value)):
                check.object(f"{name} is in clear on {frame.segment}", [frame])
    for name, value in credentials:
        if any(value.decode() in said.text for said in case.dialogue):
            check.object(f"{name} is in the dialogue with a modem")
    check.want(case.wire, "there is no capture at all")
    if not frames:
        return check.not_tested("no frame crossed any wire")
    found = "none found"
    if modules_own:
        found += (
            f" but for what the management module is told by HTTP, {count(modules_own, 'time')}: the "
            "papers have HTTP there when HTTPS is not available (R-06), so its log-in was in clear"
        )
    return check.finding(
        f"{count(len(credentials), 'credential')} looked for in {count(len(frames), 'frame')}, {found}"
    )


def _says_name(seen: ClearL2tp) -> bool:
    """Whether a datagram of pass-through says who calls: L2TP's Host Name, CHAP's Name (RFC 1994 4.1)."""
    return seen.l2tp.control or (seen.ppp is not None and seen.ppp.protocol == ppp.CHAP)


def _is_typed_at_terminal(case: Case, frame: Frame, value: bytes) -> bool:
    """Whether it is a password on its way to a DS8000's terminal by VPN, where no customer's wire is (I-23).

    The terminal has no encryption of its own: the password is in clear between the IBM Service Server and the
    gateway, as it is on a telephone line.
    """
    service, packet = case.topology.service, frame.ip
    if service is None or service.by is not Inbound.vpn or packet is None:
        return False
    account, topology = service.terminal_account, case.topology
    own = {each.segment for each in topology.node(service.server).interfaces}
    gateways = topology.with_role(Role.vpn_gateway)
    beyond = own & {each.segment for gateway in gateways for each in gateway.interfaces}
    return (
        account is not None
        and value == account.password.reveal().encode()
        and packet.source == service.caller_address
        and packet.destination in {agreed.ppp_address for agreed in case.agreements}
        and (packet.protocol, packet.destination_port) == (TCP, TERMINAL_PORT)
        and frame.segment in beyond
    )


def _credentials(case: Case) -> list[tuple[str, bytes]]:
    """What each is, and its bytes; only the former may be told."""
    found = [(entry.system, "the system's identification") for entry in case.record.ledger]
    for place, account in find(case.topology, PppAccount):
        found.append((account.user, f"the model's {place}.user"))
    if (service := case.topology.service) is not None and service.by and service.ppp_address:
        secret = credentials(service.ppp_address).secret
        found.append((secret.reveal(), "the representative's secret"))
    for module in case.topology.modules:
        found.append((log_in(module)[1].decode(), f"the log-in at {module.node} (RFC 7617)"))
    if (events := case.topology.events) is not None:
        login = b64encode(f"{events.user}:{events.password.reveal()}".encode()).decode()
        found.append((login, f"the log-in at the page of {events.manager} (RFC 7617)"))
    for place, hidden in find(case.topology, Secret):
        found.append((hidden.reveal(), f"the model's {place}"))
    return [(name, value.encode()) for value, name in dict(found).items() if value]


def check_g6(case: Case) -> Finding:
    """After teardown nothing is left."""
    check = Check("g6", "after teardown no namespace, SA, link, table or process is left")
    ended = {event.source: event for event in case.told(DaemonEnded)}
    # What a program of the user's own has made is the user's, and goes with the node, too.
    own = {each.node for each in case.topology.own_programs}
    for leftover in case.record.leftovers:
        # A daemon that somebody has killed tidies nothing up; what it left goes with the node.
        node, _, what = leftover.partition(": ")
        if node not in ended and (node not in own or what.startswith("process ")):
            check.object(f"left over: {leftover}")
    check.want(case.record.ended, "the teardown did not come to its end")
    but = (f"{e.source}'s {e.program}, which ended before the lab did" for e in ended.values())
    return check.finding(f"nothing is left but by {', '.join(but)}" if ended else "nothing is left")
