"""Somebody outside calls a client's number between two calls home, and no modem answers (OUT-47).

A program has the port open meanwhile: a modem that nobody listens to would answer nobody in any case.
"""

from __future__ import annotations

import os
import select
import time
from typing import TYPE_CHECKING, cast

from lab.linux.nodes import Node
from lab.ways.dial.events import RINGS, Rung
from lab.ways.dial.plan import Dialer
from tunnels._serial import open_port

if TYPE_CHECKING:
    from lab.inside.running import RunningLab
    from lab.telephony.equipment import Equipment

LONGEST_S = 240.0
"""The exchange lets it ring for three minutes."""
QUIET_S = 10.0
"""After the call a modem that answered would have said so by then: training takes less."""
RING = b"RING"


def run(lab: RunningLab, client: Dialer) -> None:
    """Call the number of a client's own modem, and note what the modem says. The line is free."""
    telephone = lab.topology.telephone
    assert telephone is not None, "who dials has one"
    found = (m for m in lab.record.modems if m.source == client.client and m.found)
    device = next(found).device
    (line,) = (x for x in telephone.lines if (x.node, x.device) == (client.client, device))
    node = lab.node(client.client)
    port = node.call(open_port, device)
    try:
        rings, answered = _call(lab, node, port, line.number)
    finally:
        os.close(port)
    outcome = "an answer" if answered else "no answer"
    lab.story.tell(Rung(source=client.client, device=device, rings=rings, outcome=outcome))


def _call(lab: RunningLab, node: Node, port: int, number: str) -> tuple[int, bool]:
    telephone = lab.topology.telephone
    assert telephone is not None
    exchange = cast("Equipment", lab.service(telephone.node))
    exchange.call_from_outside(number)
    try:
        heard = _listen(port, RINGS, LONGEST_S)
    finally:
        exchange.hang_up_outside()
    heard += _listen(port, RINGS, QUIET_S)
    words = _words(heard)
    return words.count(RING), any(word != RING for word in words)


def _listen(port: int, rings: int, longest_s: float) -> bytes:
    """What a modem says, until it has said RING so often, anything else, or nothing for too long."""
    heard, end = b"", time.monotonic() + longest_s
    while (words := _words(heard)).count(RING) < rings and {*words} <= {RING}:
        left_s = end - time.monotonic()
        if left_s <= 0 or not select.select([port], [], [], left_s)[0]:
            break
        heard += os.read(port, 256)
    return heard


def _words(heard: bytes) -> list[bytes]:
    """The lines that are whole."""
    return [line.strip() for line in heard[: heard.rfind(b"\n") + 1].splitlines() if line.strip()]
