"""Something behind every port of a host, so that a port is closed by a rule and by nothing else.

All 65,535 TCP and UDP ports lead to two sockets of ours (TPROXY, Linux networking/tproxy.rst), which name the
port that was asked for. Packets for which another program has a socket stay that program's own.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator

from lab.linux import firewall, packets
from lab.linux.nodes import Node
from lab.linux.packets import Inbox, Received
from lab.linux.worker import Broke, readable, start_worker
from lab.topology.service import Inbound, RemoteService
from lab.wire import craft

TABLE = "listeners"
NO_TPROXY = (
    "this kernel lacks nft_tproxy or nft_socket; the lab's own has both (lab run --engine uml)"
)
LEFT_ALONE = 0x11
"""The mark of packets that are to go on, though their address still is the host's own."""
_IP_TRANSPARENT, _IP_RECVORIGDSTADDR = 19, 20
_SO_RCVBUFFORCE = 33
_BUFFER_BYTES = 1 << 22
_BACKLOG = 4096
_DATAGRAM_BYTES = 2048
_ORIGINAL = struct.Struct("!16x2xH4s")
"""Of a control message with a struct sockaddr_in: port and address."""
_CONTROL_BYTES = 64
GATHER_MS = 2.0
"""Datagrams that come so close together are answered together: it costs more to be woken than to answer."""
GREETING = "This is port "


def hosts(service: RemoteService) -> Iterator[str]:
    """Where it takes listeners: at the console, at the partitions, and at the representative's machine.

    There, as what the console opens to it must find somebody (I-32). By Internet nothing gets there, and the
    console's ports are reached on the machine's own loopback.
    """
    theirs = () if service.by is Inbound.internet else (service.dialer, service.server)
    yield from filter(None, (service.console, *theirs))
    yield from (partition.name for partition in service.partitions)


def greeting(host: str, protocol: str, port: int) -> bytes:
    return f"{GREETING}{protocol}/{port} of {host}\r\n".encode()


def render(tcp_port: int, udp_port: int) -> str:
    """The rules that lead every port to the two sockets, whose ports these are."""
    return (
        f"table ip {TABLE} {{\n"
        "\tchain prerouting {\n"
        "\t\ttype filter hook prerouting priority mangle; policy accept;\n"
        f"\t\tmeta mark {LEFT_ALONE} accept\n"
        "\t\tfib daddr type != local accept\n"
        "\t\tsocket transparent 0 accept\n"
        f"\t\tmeta l4proto tcp tproxy to :{tcp_port}\n"
        f"\t\tmeta l4proto udp tproxy to :{udp_port}\n"
        "\t}\n"
        "}\n"
    )


@contextlib.contextmanager
def start(node: Node) -> Iterator[Listeners]:
    """Every port answers inside of the context."""
    with contextlib.ExitStack() as undo:
        tcp = undo.enter_context(node.call(_socket, socket.SOCK_STREAM))
        udp = undo.enter_context(node.call(_socket, socket.SOCK_DGRAM))
        answers = undo.enter_context(
            node.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        )
        listeners = Listeners(node.name, tcp, udp, answers)
        rules = render(tcp.getsockname()[1], udp.getsockname()[1])
        operation = "set up the listeners of"
        undo.enter_context(
            firewall.standing(node, f"ip {TABLE}", rules, operation=operation, hint=NO_TPROXY)
        )
        undo.enter_context(start_worker(listeners.run, f"{node.name}'s listeners"))
        yield listeners


class Listeners:
    """The two sockets at work."""

    def __init__(
        self, host: str, tcp: socket.socket, udp: socket.socket, answers: socket.socket
    ) -> None:
        self._host = host
        self._tcp = tcp
        self._udp = udp
        self._answers = answers
        self._inbox = Inbox(_DATAGRAM_BYTES, control=_CONTROL_BYTES)
        self._broke = Broke(f"{host}'s listeners")
        self.check = self._broke.check

    def run(self, told: int) -> None:
        """Answer until ``told`` is readable."""
        poller, ending = readable(self._tcp, self._udp, told), readable(told)
        with self._broke:
            while True:
                ready = [descriptor for descriptor, _ in poller.poll()]
                if told in ready:
                    return
                if self._tcp.fileno() in ready:
                    self._accept()
                if self._udp.fileno() in ready:
                    ending.poll(GATHER_MS)
                    self._take_datagrams()

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while True:
                connection, _ = self._tcp.accept()
                with connection, contextlib.suppress(OSError):
                    port = connection.getsockname()[1]
                    connection.send(greeting(self._host, "tcp", port))

    def _take_datagrams(self) -> None:
        """Answer what has come, and no more at once than an interface's queue holds."""
        # Two hosts with such listeners would never come to an end.
        asked = [
            each
            for each in self._inbox.take_with_peers(self._udp)
            if not each.data.startswith(GREETING.encode())
        ]
        answers = [(self._answer(each), (each.peer, 0)) for each in asked]
        packets.send_to_each(self._answers, answers)

    def _answer(self, asked: Received) -> bytes:
        port, address = _ORIGINAL.unpack_from(asked.control)
        answer = greeting(self._host, "udp", port)
        own = socket.inet_ntoa(address)
        return craft.udp(own, asked.peer, (port, asked.peer_port), answer)


def _socket(kind: socket.SocketKind) -> socket.socket:
    made = socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK)
    try:
        made.setsockopt(socket.SOL_IP, _IP_TRANSPARENT, 1)
        # A connection of ours that is over must not keep its port from a program that wants it.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if kind == socket.SOCK_DGRAM:
            made.setsockopt(socket.SOL_IP, _IP_RECVORIGDSTADDR, 1)
            # A scan goes on while who answers waits for more, or for a processor.
            made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        made.bind(("", 0))
        if kind == socket.SOCK_STREAM:
            made.listen(_BACKLOG)
    except BaseException:
        made.close()
        raise
    return made
