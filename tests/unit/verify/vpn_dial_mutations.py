"""What can be wrong with a VPN in a call by modem, as mutations of true runs."""

from __future__ import annotations

from collections.abc import Callable

from scapy.layers.inet import IP, TCP, UDP
from scapy.packet import Raw

from lab.wire import isakmp, ppp
from lab.wire.calls import Carried
from lab.wire.decode import ESP, Frame, Packet
from lab.wire.ppp import Code
from tests.recordings.true_run import TrueRun, ppp_frame
from tests.unit.verify.dial_mutations import first, pass_rule
from tests.unit.verify.mutation import (
    CLEAR_L2TP,
    SYN,
    Change,
    facts,
    leaves,
    mutation,
    noted,
)

RUN = "vpn-dial"
VPN1, SERVER = "129.42.160.16", "129.42.160.48"


def is_ike(packet: Packet | None) -> bool:
    return packet is not None and isakmp.message(packet) is not None


def by_line(run: TrueRun, chooses: Callable[[Packet | None], bool]) -> list[Carried]:
    return run.lines(lambda item: item.outgoing and chooses(item.data))


def beyond(run: TrueRun, chooses: Callable[[Packet | None], bool]) -> list[Frame]:
    """The same on the Internet's side of the fence."""
    return run.find("lig-inet", lambda p: p.destination == VPN1 and chooses(p))


def early_ike(run: TrueRun) -> None:
    """IKE is sent before IPCP is open."""
    request = first(run, ppp.IPCP, Code.configure_request, outgoing=True)
    like, *_ = by_line(run, is_ike)
    run.resay(like, time=request.frame.time)


def without_ike(run: TrueRun) -> None:
    """No IKE is on the line."""
    run.unsay(run.lines(lambda item: is_ike(item.data)))


def from_call(payload: Raw | UDP | TCP, far: str = VPN1) -> Change:
    """A packet of the first call is beyond the fence, and on no line."""

    def change(run: TrueRun) -> None:
        packet = IP(src=run.record.lig[0].address, dst=far, id=9) / payload
        run.put("lig-inet", "lig", "internet", bytes(packet), run.end)

    return change


def by_call(payload: UDP) -> Change:
    """The HMC sends it to the gateway by the call."""

    def change(run: TrueRun) -> None:
        like, *_ = by_line(run, is_ike)
        packet = IP(src=run.record.lig[0].address, dst=VPN1, id=9) / payload
        run.say(like, ppp_frame(ppp.IP, bytes(packet)), like.frame.time + 1)
        run.put("lig-inet", "lig", "internet", bytes(packet), like.frame.time + 1.1)

    return change


def last_stopped(chooses: Callable[[Packet | None], bool]) -> Change:
    """The last of the VPN's own packets does not come past the fence."""

    def change(run: TrueRun) -> None:
        run.drop("lig-inet", beyond(run, chooses)[-1:])

    return change


def is_of_sa(run: TrueRun) -> Callable[[Packet | None], bool]:
    known = {*run.keys}
    return lambda p: (
        p is not None and p.protocol == ESP and int.from_bytes(p.payload[:4], "big") in known
    )


def last_esp_stopped(run: TrueRun) -> None:
    last_stopped(is_of_sa(run))(run)


MUTATIONS = (
    mutation("OUT-19", "UDP 4500 beyond the fence", RUN,
             from_call(UDP(sport=4500, dport=4500) / Raw(b"\xff")), "L-01 g4"),
    mutation("OUT-21", "TCP past the VPN", RUN, from_call(SYN, SERVER), "P-10 L-01"),
    mutation("OUT-22", "TCP gets through", RUN, facts("trials", connected=True), "OUT-26"),
    mutation("OUT-23", "IKE before IPCP opens", RUN, early_ike, "L-05 L-06 L-07 P-20"),
    mutation("OUT-23", "no IKE", RUN, without_ike, "L-01 L-06 R-07"),
    mutation("OUT-23", "IKE past the telephone", RUN,
             leaves(VPN1, UDP(sport=500, dport=500)), "F-18 g4"),
    mutation("OUT-26", "TCP beside the VPN", RUN, pass_rule, "OUT-22 L-06 L-07"),
    mutation("OUT-26", "the call ends", RUN, facts("trials", sessions_open=False), "OUT-22"),
    mutation("P-07", "1701 in clear by telephone", RUN, by_call(CLEAR_L2TP), "L-06 g3 g4"),
    mutation("P-10", "an address of the call's pool", RUN,
             noted(lambda r: setattr(r.ppp[1], "local_ip", r.ppp[0].local_ip))),
    mutation("L-11", "IKE stops at the fence", RUN, last_stopped(is_ike), "L-07"),
    mutation("L-11", "ESP stops at the fence", RUN, last_esp_stopped, "L-07"),
    mutation("F-18", "IKE by the firewall", RUN,
             leaves(VPN1, UDP(sport=500, dport=500)), "OUT-23 g4"),
)  # fmt: skip
