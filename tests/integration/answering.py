"""A LIG whose modems a test plays by hand, callers with a pppd of their own, and raw packets.

Between the gateway and the servers is the network of the topology ``dial``; the telephone is a PTY for
each end and a thread that carries bytes. No assertions about the lab here.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import socket
import struct
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lab.linux import firewall, links
from lab.linux.nodes import Node
from lab.linux.process import Daemon
from lab.record.record import LigCall, Record
from lab.record.story import Story
from lab.topology import load, model, resolve
from lab.topology.telephone import Lig, ModemLine
from lab.wait import wait_until
from lab.wire.craft import checksum
from tunnels import ppp, started
from tunnels.lig import Bank

DEADLINE_S = 30.0
IPV4 = 0x0800


class Wire:
    """A modem of the gateway as a test plays it, and the terminal of whoever calls there."""

    def __init__(self, device: Path) -> None:
        self.device = device
        self.heard: list[str] = []
        self._connected = False
        self._partial = b""
        self._stop = os.eventfd(0)
        self._plug()

    def ring(self) -> None:
        os.write(self._gateway, b"\r\nRING\r\n")

    def connect(self, rate: str = " 33600") -> None:
        """Say that the modems have a connection; from now on bytes are the caller's."""
        self._connected = True
        os.write(self._gateway, f"\r\nCONNECT{rate}\r\n".encode())

    @property
    def terminal(self) -> str:
        """The caller's end."""
        return os.ttyname(self._ends[1])

    def hang_up(self) -> None:
        """The carrier goes: both ends are hung up, and there are new ones."""
        self.unplug()
        self._plug()

    def _plug(self) -> None:
        self._gateway, gateway_end = os.openpty()
        self._caller, caller_end = os.openpty()
        self._ends = (gateway_end, caller_end)
        for end in self._ends:
            tty.setraw(end)
        self._connected = False
        self.device.unlink(missing_ok=True)
        self.device.symlink_to(os.ttyname(gateway_end))
        self._thread = threading.Thread(target=self._carry)
        self._thread.start()

    def unplug(self) -> None:
        os.eventfd_write(self._stop, 1)
        self._thread.join()
        os.eventfd_read(self._stop)
        self.device.unlink(missing_ok=True)
        for end in (*self._ends, self._gateway, self._caller):
            os.close(end)

    def close(self) -> None:
        self.unplug()
        os.close(self._stop)

    def _carry(self) -> None:
        with selectors.DefaultSelector() as selector:
            for end in (self._gateway, self._caller, self._stop):
                selector.register(end, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select()}
                if self._stop in ready:
                    return
                if self._gateway in ready:
                    data = os.read(self._gateway, 4096)
                    if self._connected:
                        os.write(self._caller, data)
                    else:
                        self._obey(data)
                if self._caller in ready:
                    os.write(self._gateway, os.read(self._caller, 4096))

    def _obey(self, data: bytes) -> None:
        *commands, self._partial = (self._partial + data).split(b"\r")
        for command in commands:
            self.heard.append(command.decode())
            if command != b"ATA":
                os.write(self._gateway, b"\r\nOK\r\n")


@dataclass
class Hall:
    """The gateway at work, with everything around it."""

    topology: model.Topology
    nodes: dict[str, Node]
    lig: Lig
    bank: Bank
    record: Record
    wires: list[Wire]
    pppds: list[Daemon] = field(default_factory=list)

    @property
    def counters(self) -> dict[str, int]:
        """Of the fence, those that are not zero."""
        found = firewall.counters({"lig": self.nodes["lig"]})["lig"]
        return {name: count for name, count in found.items() if count}

    def elements(self) -> int:
        """How many elements of calls the fence has."""
        text = firewall.ruleset(self.nodes["lig"])
        sets = re.findall(
            r"(?:set|map) (open|callers|replies|numbers|lists) {(.*?)\n\t}", text, re.S
        )
        assert len(sets) == 5
        return sum(body.count("elements") for _, body in sets)

    def call(self, line: int = 0, extra: str = "", **options: Any) -> Daemon:
        """Ring, be answered and start a caller's pppd, with further options of its own."""
        wire = self.wires[line]
        answers = wire.heard.count("ATA")
        wire.ring()
        wait_until("the bank answers", lambda: wire.heard.count("ATA") > answers, DEADLINE_S)
        wire.connect()
        hmc = self.nodes["hmc"]
        name = f"pppd-{len(self.pppds)}"
        told = ppp.Options(
            name=self.lig.ppp.accounts[0].user,
            log=hmc.log_dir / f"{name}.log",
            mtu=1500,
            offer=(model.PppAuth.pap,),
            unit=line,
        )
        ppp.write_options(hmc, f"/etc/ppp/{name}", replace(told, **options))
        argv = ["/usr/sbin/pppd", wire.terminal, "file", f"/etc/ppp/{name}", *extra.split()]
        pppd = hmc.spawn(argv, name=name)
        self.pppds.append(pppd)
        return pppd

    def open(self, line: int = 0, **options: Any) -> tuple[Daemon, ppp.Link]:
        """``call``, and wait until IPCP is open at both ends."""
        pppd = self.call(line, **options)
        link = wait_until(
            "IPCP open", lambda: ppp.find_link(self.nodes["hmc"], f"ppp{line}"), DEADLINE_S
        )
        wait_until("IPCP open at the gateway", lambda: self.last(line).opened, DEADLINE_S)
        return pppd, link

    def last(self, line: int = 0) -> LigCall:
        name = f"lig-{line + 1}"
        return [call for call in self.record.lig if call.line == name][-1]

    def ended(self, line: int = 0) -> LigCall:
        """The last call of a line, once it has ended and the modem is ready for the next."""
        call = self.last(line)
        wait_until("the call has ended", lambda: call.closed, DEADLINE_S)
        return call

    def hang_up(self, line: int = 0) -> LigCall:
        wire = self.wires[line]
        wire.heard.clear()
        wire.hang_up()
        call = self.ended(line)
        wait_until("the modem is set up again", lambda: len(wire.heard) == 2, DEADLINE_S)
        return call

    def send(self, node: str, packet: bytes, interface: str = "") -> None:
        """A raw IP packet, by an interface or by the routes."""
        with self.nodes[node].socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            if interface:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
            raw.sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))

    def inject(self, node: str, packet: bytes, interface: str) -> None:
        """An IP packet by an interface, even if it is for another interface of the node."""
        packet = packet[:10] + struct.pack("!H", checksum(packet[:20])) + packet[12:]
        with self.nodes[node].socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0) as raw:
            raw.sendto(packet, (interface, IPV4))

    @contextmanager
    def listening(self, node: str, port: int, kind: int = socket.SOCK_DGRAM) -> Iterator[Any]:
        with self.nodes[node].socket(socket.AF_INET, kind) as opened:
            opened.settimeout(DEADLINE_S)
            opened.bind(("0.0.0.0", port))
            yield opened


def udp(source: str, destination: str, dport: int, sport: int = 4000, ttl: int = 64) -> bytes:
    return ip(source, destination, 17, struct.pack("!4H", sport, dport, 12, 0) + b"lab!", ttl)


def ip(source: str, destination: str, protocol: int, payload: bytes, ttl: int = 64) -> bytes:
    """The kernel fills in the checksum (raw(7))."""
    addresses = socket.inet_aton(source) + socket.inet_aton(destination)
    length = 20 + len(payload)
    return struct.pack("!BBHHHBBH", 0x45, 0, length, 0, 0, ttl, protocol, 0) + addresses + payload


@contextmanager
def hall(
    directory: Path, change: Callable[[Lig], Lig] = lambda lig: lig, lines: int = 2
) -> Iterator[Hall]:
    """The topology ``dial`` with its wires, and a bank whose modems are set up."""
    topology = resolve.resolve(load.load("dial"), b"answering")
    assert topology.lig is not None
    lig = change(topology.lig)
    record = Record()
    with ExitStack() as stack:
        nodes = {
            planned.name: stack.enter_context(Node.create(planned, directory))
            for planned in topology.nodes
        }
        backstage = stack.enter_context(Node.create_bare("wires", directory))
        links.build(topology, nodes, backstage)
        wires, plans = [], []
        for number in range(lines):
            wire = Wire(directory / f"modem{number}")
            stack.callback(wire.close)
            wires.append(wire)
            plans.append(
                ModemLine(
                    name=f"lig-{number + 1}",
                    node="lig",
                    device=os.fspath(wire.device),
                    number="18005550100",
                    rate_bit_s=33600,
                    delay_s=0.0,
                )
            )
        ppp.write_secrets(nodes["hmc"], lig.ppp.accounts)
        bank = stack.enter_context(
            started(Bank(nodes["lig"], lig, plans, record, Story(directory, silent=True).tell))
        )
        made = Hall(topology, nodes, lig, bank, record, wires)
        stack.callback(_end, made)
        yield made


def _end(made: Hall) -> None:
    for pppd in made.pppds:
        with contextlib.suppress(ProcessLookupError):
            pppd.signal(signal.SIGKILL)
