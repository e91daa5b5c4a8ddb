"""What can be wrong with errands and the servers that do them, as mutations of true runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from scapy.layers.inet import IP, TCP
from scapy.packet import Raw

from lab.record.record import CallHome, Record
from lab.topology.model import Topology
from lab.wire.decode import Frame, Packet
from tests.recordings.true_run import TrueRun
from tests.unit.verify.mutation import (
    SYN,
    UNLISTED,
    Change,
    crosses,
    facts,
    judged_by,
    leaves,
    lost,
    mutation,
    noted,
)

PUBLIC = "198.51.100.2"
FIX_SERVER, ECCGW = "170.225.15.76", ("207.25.252.197", "129.42.160.51")
WWW_03 = "204.146.30.17"
PROBLEMS = "129.42.50.224"
"""The last of www-945's addresses."""
URSF_PROBLEMS, URSF_SUPPORT = "198.74.67.240", "198.74.67.235"


def asks_in_clear(request: bytes, server: str = FIX_SERVER) -> Change:
    """A whole request in clear, on the customer's access line."""

    def change(run: TrueRun) -> None:
        ends = IP(src=PUBLIC, dst=server)
        syn = ends / TCP(sport=4007, dport=80, flags="S", seq=100)
        data = ends / TCP(sport=4007, dport=80, flags="PA", seq=101) / Raw(request)
        for number, packet in enumerate((syn, data)):
            run.put("fw-inet", "firewall", "internet", bytes(packet), run.end + number)

    return change


def to_port(port: int) -> TCP:
    return TCP(sport=4008, dport=port, flags="S")


def of(*addresses: str) -> Callable[[Packet], bool]:
    return lambda packet: bool({packet.source, packet.destination} & {*addresses})


def of_port(port: int) -> Callable[[Packet], bool]:
    return lambda packet: port in (packet.source_port, packet.destination_port)


def shifted(chooses: Callable[[Packet], bool], seconds: float) -> Change:
    """Packets are on the customer's access line at another time."""

    def change(run: TrueRun) -> None:
        for frame in run.find("fw-inet", chooses):
            run.change(frame, time=frame.time + seconds)

    return change


def rewritten(chooses: Callable[[Packet], bool], edit: Callable[[bytes], bytes]) -> Change:
    """What the first such packet carries is another text of the same length."""

    def change(run: TrueRun) -> None:
        frame = run.find("fw-inet", chooses)[0]
        assert frame.ip is not None
        old = frame.ip.payload
        new = edit(old)
        assert new != old
        assert len(new) == len(old)
        run.change(frame, frame.data.replace(old, new))

    return change


def is_fix_request(packet: Packet) -> bool:
    return b"GET /transaction/fix/" in packet.payload


def is_fix_data(packet: Packet) -> bool:
    return packet.source_port == 80 and len(packet.payload) > 1000


def log_in(payload: bytes) -> bytes:
    old = b"User-Agent: callhome-lab-reference-agent/1.0"
    new = b"Authorization: Basic "
    return payload.replace(old, new + b"x" * (len(old) - len(new)))


def flip_last_byte(payload: bytes) -> bytes:
    return payload[:-1] + bytes([payload[-1] ^ 1])


def passes_while_held_back(run: TrueRun) -> None:
    """A SYN to the first row that is held back leaves all the same."""
    trial = next(t for t in run.record.errand_trials if t.row)
    packet = IP(src=PUBLIC, dst=trial.addresses[0]) / to_port(443)
    run.put("fw-inet", "firewall", "internet", bytes(packet), trial.started + 1)


def nobody_calls_what_is_held_back(run: TrueRun) -> None:
    trial = next(t for t in run.record.errand_trials if t.row)

    def is_asked(frame: Frame) -> bool:
        within = trial.started <= frame.time <= trial.ended
        return bool(frame.ip and within and frame.ip.destination in trial.addresses)

    run.drop("lan", [frame for frame in run.wire["lan"] if is_asked(frame)])


def others_fail(run: TrueRun) -> None:
    """While the first row is held back, no answer of the server of problems comes."""
    trial = next(t for t in run.record.errand_trials if t.row)
    run.drop("fw-inet", [
        f for f in run.wire["fw-inet"]
        if f.ip and trial.started <= f.time <= trial.ended and f.ip.source_port == 19285
    ])  # fmt: skip


def each_call(change: Callable[[CallHome], CallHome]) -> Change:
    def changed(record: Record) -> None:
        record.calls[:] = [change(call) for call in record.calls]

    return noted(changed)


def by_http(call: CallHome) -> CallHome:
    """The agent says that the problem was taken in clear."""
    attempts = tuple(
        replace(a, server="http://www-945.ibm.com") if a.errand == "problem" else a
        for a in call.attempts
    )
    return replace(call, attempts=attempts)


def unchecked(call: CallHome) -> CallHome:
    """The agent says nothing of what it compared."""
    return replace(call, attempts=tuple(replace(a, sha256="") for a in call.attempts))


def entry(errand: str, **fields: Any) -> Change:
    """Other values for the first entry of a kind in the servers' ledger."""

    def change(run: TrueRun) -> None:
        number = next(n for n, e in enumerate(run.record.ledger) if e.kind == f"errand: {errand}")
        run.record.ledger[number] = replace(run.record.ledger[number], **fields)

    return change


def another_enrols_later(run: TrueRun) -> None:
    """The first fix is for a system that is the last to enrol."""
    ledger = run.record.ledger
    last = [n for n, e in enumerate(ledger) if e.kind == "errand: enrolment"][-1]
    first = next(n for n, e in enumerate(ledger) if e.kind == "errand: fix")
    for number in (last, first):
        ledger[number] = replace(ledger[number], system="7042-CR9*2100000")


def in_both_sets(model: Topology) -> Topology:
    """A server of SSL is one of URSF, too."""
    first, *others = model.servers
    return replace(model, servers=(replace(first, variants=("ssl", "ursf")), *others))


MUTATIONS = (
    mutation("OUT-32", "in clear although HTTPS gave it", "esa-linux",
             asks_in_clear(b"GET /transaction/configuration HTTP/1.1\r\nHost: x\r\n\r\n", WWW_03),
             held="OUT-33", seen="and HTTPS gave one"),
    mutation("OUT-32", "at a server for fixes", "esa-linux.blocked-443",
             asks_in_clear(b"GET /transaction/configuration HTTP/1.1\r\nHost: x\r\n\r\n", ECCGW[0]),
             also="F-01 g4", seen="is not for configurations"),
    mutation("OUT-32", "another errand in clear", "esa-linux",
             asks_in_clear(b"GET /transaction/problem HTTP/1.1\r\nHost: x\r\n\r\n", WWW_03),
             held="OUT-33", seen="/transaction/problem is asked for"),
    mutation("OUT-32", "HTTPS was not tried", "esa-linux.blocked-443",
             lost("lan", lambda p: p.is_bare_syn and p.destination_port == 443),
             seen="nobody was asked by HTTPS"),
    mutation("OUT-33", "a POST in clear", "traditional",
             asks_in_clear(b"POST /transaction/problem HTTP/1.1\r\nHost: x\r\n\r\n"),
             seen="POST goes to"),
    mutation("OUT-33", "a GET with a body", "traditional",
             asks_in_clear(b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\ndata"),
             seen="a body of 4 bytes"),
    mutation("OUT-33", "something else in clear", "traditional", asks_in_clear(b"\x00\x01\x02\r\n"),
             seen="no HTTP"),
    mutation("OUT-33", "taken by HTTP", "traditional", each_call(by_http), seen="was taken by http:"),
    mutation("OUT-33", "kept and not told", "esa-linux.blocked-443", facts("calls", unsent=()),
             seen="did not say that it keeps"),
    mutation("OUT-37", "a packet to somebody else", "simplified", leaves(UNLISTED, SYN), "F-03 g1 g4",
             seen="a packet leaves for"),
    mutation("OUT-37", "the customer behind the front end", "simplified",
             crosses("core", "sdc", "problems", IP(src=PUBLIC, dst="10.1.0.31") / SYN),
             seen="is on core"),
    mutation("OUT-37", "two servers silent", "simplified", lost("core", of("10.1.0.32", "10.1.0.33")),
             seen="there is no connection from"),
    mutation("OUT-37", "nothing but handshakes", "simplified",
             lost("core", lambda p: p.source == "10.1.0.31" and len(p.payload) > 0),
             seen="there is no connection from"),
    mutation("OUT-37", "an operation handed to the wrong server", "simplified",
             entry("problem", kind="service: inventory", status=201), seen="problems got the inventory"),
    mutation("OUT-37", "the front end does an operation itself", "simplified",
             entry("problem", kind="service: problem", status=201, back_end="", back_end_port=0),
             seen="the front end did the problem itself, which problems does"),
    mutation("OUT-37", "the front end does an errand itself", "simplified",
             entry("problem", back_end="", back_end_port=0),
             seen="the front end did the problem itself, which problems does"),
    mutation("OUT-37", "handed to the wrong server", "simplified", entry("problem", back_end="systems")),
    mutation("OUT-38", "a server is left out", "traditional", lost("fw-inet", of(PROBLEMS)), "F-03",
             seen=f"no problem went to {PROBLEMS}:443"),
    mutation("OUT-38", "a port that is for nothing", "traditional", leaves(FIX_SERVER, to_port(443)),
             "F-03 g4", seen="where no errand is done"),
    mutation("OUT-38", "at the servers of another errand", "traditional",
             entry("problem", kind="errand: upload"), seen="which is not for it"),
    mutation("OUT-39", "a server of URSF beside SSL", "traditional",
             leaves(URSF_PROBLEMS, to_port(19285)), "OUT-38 F-03 g1 g4", seen="which is of URSF"),
    mutation("OUT-39", "a server of SSL beside URSF", "ursf", leaves(PROBLEMS, SYN),
             "OUT-38 F-03 g1 g4", seen="which is of SSL"),
    judged_by("OUT-39", "an address in both", "traditional", in_both_sets, seen="is in both sets"),
    mutation("OUT-40", "another port of the same server", "ursf", leaves(URSF_PROBLEMS, to_port(443)),
             "OUT-38 F-03 g4", seen="and not to 19285"),
    mutation("OUT-40", "no remote support", "ursf", lost("fw-inet", of_port(11111)), "OUT-38 F-03 F-16",
             seen="no remote-support was done at 11111"),
    mutation("OUT-40", "a problem at the servers for remote support", "ursf",
             entry("remote-support", kind="errand: problem"), "OUT-38", seen="the problem goes to"),
    mutation("OUT-41", "a log-in", "traditional", rewritten(is_fix_request, log_in),
             seen="has the field authorization"),
    mutation("OUT-41", "taken unchecked", "traditional", each_call(unchecked), seen="took a fix whose"),
    mutation("OUT-41", "another content", "traditional", rewritten(is_fix_data, flip_last_byte),
             seen="which no server gave by TLS"),
    mutation("OUT-42", "enrolled too late", "traditional", shifted(of(*ECCGW), 100.0),
             seen="before the enrolment was acknowledged"),
    mutation("OUT-42", "a fix too early", "traditional", shifted(of_port(80), -15.0),
             seen="before the enrolment was acknowledged"),
    mutation("OUT-42", "another system enrolled first", "traditional", another_enrols_later,
             seen="before the enrolment was acknowledged"),
    mutation("OUT-42", "no enrolment", "traditional",
             lost("fw-inet", lambda p: p.source in ECCGW), "OUT-38"),
    mutation("OUT-42", "a fix for a stranger", "traditional", entry("fix", system="7042-CR9*2100000"),
             seen="gave a fix to 7042"),
    mutation("F-16", "one passes", "ursf", passes_while_held_back, seen="passed while it was held back"),
    mutation("F-16", "nobody calls", "ursf", nobody_calls_what_is_held_back, seen="nobody called"),
    mutation("F-16", "something else fails, too", "ursf", others_fail, seen="problem was not done either"),
    mutation("F-16", "a row left open", "ursf", noted(lambda record: record.errand_trials.pop()),
             seen="A-36 was not held back"),
)  # fmt: skip
