"""What can be wrong between consoles and call-home servers, as mutations of true runs."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace

from scapy.layers.inet import IP, TCP
from scapy.packet import Raw

from lab.consoles import tried as trials
from lab.consoles.events import (
    LevelsDiffer,
    RequestDelivered,
    RequestFailed,
    RequestForwarded,
    RequestTaken,
)
from lab.consoles.hello import PORT as DISCOVERY_PORT
from lab.record.event import Event
from lab.record.record import Record
from lab.topology.consoles import INTER_CONSOLE_PORT as PORT
from lab.ways.consoles import connections
from lab.ways.consoles.connections import Ends
from lab.ways.consoles.events import ClearRequestTried, InterConsoleTried
from lab.wire.decode import Frame, Packet
from lab.wire.suites import NUMBERS
from tests.recordings.true_run import ETHERNET, TrueRun
from tests.unit.verify.mutation import LISTED, Change, crosses, in_turn, mutation, noted
from tests.unit.verify.tls_mutations import HANDSHAKE, SERVER_HELLO, message, record, server_hello

ONE, TWO = "consoles", "consoles-failover"
A, B = "192.168.10.10", "192.168.10.11"
SERVER_HELLO_DONE = 14
LATER_S = 0.000_1
Finds = Callable[[TrueRun], Ends]


def own(number: int, client: str, server: str) -> Finds:
    """A connection by which a console has a request sent: address and port of who opened it."""

    def find(run: TrueRun) -> Ends:
        found = [c for c in connections.own(run.case()) if (c.client, c.server) == (client, server)]
        return found[number].ends

    return find


def offered(name: str) -> Finds:
    """The first trial with an offer."""

    def find(run: TrueRun) -> Ends:
        tried = next(event for event in run.events if isinstance(event, InterConsoleTried))
        return tried.address, tried.ports[tried.offers.index(name)]

    return find


def in_clear(run: TrueRun) -> Ends:
    """The first trial without TLS."""
    tried = next(event for event in run.events if isinstance(event, ClearRequestTried))
    return tried.address, tried.port


def each_frame(run: TrueRun, ends: Ends) -> Iterator[Frame]:
    """The frames of a connection, on every wire."""
    for frames in run.wire.values():
        for frame in frames:
            packet = frame.ip
            if packet and ends in (
                (packet.source, packet.source_port),
                (packet.destination, packet.destination_port),
            ):
                yield frame


def on_no_wire(find: Finds) -> Change:
    def change(run: TrueRun) -> None:
        gone = [*each_frame(run, find(run))]
        assert gone
        for segment in run.wire:
            run.drop(segment, gone)

    return change


def said(find: Finds, content: bytes, *, by_server: bool = True) -> Change:
    """One end says something else first, and nothing after that."""

    def change(run: TrueRun) -> None:
        frames = [f for f in each_frame(run, find(run)) if f.ip and f.ip.payload]
        own = [f for f in frames if f.ip and (f.ip.source_port == PORT) is by_server]
        assert own
        for segment in {frame.segment for frame in own}:
            there = [frame for frame in own if frame.segment == segment]
            run.drop(segment, there)
            if content:
                packet = IP(there[0].data[ETHERNET:])
                packet[TCP].remove_payload()
                del packet.len, packet.chksum, packet[TCP].chksum
                data = there[0].data[:ETHERNET] + bytes(packet / Raw(content))
                run.add(segment, data, there[0].time)

    return change


def replaced(find: Finds, old: bytes, new: bytes) -> Change:
    """Other bytes, as many as before, in what one end says."""
    assert len(old) == len(new)

    def change(run: TrueRun) -> None:
        found = [f for f in each_frame(run, find(run)) if f.ip and old in f.ip.payload]
        assert found
        for frame in found:
            run.change(frame, frame.data.replace(old, new, 1))

    return change


def without_key_exchange() -> bytes:
    """A server's flight as key exchange by RSA has it, by a suite that needs more."""
    body = struct.pack("!H", 0x0303) + bytes(33)
    body += struct.pack("!HB", NUMBERS["DHE-RSA-AES256-GCM-SHA384"], 0)
    return record(HANDSHAKE, message(SERVER_HELLO, body) + message(SERVER_HELLO_DONE, b""))


def suite(name: str) -> bytes:
    """A suite as it stands in a ServerHello: then comes the compression method, which is none."""
    return struct.pack("!HB", NUMBERS[name], 0)


def heard_late(segment: str, source: str) -> Change:
    """What a console says of itself comes to a wire at the end of the run."""

    def change(run: TrueRun) -> None:
        end = run.end
        for frame in run.find(segment, lambda p: p.source == source and p.uses_udp(DISCOVERY_PORT)):
            run.change(frame, time=end)

    return change


def taken_in_clear(run: TrueRun) -> None:
    """The server takes the request of the trial."""
    tried = next(event for event in run.events if isinstance(event, ClearRequestTried))
    run.events.append(
        RequestTaken(source=tried.console, time=tried.time, address=tried.address, key=tried.key)
    )


def opens_again(find: Finds) -> Change:
    """The same console opens one more connection to the same server, right after that one."""

    def change(run: TrueRun) -> None:
        for syn in [f for f in each_frame(run, find(run)) if f.ip and f.ip.is_bare_syn]:
            packet = IP(syn.data[ETHERNET:])
            packet[TCP].sport = 1024
            run.add(syn.segment, syn.data[:ETHERNET] + bytes(packet), syn.time + LATER_S)

    return change


def forgotten(*kinds: type[Event], server: str = "") -> Change:
    """What is told of the last request, of one server or of all, is not told."""

    def change(run: TrueRun) -> None:
        last = [event for event in run.events if isinstance(event, RequestForwarded)][-1]
        run.events = [
            event
            for event in run.events
            if not (
                isinstance(event, kinds)
                and vars(event)["key"] == last.key
                and vars(event)["console"] in (server or vars(event)["console"])
            )
        ]

    return change


def always_the_first(run: TrueRun) -> None:
    """Nothing is told of the requests for which hmc-b was picked."""
    first: dict[str, str] = {}
    for event in run.events:
        if isinstance(event, RequestForwarded):
            first.setdefault(event.key, event.console)
    run.events = [e for e in run.events if first.get(vars(e).get("key", "")) != "hmc-b"]


def delivered_twice(run: TrueRun) -> None:
    """The other server says that it has sent the first request, too, and has another transaction."""
    sent = next(event for event in run.events if isinstance(event, RequestDelivered))
    run.events.append(replace(sent, console="hmc-b", transaction="SDC0000042"))


def failed_request(run: TrueRun) -> str:
    """The key of the request that failed at a server."""
    return next(event.key for event in run.events if isinstance(event, RequestFailed))


def done_twice(run: TrueRun) -> None:
    """IBM has done the request that failed at a server once more."""
    key = failed_request(run)
    entry = next(each for each in run.record.ledger if each.key == key)
    run.record.ledger.append(replace(entry, time=entry.time + LATER_S, again=False))


def forget_forwarded(record: Record) -> None:
    """IBM has acknowledged nothing that was forwarded."""
    record.ledger[:] = [entry for entry in record.ledger if not entry.key]


def from_elsewhere(record: Record) -> None:
    """IBM has what was forwarded from an address that is not the customer's."""
    record.ledger[:] = [replace(e, peer_ip="192.0.2.77") if e.key else e for e in record.ledger]


def of_another_system(record: Record) -> None:
    """IBM has what was forwarded as a request of the server's own system."""
    system = record.ledger[0].system
    record.ledger[:] = [replace(e, system=system) if e.key else e for e in record.ledger]


def of_server(packet: Packet) -> bool:
    """The SYNs of hmc-a to IBM."""
    return packet.source == A and packet.is_bare_syn and packet.destination_port == 443


def sent_by_itself(run: TrueRun) -> None:
    """The server does not call IBM for anybody else."""
    syns = run.find("lan-a", of_server)
    run.drop("lan-a", syns[1:])


def other_level(run: TrueRun) -> None:
    """hmc-c hears that hmc-b is of another level than hmc-a."""
    for frame in run.find("svc-b", lambda p: b'"hmc-b"' in p.payload):
        run.change(frame, frame.data.replace(b'"V8R8.7.0"', b'"V8R8.6.0"'))


def warned(run: TrueRun) -> None:
    """hmc-c warns of several levels."""
    time = run.record.started
    run.events.append(LevelsDiffer(source="hmc-c", time=time, levels="hmc-a 1 and hmc-b 2"))


LAST = own(-1, "hmc-c", "hmc-b")
"""The connection by which the request that failed at hmc-a went to hmc-b."""
SYN_TO_IBM = IP(src=B, dst=LISTED) / TCP(sport=4000, dport=443, flags="S")
RETRIED_AT_NONE = forgotten(RequestForwarded, RequestDelivered, server="hmc-b")

MUTATIONS = (
    mutation("P-17", "RSA is chosen", ONE,
             replaced(own(0, "hmc-b", "hmc-a"), suite("DHE-RSA-AES256-GCM-SHA384"),
                      suite("AES256-GCM-SHA384")),
             seen="hmc-b to hmc-a is by AES256-GCM-SHA384"),
    mutation("P-17", "no ServerKeyExchange", ONE,
             said(own(0, "hmc-c", "hmc-a"), without_key_exchange()),
             seen="hmc-c to hmc-a has no ServerKeyExchange"),
    mutation("P-17", "RSA alone is taken", ONE,
             said(offered(trials.RSA), server_hello(0x0303, "AES256-SHA256")),
             seen="hmc-a answers a client that offers RSA alone: AES256-SHA256"),
    mutation("P-17", "another alert", ONE,
             replaced(offered(trials.RSA), b"\x02\x28", b"\x02\x50"),
             seen="hmc-a answers a client that offers RSA alone: the alert internal_error"),
    mutation("P-17", "RSA alone is not answered", ONE, said(offered(trials.RSA), b""),
             seen="hmc-a answers a client that offers RSA alone: nothing"),
    mutation("P-17", "nobody is answered", ONE, said(offered(trials.DIFFIE_HELLMAN), b""),
             seen="hmc-a answers a client that offers DHE: nothing"),
    mutation("P-17", "the trial is on no wire", ONE, on_no_wire(offered(trials.RSA)), "F-17",
             seen="proves nothing"),
    mutation("P-17", "another offer than it says", ONE,
             replaced(offered(trials.RSA), b"\x00\x3d\x00\x3c", b"\x00\x6b\x00\x3c"),
             seen="proves nothing"),
    mutation("M-03", "before discovery", ONE, heard_late("lan-a", B),
             seen="hmc-b calls hmc-a at TCP 9920 before hmc-a has heard of hmc-b"),
    mutation("M-03", "to somebody unheard of", ONE, heard_late("svc-b", "192.168.129.10"),
             seen="hmc-c calls hmc-a at TCP 9920 before hmc-c has heard of hmc-a"),
    mutation("M-03", "in clear", ONE,
             said(own(0, "hmc-b", "hmc-a"), b"PUT /requests/k HTTP/1.1\r\n", by_server=False),
             "F-17", seen="hmc-b to hmc-a says something in clear"),
    mutation("M-03", "a client in clear has success", ONE,
             replaced(in_clear, b"HTTP/1.1 400", b"HTTP/1.1 200"),
             seen="hmc-a answers HTTP in clear with 200"),
    mutation("M-03", "a request in clear is taken", ONE, taken_in_clear,
             seen="hmc-a takes a request in clear"),
    mutation("M-03", "the trial is on no wire", ONE, on_no_wire(in_clear), "F-17",
             seen="proves nothing"),
    mutation("M-05", "by itself", ONE, crosses("lan-a", "hmc-b", "firewall", SYN_TO_IBM),
             seen="1 packet of hmc-b to IBM"),
    mutation("M-05", "no connection to the server", ONE, on_no_wire(own(0, "hmc-b", "hmc-a")), "F-17",
             seen="hmc-b did not call hmc-a at TCP 9920"),
    mutation("M-05", "the server does not call IBM", ONE, sent_by_itself,
             seen="hmc-a did not use internet while hmc-b's request was under way"),
    mutation("M-05", "IBM has nothing of it", ONE, noted(forget_forwarded),
             seen="IBM acknowledged no request of hmc-b that hmc-a says it has sent"),
    mutation("M-05", "IBM has it from elsewhere", ONE, noted(from_elsewhere), "OUT-03",
             seen="IBM has hmc-b's request from 192.0.2.77, not from hmc-a"),
    mutation("M-05", "IBM has it as another's", ONE, noted(of_another_system),
             seen="IBM has hmc-b's request as one of"),
    mutation("M-06", "a server is never asked", TWO,
             in_turn(*(on_no_wire(own(0, "hmc-c", "hmc-b")) for _ in range(3))), "M-05 M-07 R-03",
             seen="hmc-b sent a request of hmc-c without a connection to TCP 9920"),
    mutation("M-06", "one server gets all", TWO, always_the_first,
             seen="hmc-c picked hmc-b for none of 2 requests"),
    mutation("M-06", "a server is asked twice", TWO, opens_again(own(0, "hmc-c", "hmc-a")),
             seen="hmc-a was called 2 times for a request of hmc-c"),
    mutation("M-06", "two servers send one", TWO, delivered_twice,
             seen="was sent by more than one server"),
    mutation("M-07", "twice to the next one", TWO, opens_again(LAST), "R-03 M-06",
             seen="a request of hmc-c went to hmc-b 2 times"),
    mutation("M-07", "not to the next one", TWO, on_no_wire(LAST), "R-03 M-05 M-06",
             seen="hmc-b was not called for a request of hmc-c that failed elsewhere"),
    mutation("M-07", "not retried", TWO, RETRIED_AT_NONE, "R-03",
             seen="a request of hmc-c failed, and hmc-b was not asked"),
    mutation("M-07", "two tickets", TWO, done_twice, "R-03",
             seen="IBM has 2 tickets for a request of hmc-c"),
    mutation("R-03", "not to the next one", TWO, on_no_wire(LAST), "M-07 M-05 M-06",
             seen="hmc-b was not called for a request of hmc-c that failed elsewhere"),
    mutation("R-03", "two tickets", TWO, done_twice, "M-07",
             seen="IBM has 2 tickets for a request of hmc-c"),
    mutation("M-08", "nobody warns", TWO, other_level,
             seen="hmc-c does not warn of several levels: hmc-a V8R8.7.0 and hmc-b V8R8.6.0"),
    mutation("M-08", "warned of one level", TWO, warned,
             seen="hmc-c warns of several levels, and hears of one"),
)  # fmt: skip
