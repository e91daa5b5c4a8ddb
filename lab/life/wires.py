"""What the agent's own wires have of a life: connections, requests in clear, who called the host, and what
the host asked its management module.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lab.life.chronicle import HTTP_PORT, Chronicle, ClearRequest, ModuleCall, WireCall
from lab.topology.model import Topology
from lab.verify import module_tries
from lab.verify.module_tries import ModuleTry
from lab.wire import decode
from lab.wire.decode import TCP, Frame, Packet

_REQUEST = re.compile(rb"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) (\S+) HTTP/1\.[01]\r\n", re.ASCII)
_LENGTH = re.compile(rb"^content-length: *([0-9]+)", re.IGNORECASE | re.MULTILINE)
_LOG_IN = re.compile(rb"^authorization:", re.IGNORECASE | re.MULTILINE)
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})\b", re.ASCII)
_SYN_ACK = 0x12
RETRIED_S = 130.0
"""So long a kernel repeats a SYN (tcp_syn_retries 6)."""


def read(found: Chronicle, topology: Topology, agent: str, run_dir: Path) -> None:
    """Take what the wire has into a chronicle."""
    uplink = topology.node(agent).uplink
    inside = {
        ip for n in topology.members(uplink.segment) for ip in n.interface(uplink.segment).ips
    }
    modules = {module.address for module in topology.modules}
    proxies = {(proxy.address, proxy.port) for proxy in topology.proxies}
    taken = _OwnWire(found, {*uplink.ips}, inside, proxies)
    for frame, packet in _packets(run_dir, uplink.segment):
        # The management module is no way home, and in no call of one.
        if frame.time >= found.began and packet.destination not in modules:
            taken.take(frame.time, packet)
    taken.end()
    for module in topology.modules:
        if module.agent == agent:
            packets = _packets(run_dir, module.link)
            since = itertools.dropwhile(lambda each: each[0].time < found.began, packets)
            found.module_calls += map(_module_call, module_tries.read(since, module))


class _OwnWire:
    """Takes packet after packet."""

    def __init__(
        self,
        found: Chronicle,
        own: set[str],
        inside: set[str],
        proxies: set[tuple[str, int]],
    ) -> None:
        self._found = found
        self._own = own
        self._inside = inside
        self._proxies = proxies
        self._begun: dict[tuple[str, int, int], float] = {}
        self._answered: set[tuple[str, int, int, float]] = set()
        self._status: dict[tuple[str, int, float], int] = {}
        """What proxies said last before a tunnel, by place and the call's beginning."""

    def take(self, time: float, packet: Packet) -> None:
        if packet.source in self._own:
            if self._is_beyond(packet):
                self._found.sent += 1
            if packet.protocol == TCP:
                self._take_own(time, packet)
        elif packet.destination in self._own and packet.protocol == TCP:
            self._take_answer(time, packet)

    def _is_beyond(self, packet: Packet) -> bool:
        """Whether a packet leaves the agent's own network: not to a neighbour, and not to all of them."""
        if (packet.destination, packet.destination_port) in self._proxies:
            return True
        to_all = packet.destination.startswith(("224.", "255.", "ff", "fe80:"))
        return packet.destination not in self._inside and not to_all

    def _take_own(self, time: float, packet: Packet) -> None:
        key = packet.destination, packet.destination_port, packet.source_port
        if packet.is_bare_syn:
            # The same SYN again is the same try.
            before = self._begun.get(key)
            if before is None or _fresh(before, time, (*key, before) in self._answered):
                self._begun[key] = time
                self._note_call(key, time)
        elif packet.destination_port == HTTP_PORT and packet.payload:
            _note_clear(self._found, time, packet)

    def _take_answer(self, time: float, packet: Packet) -> None:
        key = packet.source, packet.source_port, packet.destination_port
        if packet.tcp_flags & _SYN_ACK == _SYN_ACK and key in self._begun:
            self._answered.add((*key, self._begun[key]))
        elif packet.is_bare_syn and packet.source not in self._inside:
            self._found.inbound.append(time)
        elif key in self._begun and key[:2] in self._proxies:
            self._take_status(packet, self._begun[key])

    def _take_status(self, packet: Packet, begun: float) -> None:
        if said := _STATUS.match(packet.payload):
            self._status[packet.source, packet.source_port, begun] = int(said[1])

    def _note_call(self, key: tuple[str, int, int], time: float) -> None:
        address, port, _ = key
        by_proxy = (address, port) in self._proxies
        call = WireCall(time=time, address=address, port=port, answered=False, proxied=by_proxy)
        self._found.calls.append(call)

    def end(self) -> None:
        """Say of each call whether it was answered."""
        answered = {(key[0], key[1], key[3]) for key in self._answered}
        self._found.calls = [
            replace(
                call,
                answered=(call.address, call.port, call.time) in answered,
                status=self._status.get((call.address, call.port, call.time), 0),
            )
            for call in self._found.calls
        ]


def _fresh(before: float, time: float, was_answered: bool) -> bool:
    return was_answered or time - before > RETRIED_S


def _note_clear(found: Chronicle, time: float, packet: Packet) -> None:
    head = _REQUEST.match(packet.payload)
    if head is None:
        return
    fields, _, body = packet.payload.partition(b"\r\n\r\n")
    length = _LENGTH.search(fields)
    found.clear.append(
        ClearRequest(
            time=time,
            address=packet.destination,
            method=head[1].decode(),
            target=head[2].decode(errors="replace"),
            body_bytes=max(int(length[1]) if length else 0, len(body)),
            logged_in=bool(_LOG_IN.search(fields)),
        )
    )


def _module_call(one: ModuleTry) -> ModuleCall:
    own = [
        f.time for f in one.frames if f.ip and f.ip.destination_port == one.port and f.ip.payload
    ]
    return ModuleCall(
        time=one.time,
        port=one.port,
        unavailable=one.unavailable_since,
        served=one.served,
        asked=bool(one.asked),
        tls=one.is_tls,
        last=own[-1] if own else one.time,
    )


def _packets(run_dir: Path, segment: str) -> Iterator[tuple[Frame, Packet]]:
    path = run_dir / "wire" / f"{segment}.pcapng"
    if not path.exists():
        return
    for frame in decode.read(path):
        if frame.ip is not None:
            yield frame, frame.ip
