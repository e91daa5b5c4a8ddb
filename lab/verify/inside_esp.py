"""What the VPN's ESP carries, from the IP packet down to what is in PPP. Judges nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.verify import passed_on
from lab.verify.passed_on import PassedCall
from lab.verify.sightings import EspSighting, Inside, put_data_together
from lab.wire import esp, fragments, l2tp, ppp
from lab.wire.decode import Packet

if TYPE_CHECKING:
    from lab.verify.case import Case


def on_wire(case: Case, segment: str) -> list[EspSighting]:
    """ESP on a wire, but what tries the fence."""
    return [
        EspSighting(frame, sealed, case.opened(sealed), case.goes_to_ibm(packet))
        for frame, packet in case.packets(segment)
        if (sealed := esp.sealed(packet)) and packet.is_intact and not case.is_trial(packet)
    ]


def read(case: Case) -> tuple[list[Inside], list[PassedCall]]:
    """Everything on the outside wire, and the calls in it that partitions passed on (OUT-27).

    A packet that is there twice counts once.
    """
    found, known = [], set()
    for sighting in case.esp:
        key = (sighting.sealed.spi, sighting.sealed.sequence)
        if sighting.opened.inner is not None and key not in known:
            known.add(key)
            found.append((sighting, sighting.opened.inner))
    # Who encrypts may have been given fragments, and so may who puts IP into PPP.
    outer = [(sighting.opened.key, sighting.frame.time, inner) for sighting, inner in found]
    whole = fragments.put_together(outer)
    inside = [_inside(case, each, packet) for (each, _), packet in zip(found, whole, strict=True)]
    passed = passed_on.passed_calls(inside, case.clear_calls)
    put_data_together(inside)
    return inside, passed


def _inside(case: Case, sighting: EspSighting, packet: Packet) -> Inside:
    sa = sighting.opened.key
    ends = {packet.source, packet.destination}
    if sa is not None:
        ends |= {sa.source, sa.destination}
    at = sighting.frame.time
    end = next((name for ip in ends if (name := case.client_at(ip, at))), "")
    gateway = next((case.gateways[ip] for ip in ends if ip in case.gateways), "")
    is_l2tp = packet.uses_udp(l2tp.PORT) and not packet.is_fragment
    datagram = l2tp.of(packet) if is_l2tp else None
    frame = ppp.carried_by(datagram) if datagram else None
    data = frame.ip if frame else None
    outgoing = packet.destination in case.gateways
    return Inside(sighting.frame, packet, end, end, gateway, outgoing, datagram, frame, data)
