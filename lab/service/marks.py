"""By what the packets of a scan are known: to captures, which leave them out, and to counters. Pure data.

A scan is 131,000 packets. Captures keep what answers it, and the counters say that all of it came.
"""

from __future__ import annotations

import socket
import struct
from enum import IntEnum

IDENTIFICATION = 0xCA11
"""In the IPv4 header of every packet of a scan."""


BARE_BYTES = 28
"""The length of a scan's IPv4 packet of neither TCP nor UDP: a header, and eight bytes."""


class Purpose(IntEnum):
    """Why a host is scanned: the source port of the packets, beyond those that a Linux gives programs."""

    attack = 61_000
    """To get in: whatever answers is captured."""
    control = 61_001
    """From where nothing is closed, to see that something is behind every port: not captured at all."""


TABLE = "scans"
COUNTERS = ("scan-tcp", "scan-udp", "scan-other")


def counters() -> str:
    """Rules that count what arrives of scans, before anything else sees it.

    Any host gives one of 65,536 packets the same identification: an ICMP error or ESP has it now and then. It
    is longer.
    """
    mark = f"ip id {IDENTIFICATION}"
    ports = ", ".join(str(int(purpose)) for purpose in Purpose)
    declared = "".join(f"\tcounter {name} {{ }}\n" for name in COUNTERS)
    return (
        f"table ip {TABLE} {{\n{declared}"
        "\tchain arriving {\n"
        "\t\ttype filter hook prerouting priority raw - 10; policy accept;\n"
        f'\t\t{mark} tcp sport {{ {ports} }} counter name "{COUNTERS[0]}" accept\n'
        f'\t\t{mark} udp sport {{ {ports} }} counter name "{COUNTERS[1]}" accept\n'
        f"\t\t{mark} ip length {BARE_BYTES} meta l4proto != {{ tcp, udp }} "
        f'counter name "{COUNTERS[2]}"\n'
        "\t}\n}\n"
    )


_LD_H, _LD_B, _LD_LEN, _LD_IND_H, _LDX_MSH, _SUB_X = 0x28, 0x30, 0x80, 0x48, 0xB1, 0x1C
_JEQ, _JGE, _JSET, _RET = 0x15, 0x35, 0x45, 0x06
_ETHERNET, _IPV4, _ALL = 14, 20, 0x40000
_Step = tuple[str, int, str, str, int]


def left_out() -> bytes:
    """A classic BPF program (Linux networking/filter.rst) that takes every frame but those of scans.

    Of an attack the scan itself is left out, of a control the answers, too. A frame that is shorter than it
    should be is taken.
    """
    attack, control = Purpose.attack, Purpose.control
    # Label, code, label if true, label if false, operand; no label means the next step.
    program: tuple[_Step, ...] = (
        ("", _LD_H, "", "", 12),
        ("", _JEQ, "", "take", 0x0800),
        ("", _LD_LEN, "", "", 0),
        ("", _JGE, "", "take", _ETHERNET + _IPV4),
        ("", _LD_H, "", "", _ETHERNET + 6),
        ("", _JSET, "take", "", 0x1FFF),
        ("", _LD_B, "", "", _ETHERNET + 9),
        ("", _JEQ, "ports", "", socket.IPPROTO_TCP),
        ("", _JEQ, "ports", "", socket.IPPROTO_UDP),
        ("", _LD_H, "", "", _ETHERNET + 2),
        ("", _JEQ, "mark", "take", BARE_BYTES),
        ("ports", _LDX_MSH, "", "", _ETHERNET),
        ("", _LD_LEN, "", "", 0),
        ("", _SUB_X, "", "", 0),
        ("", _JGE, "", "take", _ETHERNET + 4),
        ("", _LD_IND_H, "", "", _ETHERNET + 2),
        ("", _JEQ, "leave out", "", control),
        ("", _LD_IND_H, "", "", _ETHERNET),
        ("", _JEQ, "leave out", "", control),
        ("", _JEQ, "", "take", attack),
        ("mark", _LD_H, "", "", _ETHERNET + 4),
        ("", _JEQ, "leave out", "take", IDENTIFICATION),
        ("take", _RET, "", "", _ALL),
        ("leave out", _RET, "", "", 0),
    )
    places = {label: place for place, (label, *_) in enumerate(program) if label}
    coded = b""
    for place, (_, code, yes, no, value) in enumerate(program):
        jumps = [places[label] - place - 1 if label else 0 for label in (yes, no)]
        coded += struct.pack("=HBBI", code, *jumps, value)
    return coded
