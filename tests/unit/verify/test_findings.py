"""Findings on true runs, beside what mutations show: what is seen, left open, and pointed at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from scapy.layers.inet import ICMP

from lab import verify
from lab.errors import UsageError
from lab.record.record import Record
from lab.secret import Secret, find
from lab.topology.claims import claims
from lab.topology.load import names
from lab.topology.model import Topology
from lab.verify import Verdict
from lab.verify.registry import vocabulary
from lab.ways import faults
from lab.wire import calls
from tests.recordings import plans
from tests.recordings.true_run import Recordings, failures
from tests.unit.verify.dial_mutations import ask_for, with_pool
from tests.unit.verify.fence_mutations import stops_out, with_lig
from tests.unit.verify.mutation import UNLISTED, leaves
from tests.unit.verify.stage import Stage, topology
from tests.unit.verify.vpn_mutations import keys_at, tell_secret, with_sha1

SURVIVED = [
    name
    for name in plans.faulty()
    for model in [topology(name.partition(".")[0])]
    for fault in faults.applicable(model)
    if fault.name == name.partition(".")[2]
    if fault.survives or fault.backed_up(model)
]
LCP_REQUEST = b"\xff\x03\xc0\x21\x01\x01\x00\x04"


@pytest.mark.parametrize("name", names())
def test_where_nothing_was_sent_no_invariant_but_g6_is_put_to_the_test(
    name: str, tmp_path: Path
) -> None:
    stage = Stage(topology(name))
    stage.record.ended = stage.now + 1

    found = verify.judge(verify.Case(stage.topology, stage.record, stage.write(tmp_path)))

    verdicts = {f.requirement: f.verdict for f in found if f.requirement.startswith("g")}
    assert verdicts.pop("g6") is Verdict.held
    assert set(verdicts.values()) == {Verdict.not_applicable}


def test_every_requirement_has_a_claim_and_a_source() -> None:
    assert set(claims()) == set(vocabulary())
    assert all(claim.text and claim.source for claim in claims().values())


def test_what_can_be_checked_is_what_topologies_expect() -> None:
    expected = (topology(name).expect for name in names())
    assert set().union(*expected) == set(vocabulary())


def test_an_unknown_requirement_is_refused(tmp_path: Path) -> None:
    model = replace(topology("direct"), expect=("OUT-1",))

    with pytest.raises(UsageError, match="OUT-1"):
        verify.judge(verify.Case(model, Record(), tmp_path))


def test_evidence_points_at_the_frames(recordings: Recordings) -> None:
    run = recordings("vpn-nat")
    leaves(UNLISTED, ICMP())(run)

    finding = run.judge()["g1"]

    assert UNLISTED in finding.seen
    (evidence,) = finding.evidence
    assert evidence.segment == "fw-inet"
    (number,) = evidence.frames
    frame = run.case().wire["fw-inet"][number - 1]
    assert frame.number == number
    assert frame.ip is not None
    assert frame.ip.destination == UNLISTED


@pytest.mark.parametrize("name", SURVIVED)
def test_what_a_call_home_survives_fails_nothing(name: str, recordings: Recordings) -> None:
    assert failures(recordings(name).judge()) == set()


def test_r07_is_put_to_the_test_when_the_first_server_is_silent(recordings: Recordings) -> None:
    finding = recordings("vpn-nat.vpn1-silent").judge()["R-07"]

    assert finding.verdict is Verdict.held
    assert "vpn2" in finding.seen


def test_no_secret_is_in_a_finding(recordings: Recordings) -> None:
    run = recordings("vpn-nat")
    tell_secret(run)

    text = repr(run.judge())

    secrets = {hidden.reveal() for _, hidden in find(run.topology, Secret)}
    assert secrets
    keys = [key for known in run.keys.values() for key in known]
    secrets |= {k.hex() for key in keys for k in (key.encryption_key, key.integrity_key)}
    assert not any(secret in text for secret in secrets)


def test_p05_reports_the_other_reading_where_it_is_asked_for(recordings: Recordings) -> None:
    run = recordings("vpn-nat")

    finding = run.judge(with_sha1(run.topology))["P-05"]

    assert finding.verdict is Verdict.failed
    assert "20 bytes" in finding.expected
    assert "16 bytes" in finding.seen


def test_p06_says_when_a_run_is_too_short_to_judge(recordings: Recordings) -> None:
    run = recordings("vpn-nat")
    assert "too short to judge randomness" in run.judge()["P-06"].seen

    for sa in run.record.esp:
        sa.rekey_after_s = 0
    assert run.judge()["P-06"].verdict is Verdict.not_applicable


def test_p06_holds_on_a_long_run(recordings: Recordings) -> None:
    run = recordings("vpn-nat")
    keys_at(1600, 3500, 5200, 7200)(run)

    finding = run.judge()["P-06"]

    assert finding.verdict is Verdict.held
    assert "4 rekeys" in finding.seen


@pytest.mark.parametrize(("name", "also"), [("direct", {"OUT-01"}), ("vpn-nat", set())])
def test_the_telephone_is_silent_where_the_path_is_another(
    name: str, also: set[str], recordings: Recordings
) -> None:
    run = recordings(name)
    with_telephone = replace(run.topology, telephone=topology("dial").telephone)
    assert failures(run.judge(with_telephone)) == set()

    run.carried.append(calls.read_carried(0, run.end, LCP_REQUEST, 1, "hmc-lig-1", outgoing=True))
    findings = run.judge(with_telephone)

    assert failures(findings) == {"g4", *also}
    assert "the telephone is in use" in findings["g4"].seen


def test_whoever_has_a_wrong_password_is_refused_and_hung_up_on(recordings: Recordings) -> None:
    finding = recordings("dial.wrong-pap-password").judge()["P-11"]

    assert finding.verdict is Verdict.held
    assert "wrong passwords refused" in finding.seen


def test_without_a_firewall_f18_is_not_put_to_the_test(recordings: Recordings) -> None:
    run = recordings("dial")

    findings = run.judge(replace(run.topology, firewall=None))

    assert findings["F-18"].verdict is Verdict.not_applicable


def test_a_pool_of_one_address_is_enough_to_try_the_fence(recordings: Recordings) -> None:
    """The address is free when its call has ended. The counters are of a pool with more."""
    run = recordings("dial")

    findings = run.judge(with_pool("203.0.113.130")(run.topology))

    assert failures(findings) == {"L-06"}
    assert findings["L-04"].verdict is Verdict.held


def test_the_next_number_answers(recordings: Recordings) -> None:
    findings = recordings("dial-two-hmcs").judge()

    for requirement in ("OUT-25", "R-08"):
        seen = findings[requirement].seen
        assert "hmc: 18005550100 answered after 18005550199: NO CARRIER" in seen


def test_a_dialler_of_the_users_own_may_ask_for_an_address_and_gets_another(
    recordings: Recordings,
) -> None:
    run = recordings("dial")
    ask_for("10.9.8.7")(run)
    run.record.dialled.clear()

    assert run.judge()["P-12"].verdict is Verdict.held


def test_where_the_fence_minds_ports_others_are_dropped(recordings: Recordings) -> None:
    run = recordings("dial")
    stops_out(
        lambda packet: (packet.protocol, packet.destination_port) not in {(6, 443), (17, 500)}
    )(run)
    minds: Callable[[Topology], Topology] = with_lig(ports=(("tcp", 443), ("udp", 500)))

    finding = run.judge(minds(run.topology))["L-12"]

    assert finding.verdict is Verdict.held
    assert "dropped" in finding.seen
