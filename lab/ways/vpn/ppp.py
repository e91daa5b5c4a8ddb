"""Findings on PPP inside the VPN: P-09, P-10 and OUT-22."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from lab.names import count
from lab.verify.case import Case
from lab.verify.finding import Check, Finding, frames_of
from lab.verify.outbound import is_of_another_way
from lab.verify.own_firewall import judge_own_firewall
from lab.verify.sightings import Inside
from lab.verify.step import Step
from lab.ways.vpn.plan import L2tpClient, VpnPlan
from lab.wire import esp, ppp
from lab.wire.ppp import ChapCode, Code


def check_p_09(case: Case) -> Finding:
    """IBM's server authenticates PPP sessions with CHAP."""
    check = Check(
        "P-09",
        "the gateway's LCP asks for CHAP with MD5 (C223/05) and nothing else, the client's "
        "response is "
        "MD5(id, secret, challenge), the gateway says Success, and IPCP comes only then",
    )
    case.need_secrets()
    good = 0
    for client in case.vpn_clients:
        good += _judge_client(case, check, client)

    weak = case.in_ppp(ppp.PAP)
    check.forbid(frames_of(i for i, _ in weak), "inside the VPN", "PAP packet")
    return check.finding(
        f"LCP option 3 is C223/05; {count(good, 'response')} right and accepted; no PAP"
    )


def _judge_client(case: Case, check: Check, client: L2tpClient) -> int:
    demands = [
        (item, frame.authentication)
        for item, frame in case.in_ppp(
            ppp.LCP, Code.configure_request, client=client.client, outgoing=False
        )
        if frame.option(ppp.OPTION_AUTHENTICATION) is not None
    ]
    for item, (protocol, algorithm) in demands:
        if (protocol, algorithm) != (ppp.CHAP, ppp.CHAP_MD5):
            check.object(
                f"the gateway asks {client.client} for {protocol:04X}/{algorithm:02X}", [item.frame]
            )
    check.show(frames_of(item for item, _ in demands[:2]))
    check.need(Step.lcp, demands, f"no gateway asked {client.client} to authenticate")

    right, successes = _judge_chap(case, check, client)
    if right < client.sessions or len(successes) < client.sessions:
        words = f"{client.client}: {right} right responses, {len(successes)} accepted"
        check.lack(Step.password, words)
    for item, _ in case.in_ppp(ppp.IPCP, client=client.client):
        if _is_early(case, item, successes):
            check.object(f"IPCP of {client.client} began before CHAP had succeeded", [item.frame])
            break
    return right


def _is_early(case: Case, item: Inside, successes: list[Inside]) -> bool:
    """Whether IPCP was surely sent before CHAP had succeeded.

    If a packet is lost that the gateway had sent before, that may have been the Success.
    """
    if any(_comes_before(success, item) for success in successes):
        return False
    sealed = _sealed(item)
    if item.outgoing or sealed is None:
        return True
    read = {s.sealed.sequence for s in case.esp if s.sealed.spi == sealed.spi and s.opened.icv_good}
    return read.issuperset(range(1, sealed.sequence))


def _comes_before(item: Inside, other: Inside) -> bool:
    """Whether it was sent first.

    ESP numbers what one end sends (RFC 4303 2.2), and a link may have one packet overtake another.
    """
    one, two = _sealed(item), _sealed(other)
    if one is not None and two is not None and one.spi == two.spi:
        return one.sequence < two.sequence
    return item.frame.time < other.frame.time


def _sealed(item: Inside) -> esp.Sealed | None:
    return esp.sealed(item.frame.ip) if item.frame.ip else None


def _judge_chap(case: Case, check: Check, client: L2tpClient) -> tuple[int, list[Inside]]:
    """How many responses are right, and what says that one is accepted."""
    challenges: dict[tuple[str, int], set[bytes]] = {}  # several sessions may use one identifier
    right = 0
    successes: list[Inside] = []
    for item, frame in case.in_ppp(ppp.CHAP, client=client.client):
        check.show([item.frame])
        challenge = (item.gateway, frame.identifier)
        if frame.code == ChapCode.challenge:
            challenges.setdefault(challenge, set()).add(frame.chap_value)
        elif frame.code == ChapCode.response:
            secret = client.account.secret.reveal()
            known = challenges.get(challenge, set())
            if frame.chap_value in {ppp.chap_md5(frame.identifier, secret, c) for c in known}:
                right += 1
            else:
                check.object(
                    f"a response of {client.client} does not fit its challenge", [item.frame]
                )
        elif frame.code == ChapCode.success:
            successes.append(item)
        elif frame.code == ChapCode.failure:
            check.object(f"the gateway refused the response of {client.client}", [item.frame])
    return right, successes


def check_p_10(case: Case) -> Finding:
    """Data sockets run over a PPP session."""
    check = Check(
        "P-10",
        "each data socket's source is an address that IPCP assigned, and the routes to the listed "
        "servers point at a PPP interface",
    )
    given = 0
    sockets: set[tuple[str, int]] = set()
    for node in case.vpn_agents:
        assigned = case.assigned(node.name)
        given += len(assigned)
        by_vpn = (s for s in case.record.ppp if s.gateway in case.gateways.values())
        recorded = {s.local_ip for s in by_vpn if s.client == node.name and s.local_ip}
        if recorded - assigned:
            extra = ", ".join(sorted(recorded - assigned))
            check.object(f"{node.name} uses {extra}, which IPCP did not assign")
        check.need(Step.address, assigned, f"IPCP assigned no address to {node.name}")

        for item, packet in case.data(node.name):
            if item.outgoing and packet.source not in assigned:
                check.object(f"{node.name} sends from {packet.source} inside PPP", [item.frame])
            if item.outgoing and packet.is_bare_syn:
                sockets.add((packet.source, packet.source_port))
                check.show([item.frame])
        _judge_routes(case, check, node.name)

    uplink = [
        frame
        for frame, packet in case.departing
        if packet.is_bare_syn
        and not case.is_trial(packet)
        and not is_of_another_way(case, "vpn", frame, packet)
    ]
    check.forbid(uplink, "past the VPN", "TCP connection")
    settled = [case.settled(node.name) for node in case.vpn_agents]
    elsewhere = all(way is not None and way.kind != "vpn" for way in settled)
    if case.called and not sockets and not elsewhere:
        check.lack(Step.syn, "no data socket was opened inside PPP")
    read = [node.name for node in case.vpn_agents if not case.is_own_client(node.name)]
    servers = {server for name in read for server in _servers(case, name)}
    routes = f"; routes to {count(len(servers), 'listed server')} point at PPP" if read else ""
    return check.finding(
        f"{count(len(sockets), 'data socket')} from "
        f"{count(given, 'assigned address', 'assigned addresses')}{routes}"
    )


def _judge_routes(case: Case, check: Check, client: str) -> None:
    if case.is_own_client(client):
        return  # They are the user's, and were not read.
    routes = []
    for line in case.record.routes.get(client, []):
        way, _, interface = line.partition(" dev ")
        destination = way.split()[0]  # what follows may name the next hop
        prefix = "0.0.0.0/0" if destination == "default" else destination
        routes.append((ip_network(prefix, strict=False), interface.strip()))
    routes.sort(key=lambda route: -route[0].prefixlen)

    for server in sorted(_servers(case, client)):
        address = ip_address(server)
        interface = next((name for prefix, name in routes if address in prefix), "")
        if not interface.startswith("ppp"):
            if interface:
                check.object(f"the route of {client} to {server} points at {interface}")
            else:
                check.lack(Step.address, f"the route of {client} to {server} is missing")


def _servers(case: Case, client: str) -> set[str]:
    """The addresses of the listed servers that a client calls by VPN."""
    plans = (way for way in case.topology.ways_of(client) if isinstance(way, VpnPlan))
    return {endpoint.address for plan in plans for endpoint in plan.endpoints}


def check_out_22(case: Case) -> Finding:
    """The HMC's own firewall applies to connections through the tunnel."""
    return judge_own_firewall(
        case, "OUT-22", kind="vpn", inside="inside the VPN", carriers="IKE, L2TP and PPP"
    )
