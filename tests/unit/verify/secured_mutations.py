"""What can be wrong with the secrecy of a way home, and with a modem that is for outbound calls alone."""

from __future__ import annotations

from dataclasses import replace

from scapy.layers.inet import UDP
from scapy.packet import Raw

from lab.agent.heartbeat import system_of
from lab.telephony.events import CallAnswered, CallRings, CallSilent, ModemSaid
from lab.telephony.outside_telephone import OUTSIDE
from tests.recordings.true_run import ETHERNET, TrueRun, edited, with_sums
from tests.unit.verify.mutation import Change, facts, leaves, mutation

WORDS = b"PUT /service/problems/1 HTTP/1.1\r\nAuthorization: Basic eA==\r\n\r\n"
HANDSHAKE = b"\x16\x03"


def says_in_clear(segment: str, *, back: bool = False) -> Change:
    """The first words of one side are no TLS, on one wire."""

    def change(run: TrueRun) -> None:
        frame = run.find(
            segment,
            lambda p: p.payload.startswith(HANDSHAKE) and (p.source_port == 443) == back,
        )[0]
        assert frame.ip is not None
        payload = frame.ip.payload
        begin = frame.data.index(payload)
        clear = (WORDS * 99)[: len(payload)]
        packet = frame.data[ETHERNET:begin] + clear + frame.data[begin + len(payload) :]
        run.change(frame, frame.data[:ETHERNET] + with_sums(packet))

    return change


def sent_by_hmc(run: TrueRun) -> None:
    """The partition's first connection was the HMC's, on their wire."""
    own = {name: run.topology.node(name).interface("i5-lan").ip for name in ("hmc", "i5")}
    frame = run.find("i5-lan", lambda p: p.is_bare_syn and p.source == own["i5"])[0]
    run.change(frame, edited(frame, src=own["hmc"]))


def in_the_call(run: TrueRun) -> CallRings:
    """Where the events have the call from outside."""
    (rings,) = (e for e in run.events if isinstance(e, CallRings) and e.line == OUTSIDE)
    return rings


def then(run: TrueRun, kind: type[CallAnswered] | type[CallSilent]) -> None:
    """Something that the called line does while it rings."""
    rings = in_the_call(run)
    at = run.events.index(rings) + 1
    event = kind(source=rings.source, time=rings.time + 1, call=rings.call, line=rings.called)
    run.events = [*run.events[:at], event, *run.events[at:]]


def answered(run: TrueRun) -> None:
    then(run, CallAnswered)


def off_hook(run: TrueRun) -> None:
    then(run, CallSilent)


def rung_seldom(run: TrueRun) -> None:
    """The modem says RING three times only."""
    since = in_the_call(run).time
    said = [e for e in run.events if isinstance(e, ModemSaid) and "RING" in e.text]
    gone = {id(e) for e in said if e.line == "hmc" and e.time > since + 15}
    run.unhear(lambda event: id(event) in gone)


def rings_elsewhere(run: TrueRun) -> None:
    """The call from outside rings at no line of the lab's."""
    rings = in_the_call(run)
    run.events = [replace(e, called="") if e is rings else e for e in run.events]


MUTATIONS = (
    mutation("OUT-46", "clear words without a proxy", "direct", says_in_clear("fw-inet")),
    mutation("OUT-46", "a clear answer without a proxy", "direct", says_in_clear("fw-inet", back=True)),
    mutation("OUT-46", "clear words behind a proxy", "proxy", says_in_clear("fw-inet")),
    mutation("OUT-46", "clear words behind the modem", "dial", says_in_clear("lig-inet"), "L-01 L-07"),
    mutation("OUT-46", "UDP in clear beside the VPN", "vpn",
             leaves("129.42.160.16", UDP(sport=5000, dport=5000) / Raw(WORDS)), "F-06 g4"),
    mutation("OUT-48", "the HMC sends for the partition", "i5-partition", sent_by_hmc),
    mutation("OUT-48", "IBM hears of the partition by the HMC", "i5-partition",
             facts("ledger", 0, system=system_of("i5"))),
    mutation("OUT-47", "the modem answers", "dial", answered, seen="answered the call from outside"),
    mutation("OUT-47", "the line goes off hook", "dial", off_hook),
    mutation("OUT-47", "three rings", "dial", rung_seldom, seen="rang 3 times"),
    mutation("OUT-47", "it rings nowhere", "dial", rings_elsewhere),
)  # fmt: skip
