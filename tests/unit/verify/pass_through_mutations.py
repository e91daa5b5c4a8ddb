"""What can be wrong with a call home by a partition of i5/OS, as mutations of true runs."""

from __future__ import annotations

import struct
from dataclasses import replace

from scapy.layers.inet import IP, TCP, UDP
from scapy.packet import Raw

from lab.topology.filtering import AllowRule
from lab.topology.model import Topology
from lab.verify.passed_on import ClearL2tp
from lab.ways.vpn.plan import clients
from lab.wire import ppp
from lab.wire.decode import Frame
from lab.wire.l2tp import Avp, ControlType
from tests.recordings.true_run import TrueRun, ppp_packet, with_sums
from tests.unit.verify.mutation import (
    CLEAR_L2TP,
    RANDOM,
    SYN,
    UNLISTED,
    Change,
    crosses,
    facts,
    judged_by,
    mutation,
    set_counter,
)
from tests.unit.verify.vpn_mutations import (
    added,
    control,
    demand_pap,
    early_request,
    echo,
    is_demand,
    is_response,
    is_syn,
    other_response,
    other_secret,
    replaced,
    spare_message,
    with_rules,
)

RUN = "pass-through-vpn"
HMC, I5, VPN1, SERVER = "203.0.113.10", "203.0.113.20", "129.42.160.16", "129.42.160.48"
IKE = UDP(sport=500, dport=500)


def leaves_from(source: str, far: str, payload: UDP | TCP, proto: int = 0) -> Change:
    """The firewall lets a packet out."""

    def change(run: TrueRun) -> None:
        packet = IP(src=source, dst=far) / payload
        run.put("fw-inet", "firewall", "internet", bytes(packet), run.end)

    return change


def clear(run: TrueRun, kind: ControlType) -> ClearL2tp:
    """The first control message of a type between HMC and partition."""
    return next(seen for seen in run.case().clear if seen.l2tp.control_type == kind)


def same(run: TrueRun, frame: Frame) -> Frame:
    """The run's own frame that a case has numbered."""
    return next(f for f in run.wire[frame.segment] if (f.time, f.data) == (frame.time, frame.data))


def lose_clear(kind: ControlType) -> Change:
    return lambda run: run.drop("i5-lan", [same(run, clear(run, kind).frame)])


def rewritten(frame: Frame, message: bytes, **ports: int) -> bytes:
    """A frame with another L2TP message in it, or to another port."""
    packet = IP(frame.data[14:])
    for name, port in ports.items():
        setattr(packet[UDP], name, port)
    del packet[UDP].len, packet.len
    packet[UDP].payload = Raw(message)
    return frame.data[:14] + with_sums(bytes(packet))


def again_in_clear(kind: ControlType, avp: Avp) -> Change:
    """A control message of the HMC's once more, with another identifier and another number."""

    def change(run: TrueRun) -> None:
        seen = clear(run, kind)
        message = seen.packet.payload
        old = struct.pack("!HHH", 0x8000 | 8, 0, avp) + seen.l2tp.avp(avp)
        assert old in message
        other = message.replace(old, old[:-2] + bytes(byte ^ 0x55 for byte in old[-2:]))
        numbered = other[:8] + struct.pack("!H", seen.l2tp.sequence + 100) + other[10:]
        run.add("i5-lan", rewritten(seen.frame, numbered), seen.frame.time + 0.000001)

    return change


def to_another_port(run: TrueRun) -> None:
    """SCCRQ goes to UDP 1702 of the partition, from UDP 1701."""
    seen = clear(run, ControlType.SCCRQ)
    run.change(same(run, seen.frame), rewritten(seen.frame, seen.packet.payload, dport=1702))


def of_ppp(run: TrueRun, protocol: int, code: int, *, outgoing: bool) -> ClearL2tp:
    """The first PPP frame of a kind in clear."""
    return next(
        seen
        for seen in run.case().clear
        if seen.ppp
        and (seen.ppp.protocol, seen.ppp.code, seen.outgoing) == (protocol, code, outgoing)
    )


def lose_on_the_way_on(run: TrueRun) -> None:
    """The partition does not put a PPP frame that it got into its ESP."""
    run.unseal([echo(run)])


def lose_on_the_way_back(run: TrueRun) -> None:
    """The partition does not pass a PPP frame on to the HMC that came by ESP."""
    reply = of_ppp(run, ppp.LCP, ppp.Code.echo_reply, outgoing=False)
    run.drop("i5-lan", [same(run, reply.frame)])


def speak_itself(run: TrueRun) -> None:
    """The partition says something by PPP itself, to the HMC."""
    like = of_ppp(run, ppp.LCP, ppp.Code.echo_reply, outgoing=False)
    head = like.packet.payload[: -len(like.l2tp.ppp)]
    words = ppp_packet(ppp.LCP, ppp.Code.echo_request, RANDOM[:8])
    assert not head[0] & 0x40, "the kernel's data messages have no length (RFC 2661 3.1)"
    run.add("i5-lan", rewritten(like.frame, head + words), like.frame.time + 0.000001)


def early_ike(run: TrueRun) -> None:
    """The partition begins IKE before the HMC has asked for a call."""
    first = run.find("i5-lan", lambda packet: packet.uses_udp(500))[0]
    run.change(first, time=clear(run, ControlType.ICRQ).frame.time - 0.000001)


def for_the_hmc(rule: AllowRule) -> AllowRule:
    """A rule as it is for a VPN of the HMC's own."""
    return replace(rule, source=HMC) if rule.source.removesuffix("/32") == I5 else rule


def with_l2tp_rule(model: Topology) -> Topology:
    """The firewall opens UDP 1701, too."""
    assert model.firewall is not None
    extra = replace(model.firewall.rules[0], port=1701, requirement="F-09")
    return replace(model, firewall=replace(model.firewall, rules=(*model.firewall.rules, extra)))


def tell_secret(run: TrueRun) -> None:
    """The CHAP secret is in clear in the L2TP that is allowed to say names."""
    secret = clients(run.topology)[0].account.secret.reveal()
    seen = clear(run, ControlType.ICRQ)
    run.change(same(run, seen.frame), rewritten(seen.frame, seen.packet.payload + secret.encode()))


def lose_passed_call(run: TrueRun) -> None:
    """The partition asks the gateway for no call, though it takes the HMC's."""
    run.unseal([control(run, ControlType.ICRQ)])


def drawn_outside(run: TrueRun) -> None:
    for sa in run.record.esp:
        if (sa.node, sa.destination) == ("i5", VPN1):
            sa.rekey_after_s = 3000


def frame_of_lcp(item: object) -> bytes:
    return ppp_packet(ppp.LCP, ppp.Code.echo_request, RANDOM[:8])


MUTATIONS = (
    mutation("OUT-27", "the HMC itself is on fw-inet", RUN, leaves_from(HMC, VPN1, IKE),
             "OUT-29 F-06", seen="of hmc on fw-inet"),
    mutation("OUT-27", "the HMC sends ESP itself", RUN,
             crosses("i5-lan", "hmc", "firewall", IP(src=HMC, dst=VPN1, proto=50) / Raw(RANDOM)),
             seen="hmc sends ESP"),
    mutation("OUT-27", "no ICCN in clear", RUN, lose_clear(ControlType.ICCN), seen="ICCN"),
    mutation("OUT-27", "SCCRQ to another port", RUN, to_another_port, seen="another port"),
    mutation("OUT-27", "PPP in ESP that is not in clear", RUN, added(is_syn, frame_of_lcp),
             seen="nobody gave it"),
    mutation("OUT-27", "PPP of the partition's own", RUN, speak_itself, seen="nobody gave it"),
    mutation("OUT-27", "PPP that is not passed on", RUN, lose_on_the_way_on, seen="did not pass"),
    mutation("OUT-27", "PPP that is not passed back", RUN, lose_on_the_way_back,
             seen="did not pass"),
    mutation("OUT-28", "the HMC does not hear the partition", RUN, lose_clear(ControlType.SCCCN),
             "OUT-27", seen="as if nothing came back"),
    mutation("OUT-28", "IKE that nobody asked for", RUN, early_ike, seen="no HMC has asked"),
    mutation("OUT-29", "the HMC gets out itself", RUN, leaves_from(HMC, VPN1, IKE), "OUT-27 F-06",
             seen="gets out"),
    judged_by("OUT-29", "rules for the HMC", RUN, with_rules(for_the_hmc), "F-06",
              seen="no rule lets i5"),
    mutation("F-09", "UDP 1701 leaves", RUN, leaves_from(I5, VPN1, CLEAR_L2TP), "P-07 F-06 g3 g4"),
    judged_by("F-09", "a rule for UDP 1701", RUN, with_l2tp_rule, seen="admits UDP 1701"),
    mutation("OUT-03", "another sends", RUN, leaves_from("203.0.113.77", VPN1, IKE), "OUT-29 F-06"),
    mutation("OUT-19", "seven main mode packets", RUN, spare_message),
    mutation("OUT-21", "TCP past the VPN", RUN, leaves_from(I5, SERVER, SYN), "P-10 F-06 g4"),
    mutation("P-07", "1701 in clear past the partition", RUN,
             crosses("i5-lan", "hmc", "firewall", IP(src=HMC, dst=VPN1) / CLEAR_L2TP), "OUT-27"),
    mutation("P-07", "1701 of the partition refused", RUN,
             set_counter("i5", "l2tp-in-clear-out", 2)),
    mutation("P-07", "SCCRQ before the SA", RUN, early_request, "OUT-19"),
    mutation("P-08", "two tunnels in clear", RUN,
             again_in_clear(ControlType.SCCRQ, Avp.assigned_tunnel_id), seen="2 SCCRQ"),
    mutation("P-08", "two calls in clear", RUN,
             again_in_clear(ControlType.ICRQ, Avp.assigned_session_id), seen="for 2 calls at once"),
    mutation("P-08", "a call that is not passed on", RUN, lose_passed_call, "OUT-21 OUT-27 P-09 P-10",
             seen="passed 0 calls of hmc on, not 1"),
    judged_by("P-09", "wrong response accepted", RUN, other_secret),
    mutation("P-09", "wrong response", RUN, replaced(is_response, other_response), "OUT-27"),
    mutation("P-09", "PAP asked for", RUN, replaced(is_demand, demand_pap), "OUT-27"),
    mutation("P-10", "the HMC used another address", RUN, facts("ppp", local_ip="10.254.1.9")),
    mutation("P-06", "drawn outside", RUN, drawn_outside),
    mutation("F-06", "DNS passes", RUN, leaves_from(I5, VPN1, UDP(sport=53, dport=53)), "g4"),
    mutation("F-08", "another gateway", RUN, leaves_from(I5, UNLISTED, IKE), "F-06 g1"),
    mutation("g5", "the user's name elsewhere", RUN,
             crosses("i5-lan", "hmc", "i5",
                     IP(src=HMC, dst=I5) / UDP(sport=9, dport=9) / Raw(b"hmc.customer.test"))),
    mutation("g5", "the secret in L2TP", RUN, tell_secret),
)  # fmt: skip
