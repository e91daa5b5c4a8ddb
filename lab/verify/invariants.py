"""The global invariants g1 to g6, which hold in every scenario."""

from __future__ import annotations

from lab.verify.case import Case
from lab.verify.finding import Check, Finding, count
from lab.verify.l2tp import clear_l2tp
from lab.verify.outbound import vpn_protocol
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
from lab.wire.isakmp import IKE_PORT, NAT_T_PORT

_PPP_SIGNS = {
    "LCP": b"\xff\x03\xc0\x21",
    "PAP": b"\xff\x03\xc0\x23",
    "CHAP": b"\xff\x03\xc2\x23",
    "IPCP": b"\xff\x03\x80\x21",
}


def check_g1(case: Case) -> Finding:
    """No packet to an address outside the list."""
    check = Check(
        "g1", f"each packet that leaves by {case.outside} goes to an address of the profile's list"
    )
    listed = {address for address, _ in case.listed} | set(case.gateways) | {case.topology.probe}
    for frame, packet in case.leaving:
        if packet.destination not in listed:
            check.object(f"a packet leaves for {packet.destination}, which is not listed", [frame])
    check.show(frame for frame, _ in case.leaving[:4])
    if case.outside not in case.wire:
        check.object(f"there is no capture of {case.outside}")
    reached = {packet.destination for _, packet in case.leaving}
    if not reached:
        return check.not_tested(f"no packet left by {case.outside}")
    return check.finding(
        f"{count(len(case.leaving), 'packet')} to {count(len(reached), 'address', 'addresses')}, "
        "all listed"
    )


def check_g2(case: Case) -> Finding:
    """No bare SYN towards the HMC on its uplink."""
    check = Check("g2", f"no bare SYN to {case.agents_text()} on {case.inside}")
    syns = 0
    for frame in case.frames(case.inside):
        if frame.ip and frame.ip.is_bare_syn:
            syns += 1
            if frame.ip.destination in case.agent_addresses:
                check.object(
                    f"{frame.ip.source} sends a SYN to "
                    f"{frame.ip.destination}:{frame.ip.destination_port}",
                    [frame],
                )
    if case.inside not in case.wire:
        check.object(f"there is no capture of {case.inside}")
    if not case.frames(case.inside):
        return check.not_tested(f"no frame crossed {case.inside}")
    return check.finding(
        f"{count(len(case.frames(case.inside)), 'frame')} on {case.inside}, "
        f"{count(syns, 'bare SYN')}, none to the HMC"
    )


def check_g3(case: Case) -> Finding:
    """No L2TP and no PPP in clear on the outside wire."""
    check = Check("g3", f"no UDP 1701 and no PPP in clear on {case.outside}")
    clear = [frame for frame in clear_l2tp(case) if frame.segment == case.outside]
    if clear:
        check.object(f"{count(len(clear), 'packet')} of UDP 1701 on {case.outside}", clear)

    encrypted = {s.frame.number for s in case.esp if s.opened.icv_good}
    for frame in case.frames(case.outside):
        if frame.ethertype in ETHERTYPE_PPPOE:
            check.object(f"PPPoE on {case.outside}", [frame])
        if frame.ip and frame.ip.protocol in (GRE, L2TP_V3):
            check.object(f"IP protocol {frame.ip.protocol} on {case.outside}", [frame])
        if frame.number in encrypted:
            continue
        for name, sign in _PPP_SIGNS.items():
            if sign in frame.data:
                check.object(f"{name} in clear on {case.outside}", [frame])
    if case.outside not in case.wire:
        check.object(f"there is no capture of {case.outside}")
    if not case.frames(case.outside):
        return check.not_tested(f"no frame crossed {case.outside}")
    return check.finding(
        f"{count(len(case.frames(case.outside)), 'frame')} on {case.outside}, none with L2TP or "
        "PPP in clear"
    )


def check_g4(case: Case) -> Finding:
    """No protocol of a path that is not in use."""
    own = _path_text(case)
    check = Check("g4", f"{own} and no other path's protocol leaves by {case.outside}")
    kinds: dict[str, int] = {}
    for frame, packet in case.leaving:
        kind = _protocol(packet)
        kinds[kind] = kinds.get(kind, 0) + 1
        if not _belongs(case, packet):
            check.object(f"{kind} leaves by {case.outside}", [frame])
    if not case.by_vpn:
        for frame in case.frames(case.inside):
            if frame.ip and (name := vpn_protocol(frame.ip)):
                check.object(f"{name} on {case.inside}", [frame])
    check.show(frame for frame, _ in case.leaving[:4])
    if case.outside not in case.wire:
        check.object(f"there is no capture of {case.outside}")
    if not kinds:
        return check.not_tested(f"no packet left by {case.outside}")
    return check.finding(", ".join(f"{number} of {kind}" for kind, number in kinds.items()))


def _path_text(case: Case) -> str:
    if not case.by_vpn:
        return "TCP 443 to listed servers"
    return "UDP 500 and UDP 4500" if case.snat else "UDP 500 and ESP"


def _belongs(case: Case, packet: Packet) -> bool:
    if packet.fragment_offset > 0 or packet.protocol in (ICMP, ICMPV6):
        return True
    if not case.by_vpn:
        return (
            packet.protocol == TCP and (packet.destination, packet.destination_port) in case.listed
        )
    if packet.protocol == UDP:
        ports = (IKE_PORT, NAT_T_PORT) if case.snat else (IKE_PORT,)
        return packet.destination_port in ports
    return packet.protocol == ESP and not case.snat


def _protocol(packet: Packet) -> str:
    if packet.protocol in (TCP, UDP):
        return f"{'TCP' if packet.protocol == TCP else 'UDP'} {packet.destination_port}"
    return {ESP: "ESP", ICMP: "ICMP"}.get(packet.protocol, f"IP protocol {packet.protocol}")


def check_g5(case: Case) -> Finding:
    """No credential in clear."""
    check = Check(
        "g5", "no key, secret, user name or system identification is in clear on any wire"
    )
    credentials = _credentials(case)
    frames: list[Frame] = [frame for found in case.wire.values() for frame in found]
    for frame in frames:
        for name, value in credentials:
            if value in frame.data:
                check.object(f"{name} is in clear on {frame.segment}", [frame])
    if not case.wire:
        check.object("there is no capture at all")
    if not frames:
        return check.not_tested("no frame crossed any wire")
    return check.finding(
        f"{count(len(credentials), 'credential')} looked for in {count(len(frames), 'frame')}, "
        "none found"
    )


def _credentials(case: Case) -> list[tuple[str, bytes]]:
    """What each is, and its bytes; only the former may be told."""
    found = []
    for connection in case.topology.ipsec:
        found.append((f"the key of {connection.name}", connection.client_side.psk))
        found.append((f"the key of {connection.name}", connection.gateway_side.psk))
    for client in case.topology.l2tp_clients:
        found.append((f"the PPP secret of {client.client}", client.account.secret))
        found.append((f"the PPP user name of {client.client}", client.account.user))
    for server in case.topology.l2tp_servers:
        for account in server.ppp.accounts:
            found.append((f"a PPP secret of {server.gateway}", account.secret))
    for entry in case.record.ledger:
        found.append(("the system's identification", entry.system))
    return [(name, value.encode()) for name, value in dict.fromkeys(found) if value]


def check_g6(case: Case) -> Finding:
    """After teardown nothing is left."""
    check = Check("g6", "after teardown no namespace, SA, link, table or process is left")
    for leftover in case.record.leftovers:
        check.object(f"left over: {leftover}")
    if case.record.ended == 0.0:
        check.object("the teardown did not come to its end")
    return check.finding("nothing is left")
