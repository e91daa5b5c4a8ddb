"""Each way in which a run fails is told from all others, without knowing what was put in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP

from lab import verify
from lab.errors import LabBroke, ProtocolError
from lab.linux import fence
from lab.matrix.causes import CAUSES, CAUSES_IN, expected
from lab.record.cause import AgentCause, CharonCause, DialCause, PppCause
from lab.record.container_event import ContainerEnded
from lab.record.record import Record
from lab.record.story import Story
from lab.telephony import family_file
from lab.topology.modem_family import FamilyOfNode
from lab.verify import Diagnosis, Verdict, telephone_calls
from lab.verify.case import Case
from lab.verify.symptom import DialTrail, Trail
from lab.verify.telephone_calls import TelephoneCall
from lab.ways import faults
from lab.ways.dial import call_symptoms
from lab.ways.vpn import tunnel_symptoms
from lab.ways.vpn.events import CharonComplained
from lab.wire import decode, isakmp, ppp
from lab.wire.calls import Carried
from lab.wire.decode import Frame, Packet
from lab.wire.isakmp import NAT_T_PORT
from lab.wire.ppp import Code, PapCode
from tests.recordings import plans, sealing
from tests.recordings.true_run import (
    ETHERNET,
    Recordings,
    TrueRun,
    failures,
    ppp_frame,
    ppp_packet,
)
from tests.unit.verify.changes import change_dialers
from tests.unit.verify.dial_mutations import lose_call_home, of_ppp
from tests.unit.verify.mutation import Change, as_it_is, facts
from tests.unit.verify.stage import Stage, topology

VPN1 = "129.42.160.16"
SET_UP = "ATE1V1Q0&C1&D2"
"""What the HMC's dialler tells its modem."""
LEFT_AS_IT_WAS = (
    "direct",
    "direct-snat",
    "direct-cgnat",
    "direct-ipv6",
    "dual-stack",
    "simplified",
    "traditional",
    "ursf",
    "esa-imm",
    "user-target",
    "vpn",
    "vpn-nat",
    "vpn-two-hmcs",
    "vpn-rekeyed",
    "pass-through-vpn",
    "pass-through-modem",
    "dial",
    "vpn-dial",
)
"""Recordings of runs in which nothing befell anybody."""


def diagnosed(stage: Stage, run_dir: Path) -> Diagnosis:
    return verify.diagnose(verify.Case(stage.topology, stage.record, stage.write(run_dir)))


@pytest.mark.parametrize("name", plans.faulty())
def test_each_fault_is_found_where_it_applies(name: str, recordings: Recordings) -> None:
    """Without knowing what was put in."""
    found = recordings(name).diagnose()

    topology, _, fault = name.partition(".")
    assert found.cause == expected(topology, fault)
    assert found.sentence
    assert found.hint


def test_every_fault_has_a_diagnosis() -> None:
    assert set(CAUSES) == {fault.name for fault in faults.known()}
    causes = [*CAUSES.values(), *CAUSES_IN.values()]
    assert len(set(causes)) == len(causes), "no two faults may be taken for one another"


def test_a_number_that_is_nobodys_is_told_of_a_good_run_too(recordings: Recordings) -> None:
    found = recordings("dial-two-hmcs").diagnose()

    assert found.cause == "unobtainable"
    assert "hmc got through by call 2, to 18005550100" in found.sentence


@pytest.mark.parametrize("name", LEFT_AS_IT_WAS)
def test_a_good_run_has_nothing_wrong(name: str, recordings: Recordings) -> None:
    assert recordings(name).diagnose().cause == "nothing"


def test_a_container_that_ended_is_the_diagnosis(recordings: Recordings) -> None:
    run = recordings("direct")
    event = ContainerEnded(source="hmc", container="agent", client="podman", time=run.record.ended)
    run.events = [*run.events, event]

    found = run.diagnose()

    assert found.cause == "container-ended"
    assert "hmc's container agent ended before the lab did" in found.sentence
    assert "podman logs agent" in found.hint


def test_what_goes_to_the_other_client_is_told(recordings: Recordings) -> None:
    """X-03: the packets in the second HMC's SA are of the first one's tunnel."""
    run = recordings("vpn-two-hmcs")
    one, other = run.record.l2tp
    one.local_id, other.local_id = other.local_id, one.local_id

    found = run.diagnose()

    assert found.cause == "mixed-up-clients"
    assert "what vpn1 (129.42.160.16) sends to hmc goes to hmc-b" in found.sentence


def fail(run: TrueRun) -> None:
    """The call home did not get through."""
    for call in run.record.calls:
        call.succeeded = False
    run.record.ledger.clear()


def reset(packet: Packet) -> IP:
    """The server's answer to a SYN: there is nobody."""
    ends = IP(src=packet.source, dst=packet.destination)
    return ends / TCP(sport=packet.source_port, dport=packet.destination_port, flags="RA")


def refuse_on(segment: str, run: TrueRun) -> None:
    """The server refuses on a wire, and no more is said."""
    answers = run.find(segment, lambda p: p.is_syn_ack)
    run.drop(segment, run.find(segment, lambda p: p.protocol == decode.TCP and not p.is_bare_syn))
    for answer in answers:
        assert answer.ip is not None
        run.add(segment, answer.data[:ETHERNET] + bytes(reset(answer.ip)), answer.time)


def refuse(run: TrueRun) -> None:
    """The server refuses the HMC's connection, by whichever way it comes."""
    for segment in ("lan", "fw-inet", "dmz") if run.topology.ways[0].kind == "direct" else ():
        refuse_on(segment, run)
    if run.topology.ways[0].kind == "vpn":
        (answer,) = run.inside(lambda i: i.data and i.data.is_syn_ack)
        assert answer.data is not None
        run.unseal(
            run.inside(
                lambda i: (
                    i.data and i.data.protocol == decode.TCP and i.frame.time > answer.frame.time
                )
            )
        )
        run.reseal(answer, sealing.in_l2tp(answer, ppp_frame(ppp.IP, bytes(reset(answer.data)))))
    if run.topology.ways[0].kind == "dial":
        is_trial = run.case().is_trial
        of_tcp = run.lines(
            lambda i: i.data and i.data.protocol == decode.TCP and not is_trial(i.data)
        )
        answer_ = next(i for i in of_tcp if i.data and i.data.is_syn_ack)
        assert answer_.data is not None
        run.unsay([i for i in of_tcp if i.frame.time > answer_.frame.time])
        run.resay(answer_, ppp_frame(ppp.IP, bytes(reset(answer_.data))))
    fail(run)


def idle(run: TrueRun) -> None:
    """The HMC opens no connection."""
    kind = run.topology.ways[0].kind
    if kind == "direct":
        for segment in ("lan", "fw-inet", "dmz"):
            run.drop(segment, run.find(segment, lambda p: p.protocol == decode.TCP))
    elif kind == "vpn":
        run.unseal(run.inside(lambda i: i.data))
    else:
        lose_call_home(run)
    fail(run)


@pytest.mark.parametrize("name", ["direct", "vpn-nat", "dial"])
@pytest.mark.parametrize(("change", "cause"), [(refuse, "server-refuses"), (idle, "agent-failure")])
def test_beyond_the_path(name: str, change: Change, cause: str, recordings: Recordings) -> None:
    run = recordings(name)
    change(run)

    assert run.diagnose().cause == cause


def pass_firewall(run: TrueRun) -> None:
    """What the firewall lost has passed it, and is lost at the next node."""
    firewall = run.topology.firewall
    assert firewall is not None
    source = run.topology.node("firewall").interface("fw-inet").ip
    lost = run.find("lan", lambda p: p.protocol == decode.ESP or p.destination_port == NAT_T_PORT)
    for frame in lost:
        packet = IP(frame.data[ETHERNET:])
        packet.src = source if firewall.snat else packet.src
        del packet.chksum
        run.put("fw-inet", "firewall", "internet", bytes(packet), frame.time + 0.001)


def lose_tcp(run: TrueRun) -> None:
    """TCP to the server comes as far as the firewall."""
    run.drop("lan", run.find("lan", lambda p: p.protocol == decode.TCP and not p.is_bare_syn))
    for segment in ("fw-inet", "dmz"):
        run.drop(segment, run.find(segment, lambda p: p.protocol == decode.TCP))
    fail(run)


def lose_tcp_later(run: TrueRun) -> None:
    """It comes as far as the Internet."""
    for segment in ("lan", "fw-inet"):
        answers = run.find(segment, lambda p: p.protocol == decode.TCP and not p.is_bare_syn)
        run.drop(segment, answers)
    run.drop("dmz", run.find("dmz", lambda p: p.protocol == decode.TCP))
    fail(run)


@pytest.mark.parametrize(
    ("name", "change", "cause", "place"),
    [
        ("vpn.drop-esp", as_it_is, "esp-lost", "firewall"),
        ("vpn.drop-esp", pass_firewall, "esp-lost", "internet"),
        ("vpn-nat.drop-udp-4500", pass_firewall, "udp-4500-lost", "internet"),
        ("vpn-nat.gateways-silent", as_it_is, "gateways-silent", "internet"),
        ("direct", lose_tcp, "port-blocked", "firewall"),
        ("direct", lose_tcp_later, "tcp-lost", "internet"),
    ],
)
def test_the_place_is_where_packets_were_seen_last(
    name: str, change: Change, cause: str, place: str, recordings: Recordings
) -> None:
    run = recordings(name)
    change(run)

    found = run.diagnose()

    assert found.cause == cause
    assert place in found.sentence


def test_a_loss_on_the_way_back_is_found_too(recordings: Recordings) -> None:
    run = recordings("vpn")
    back = [
        f for f in run.wire["lan"] if f.ip and f.ip.protocol == decode.ESP and f.ip.source == VPN1
    ]
    run.drop("lan", back)
    run.record.calls.clear()
    run.record.ppp.clear()
    run.record.path_up = 0.0
    run.record.fail(ProtocolError("hmc has no way home"))
    for tried in run.record.tries:
        tried.up = False

    found = run.diagnose()

    assert found.cause == "esp-lost"
    assert "from vpn1 (129.42.160.16) to hmc" in found.sentence


@pytest.mark.parametrize(
    ("fault", "cause"),
    [("wrong-psk", CharonCause.unreadable), ("wrong-identity", CharonCause.unknown_identity)],
)
def test_key_and_identity_are_told_apart_by_what_charon_complains_of(
    fault: str, cause: CharonCause, recordings: Recordings
) -> None:
    """On the wire both are the same: what the gateway thinks of message 5 is encrypted."""
    other = {"wrong-psk": "wrong-identity", "wrong-identity": "wrong-psk"}[fault]
    run = recordings(f"vpn-nat.{fault}")
    assert cause in {e.cause for e in run.events if isinstance(e, CharonComplained)}
    assert run.diagnose().cause == fault

    run.events = recordings(f"vpn-nat.{other}").events

    assert run.diagnose().cause == other


def test_an_identity_may_be_known_and_not_the_one_expected(recordings: Recordings) -> None:
    run = recordings("vpn-nat.wrong-identity")
    run.unhear(lambda event: isinstance(event, CharonComplained))
    assert run.diagnose().cause == "wrong-psk"

    run.events.append(CharonComplained(source="vpn1", cause=CharonCause.unwanted_identity))
    run.events.append(CharonComplained(source="vpn2", cause=CharonCause.unwanted_identity))

    assert run.diagnose().cause == "wrong-identity"


def test_what_the_gateway_cannot_decrypt_tells_it_nothing_of_an_identity(
    recordings: Recordings,
) -> None:
    run = recordings("vpn-nat.wrong-identity")
    gateways = {
        s for e in run.events if isinstance(e, CharonComplained) and (s := e.source) != "hmc"
    }
    assert gateways == {"vpn1", "vpn2"}

    for gateway in gateways:
        run.events.append(CharonComplained(source=gateway, cause=CharonCause.unreadable))

    assert run.diagnose().cause == "wrong-psk"


@pytest.mark.parametrize(
    ("node", "complaint", "cause"),
    [
        ("hmc", CharonCause.unwanted_identity, "wrong-identity"),
        ("vpn1", CharonCause.no_proposal, "no-common-proposal"),
        ("hmc", CharonCause.no_proposal, "no-common-proposal"),
    ],
)
def test_why_it_ends_after_main_mode_is_told_by_what_charon_complains_of(
    node: str, complaint: CharonCause, cause: str, recordings: Recordings
) -> None:
    """A gateway with another name, or none of its ESP proposals: the wire shows neither."""
    run = recordings("vpn")
    for segment in ("lan", "fw-inet", "dmz"):
        of_ike = run.find(segment, lambda packet: isakmp.message(packet) is not None)
        after = of_ike[5].time  # main mode and no more
        run.drop(segment, [frame for frame in run.wire[segment] if frame.time > after])
    run.record.calls.clear()
    run.record.fail(ProtocolError("hmc has no way home by VPN"))
    assert run.diagnose().cause != cause

    run.events.append(CharonComplained(source=node, cause=complaint))

    assert run.diagnose().cause == cause


@pytest.mark.parametrize("node", ["hmc", "vpn2"])
def test_a_charon_without_ikev1_is_told(node: str, tmp_path: Path) -> None:
    stage = Stage(topology("vpn-nat"))
    stage.record.fail(ProtocolError("hmc has no way home by VPN"))
    Story(tmp_path, silent=True).tell(CharonComplained(source=node, cause=CharonCause.unsupported))

    found = diagnosed(stage, tmp_path)

    assert found.cause == "no-ikev1"
    assert f"the charon of {node} says that it does not support IKE version 1" in found.sentence
    assert found.hint == "lab charon fetch"


def refuse_heartbeat(run: TrueRun) -> None:
    run.record.calls[0].succeeded = False
    run.record.ledger[0].status = 403


def break_lab(run: TrueRun) -> None:
    run.record.fail(LabBroke("xl2tpd ended"))


@pytest.mark.parametrize(
    ("change", "cause", "words"),
    [(refuse_heartbeat, "server-refuses", "403"), (break_lab, "lab-broke", "xl2tpd ended")],
)
def test_what_no_capture_shows(
    change: Change, cause: str, words: str, recordings: Recordings
) -> None:
    run = recordings("vpn-nat")
    change(run)

    found = run.diagnose()

    assert found.cause == cause
    assert words in str(found)


def test_a_retried_call_counts_by_its_last_try(recordings: Recordings) -> None:
    run = recordings("vpn-nat")
    run.record.calls.insert(0, replace(run.record.calls[0], succeeded=False))

    assert run.diagnose().cause == "nothing"


def forget_calls(run: TrueRun) -> None:
    """Nobody called: neither the lines nor the record have anything."""
    record = run.record
    for entries in (record.dialled, record.ppp, record.calls, record.lig, record.ledger):
        entries.clear()
    run.carried.clear()
    run.events.clear()
    record.path_up = 0.0
    for tried in record.tries:
        tried.up = False


def test_a_client_without_a_modem_is_told_so(recordings: Recordings) -> None:
    """OUT-24: no port was asked, as there is none."""
    run = recordings("dial")
    forget_calls(run)
    run.record.modems.clear()
    run.record.fail(ProtocolError("hmc has no modem, so no way home by telephone"))

    assert run.diagnose().cause == "no-modem"


def test_answers_that_the_fence_drops_are_no_silence(recordings: Recordings) -> None:
    """X-09: the name server answers, and its answers do not come in."""
    run = recordings("dial.dns-silent")
    run.record.counters["lig"] = {fence.LITERAL: 4}

    found = run.diagnose()

    assert found.cause == "dns-fenced"
    assert "4 packets" in found.sentence


def test_without_the_calls_bytes_pppd_has_the_word(recordings: Recordings) -> None:
    run = recordings("dial.wrong-pap-password")
    run.carried.clear()

    found = run.diagnose()

    assert found.cause == "no-ppp"
    assert found.sentence.endswith("the peer does not accept our name or password")


def refuse_other(run: TrueRun) -> None:
    """The gateway does not let hmc-b in."""
    record, client = run.record, "hmc-b"
    for ack in run.lines(lambda i: i.ends.startswith(client) and of_ppp(i, ppp.PAP, PapCode.ack)):
        assert ack.ppp is not None
        after = [i for i in run.carried if i.call == ack.call and i.frame.time > ack.frame.time]
        run.unsay(after)
        run.resay(ack, ppp_packet(ppp.PAP, PapCode.nak, b"\0", ident=ack.ppp.identifier))
    record.dialled = [
        replace(a, cause=a.cause or DialCause.no_ppp) if a.source == client else a
        for a in record.dialled
    ]
    record.ppp = [session for session in record.ppp if session.client != client]
    record.calls.clear()
    record.path_up = 0.0
    record.fail(ProtocolError("hmc-b has no way home by telephone"))
    for tried in record.tries:
        tried.up = tried.agent != client


def test_what_befalls_the_other_client_only_is_told_of_that_client(recordings: Recordings) -> None:
    run = recordings("dial-two-hmcs")
    refuse_other(run)

    found = run.diagnose()

    assert found.cause == "wrong-pap-password"
    assert "of hmc-b:" in found.sentence


def test_numbers_are_told_with_what_came_of_each(recordings: Recordings) -> None:
    found = recordings("dial.lines-taken").diagnose()

    assert "all lines of 18005550100" in found.sentence
    assert "18005550199 is out of service" in found.sentence
    assert "4 calls of hmc" in found.sentence


@pytest.mark.parametrize(
    ("init", "cause"),
    [
        ("ATZ", "slow-line"),
        ("AT+MS=V22B", "nothing"),
        ("at e1 +ms=v22b; x4", "nothing"),
        ("AT+MS=V34,1,300,2400", "nothing"),
        ("AT+MS=V32B", "slow-line"),
        ("AT+MS=V22B;&W", "nothing"),
        ("AT+MS=V22B;Z", "slow-line"),
        ("ATZ+MS=V22B", "slow-line"),
        ("AT+MS=V22B;&F", "slow-line"),
        ("AT+MS=V99", "slow-line"),
    ],
)
def test_a_line_is_slow_only_if_both_modems_offered_more(
    init: str, cause: str, recordings: Recordings
) -> None:
    run = recordings("dial.slow-training")  # 2400 bit/s
    run.reword(lambda said: said.line == "hmc" and said.text == f"{SET_UP}<CR>", f"{init}<CR>")

    found = run.diagnose()

    assert found.cause == cause
    if cause == "slow-line":
        able = 14400 if "V32B" in init else 33600
        assert f"both modems can do {able}" in found.sentence


@pytest.mark.parametrize(
    ("family", "init", "cause"),
    [
        ("usr-courier", "AT&F1", "slow-line"),
        ("usr-courier", "AT&F1&N3", "nothing"),
        ("usr-courier", "AT&N3&F1", "slow-line"),
        ("multitech", "AT$MB2400", "nothing"),
        ("multitech", "AT+MS=V22B", "nothing"),
        ("hayes", "AT+MS=V22B", "slow-line"),
        ("", "AT&N3", "slow-line"),
        ("", "AT$MB2400", "slow-line"),
    ],
)
def test_what_a_modem_offers_is_read_as_its_family_takes_it(
    family: str, init: str, cause: str, recordings: Recordings
) -> None:
    """A line is not slow because of a modem that its own init string holds to 2400 bit/s."""
    run = recordings("dial.slow-training")
    run.reword(lambda said: said.line == "hmc" and said.text == f"{SET_UP}<CR>", f"{init}<CR>")
    if family:
        made = FamilyOfNode(node="hmc", family=family_file.load(Path(), family))
        run.topology = replace(run.topology, modem_families=(made,))

    assert run.diagnose().cause == cause


def fail_by(run: TrueRun, cause: AgentCause, detail: str) -> None:
    """The last call home did not get beyond TLS."""
    home = run.record.calls[-1]
    home.succeeded = False
    home.attempts = tuple(
        replace(tried, phase="TLS", transaction="", cause=cause, detail=detail)
        for tried in home.attempts
    )
    run.record.ledger.clear()


def out_of_time(run: TrueRun, seconds: float) -> None:
    home = run.record.calls[-1]
    home.started = home.ended - seconds
    fail_by(run, AgentCause.timed_out, "60")


def test_an_agent_that_waits_for_a_busy_line_is_told_its_rate(recordings: Recordings) -> None:
    run = recordings("dial")
    out_of_time(run, 2.0)  # while it is in use, at 33600 bit/s

    found = run.diagnose()

    assert found.cause == "too-slow"
    assert "connected at 33600 bit/s, and one direction was in use for" in found.sentence
    assert "faster modems" in found.hint


@pytest.mark.parametrize("in_time", [True, False])
def test_a_line_that_is_idle_is_not_too_slow(in_time: bool, recordings: Recordings) -> None:
    run = recordings("dial")
    out_of_time(run, 2.0 if in_time else 60.0)
    if in_time:
        fail_by(run, AgentCause.certificate, "expired")

    found = run.diagnose()

    assert found.cause == "agent-failure"
    assert "lab up TOPOLOGY, and then lab exec hmc" in found.hint


@pytest.mark.parametrize(
    ("command", "hint"), [("AT+MS=V99", "init of the way"), (SET_UP, "on that port")]
)
def test_a_modem_that_refuses_its_set_up_is_told(
    command: str, hint: str, recordings: Recordings
) -> None:
    run = recordings("dial")
    model = change_dialers(run.topology, lambda d: replace(d, init="AT+MS=V99"))
    attempt = run.record.dialled[0]
    forget_calls(run)
    run.record.fail(ProtocolError("hmc has no way home by telephone"))
    refused = DialCause.command_refused
    run.record.dialled.append(
        replace(attempt, result="", cause=refused, command=command, detail="ERROR")
    )

    found = run.diagnose(model)

    assert found.cause == "modem-refuses-setup"
    assert f"/dev/modem0 answers {command} with ERROR" in found.sentence
    assert hint in found.hint


def test_a_refused_init_string_is_told_with_the_one_that_suits_the_modem(
    recordings: Recordings,
) -> None:
    run = recordings("dial")
    model = change_dialers(run.topology, lambda d: replace(d, init="AT&K9"))
    made = FamilyOfNode(node="hmc", family=family_file.load(Path(), "usr-courier"))
    attempt = run.record.dialled[0]
    forget_calls(run)
    run.record.fail(ProtocolError("hmc has no way home by telephone"))
    refused = replace(attempt, result="", cause=DialCause.command_refused, command="AT&K9")
    run.record.dialled.append(replace(refused, detail="ERROR"))

    found = run.diagnose(replace(model, modem_families=(made,)))

    assert found.cause == "modem-refuses-setup"
    assert "/dev/modem0, a usr-courier, answers AT&K9 with ERROR" in found.sentence
    assert found.hint.endswith("in the topology file; for a usr-courier it is AT&F1E1V1Q0&C1&D2")


def test_no_dial_tone_in_two_words_is_a_dead_line_too(recordings: Recordings) -> None:
    run = recordings("dial.no-dialtone")
    before = failures(run.judge())
    facts("dialled", -1, result="NO DIAL TONE")(run)
    run.reword(lambda said: "NO DIALTONE" in said.text, "<CR><LF>NO DIAL TONE<CR><LF>")

    found = run.diagnose()

    assert found.cause == "no-dialtone"
    judged = run.judge()
    assert judged["R-08"].verdict is Verdict.not_applicable
    assert failures(judged) == before


@pytest.mark.parametrize(
    ("gone", "command", "detail", "why"),
    [
        (DialCause.port_shut, "", "No such device", "/dev/modem0 cannot be opened: No such device"),
        (DialCause.modem_gone, SET_UP, "", f"the modem went away on {SET_UP}"),
    ],
)
def test_a_modem_is_gone_whether_its_port_is_or_not(
    gone: DialCause, command: str, detail: str, why: str, recordings: Recordings
) -> None:
    run = recordings("dial.modem-unplugged")
    facts("dialled", -1, cause=gone, command=command, detail=detail)(run)

    found = run.diagnose()

    assert found.cause == "modem-gone"
    assert found.sentence.endswith(f"in the middle of call 1: {why}")


def test_who_has_two_numbers_is_not_told_to_have_a_second(recordings: Recordings) -> None:
    def hint(*numbers: str) -> str:
        run = recordings("dial.busy")
        busy, events = run.record.dialled[0], [*run.events]
        forget_calls(run)
        run.record.dialled.append(busy)
        run.record.fail(ProtocolError("hmc has no way home by telephone"))
        end = next(n for n, event in enumerate(events) if telephone_calls.answer(event) == "BUSY")
        run.events = events[: end + 1]
        return run.diagnose(
            change_dialers(run.topology, lambda d: replace(d, numbers=numbers))
        ).hint

    assert hint("18005550100", "18005550199") == "call again later"
    assert "a second number" in hint("18005550100")


def test_who_got_through_is_not_told_to_call_again(recordings: Recordings) -> None:
    found = recordings("dial.busy").diagnose()

    assert found.hint == "if it often is, give lig more modems, and look 18005550199 up"


def lcp(code: Code, identifier: int, *, outgoing: bool) -> Carried:
    data = b"\xff\x03\xc0\x21" + bytes((code, identifier, 0, 4))
    frame = Frame("pstn", 1, 1.0, data, b"", b"", 0, None)
    return Carried(1, "hmc-lig-1", frame, outgoing, ppp.parse(data), None)


@pytest.mark.parametrize(("rounds", "asked", "found"), [(3, 2, True), (2, 2, False), (9, 1, False)])
def test_lcp_that_begins_anew_is_told_by_its_late_answers(
    rounds: int, asked: int, found: bool, tmp_path: Path
) -> None:
    model = topology("dial")
    assert model.telephone is not None
    lines = tuple(replace(line, delay_s=1.0) for line in model.telephone.lines)
    model = replace(model, telephone=replace(model.telephone, lines=lines))
    call = TelephoneCall(number=1, client="hmc", caller="hmc", called="lig-1", answer="CONNECT")
    for number in range(rounds):
        call.frames += [lcp(Code.configure_request, number, outgoing=True)] * asked
        call.frames += [lcp(Code.configure_ack, number, outgoing=False)] * asked
    trail = DialTrail(Case(model, Record(), tmp_path), "hmc")
    trail.__dict__["calls"] = [call]

    diagnosis = call_symptoms.find_late_answers(trail)

    assert (diagnosis is not None) is found
    if diagnosis:
        assert "agreed on 3 times" in diagnosis.sentence
        assert "an answer takes 4 s" in diagnosis.sentence


def test_the_labs_own_signal_to_pppd_is_not_what_went_wrong(recordings: Recordings) -> None:
    run = recordings("dial.wrong-pap-password")
    connected = [n for n, a in enumerate(run.record.dialled) if a.result.startswith("CONNECT")]
    facts("dialled", connected[-1], cause=DialCause.no_ppp)(run)
    session = run.record.ppp[-1]
    session.cause = PppCause.terminated
    session.exit_status = 5
    session.closed = run.record.dialled[connected[-1]].time + 120
    run.carried.clear()

    found = run.diagnose()

    assert found.cause == "no-ppp"
    assert found.sentence.endswith("it was given up after 120 s")


def test_whose_last_words_did_not_leave_is_known_by_pppd_to_have_had_no_echo(
    recordings: Recordings,
) -> None:
    run = recordings("dial.lcp-echo-lost")
    run.unsay(run.lines(lambda i: i.outgoing and of_ppp(i, ppp.LCP, Code.terminate_request)))
    assert PppCause.no_echo in {session.cause for session in run.record.ppp}
    assert run.diagnose().cause == "lcp-echo-lost"

    for session in run.record.ppp:
        session.cause = PppCause.hangup

    assert run.diagnose().cause != "lcp-echo-lost"


def test_what_the_lab_itself_tries_is_not_the_agents(recordings: Recordings) -> None:
    """Trials of the fence go to ports that no server has, and are refused."""
    run = recordings("dial")
    fail(run)

    assert run.diagnose().cause == "agent-failure"


def test_a_path_that_no_log_explains_says_so(tmp_path: Path) -> None:
    stage = Stage(topology("direct"))
    stage.record.path_up = 0.0
    stage.record.fail(ProtocolError("something else"))

    found = diagnosed(stage, tmp_path)

    assert found.cause == "unknown"
    assert "something else" in found.sentence


def test_a_gateway_whose_answers_a_full_line_holds_up_is_not_silent(recordings: Recordings) -> None:
    """The wire of the gateway has the answers; none of them came by telephone."""
    run = recordings("vpn-dial")
    (gateway,) = {c.gateway_address for c in run.case().connections("hmc") if c.gateway == "vpn1"}
    run.carried = [i for i in run.carried if not (i.data and i.data.source == gateway)]

    def trail() -> Trail:
        case = run.case()
        (own,) = (c for c in case.connections("hmc") if c.gateway == "vpn1")
        return Trail(case, "hmc", own, hidden=True)

    assert trail().ike
    assert not any(not seen.outgoing for seen in trail().ike)
    assert tunnel_symptoms.find_silence(trail()) is None

    for segment in run.wire:
        run.drop(segment, [f for f in run.wire[segment] if f.ip and f.ip.source == gateway])
    found = tunnel_symptoms.find_silence(trail())
    assert found is not None
    assert found.cause == "gateway-silent"
