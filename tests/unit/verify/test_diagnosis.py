"""Each way in which a run fails is told from all others, without knowing what was put in."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab import verify
from lab.linux import fence
from lab.record.record import DialCause, Record
from lab.topology.model import DropRule, Topology
from lab.topology.telephone import CallRule, Outcome
from lab.verify import Diagnosis
from lab.verify.case import Case
from lab.verify.symptom import DialTrail
from lab.verify.telephone_calls import TelephoneCall
from lab.ways import faults
from lab.ways.dial import call_symptoms
from lab.ways.dial.plan import dialers
from lab.ways.vpn.plan import plans
from lab.wire import ppp
from lab.wire.calls import Carried
from lab.wire.decode import Frame
from lab.wire.ppp import Code
from tests.unit.verify import fence_play
from tests.unit.verify.changes import change_dialers
from tests.unit.verify.dial_play import PhoneStage, play_dial
from tests.unit.verify.play import Script, play
from tests.unit.verify.stage import Stage, topology

CAUSES = {
    "wrong-psk": "wrong-psk",
    "wrong-identity": "wrong-identity",
    "no-common-proposal": "no-common-proposal",
    "drop-udp-500": "udp-500-lost",
    "drop-udp-4500": "udp-4500-lost",
    "drop-esp": "esp-lost",
    "vpn1-silent": "gateway-silent",
    "gateway-dies": "gateway-died",
    "wrong-chap-secret": "wrong-chap-secret",
    "pap-only-peer": "pap-only-peer",
    "pool-empty": "pool-empty",
    "tampered-esp": "tampered-esp",
    "replayed-esp": "replayed-esp",
    "small-mtu": "mtu-black-hole",
    "no-dialtone": "no-dialtone",
    "busy": "busy",
    "no-answer": "no-answer",
    "unobtainable": "unobtainable",
    "voice": "voice",
    "training-fails": "training-fails",
    "slow-training": "slow-line",
    "line-drops": "line-dropped",
    "noise": "noise",
    "lines-taken": "lines-taken",
    "wrong-pap-password": "wrong-pap-password",
    "pap-refused": "pap-refused",
    "chap-only-peer": "chap-only-peer",
    "dns-silent": "dns-silent",
    "lcp-echo-lost": "lcp-echo-lost",
    "modem-dead": "modem-dead",
    "modem-unplugged": "modem-gone",
    "modem-garbage": "modem-garbage",
    "gateways-silent": "gateways-silent",
}
"""Fault to the diagnosis that it must get."""


DIALLED = ("dial", "dial-two-hmcs")


def staged(model: Topology, script: Script | None = None) -> Stage:
    return (play_dial if dialers(model) else play)(model, script)


def diagnosed(stage: Stage, run_dir: Path, model: Topology) -> Diagnosis:
    """What the run says by itself: the name of the fault is taken out first."""
    return verify.diagnose(replace(model, fault=""), stage.record, stage.write(run_dir))


def cases() -> list[tuple[str, str]]:
    return [
        (fault.name, name)
        for name in ("direct", "direct-snat", "vpn", "vpn-nat", "vpn-two-hmcs", *DIALLED)
        for fault in faults.applicable(topology(name))
    ]


@pytest.mark.parametrize(("fault", "name"), cases())
def test_each_fault_is_found_where_it_applies(fault: str, name: str, tmp_path: Path) -> None:
    model = faults.apply(fault, topology(name))

    found = diagnosed(staged(model), tmp_path, model)

    assert found.cause == CAUSES[fault]
    assert found.sentence
    assert found.hint


def test_every_fault_has_a_diagnosis() -> None:
    assert set(CAUSES) == {fault.name for fault in faults.known()}
    assert len(set(CAUSES.values())) == len(CAUSES), "no two faults may be taken for one another"


def test_a_number_that_is_nobodys_is_told_of_a_good_run_too(tmp_path: Path) -> None:
    model = topology("dial")
    model = change_dialers(model, lambda d: replace(d, numbers=d.numbers[::-1]))

    found = diagnosed(staged(model), tmp_path, model)

    assert found.cause == "unobtainable"
    assert "hmc got through by call 2, to 18005550100" in found.sentence


@pytest.mark.parametrize("name", ["direct", "vpn", "vpn-nat", "vpn-two-hmcs", *DIALLED])
def test_a_good_run_has_nothing_wrong(name: str, tmp_path: Path) -> None:
    model = topology(name)
    lines = {line.number for line in model.telephone.lines} if model.telephone else set()
    model = change_dialers(
        model, lambda d: replace(d, numbers=tuple(n for n in d.numbers if n in lines))
    )

    assert diagnosed(staged(model), tmp_path, model).cause == "nothing"


def test_what_goes_to_the_other_client_is_told(tmp_path: Path) -> None:
    """X-03: the packets in the second HMC's SA are of the first one's tunnel."""
    model = topology("vpn-two-hmcs")
    stage = play(model)
    for tunnel in stage.record.l2tp:
        tunnel.local_id += tunnel.client == "hmc-b"

    found = diagnosed(stage, tmp_path, model)

    assert found.cause == "mixed-up-clients"
    assert "what vpn1 (129.42.160.16) sends to hmc goes to hmc-b" in found.sentence


@pytest.mark.parametrize("name", ["direct", "vpn-nat", "dial"])
@pytest.mark.parametrize(
    ("script", "cause"),
    [(Script(refuses=True), "server-refuses"), (Script(lazy_agent=True), "agent-failure")],
)
def test_beyond_the_path(name: str, script: Script, cause: str, tmp_path: Path) -> None:
    model = topology(name)

    assert diagnosed(staged(model, script), tmp_path, model).cause == cause


def drop(node: str, protocol: str, port: int) -> DropRule:
    return DropRule(
        name="x",
        node=node,
        protocol=protocol,
        port=port,
        above_bytes=0,
        source="0.0.0.0/0",
        destination="0.0.0.0/0",
    )


@pytest.mark.parametrize(
    ("name", "rule", "cause", "place"),
    [
        ("vpn", drop("internet", "esp", 0), "esp-lost", "internet"),
        ("vpn-nat", drop("internet", "udp", 4500), "udp-4500-lost", "internet"),
        ("vpn-nat", drop("internet", "udp", 500), "gateways-silent", "internet"),
        ("direct", drop("firewall", "tcp", 443), "tcp-lost", "firewall"),
    ],
)
def test_the_place_is_where_packets_were_seen_last(
    name: str, rule: DropRule, cause: str, place: str, tmp_path: Path
) -> None:
    model = replace(topology(name), drops=(rule,))

    found = diagnosed(play(model), tmp_path, model)

    assert found.cause == cause
    assert place in found.sentence


def test_a_loss_on_the_way_back_is_found_too(tmp_path: Path) -> None:
    back = replace(drop("firewall", "esp", 0), source="129.42.160.16/32")
    model = replace(topology("vpn"), drops=(back,))
    (way,) = plans(model)
    one = replace(way, gateways=("vpn1",), connections=way.connections[:1])
    model = replace(model, ways=(one,))

    found = diagnosed(play(model), tmp_path, model)

    assert found.cause == "esp-lost"
    assert "from vpn1 (129.42.160.16) to hmc" in found.sentence


@pytest.mark.parametrize(
    ("fault", "log"), [("wrong-psk", "could not decrypt"), ("wrong-identity", "no peer config")]
)
def test_key_and_identity_are_told_apart_by_the_logs(fault: str, log: str, tmp_path: Path) -> None:
    """On the wire both are the same: what the gateway thinks of message 5 is encrypted."""
    model = faults.apply(fault, topology("vpn-nat"))
    stage = play(model)
    assert any(log in text for text in stage.logs.values())
    assert diagnosed(stage, tmp_path, model).cause == fault

    other = {"wrong-psk": "wrong-identity", "wrong-identity": "wrong-psk"}[fault]
    shutil.rmtree(tmp_path / "logs")
    stage.logs = play(faults.apply(other, topology("vpn-nat"))).logs
    assert diagnosed(stage, tmp_path, model).cause == other


def test_a_gateway_with_another_name_is_told_by_the_client(tmp_path: Path) -> None:
    model = topology("vpn")
    stage = play(model)
    for segment in ("lan", "fw-inet", "dmz"):
        del stage.frames[segment][6:]  # main mode and no more
    stage.record.calls.clear()
    stage.record.error = "IDir"
    stage.logs["hmc", "charon"] = "IDir 'vpn1.example' does not match to '129.42.160.16'"

    assert diagnosed(stage, tmp_path, model).cause == "wrong-identity"


ASKED_TO_BEGIN = """\
1795879052.408 08[CFG] vici initiate CHILD_SA 'hmc-vpn1'
1795879052.408 07[IKE] IKE version 1 not supported
1795879052.418 00[DMN] SIGTERM received, shutting down
"""
ASKED_BY_A_PEER = (
    "1795879052.408 09[NET] received unsupported IKE version 1.0 from 198.51.100.2,"
    " sending INVALID_MAJOR_VERSION\n"
)


@pytest.mark.parametrize(
    ("node", "log"), [("hmc", ASKED_TO_BEGIN), ("vpn2", ASKED_BY_A_PEER)], ids=["hmc", "vpn2"]
)
def test_a_charon_without_ikev1_is_told(node: str, log: str, tmp_path: Path) -> None:
    model = topology("vpn-nat")
    stage = Stage(model)
    stage.record.error = "hmc has no way home by VPN: establishing CHILD_SA 'hmc-vpn1' failed"
    stage.logs[node, "charon"] = log

    found = diagnosed(stage, tmp_path, model)

    assert found.cause == "no-ikev1"
    assert f"the charon of {node} says that it does not support IKE version 1" in found.sentence
    assert found.hint == "lab charon fetch"


def refuse_heartbeat(stage: Stage) -> None:
    stage.record.calls[0].succeeded = False
    stage.record.ledger[0].status = 403


def break_lab(stage: Stage) -> None:
    stage.record.error = "xl2tpd ended"
    stage.record.broke_off = True


@pytest.mark.parametrize(
    ("change", "cause", "words"),
    [(refuse_heartbeat, "server-refuses", "403"), (break_lab, "lab-broke", "xl2tpd ended")],
)
def test_what_no_capture_shows(
    change: Callable[[Stage], None], cause: str, words: str, tmp_path: Path
) -> None:
    model = topology("vpn-nat")
    stage = play(model)
    change(stage)

    found = diagnosed(stage, tmp_path, model)

    assert found.cause == cause
    assert words in str(found)


def test_a_retried_call_counts_by_its_last_try(tmp_path: Path) -> None:
    model = topology("vpn-nat")
    stage = play(model)
    first = stage.record.calls[0]
    stage.record.calls.insert(0, replace(first, succeeded=False))

    assert diagnosed(stage, tmp_path, model).cause == "nothing"


def test_a_client_without_a_modem_is_told_so(tmp_path: Path) -> None:
    """OUT-24: no port was asked, as there is none."""
    model = topology("dial")
    stage = play_dial(model)
    for facts in (stage.record.modems, stage.record.dialled, stage.record.ppp, stage.record.calls):
        facts.clear()
    stage.record.error = "hmc has no modem, so no way home by telephone"

    assert diagnosed(stage, tmp_path, model).cause == "no-modem"


def test_answers_that_the_fence_drops_are_no_silence(tmp_path: Path) -> None:
    """X-09: the name server answers, and its answers do not come in."""
    model = faults.apply("dns-silent", topology("dial"))
    stage = play_dial(model)
    stage.record.counters["lig"] = {fence.LITERAL: 4}

    found = diagnosed(stage, tmp_path, model)

    assert found.cause == "dns-fenced"
    assert "4 packets" in found.sentence


def test_without_the_calls_bytes_pppd_has_the_word(tmp_path: Path) -> None:
    model = faults.apply("wrong-pap-password", topology("dial"))
    stage = play_dial(model)
    stage.write(tmp_path)
    (tmp_path / "wire" / "pstn.pcapng").unlink()

    found = verify.diagnose(replace(model, fault=""), stage.record, tmp_path)

    assert found.cause == "no-ppp"
    assert "PAP authentication failed" in found.sentence


def test_what_befalls_the_other_client_only_is_told_of_that_client(tmp_path: Path) -> None:
    model = faults.apply("wrong-pap-password", topology("dial-two-hmcs"))
    good, _ = dialers(topology("dial-two-hmcs"))
    model = change_dialers(model, lambda d: good if d.client == good.client else d)

    found = diagnosed(play_dial(model), tmp_path, model)

    assert found.cause == "wrong-pap-password"
    assert "of hmc-b:" in found.sentence


def test_numbers_are_told_with_what_came_of_each(tmp_path: Path) -> None:
    model = faults.apply("lines-taken", topology("dial"))

    found = diagnosed(play_dial(model), tmp_path, model)

    assert "all lines of 18005550100" in found.sentence
    assert "18005550199 is out of service" in found.sentence
    assert "4 calls of hmc" in found.sentence


def limited(model: Topology, init: str) -> PhoneStage:
    """The HMC's modem was told something before it dialled."""
    stage = play_dial(model)
    line = next(x.name for x in model.telephone.lines if x.node == "hmc") if model.telephone else ""
    told = f"{init}\r".encode()
    stage.told.insert(0, lambda tape: tape.from_terminal(line, told, 0.0))
    return stage


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
    init: str, cause: str, tmp_path: Path
) -> None:
    model = faults.apply("slow-training", topology("dial"))  # 2400 bit/s

    found = diagnosed(limited(model, init), tmp_path, model)

    assert found.cause == cause
    if cause == "slow-line":
        able = 14400 if "V32B" in init else 33600
        assert f"both modems can do {able}" in found.sentence


def out_of_time(stage: PhoneStage, seconds: float) -> None:
    home = stage.record.calls[-1]
    home.started = home.ended - seconds
    home.succeeded = False
    home.attempts = ("https://sas-1.sdc.test failed at TLS: no answer within 60 s in all",)
    home.timed_out = True
    stage.record.ledger.clear()


def test_an_agent_that_waits_for_a_busy_line_is_told_its_rate(tmp_path: Path) -> None:
    model = topology("dial")
    stage = play_dial(model)
    out_of_time(stage, 0.2)  # all that the call carried, at 33600 bit/s

    found = diagnosed(stage, tmp_path, model)

    assert found.cause == "too-slow"
    assert "connected at 33600 bit/s, and one direction was in use for" in found.sentence
    assert "faster modems" in found.hint


@pytest.mark.parametrize("in_time", [True, False])
def test_a_line_that_is_idle_is_not_too_slow(in_time: bool, tmp_path: Path) -> None:
    model = topology("dial")
    stage = play_dial(model)
    out_of_time(stage, 0.2 if in_time else 60.0)
    if in_time:
        stage.record.calls[-1].attempts = ("https://sas-1.sdc.test failed at TLS: bad certificate",)
        stage.record.calls[-1].timed_out = False

    found = diagnosed(stage, tmp_path, model)

    assert found.cause == "agent-failure"
    assert "lab up TOPOLOGY, and then lab exec hmc" in found.hint


@pytest.mark.parametrize(
    ("command", "hint"), [("AT+MS=V99", "init of the way"), ("ATE1V1Q0&C1&D2", "on that port")]
)
def test_a_modem_that_refuses_its_set_up_is_told(command: str, hint: str, tmp_path: Path) -> None:
    model = topology("dial")
    model = change_dialers(model, lambda d: replace(d, init="AT+MS=V99"))
    stage = play_dial(model)
    record = stage.record
    for facts in (record.ppp, record.calls, record.lig, record.ledger):
        facts.clear()
    stage.told.clear()
    del record.dialled[1:]
    record.path_up, record.error = 0.0, "hmc has no way home by telephone"
    (attempt,) = record.dialled
    attempt.result, attempt.failure = "", f"the modem answers {command} with ERROR"
    attempt.cause, attempt.refused, attempt.refusal = DialCause.command_refused, command, "ERROR"

    found = diagnosed(stage, tmp_path, model)

    assert found.cause == "modem-refuses-setup"
    assert f"/dev/modem0 answers {command} with ERROR" in found.sentence
    assert hint in found.hint


def test_who_has_two_numbers_is_not_told_to_have_a_second(tmp_path: Path) -> None:
    busy = CallRule(outcome=Outcome.busy)

    def hint(model: Topology, folder: str) -> str:
        assert model.telephone is not None
        model = replace(model, telephone=replace(model.telephone, rules=(busy,)))
        return diagnosed(play_dial(model), tmp_path / folder, model).hint

    model = topology("dial")
    assert hint(model, "two") == "call again later"
    one = change_dialers(model, lambda d: replace(d, numbers=d.numbers[:1]))
    assert "a second number" in hint(one, "one")


def test_who_got_through_is_not_told_to_call_again(tmp_path: Path) -> None:
    model = faults.apply("busy", topology("dial"))

    found = diagnosed(play_dial(model), tmp_path, model)

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


def test_the_labs_own_signal_to_pppd_is_not_what_went_wrong(tmp_path: Path) -> None:
    model = faults.apply("wrong-pap-password", topology("dial"))
    stage = play_dial(model)
    last = [a for a in stage.record.dialled if a.result.startswith("CONNECT")][-1]
    last.failure = "pppd ended with exit status 5: it was sent a SIGTERM"
    last.cause = DialCause.no_ppp
    session = stage.record.ppp[-1]
    session.exit_status, session.closed = 5, last.ended + 120
    stage.write(tmp_path)
    (tmp_path / "wire" / "pstn.pcapng").unlink()

    found = verify.diagnose(replace(model, fault=""), stage.record, tmp_path)

    assert found.cause == "no-ppp"
    assert found.sentence.endswith("it was given up after 120 s")


def test_what_the_lab_itself_tries_is_not_the_agents(tmp_path: Path) -> None:
    """Trials of the fence go to ports that no server has, and are refused."""
    model = topology("dial")
    stage = fence_play.play(model)
    stage.record.calls[0].succeeded = False
    stage.record.ledger.clear()

    assert diagnosed(stage, tmp_path, model).cause == "agent-failure"


def test_a_path_that_no_log_explains_says_so(tmp_path: Path) -> None:
    model = topology("direct")
    stage = Stage(model)
    stage.record.path_up, stage.record.error = 0.0, "something else"

    found = diagnosed(stage, tmp_path, model)

    assert found.cause == "unknown"
    assert "something else" in found.sentence
