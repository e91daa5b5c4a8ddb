"""AT&T's fence, judged: the fence on paper by hand-written rows, lines that lose packets, calls that end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.packet import Packet as Scapy
from scapy.packet import Raw

from lab.linux import fence
from lab.telephony.events import HungUp, LineDropped
from lab.topology import catalogue
from lab.topology.model import Topology
from lab.verify import Finding, Verdict
from lab.ways.dial.paper_fence import Caller, Fence
from lab.wire import decode, ppp
from lab.wire.dialled import FrameFault
from lab.wire.ppp import Code, PapCode
from tests.recordings.true_run import Recordings, TrueRun, ppp_frame
from tests.unit.verify.dial_mutations import arrives, first, of_ppp
from tests.unit.verify.fence_mutations import (
    answers_late,
    counts,
    misleads,
    next_holder_untried,
    of,
    passes_in,
    passes_out,
    provokes_nobody,
    stops_in,
    stops_out,
    too_few,
    unlisted_of,
    untried,
)
from tests.unit.verify.mutation import Change, like
from tests.unit.verify.stage import topology

ONE, TWO = "203.0.113.18", "203.0.113.19"
"""What dial-two-hmcs gives hmc, call 1, and hmc-b, call 2."""
FREE, PPP, LIG, NAMES = "203.0.113.20", "203.0.113.17", "203.0.113.2", "203.0.113.53"
SAS, AMERICAS, OTHERS, VPN = "129.42.160.48", "129.42.160.49", "129.42.160.50", "129.42.160.16"
NEAR, FAR = "129.42.160.47", "198.18.0.1"
TERMINATE_ACK = 6
"""RFC 1661 5."""
CALLS = {1: (ONE, "usibm.hmc01"), 2: (TWO, "usibm.hmc02"), 3: (ONE, "usibm.hmc01")}
"""Address and user id; the third comes after the first."""

# -- the fence on paper ---------------------------------------------------------------------------


def tcp(near: int, far: int, flags: str = "S") -> TCP:
    return TCP(sport=near, dport=far, flags=flags)


def udp(near: int, far: int) -> UDP:
    return UDP(sport=near, dport=far)


def about(source: str, destination: str, inner: Scapy, kind: int = 3) -> Scapy:
    """An ICMP error about a packet."""
    return ICMP(type=kind, code=1) / Raw(bytes(IP(src=source, dst=destination) / inner))


Row = tuple[int, str, str, Scapy, str]
FROM_CALLERS: list[Row] = [
    # The source must be the assigned address (L-01).
    (1, "192.168.10.10", SAS, tcp(1, 443), "L-01-spoofed-source"),
    (1, TWO, SAS, tcp(1, 443), "L-01-spoofed-source"),
    (2, ONE, SAS, tcp(1, 443), "L-01-spoofed-source"),
    (1, FREE, NAMES, udp(1, 53), "L-01-spoofed-source"),
    (1, SAS, TWO, tcp(443, 1), "L-01-spoofed-source"),
    # The destination must be an authorized server (L-02), of the caller's own list (L-08, L-10).
    (1, ONE, SAS, tcp(1, 443), "L-02-listed"),
    (1, ONE, AMERICAS, tcp(2, 443), "L-02-listed"),
    (1, ONE, OTHERS, tcp(3, 443), "L-02-unlisted"),
    (2, TWO, OTHERS, tcp(4, 443), "L-02-listed"),
    (2, TWO, AMERICAS, tcp(5, 443), "L-02-unlisted"),
    (1, ONE, NEAR, tcp(6, 443), "L-02-unlisted"),
    (1, ONE, FAR, udp(7, 500), "L-02-unlisted"),
    (1, ONE, TWO, udp(8, 9), "L-02-unlisted"),
    # Or AT&T's utility service (L-03).
    (1, ONE, NAMES, udp(9, 53), "L-03-utility"),
    (1, ONE, NAMES, tcp(10, 53), "L-03-utility"),
    (1, ONE, NAMES, udp(11, 54), "L-07-other"),
    (1, ONE, PPP, udp(12, 53), "L-03-dns"),
    (1, ONE, FAR, tcp(13, 53), "L-03-dns"),
    (1, ONE, LIG, tcp(14, 22), "L-07-other"),
    # Addresses only, so any port (L-12), the VPN gateways' too (L-11).
    (1, ONE, SAS, udp(15, 9), "L-02-listed"),
    (1, ONE, SAS, udp(16, 53), "L-02-listed"),
    (1, ONE, VPN, udp(500, 500), "L-02-listed"),
    (1, ONE, VPN, Raw(b"esp?"), "L-02-listed"),
    (1, ONE, SAS, ICMP(type=8, id=17), "L-02-listed"),
]
AFTER_THAT: list[Row] = [
    # Packets to an address that no call has (L-04); 0 is no call.
    (0, SAS, FREE, tcp(443, 1), "L-04-free-address"),
    (0, SAS, FAR, tcp(443, 1), "L-07-other"),
    (0, SAS, LIG, tcp(443, 1), "L-07-other"),
    (0, NAMES, FREE, udp(53, 1), ""),
    # The source must be a server with which the caller communicates (L-05).
    (1, SAS, ONE, tcp(443, 1, "SA"), "L-05-reply"),
    (1, SAS, ONE, tcp(443, 2, "SA"), "L-05-unsolicited"),
    (2, SAS, TWO, tcp(443, 1, "SA"), "L-05-unsolicited"),
    (1, OTHERS, ONE, tcp(443, 3, "SA"), "L-05-unsolicited"),
    (2, OTHERS, TWO, tcp(443, 4, "SA"), "L-05-reply"),
    (2, AMERICAS, TWO, tcp(443, 5, "SA"), "L-05-unsolicited"),
    (1, FAR, ONE, udp(500, 7), "L-05-unsolicited"),
    (1, TWO, ONE, udp(9, 8), "L-05-unsolicited"),
    (1, SAS, ONE, udp(9, 15), "L-05-reply"),
    (1, SAS, ONE, udp(9, 16), "L-05-unsolicited"),
    (1, VPN, ONE, Raw(b"esp!"), "L-05-reply"),
    (1, VPN, ONE, udp(500, 500), "L-05-reply"),
    (1, VPN, ONE, udp(4500, 500), "L-05-unsolicited"),
    (1, SAS, ONE, ICMP(type=0, id=17), "L-05-reply"),
    (1, SAS, ONE, ICMP(type=8, id=17), "L-05-unsolicited"),
    (1, AMERICAS, ONE, ICMP(type=0, id=17), "L-05-unsolicited"),
    (1, SAS, ONE, about(ONE, SAS, udp(15, 9)), "L-05-reply"),
    (1, SAS, ONE, about(ONE, SAS, udp(99, 9)), "L-05-unsolicited"),
    (1, FAR, ONE, about(ONE, SAS, udp(15, 9)), "L-05-unsolicited"),
    (1, SAS, ONE, about(ONE, FAR, udp(7, 500)), "L-05-unsolicited"),
    # And what was an answer to one call is none to the next (L-09).
    (3, SAS, ONE, tcp(443, 1, "SA"), "L-05-unsolicited"),
    (3, SAS, ONE, about(ONE, SAS, udp(15, 9)), "L-05-unsolicited"),
]


def packed(source: str, destination: str, inner: Scapy, ttl: int = 64) -> bytes:
    packet = IP(src=source, dst=destination, ttl=ttl)
    if isinstance(inner, Raw):
        packet.proto = 50
    return bytes(packet / inner)


class Judge:
    """The fence on paper, asked by bytes."""

    def __init__(self, model: Topology) -> None:
        assert model.lig is not None
        self.fence = Fence(model.lig, {LIG, PPP, NAMES})

    def from_caller(self, raw: bytes, call: int) -> str:
        packet = decode.parse_ipv4(raw)
        assert packet is not None
        return self.fence.from_caller(packet, Caller(call, *CALLS[call]))

    def from_internet(self, raw: bytes, call: int, *, heard: bool = True) -> str:
        packet = decode.parse_ipv4(raw)
        assert packet is not None
        party = Caller(call, *CALLS[call]) if call else None
        return self.fence.from_internet(packet, party, heard=heard)


def test_each_packet_is_counted_as_the_papers_say() -> None:
    asked = Judge(topology("dial-two-hmcs"))

    for call, source, destination, inner, counter in FROM_CALLERS:
        raw = packed(source, destination, inner)
        assert asked.from_caller(raw, call) == counter, IP(raw).summary()
    for call, source, destination, inner, counter in AFTER_THAT:
        raw = packed(source, destination, inner)
        assert asked.from_internet(raw, call) == counter, IP(raw).summary()


def test_what_ends_at_the_gateway_is_not_counted_and_has_spoken_to_nobody() -> None:
    asked = Judge(topology("dial-two-hmcs"))

    assert asked.from_caller(packed(ONE, SAS, tcp(1, 443), ttl=1), 1) == ""
    assert asked.from_internet(packed(SAS, ONE, tcp(443, 1, "SA")), 1) == "L-05-unsolicited"
    assert asked.from_internet(packed(SAS, ONE, tcp(443, 1, "SA"), ttl=1), 1) == ""


PORTS = (("tcp", 443), ("udp", 500), ("esp", 0), ("icmp-echo", 0))
MINDED: list[tuple[str, Scapy, str]] = [
    (SAS, tcp(1, 443), "L-02-listed"),
    (SAS, tcp(1, 9), "L-12-port"),
    (SAS, udp(1, 443), "L-12-port"),
    (VPN, udp(500, 500), "L-02-listed"),
    (VPN, Raw(b"esp?"), "L-02-listed"),
    (SAS, ICMP(type=8, id=1), "L-02-listed"),
    (SAS, ICMP(type=13), "L-12-port"),
    (FAR, tcp(1, 443), "L-02-unlisted"),
    (NAMES, udp(1, 53), "L-03-utility"),
]


def test_told_to_mind_ports_it_counts_others_of_listed_servers_apart() -> None:
    model = topology("dial-two-hmcs")
    assert model.lig is not None
    judge = Judge(replace(model, lig=replace(model.lig, ports=PORTS)))

    for destination, inner, counter in MINDED:
        assert judge.from_caller(packed(ONE, destination, inner), 1) == counter, inner


@pytest.mark.parametrize("resets", ["caller", "server"])
def test_after_a_reset_what_the_caller_heard_tells(resets: str) -> None:
    judge = Judge(topology("dial"))
    answer = packed(SAS, ONE, tcp(443, 1, "SA"))
    judge.from_caller(packed(ONE, SAS, tcp(1, 443)), 1)
    assert judge.from_internet(answer, 1, heard=False) == "L-05-reply", "it had to be heard"

    if resets == "caller":
        judge.from_caller(packed(ONE, SAS, tcp(1, 443, "R")), 1)
    else:
        judge.from_internet(packed(SAS, ONE, tcp(443, 1, "RA")), 1)

    assert judge.from_internet(answer, 1, heard=False) == "L-05-unsolicited"
    assert judge.from_internet(answer, 1, heard=True) == "L-05-reply"


# -- lines that lose packets ----------------------------------------------------------------------


def having(findings: dict[str, Finding], verdict: Verdict) -> set[str]:
    return {name for name, finding in findings.items() if finding.verdict is verdict}


def spoil(run: TrueRun) -> None:
    """One more packet in the first call, spoilt on the line."""
    call = run.record.lig[0]
    like = first(run, ppp.LCP, outgoing=True)
    body = ppp_frame(ppp.IP, packed(call.address, SAS, udp(1, 9)))
    run.say(like, body, call.closed - 0.5, fault=FrameFault.checksum)


def cut_off(run: TrueRun) -> None:
    """The first call does not end by LCP."""
    number = first(run, ppp.LCP, outgoing=True).call
    run.unsay(
        run.lines(
            lambda i: i.call == number and of_ppp(i, ppp.LCP, Code.terminate_request, TERMINATE_ACK)
        )
    )


LOSSES: dict[Change, str] = {
    spoil: "the telephone line was noisy",
    cut_off: "call 2 of hmc was cut off",
}
each_loss = pytest.mark.parametrize("lossy", LOSSES, ids=["noise", "cut off"])


def judged(recordings: Recordings, *changes: Change) -> dict[str, Finding]:
    run = recordings("dial-two-hmcs")
    for change in changes:
        change(run)
    return run.judge()


@each_loss
def test_if_nothing_is_missing_all_the_same_every_finding_holds(
    lossy: Change, recordings: Recordings
) -> None:
    findings = judged(recordings, lossy)

    assert having(findings, Verdict.held) == {*findings}


MISSING: dict[str, tuple[Change, set[str]]] = {
    "L-01": (untried(of("L-01"), fence.SPOOFED_SOURCE, recorded=True), {"L-01"}),
    "L-02": (stops_out(like(destination=AMERICAS)), {"L-02", "L-07", "L-10", "L-12"}),
    "L-03": (stops_in(like(source=NAMES, protocol=6)), {"L-03"}),
    "L-04": (untried(of("L-04"), fence.FREE_ADDRESS, recorded=True), {"L-04"}),
    "L-05": (stops_in(like(payload=b"L-05")), {"L-05"}),
    "L-06": (provokes_nobody, {"L-06"}),
    "L-07": (too_few, {"L-07"}),
    "L-08": (
        untried(like(client="hmc", side="caller", destination=OTHERS)),
        {"L-06", "L-07", "L-08", "L-10"},
    ),
    "L-09": (next_holder_untried, {"L-09"}),
    "L-11": (stops_out(like(protocol=50)), {"L-07", "L-11"}),
    "P-20": (untried(of("P-20"), recorded=True), {"P-20"}),
}
"""What a line can lose, and the findings that cannot be made without it."""


@each_loss
@pytest.mark.parametrize("requirement", MISSING)
def test_what_a_line_can_lose_is_not_put_to_the_test(
    requirement: str, lossy: Change, recordings: Recordings
) -> None:
    change, missed = MISSING[requirement]

    findings = judged(recordings, lossy, change)

    assert having(findings, Verdict.failed) == set()
    assert having(findings, Verdict.not_applicable) == missed
    assert all(findings[name].seen.startswith(LOSSES[lossy]) for name in missed)


@pytest.mark.parametrize("requirement", MISSING)
def test_in_a_quiet_run_the_same_is_a_failure(requirement: str, recordings: Recordings) -> None:
    change, missed = MISSING[requirement]

    assert having(judged(recordings, change), Verdict.failed) == missed


@each_loss
def test_a_counter_that_is_not_exact_is_not_put_to_the_test(
    lossy: Change, recordings: Recordings
) -> None:
    finding = judged(recordings, lossy, counts(fence.LISTED))["L-06"]

    assert finding.verdict is Verdict.not_applicable
    assert finding.seen.startswith(f"{LOSSES[lossy]}: L-02-listed counted ")


CERTAIN: dict[str, Change] = {
    "L-01": passes_out(of("L-01", source="192.168.10.10", destination=SAS)),
    "L-02": passes_out(of("L-02", destination=NEAR)),
    "L-03": passes_out(of("L-03", destination="192.0.2.20")),
    "L-04": passes_in(of("L-04", destination=FREE, protocol=17)),
    "L-05": passes_in(of("L-05", source="207.25.252.204", protocol=17)),
    "L-06": arrives(IP(src=PPP) / ICMP(type=3, code=13)),
    "L-07": passes_out(unlisted_of(ONE)),
    "L-08": passes_out(of("L-08", source=ONE, destination=OTHERS)),
    "L-09": answers_late,
    "L-10": passes_out(of("L-08", source=TWO, destination=AMERICAS)),
    "P-20": passes_out(of("P-20")),
}
"""What no line can make of a fence that is right."""


@each_loss
@pytest.mark.parametrize("requirement", CERTAIN)
def test_what_passes_and_may_not_is_a_failure_in_any_run(
    requirement: str, lossy: Change, recordings: Recordings
) -> None:
    findings = judged(recordings, lossy, CERTAIN[requirement])

    assert findings[requirement].verdict is Verdict.failed


@each_loss
def test_an_answer_on_the_line_of_another_call_is_a_failure_in_any_run(
    lossy: Change, recordings: Recordings
) -> None:
    assert having(judged(recordings, lossy, misleads), Verdict.failed) == {"L-05"}


FIRST, SECOND = 1, 3
"""The calls home of ``dial``: between them somebody outside calls the HMC (OUT-47)."""


def cut_after(frames: int, *calls: int) -> Change:
    """These calls carry so many frames and no more; the gateway knows of nobody in them."""

    def change(run: TrueRun) -> None:
        numbers = sorted({item.call for item in run.carried})
        for number in calls:
            carried = [item for item in run.carried if item.call == number]
            run.unsay(carried[frames:])
            facts = run.record.lig[numbers.index(number)]
            run.drop("lig-inet", [
                frame for frame in run.wire["lig-inet"]
                if frame.time > carried[frames].frame.time
                and frame.ip and frame.ip.source == facts.address
            ])  # fmt: skip
            facts.user, facts.address, facts.admitted, facts.opened = "", "", 0.0, 0.0

    return change


def drop_line(*calls: int) -> Change:
    """The exchange cut these calls off."""

    def change(run: TrueRun) -> None:
        for number in calls:
            place, farewell = next(
                (n, event)
                for n, event in enumerate(run.events)
                if isinstance(event, HungUp) and event.call == number
            )
            run.events[place] = LineDropped.of(farewell)

    return change


def test_a_call_that_is_cut_before_ip_is_open_is_judged_as_far_as_it_came(
    recordings: Recordings,
) -> None:
    (second,) = [c for c in recordings("dial").case().telephone_calls if c.number == SECOND]
    before = [item for item in second.frames if item.frame.time < second.opened]
    assert {ppp.LCP, ppp.PAP, ppp.IPCP} <= {item.ppp.protocol for item in before if item.ppp}

    for frames in range(1, len(before) + 1):
        run = recordings("dial")
        cut_after(frames, SECOND)(run)
        drop_line(SECOND)(run)

        findings = run.judge()

        assert having(findings, Verdict.failed) == set(), frames
        assert {"P-11", "P-12"} <= having(findings, Verdict.held), frames


def test_a_call_that_is_cut_before_the_gateway_speaks_is_not_one_without_pap(
    recordings: Recordings,
) -> None:
    run = recordings("dial")
    cut_after(4, SECOND)(run)
    run.unsay([item for item in run.carried if item.call == SECOND and not item.outgoing])
    assert any(item.call == SECOND and of_ppp(item, ppp.LCP) for item in run.carried)
    drop_line(SECOND)(run)

    assert run.judge()["P-11"].verdict is Verdict.held


def test_who_is_refused_on_a_line_that_drops_need_not_be_hung_up_on(recordings: Recordings) -> None:
    run = recordings("dial.wrong-pap-password")
    drop_line(*{item.call for item in run.lines(lambda i: of_ppp(i, ppp.PAP, PapCode.nak))})(run)

    assert run.judge()["P-11"].verdict is Verdict.held


def test_if_the_only_call_was_cut_pap_is_not_put_to_the_test(recordings: Recordings) -> None:
    run = recordings("dial")
    cut_after(4, FIRST, SECOND)(run)
    drop_line(FIRST, SECOND)(run)

    finding = run.judge()["P-11"]

    assert finding.verdict is Verdict.not_applicable
    assert finding.seen == "call 1 of hmc was cut off: the gateway let nobody in"


def test_a_call_on_which_ppp_did_not_come_up_is_no_loss(recordings: Recordings) -> None:
    """Nobody cut it: the gateway fell silent, and the modem hung up."""
    run = recordings("dial")
    cut_after(4, FIRST, SECOND)(run)

    finding = run.judge()["P-11"]

    assert finding.verdict is Verdict.failed
    assert finding.seen == "the gateway let nobody in"


def test_whoever_is_refused_must_hear_so_by_lcp_too(recordings: Recordings) -> None:
    run = recordings("dial.wrong-pap-password")
    run.unsay(run.lines(lambda i: of_ppp(i, ppp.LCP, Code.terminate_request)))

    finding = run.judge()["P-11"]

    assert finding.verdict is Verdict.failed
    assert "of hmc and did not hang up" in finding.seen


def test_after_an_ack_that_noise_has_spoilt_the_gateways_order_is_not_put_to_the_test(
    recordings: Recordings,
) -> None:
    run = recordings("dial")
    ack = first(run, ppp.PAP, PapCode.ack, outgoing=False)
    run.resay(ack, time=ack.frame.time + 0.05)
    run.say(ack, ack.frame.data, ack.frame.time, fault=FrameFault.checksum)

    findings = run.judge()

    assert having(findings, Verdict.failed) == set()
    assert findings["P-11"].verdict is Verdict.not_applicable
    assert "before PAP had succeeded" in findings["P-11"].seen


# -- calls that end -------------------------------------------------------------------------------


def under_way(run: TrueRun, *, back: bool) -> None:
    """A packet comes to the gateway after the first call's Terminate-Request, and goes no further."""
    call, lig = run.record.lig[0], run.topology.lig
    assert lig is not None
    if back:
        raw = packed(SAS, call.address, udp(9, 4001))
        run.put(lig.outside, "internet", lig.node, raw, call.closed - 0.001)
    else:
        body = ppp_frame(ppp.IP, packed(call.address, SAS, udp(4001, 9)))
        run.say(first(run, ppp.LCP, outgoing=True), body, call.closed - 0.001)


@pytest.mark.parametrize("back", [True, False])
@pytest.mark.parametrize("counted", ["", fence.UNSOLICITED, fence.FREE_ADDRESS, fence.LISTED])
def test_what_is_under_way_when_a_call_ends_fails_nothing(
    counted: str, back: bool, recordings: Recordings
) -> None:
    run = recordings("dial")
    under_way(run, back=back)
    if counted:
        run.record.counters["lig"][counted] += 1

    findings = run.judge()

    assert having(findings, Verdict.failed) == set()
    exact = counted == (fence.UNSOLICITED if back else fence.LISTED)
    assert (findings["L-06"].verdict is Verdict.held) == exact
    if not exact:
        assert findings["L-06"].seen.startswith("packets came while their call ended: ")


# -- what it is judged by -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dial", "dial-two-hmcs"])
def test_a_run_is_judged_by_its_own_model_and_not_by_the_catalogue_of_the_day(
    name: str, recordings: Recordings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read() -> None:
        raise AssertionError("the catalogue was read")

    for reader in (catalogue.rows, catalogue.names, catalogue.profile):
        reader.cache_clear()
    monkeypatch.setattr(catalogue, "_data", read)

    findings = recordings(name).judge()

    assert having(findings, Verdict.failed) == set()
    assert {"L-08", "L-10", "L-11"} <= having(findings, Verdict.held)
