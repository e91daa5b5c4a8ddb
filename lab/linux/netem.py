"""What a plug does to the packets that it sends: rate, delay, and what chance does (tc-netem(8))."""

from __future__ import annotations

import struct
import zlib

from lab.linux import netlink
from lab.linux.netlink import NetlinkRequest, attribute, text
from lab.topology.segment import Impairment, Segment

_RTM_NEWQDISC = 36
_TCA_KIND, _TCA_OPTIONS = 1, 2
_TC_H_ROOT = 0xFFFFFFFF
_TCA_NETEM_REORDER, _TCA_NETEM_CORRUPT, _TCA_NETEM_RATE, _TCA_NETEM_RATE64 = 3, 4, 6, 8
_TCA_NETEM_LATENCY64, _TCA_NETEM_JITTER64, _TCA_NETEM_PRNG_SEED = 10, 11, 14
_QDISC = struct.Struct("=BxxxiIII")
_QUEUE_PACKETS = 1000
_SMALLEST_FRAME_BITS = 64 * 8
_CERTAIN = 0xFFFFFFFF


def request(label: str, index: int, segment: Segment, rate_bit_s: int) -> NetlinkRequest:
    """The message for one plug; ``label`` names it, and is what its chances differ by from others'."""
    # Room for what is on the way, were it all of the smallest frames, and for a router's queue.
    flying = rate_bit_s * segment.delay_s / _SMALLEST_FRAME_BITS
    bad = segment.impairment
    chances = (
        (_chance(bad.loss), int(bad.reorder > 0), _chance(bad.duplicate)) if bad else (0, 0, 0)
    )
    options = struct.pack("=IIIIII", 0, _QUEUE_PACKETS + int(flying), *chances, 0)
    options += attribute(_TCA_NETEM_LATENCY64, struct.pack("=q", round(segment.delay_s * 1e9)))
    if bad is not None:
        options += _impairments(label, bad)
    if rate_bit_s:
        bytes_s = rate_bit_s // 8
        if bytes_s >= 1 << 32:
            options += attribute(_TCA_NETEM_RATE64, struct.pack("=Q", bytes_s))
        rate = struct.pack("=IiIi", min(bytes_s, 0xFFFFFFFF), 0, 0, 0)
        options += attribute(_TCA_NETEM_RATE, rate)

    body = (
        _QDISC.pack(0, index, 0x10000, _TC_H_ROOT, 0)
        + text(_TCA_KIND, "netem")
        + attribute(_TCA_OPTIONS, options)
    )
    return NetlinkRequest(
        "set rate and delay of",
        label,
        _RTM_NEWQDISC,
        netlink.CREATE | netlink.EXCL,
        body,
        hint="this kernel lacks sch_netem; the lab's own has it (lab run --engine uml)",
    )


def _impairments(label: str, bad: Impairment) -> bytes:
    """Jitter, reordering and corruption; and the seed of all chance on this plug, from Linux 6.6 on."""
    options = attribute(_TCA_NETEM_PRNG_SEED, struct.pack("=Q", _seed(label, bad)))
    if bad.jitter_s:
        options += attribute(_TCA_NETEM_JITTER64, struct.pack("=q", round(bad.jitter_s * 1e9)))
    if bad.reorder:
        options += attribute(_TCA_NETEM_REORDER, struct.pack("=II", _chance(bad.reorder), 0))
    if bad.corrupt:
        options += attribute(_TCA_NETEM_CORRUPT, struct.pack("=II", _chance(bad.corrupt), 0))
    return options


def _seed(label: str, bad: Impairment) -> int:
    """Each plug has a seed of its own, and the same in every run.

    It is spread over 32 bits: of a small number, the kernel's prandom_seed_state() loses the last bits, so
    that 0 and 1 would give the same chances.
    """
    return zlib.crc32(f"{bad.seed} {label}".encode())


def _chance(share: float) -> int:
    return round(share * _CERTAIN)
