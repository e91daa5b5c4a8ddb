"""ESP that was altered on its way: by the wires, and by what the kernels refused. Judges nothing."""

from __future__ import annotations

from lab.names import count
from lab.verify.case import Case
from lab.verify.journey import find_course
from lab.verify.sightings import EspSighting
from lab.ways.vpn.plan import connections
from lab.wire.esp import Sealed, is_right_but_for_a_bit

AUTH_FAILURES = "XfrmInStateProtoError"
"""/proc/net/xfrm_stat: what the kernel counts when an ICV is wrong."""
OLD = "XfrmInStateSeqError"
"""The same, when a sequence number is too old, or was there before."""
UNKNOWN = "XfrmInNoStates"
"""The same, when it has no SA with the SPI of a packet."""
_SHORTEST_ICV = 12
"""Bytes: the last ones of every packet are of the ICV (RFC 2403, RFC 2404)."""
MOST_TRIED = 64
"""Packets of which every bit is tried, which takes tens of milliseconds each."""


def refused(case: Case, reason: str = AUTH_FAILURES) -> int:
    """How many packets the kernels of all nodes refused for a reason."""
    return sum(lines.get(reason, 0) for lines in case.record.xfrm.values())


def to_be_altered(case: Case) -> int:
    """How many a fault alters."""
    return sum(m.packets for m in case.topology.meddling if m.action == "tamper")


def bad_at_receivers(case: Case) -> list[EspSighting]:
    """ESP with a wrong ICV on the wire that its receiver is plugged into."""
    return [sighting for sighting in _at_receivers(case) if not sighting.opened.icv_good]


def _at_receivers(case: Case) -> list[EspSighting]:
    """ESP of SAs that are known, on the wire that its receiver is plugged into."""
    wires: dict[str, bool] = {}
    for connection in connections(case.topology):
        way = find_course(case.topology, case.near_node(connection), connection.gateway)
        if way is not None:
            wires |= {way.segments[0]: False, way.segments[-1]: True}
    return [
        sighting
        for segment, outgoing in wires.items()
        for sighting in case.esp_on(segment)
        if sighting.outgoing == outgoing and sighting.opened.key is not None
    ]


def unexplained(case: Case, bad: list[EspSighting]) -> str:
    """Why ESP with a wrong ICV was not just altered on its way; empty if it was, or if there is none.

    Altered packets are few among good ones of the same SA, and their receiver refuses each that comes to it.
    """
    if not bad:
        return ""
    verified = {sighting.sealed.spi for sighting in case.esp if sighting.opened.icv_good}
    if strange := {sighting.sealed.spi for sighting in bad} - verified:
        return f"no ICV of SPI {min(strange):#010x} is right"
    good = {_mark(s): s.sealed for s in _at_receivers(case) if s.opened.icv_good}
    came_right = [s for s in bad if _is_same_packet(s.sealed, good.get(_mark(s)))]
    if came_right:
        return f"{len(came_right)} of them came to the receiver with a right one"
    if sent := sent_so(case, bad):
        return f"{len(sent)} of them went out so"
    came = len(bad_at_receivers(case))
    counted = refused(case) + refused(case, OLD)
    if came > counted:
        return f"the receivers refused {counted} of the {count(came, 'packet')} that came to them"
    return ""


def sent_so(case: Case, strange: list[EspSighting]) -> list[EspSighting]:
    """Those of ESP packets with a wrong ICV, or of no known SA, that were not damaged on the way.

    A damaged one is right on another wire, or is right but for one bit: then the plug of the sender's own
    damages frames, before the first wire has them.
    """
    marks = {
        _mark(sighting)
        for segment in case.topology.segments
        for sighting in case.esp_on(segment.name)
        if sighting.opened.icv_good
    }
    left = [each for each in strange if _mark(each) not in marks]
    return [e for e in left[:MOST_TRIED] if not is_right_but_for_a_bit(e.sealed, case.keys)]


def _is_same_packet(bad: Sealed, good: Sealed | None) -> bool:
    """Whether two packets of one sequence number are one, which was altered before or behind the ICV's start.

    A line may damage the sequence number itself. Then the number is another packet's by chance, and nothing
    else is alike.
    """
    if good is None:
        return False
    text, icv = slice(-_SHORTEST_ICV), slice(-_SHORTEST_ICV, None)
    return bad.data[text] == good.data[text] or bad.data[icv] == good.data[icv]


def _mark(sighting: EspSighting) -> tuple[int, int]:
    return sighting.sealed.spi, sighting.sealed.sequence
