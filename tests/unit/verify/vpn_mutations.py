"""What can be wrong with a call home by VPN, as mutations of true runs."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.packet import Raw

from lab.record.record import EspSa
from lab.secret import Secret
from lab.topology.model import AllowRule, Topology
from lab.verify.sightings import Inside
from lab.ways.vpn.plan import IpsecConnection, L2tpClient, clients
from lab.wire import decode, isakmp, ppp
from lab.wire.decode import Frame, Packet
from lab.wire.isakmp import IKE_PORT, NAT_T_PORT, NON_ESP_MARKER, ExchangeType
from lab.wire.l2tp import Avp, ControlType
from tests.recordings import sealing
from tests.recordings.true_run import TrueRun, edited, ppp_packet, with_sums
from tests.unit.verify.changes import change_clients, change_connections
from tests.unit.verify.mutation import (
    CLEAR_L2TP,
    CLEAR_LCP,
    RANDOM,
    SYN,
    UNLISTED,
    Believed,
    Change,
    crosses,
    enters,
    facts,
    forget_attempts,
    judged_by,
    leaves,
    lose_attempts,
    lose_injected,
    lost,
    mutation,
    noted,
    set_counter,
)

VPN1, SERVER = "129.42.160.16", "129.42.160.48"
SHA1_BITS, MD5_BITS = 160, 128


# -- IKE ------------------------------------------------------------------------------------------


def ike(run: TrueRun, exchange: ExchangeType) -> list[Frame]:
    """The messages of an exchange between customer and Internet, in order."""

    def chooses(packet: Packet) -> bool:
        message = isakmp.message(packet)
        return message is not None and message.exchange == exchange

    return run.find("fw-inet", chooses)


def spare_message(run: TrueRun) -> None:
    """One message of main mode more, which is no other's copy."""
    last = ike(run, ExchangeType.main_mode)[-1]
    other = last.data[14:-1] + bytes([last.data[-1] ^ 1])
    run.add("fw-inet", last.data[:14] + with_sums(other), last.time + 0.001)


def stay_on_500(run: TrueRun) -> None:
    """Main mode 5 is not moved to UDP 4500 (RFC 3947 4)."""
    fifth = ike(run, ExchangeType.main_mode)[4]
    packet = IP(fifth.data[14:])
    message = bytes(packet[UDP].payload).removeprefix(NON_ESP_MARKER)
    moved = IP(src=packet.src, dst=packet.dst) / UDP(sport=IKE_PORT, dport=IKE_PORT) / Raw(message)
    run.change(fifth, fifth.data[:14] + bytes(moved))


def lose_keepalives(run: TrueRun) -> None:
    run.drop("lan", run.find("lan", lambda p: p.payload == isakmp.KEEPALIVE))


def sign(run: TrueRun) -> None:
    """The gateway chooses authentication by RSA signatures (RFC 2409 appendix A)."""
    by_key, by_signature = (struct.pack("!HH", 0x8003, method) for method in (1, 3))
    second = ike(run, ExchangeType.main_mode)[1]
    assert by_key in second.data
    signed = second.data[14:].replace(by_key, by_signature)
    run.change(second, second.data[:14] + with_sums(signed))


def ask_first_again(run: TrueRun) -> None:
    """After the second server is asked, the first is asked once more."""
    frame = run.find("lan", lambda p: p.destination == VPN1)[0]
    run.add("lan", frame.data, run.end)


def answer_from_first(run: TrueRun) -> None:
    """The second server is asked before the first."""
    for segment in run.wire:
        run.drop(segment, [f for f in run.wire[segment] if f.ip and f.ip.destination == VPN1])


# -- ESP ------------------------------------------------------------------------------------------


def spoil(run: TrueRun) -> None:
    """The HMC sends an ESP packet with a wrong ICV."""
    item = echo(run)
    assert item.outgoing
    run.spoil(item)


def spoil_and_refuse(run: TrueRun) -> None:
    """The same, and the gateway's kernel counts it."""
    spoil(run)
    run.record.xfrm.setdefault("vpn1", {})["XfrmInStateProtoError"] = 1


def echo(run: TrueRun) -> Inside:
    """A packet without which nothing is missing: an LCP Echo-Request."""
    return run.inside(lambda i: of_ppp(i, ppp.LCP, ppp.Code.echo_request))[0]


def without_tunnel(run: TrueRun) -> None:
    """An ESP packet in transport mode: UDP follows where IP should (RFC 4303 3.1.1)."""
    item = echo(run)
    run.reseal(item, inner(item)[20:], next_header=17)


def other_protocol(run: TrueRun) -> None:
    """An ESP packet that leaves has another protocol number."""
    frame = echo(run).frame
    run.change(frame, edited(frame, proto=99))


def inner(item: Inside) -> bytes:
    """The bytes of the IP packet in an ESP packet."""
    packet = item.packet
    ends = struct.pack("!HHHH", packet.source_port, packet.destination_port, 0, 0)
    return sealing.ip(packet.source, packet.destination, packet.protocol, ends + packet.payload)


def to_gateway(run: TrueRun) -> list[EspSa]:
    """The SAs by which the HMC sends, in the order of their keys."""
    return [sa for sa in run.record.esp if (sa.node, sa.destination) == ("hmc", VPN1)]


def old_keys(run: TrueRun) -> None:
    """After new keys were agreed on, the HMC goes on with those that it had (P-06)."""
    _, new = to_gateway(run)
    old = run.inside(lambda i: i.outgoing and i.frame.time < new.added and i.data)[-1]
    run.seal(old, inner(old), run.record.ended - 60)


def sas(**fields: object) -> Change:
    """What a kernel says of the first SA."""
    return facts("esp", 0, **fields)


def drawn_outside(run: TrueRun) -> None:
    to_gateway(run)[0].rekey_after_s = 3000


def too_early(run: TrueRun) -> None:
    """New keys come long before half an hour has passed."""
    for sa in run.record.esp:
        if sa.added - run.record.started > 60:
            sa.added -= 1000


def never_again(run: TrueRun) -> None:
    """No new keys come."""
    sas = run.record.esp
    run.record.esp = [sa for sa in sas if sa.added - run.record.started < 60]
    for sa in run.record.esp:
        sa.removed = 0.0


def same_spi(run: TrueRun) -> None:
    """New keys under the SPI of the old ones."""
    first, second = to_gateway(run)
    second.spi = first.spi


def keys_at(*times_s: float) -> Change:
    """New keys at these times after the first, as a longer run records them."""

    def change(run: TrueRun) -> None:
        first = to_gateway(run)[0]
        later = [
            replace(first, spi=n, added=first.added + s) for n, s in enumerate(times_s, 0xCF000000)
        ]
        run.record.esp += later
        run.record.ended = later[-1].added + 100
        for sa in run.record.esp:
            sa.removed = min(run.record.ended, sa.added + 1900)

    return change


def second_tunnel(run: TrueRun) -> None:
    """Keys changed, and so did the L2TP tunnel."""
    run.record.l2tp.append(replace(run.record.l2tp[0]))


# -- L2TP and PPP ---------------------------------------------------------------------------------


def control(run: TrueRun, kind: ControlType) -> Inside:
    return run.inside(lambda i: i.l2tp and i.l2tp.control_type == kind)[0]


def of_ppp(item: Inside, protocol: int, code: int = 0) -> bool:
    frame = item.ppp
    return frame is not None and frame.protocol == protocol and code in (0, frame.code)


def in_ppp(run: TrueRun, protocol: int, code: int = 0) -> Inside:
    return run.inside(lambda i: of_ppp(i, protocol, code))[0]


def again(kind: ControlType, avp: Avp) -> Change:
    """A control message once more, with another identifier and another number."""

    def change(run: TrueRun) -> None:
        item = control(run, kind)
        message = item.packet.payload
        assert item.l2tp is not None
        old = struct.pack("!HHH", 0x8000 | 8, 0, avp) + item.l2tp.avp(avp)
        assert old in message
        other = message.replace(old, old[:-2] + bytes(byte ^ 0x55 for byte in old[-2:]))
        head = other[:8] + struct.pack("!H", item.l2tp.sequence + 100) + other[10:12]
        run.seal(item, sealing.in_udp(item, head, other[12:]), item.frame.time + 0.001)

    return change


def replaced(chooses: Callable[[Inside], object], content: Callable[[Inside], bytes]) -> Change:
    """Another PPP frame in the place of one."""

    def change(run: TrueRun) -> None:
        item = run.inside(chooses)[0]
        run.reseal(item, sealing.in_l2tp(item, content(item)))

    return change


def added(chooses: Callable[[Inside], object], content: Callable[[Inside], bytes]) -> Change:
    """One more PPP frame, soon after one."""

    def change(run: TrueRun) -> None:
        item = run.inside(chooses)[0]
        run.seal(item, sealing.in_l2tp(item, content(item)), item.frame.time + 0.001)

    return change


def is_demand(item: Inside) -> bool:
    """A gateway's LCP asks the client to authenticate."""
    demands = of_ppp(item, ppp.LCP, ppp.Code.configure_request) and not item.outgoing
    return (
        demands and item.ppp is not None and item.ppp.option(ppp.OPTION_AUTHENTICATION) is not None
    )


def demand_pap(item: Inside) -> bytes:
    assert item.l2tp is not None
    return item.l2tp.ppp.replace(b"\x03\x05\xc2\x23\x05", b"\x03\x05\xc0\x23\x05")


def is_response(item: Inside) -> bool:
    return of_ppp(item, ppp.CHAP, ppp.ChapCode.response)


def other_response(item: Inside) -> bytes:
    assert item.ppp is not None
    assert item.l2tp is not None
    value = item.ppp.chap_value
    return item.l2tp.ppp.replace(value, value[::-1])


def is_syn(item: Inside) -> bool:
    return item.outgoing and item.data is not None and item.data.is_bare_syn


def from_elsewhere(item: Inside) -> bytes:
    packet = IP(src="192.168.10.10", dst=SERVER) / TCP(sport=40001, dport=443, flags="A")
    return b"\xff\x03\x00\x21" + bytes(packet)


def a_syn_ack(item: Inside) -> bytes:
    """To a server that tried to get in."""
    assert item.data is not None
    packet = IP(src=item.data.source, dst=SERVER) / TCP(sport=443, dport=40001, flags="SA")
    return b"\xff\x03\x00\x21" + bytes(packet)


def early_ipcp(run: TrueRun) -> None:
    """The gateway sends IPCP first, and then that CHAP has succeeded: in the order of ESP's numbers."""
    success = in_ppp(run, ppp.CHAP, ppp.ChapCode.success)
    first = run.inside(lambda i: of_ppp(i, ppp.IPCP) and not i.outgoing)[0]
    contents = inner(success), inner(first)
    run.reseal(first, contents[0])
    run.reseal(success, contents[1])


def early_ipcp_of_client(run: TrueRun) -> None:
    """The HMC begins IPCP before it can know that CHAP has succeeded."""
    success = in_ppp(run, ppp.CHAP, ppp.ChapCode.success)
    first = run.inside(lambda i: of_ppp(i, ppp.IPCP) and i.outgoing)[0]
    run.retime(first, success.frame.time - 0.001)


def early_syn(run: TrueRun) -> None:
    """The HMC calls home before IPCP is open."""
    ack = run.inside(lambda i: of_ppp(i, ppp.IPCP, ppp.Code.configure_ack))[-1]
    run.retime(run.inside(is_syn)[0], ack.frame.time - 0.001)


def early_request(run: TrueRun) -> None:
    """SCCRQ comes before the SAs are installed."""
    run.retime(control(run, ControlType.SCCRQ), run.case().sa_installed("hmc") - 0.02)


def pass_rule(run: TrueRun) -> None:
    """TCP is inside the VPN while the HMC's own rule is tried."""
    like = run.inside(is_syn)[0]
    assert like.l2tp is not None
    at = run.record.trials[0].started + 1
    run.seal(like, sealing.in_l2tp(like, like.l2tp.ppp), at)


def stray(run: TrueRun) -> None:
    """A ping is inside the SA beside L2TP."""
    ping = bytes(IP(src="192.168.10.10", dst=VPN1) / ICMP())
    run.seal(echo(run), ping, run.end)


def lose_a_reply(run: TrueRun) -> None:
    replies = run.inside(lambda i: i.data and i.data.protocol == decode.ICMP and not i.outgoing)
    run.unseal(replies[2:3])


def tell_secret(run: TrueRun) -> None:
    secret = clients(run.topology)[0].account.secret.reveal()
    packet = IP(src="10.1.0.11", dst="10.1.0.20") / UDP(sport=1, dport=2) / Raw(secret.encode())
    run.put("core", "vpn1", "sdc", bytes(packet), run.end)


# -- the record and the model ---------------------------------------------------------------------


def route_past(run: TrueRun) -> None:
    routes = run.record.routes["hmc"]
    place = next(n for n, route in enumerate(routes) if route.startswith(SERVER))
    routes[place] = routes[place].replace("ppp0", "lan")


def zero_counters(run: TrueRun) -> None:
    run.record.counters["firewall"] = dict.fromkeys(run.record.counters["firewall"], 0)


def forget_alteration(run: TrueRun) -> None:
    for lines in run.record.xfrm.values():
        lines["XfrmInStateProtoError"] = 0


def late_sas(run: TrueRun) -> None:
    for sa in run.record.esp:
        sa.added += 0.1


def with_clients(**fields: object) -> Believed:
    def changed(client: L2tpClient) -> L2tpClient:
        values: dict[str, Any] = fields
        return replace(client, **values)

    return lambda model: change_clients(model, changed)


def other_secret(model: Topology) -> Topology:
    return change_clients(
        model, lambda c: replace(c, account=replace(c.account, secret=Secret("another")))
    )


def with_connections(**fields: object) -> Believed:
    def changed(connection: IpsecConnection) -> IpsecConnection:
        values: dict[str, Any] = fields
        return replace(connection, **values)

    return lambda model: change_connections(model, changed)


def with_sha1(model: Topology) -> Topology:
    """The other reading of X-01 is asked for."""
    return change_connections(
        model, lambda c: replace(c, client_side=replace(c.client_side, esp_proposal="3des-sha1"))
    )


def with_rules(change: Callable[[AllowRule], AllowRule]) -> Believed:
    def changed(model: Topology) -> Topology:
        assert model.firewall is not None
        rules = tuple(change(rule) for rule in model.firewall.rules)
        return replace(model, firewall=replace(model.firewall, rules=rules))

    return changed


def one_way(rule: AllowRule) -> AllowRule:
    return replace(rule, both_ways=False)


def whole_network(rule: AllowRule) -> AllowRule:
    wide = rule.destination == VPN1
    return replace(rule, destination="129.42.160.0/24") if wide else rule


def with_esp_rule(model: Topology) -> Topology:
    assert model.firewall is not None
    extra = replace(model.firewall.rules[0], protocol="esp", port=0)
    rules = (*model.firewall.rules, extra)
    return replace(model, firewall=replace(model.firewall, rules=rules))


MUTATIONS = (
    mutation("OUT-02", "an attempt on no wire", "vpn-nat", lose_attempts),
    mutation("OUT-02", "no attempt", "vpn", noted(forget_attempts), "OUT-04 F-06"),
    mutation("OUT-02", "an attempt is answered inside", "vpn", added(is_syn, a_syn_ack)),
    mutation("OUT-03", "the server sees another", "vpn-nat", facts("ledger", peer_ip="10.99.99.99")),
    mutation("OUT-04", "the attempt was not made", "vpn", lose_injected),
    mutation("OUT-19", "seven main mode packets", "vpn", spare_message),
    mutation("OUT-19", "UDP 4500", "vpn",
             leaves(VPN1, UDP(sport=4500, dport=4500) / Raw(b"\xff")), "F-06 g4"),
    mutation("OUT-20", "protocol 50 behind NAT", "vpn-nat",
             leaves(VPN1, Raw(RANDOM), 50), "P-04 F-07 g4"),
    mutation("OUT-20", "no keepalive", "vpn-nat.gateway-dies", lose_keepalives),
    mutation("OUT-20", "main mode five on UDP 500", "vpn-nat", stay_on_500),
    mutation("OUT-20", "seven main mode packets", "vpn-nat", spare_message),
    mutation("OUT-21", "TCP past the VPN", "vpn-nat", leaves(SERVER, SYN), "P-10 F-07 g4"),
    mutation("OUT-21", "SYN before IPCP opens", "vpn-nat", early_syn),
    mutation("OUT-22", "TCP gets through", "vpn-nat", facts("trials", connected=True)),
    mutation("OUT-22", "the uplink sees it", "vpn", facts("trials", counted_on_uplink=1)),
    mutation("OUT-22", "the tunnel falls", "vpn", facts("trials", sessions_open=False)),
    mutation("OUT-22", "the rule counts nothing", "vpn", facts("trials", dropped=0)),
    mutation("OUT-22", "TCP inside all the same", "vpn-nat", pass_rule),
    mutation("OUT-22", "one HMC only", "vpn-two-hmcs", noted(lambda r: r.trials.pop())),
    mutation("P-01", "signatures", "vpn-nat", sign),
    mutation("P-01", "signatures", "vpn", sign),
    mutation("P-02", "transport mode", "vpn-nat", sas(mode="transport")),
    mutation("P-02", "transport mode", "vpn", without_tunnel),
    mutation("P-03", "a ping inside the SA", "vpn-nat", stray),
    mutation("P-04", "single DES", "vpn-nat", sas(encryption="cbc(des)", encryption_key_bits=64)),
    mutation("P-04", "unknown SA", "vpn", leaves(VPN1, Raw(RANDOM), 50)),
    mutation("P-05", "20 bytes of key", "vpn-nat", sas(integrity_key_bits=SHA1_BITS)),
    mutation("P-05", "SHA-1", "vpn", sas(integrity="hmac(sha1)", integrity_key_bits=SHA1_BITS)),
    mutation("P-05", "an ICV is wrong", "vpn", spoil, "P-22"),
    mutation("P-05", "a wrong ICV is refused", "vpn", spoil_and_refuse),
    judged_by("P-05", "the other reading is asked for", "vpn-nat", with_sha1),
    mutation("P-06", "old keys go on", "vpn-rekeyed", old_keys),
    mutation("P-06", "too early", "vpn-rekeyed", too_early),
    mutation("P-06", "never", "vpn-rekeyed", never_again),
    mutation("P-06", "SPI used twice", "vpn-rekeyed", same_spi),
    mutation("P-06", "a ping is lost", "vpn-rekeyed", lose_a_reply),
    mutation("P-06", "another tunnel", "vpn-rekeyed", second_tunnel),
    mutation("P-06", "not random", "vpn-nat", keys_at(1700, 3400, 5100)),
    mutation("P-06", "drawn outside", "vpn-nat", drawn_outside),
    judged_by("P-06", "nothing left to chance", "vpn",
              with_connections(rekey_min_s=1750, rekey_max_s=1750)),
    mutation("P-07", "SCCRQ before the SA", "vpn-nat", early_request, "OUT-20"),
    mutation("P-07", "the SA after SCCRQ", "vpn-nat", late_sas, "OUT-21"),
    mutation("P-07", "1701 in clear", "vpn-nat",
             crosses("lan", "hmc", "firewall", IP(src="192.168.10.10", dst=VPN1) / CLEAR_L2TP)),
    mutation("P-07", "1701 refused", "vpn", set_counter("hmc", "l2tp-in-clear-out", 2)),
    mutation("P-08", "two tunnels", "vpn-nat", again(ControlType.SCCRQ, Avp.assigned_tunnel_id)),
    mutation("P-08", "two calls", "vpn", again(ControlType.ICRQ, Avp.assigned_session_id)),
    judged_by("P-09", "wrong response accepted", "vpn-nat", other_secret),
    mutation("P-09", "wrong response", "vpn-nat", replaced(is_response, other_response)),
    mutation("P-09", "IPCP before CHAP", "vpn", early_ipcp),
    mutation("P-09", "the client's IPCP before CHAP", "vpn", early_ipcp_of_client),
    mutation("P-09", "PAP asked for", "vpn-nat", replaced(is_demand, demand_pap)),
    mutation("P-09", "a PAP packet", "vpn", added(is_response, lambda i: ppp_packet(ppp.PAP, 1))),
    mutation("P-10", "a route past PPP", "vpn-nat", route_past),
    mutation("P-10", "another source in PPP", "vpn", added(is_syn, from_elsewhere)),
    mutation("P-18", "protocol 99", "vpn", other_protocol, "OUT-46 F-06 g4"),
    mutation("P-22", "AH", "vpn", leaves(VPN1, Raw(RANDOM), 51), "OUT-46 F-06 g4"),
    mutation("P-22", "tampering not counted", "vpn-nat.tampered-esp", forget_alteration),
    mutation("F-06", "DNS passes", "vpn", leaves(VPN1, UDP(sport=53, dport=53)), "OUT-46 g4"),
    judged_by("F-06", "one direction only", "vpn", with_rules(one_way)),
    mutation("F-06", "no packet counted", "vpn", zero_counters),
    mutation("F-07", "DNS passes", "vpn-nat", leaves(VPN1, UDP(sport=53, dport=53)), "g4"),
    judged_by("F-07", "a rule for ESP", "vpn-nat", with_esp_rule),
    mutation("F-07", "no packet counted", "vpn-nat", zero_counters),
    mutation("F-07", "UDP 4500 comes back no more", "vpn-nat",
             lost("lan", lambda p: p.source_port == NAT_T_PORT and p.source == VPN1)),
    judged_by("F-08", "a whole network", "vpn-nat", with_rules(whole_network)),
    mutation("F-08", "another gateway", "vpn", leaves(UNLISTED, UDP(sport=500, dport=500)), "F-06 g1"),
    mutation("R-07", "both at a time", "vpn-nat.vpn1-silent", ask_first_again),
    mutation("R-07", "the second before the first", "vpn-nat.vpn1-silent", answer_from_first),
    judged_by("R-07", "before the budget is spent", "vpn-nat.vpn1-silent",
              with_connections(retransmit_tries=0)),
    mutation("g1", "an unlisted address", "vpn-nat", leaves(UNLISTED, ICMP()), "F-07"),
    mutation("g2", "SYN to the HMC", "vpn",
             enters(IP(src=VPN1) / TCP(sport=443, dport=22, flags="S")), "OUT-02 F-06"),
    mutation("g3", "L2TP in clear", "vpn-nat", leaves(VPN1, CLEAR_L2TP), "P-07 F-07 g4"),
    mutation("g3", "PPP in clear", "vpn", leaves(VPN1, CLEAR_LCP), "OUT-46 F-06 g4"),
    mutation("g5", "the PPP secret", "vpn-nat", tell_secret),
)  # fmt: skip
