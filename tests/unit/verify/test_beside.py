"""What only follows from what befell a console beside the ways home is put aside, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from scapy.layers.inet import IP, TCP

from lab import verify
from lab.consoles.events import ConsoleDiscovered
from lab.events_manager.events import ConsoleRegistered, WaitingAsked
from lab.record.event import Event
from lab.service.events import SESSION, HostScanned, LockedDown, ServiceTried
from lab.service.flood import SOURCE_PORT
from lab.service.server.events import Audited
from lab.verify import Verdict, console_symptoms
from lab.verify.beside import Beside, Missing
from lab.verify.finding import Check, Finding
from tests.recordings import sealing
from tests.recordings.true_run import Recordings, TrueRun
from tests.unit.verify.console_mutations import known
from tests.unit.verify.event_mutations import A, M, syn
from tests.unit.verify.mutation import UNLISTED, crosses
from tests.unit.verify.service_mutations import without
from tests.unit.verify.service_vpn_mutations import CALLER, IP_IN_PPP, OWN
from tests.unit.verify.vpn_mutations import inner

EVENTS, DEAF, BOXES = "events-manager.events-blocked", "consoles-failover", "consoles-ds8000"


def sorted_out(run: TrueRun) -> tuple[dict[str, Finding], str]:
    case = run.case()
    told = verify.sort_out(case, verify.judge(case))
    return {finding.requirement: finding for finding in told.findings}, told.first


def following(run: TrueRun) -> dict[str, str]:
    return {name: f.follows_from for name, f in sorted_out(run)[0].items() if f.follows_from}


def in_full(run: TrueRun) -> set[str]:
    found, _ = sorted_out(run)
    return {n for n, f in found.items() if f.verdict is Verdict.failed and f.shown}


def test_a_console_that_no_manager_reaches_is_never_registered(recordings: Recordings) -> None:
    run = recordings(EVENTS)
    assert sorted_out(run)[1] == "M-11"
    assert (in_full(run), following(run)) == ({"M-11"}, {"M-12": "M-11"})


def another_is_unregistered(run: TrueRun) -> None:
    """The manager reaches hmc-b, and hmc-b has not been registered all the same."""
    run.unhear(lambda event: isinstance(event, ConsoleRegistered) and event.source == "hmc-b")


def it_answered_once(run: TrueRun) -> None:
    """Something of hmc-a came back to the manager, so that the firewall is not all that is to blame."""
    answer = syn(A, M, 4000)
    first = next(f for f in run.wire["lan"] if f.ip and (f.ip.source, f.ip.destination) == (M, A))
    assert first.ip is not None
    answer.sport, answer.dport, answer["TCP"].flags = 443, first.ip.source_port, "RA"
    run.put("lan", "hmc-a", "hmc-m", bytes(answer), first.time + 0.001)


def it_was_heard_once(run: TrueRun) -> None:
    """By the manager's own word one request had an answer."""
    first = next(e for e in run.events if isinstance(e, WaitingAsked) and e.console == "hmc-a")
    run.events = [replace(e, problem="") if e is first else e for e in run.events]


def it_was_never_asked(run: TrueRun) -> None:
    run.unhear(lambda event: isinstance(event, WaitingAsked) and event.console == "hmc-a")


@pytest.mark.parametrize(
    "change", [another_is_unregistered, it_answered_once, it_was_heard_once, it_was_never_asked]
)
def test_where_something_else_may_be_wrong_all_is_told(
    change: Callable[[TrueRun], None], recordings: Recordings
) -> None:
    run = recordings(EVENTS)
    change(run)
    assert in_full(run) >= {"M-11", "M-12"}
    assert following(run) == {}


def test_what_is_wrong_beside_it_is_told(recordings: Recordings) -> None:
    run = recordings(EVENTS)
    crosses("lan", "hmc-m", "hmc-a", syn(M, A, 9920))(run)
    assert "M-11" in in_full(run)
    assert following(run) == {}, "M-11 itself is wrong, and nothing explains M-12"


def test_packets_to_others_do_not_follow(recordings: Recordings) -> None:
    run = recordings(EVENTS)
    firewall = run.topology.firewall
    assert firewall is not None
    source = run.topology.node(firewall.node).interface(firewall.outside).ip
    packet = bytes(syn(source, UNLISTED, 443))
    run.put(firewall.outside, firewall.node, "internet", packet, run.end)
    assert {"g1", "M-11"} <= in_full(run)
    assert following(run) == {"M-12": "M-11"}


def deaf(*knowers: str) -> Callable[[TrueRun], None]:
    """Consoles that know nobody; the datagrams are on their links all the same."""

    def change(run: TrueRun) -> None:
        run.unhear(lambda event: isinstance(event, ConsoleDiscovered) and event.source in knowers)

    return change


@pytest.mark.parametrize(("name", "follows"), [(DEAF, "M-02"), (BOXES, "M-09")])
def test_a_console_that_hears_nothing_knows_nobody(
    name: str, follows: str, recordings: Recordings
) -> None:
    run = recordings(name)
    deaf("hmc-b")(run)
    assert "M-01" in in_full(run)
    assert following(run) == {follows: "M-01"}


def test_a_console_that_knows_somebody_hears(recordings: Recordings) -> None:
    run = recordings(DEAF)
    deaf("hmc-b")(run)
    known("hmc-b", "hmc-d")(run)
    assert in_full(run) >= {"M-01", "M-02"}
    assert following(run) == {}


def test_what_another_console_lacks_is_told(recordings: Recordings) -> None:
    """hmc-c knows nobody either: what M-01 says of hmc-b does not say that."""
    run = recordings(DEAF)
    deaf("hmc-b", "hmc-c")(run)
    found, _ = sorted_out(run)
    nodes = {each.of for each in found["M-02"].missing}
    assert nodes == {"hmc-b", "hmc-c"}
    assert {"M-01", "M-02"} <= in_full(run)


def test_where_nothing_came_no_firewall_is_to_blame(recordings: Recordings) -> None:
    run = recordings(DEAF)
    deaf("hmc-b")(run)
    assert console_symptoms.deaf(run.case()) == ["hmc-b"]
    own = {
        card.address
        for each in run.topology.consoles
        if each.node == "hmc-b"
        for card in each.cards
    }
    for segment in ("lan-a", "svc-a", "svc-b"):
        others = [f for f in run.wire[segment] if f.ip and f.ip.source not in own]
        run.drop(segment, others)
    assert console_symptoms.deaf(run.case()) == []


def test_what_is_missing_is_kept_once_and_by_its_node() -> None:
    check = Check("X-1", "something")
    check.lack_beside(Beside.reached, "hmc-a", "no answer")
    check.lack_beside(Beside.reached, "hmc-a", "no answer at all")
    found = check.finding("")
    assert found.missing == (Missing(Beside.reached, "hmc-a"),)
    assert (found.lacks, found.wrong, found.seen) == (None, False, "no answer; no answer at all")


TURNED_AWAY = "service-vpn.expired-token"
OF_NO_VISIT = {"I-08", "I-09", "I-10", "I-11", "I-17", "I-18", "I-19", "I-20", "I-21", "I-32"}


def test_a_representative_who_is_turned_away_tries_nothing(recordings: Recordings) -> None:
    run = recordings(TURNED_AWAY)
    assert sorted_out(run)[1] == "I-02"
    assert (in_full(run), following(run)) == ({"I-02"}, dict.fromkeys(OF_NO_VISIT, "I-02"))


def records(**fields: object) -> Callable[[TrueRun], None]:
    """Other values in the last record of a call: the one that was refused while the session stood."""

    def change(run: TrueRun) -> None:
        last = [e for e in run.events if isinstance(e, Audited) and e.verb == "call"][-1]
        run.events = [replace(e, **fields) if e is last else e for e in run.events]  # type: ignore[arg-type]

    return change


def one_more(kind: type[Event], **fields: object) -> Callable[[TrueRun], None]:
    """One event more of a kind, like the last one, with other values."""

    def change(run: TrueRun) -> None:
        last = [event for event in run.events if isinstance(event, kind)][-1]
        run.events.append(replace(last, **fields))  # type: ignore[arg-type]

    return change


def carries(source: str, destination: str, payload: TCP) -> Callable[[TrueRun], None]:
    """One packet more in the session, from the console's side or from the representative's."""

    def change(run: TrueRun) -> None:
        outgoing = source != CALLER
        item = run.inside_session(lambda i: i.data and i.outgoing == outgoing)[0]
        packet, content = item.packet, inner(item)
        at = content.index(IP_IN_PPP) + len(IP_IN_PPP)
        body = content[20:at] + bytes(IP(src=source, dst=destination) / payload)
        whole = sealing.ip(packet.source, packet.destination, packet.protocol, body)
        run.seal(item, whole, item.frame.time + 0.001)

    return change


def tried_a_port(run: TrueRun) -> None:
    run.events.append(
        ServiceTried(
            source="service", time=run.end, address=OWN, host="hmc", port=22, answer="SSH-2.0"
        )
    )


@pytest.mark.parametrize(
    "change",
    [
        one_more(Audited, verb="session", outcome="done", reason="begun"),
        one_more(HostScanned, state=SESSION),
        records(outcome="failed"),
        records(outcome="done"),
        tried_a_port,
        carries(OWN, CALLER, TCP(sport=22, dport=40000, flags="SA")),
        carries(CALLER, OWN, TCP(sport=40000, dport=22, flags="S")),
    ],
    ids=["begun", "scanned", "failed", "done", "tried", "answered", "asked"],
)
def test_where_somebody_may_have_come_in_all_is_told(
    change: Callable[[TrueRun], None], recordings: Recordings
) -> None:
    run = recordings(TURNED_AWAY)
    change(run)
    assert following(run) == {}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (without(lambda event: isinstance(event, LockedDown)), "I-18"),
        (carries(OWN, CALLER, TCP(sport=1, dport=SOURCE_PORT, flags="SA")), "I-18"),
    ],
    ids=["no-lock-down", "flood-answered"],
)
def test_a_hole_in_the_lock_down_is_told_whoever_was_turned_away(
    change: Callable[[TrueRun], object], told: str, recordings: Recordings
) -> None:
    run = recordings(TURNED_AWAY)
    change(run)
    assert told in in_full(run)
    assert "I-32" in following(run)
