"""What only follows from the first failure is put aside, and nothing else ever is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab import verify, ways
from lab.record.record import WayTry
from lab.verify import Verdict, verdict
from lab.verify.consequences import broken_at
from lab.verify.finding import Check, Finding
from lab.verify.step import Step
from lab.verify.verdict import Result
from tests.recordings.true_run import Recordings, TrueRun
from tests.unit.verify import given_causes
from tests.unit.verify.mutation import (
    CLEAR_L2TP,
    SYN,
    UNLISTED,
    crosses,
    leaves,
    noted,
    tell,
)

OF_WRONG_PSK = {
    "OUT-20", "OUT-21", "P-02", "P-03", "P-04", "P-05", "P-06", "P-07", "P-08", "P-09", "P-10", "P-22",
    "F-07",
}  # fmt: skip


def sorted_out(run: TrueRun) -> tuple[dict[str, Finding], str]:
    case = run.case()
    told = verify.sort_out(case, verify.judge(case))
    return {finding.requirement: finding for finding in told.findings}, told.first


def following(run: TrueRun) -> set[str]:
    return {name for name, finding in sorted_out(run)[0].items() if finding.follows_from}


def in_full(run: TrueRun) -> set[str]:
    found, _ = sorted_out(run)
    return {n for n, f in found.items() if f.verdict is Verdict.failed and f.shown}


def result_of(run: TrueRun) -> Result:
    case = run.case()
    findings, first = verify.sort_out(case, verify.judge(case))
    return verdict.result(
        run.topology,
        run.record,
        findings,
        engine="uml",
        clock="virtual",
        wall_s=1.0,
        diagnosis=str(run.diagnose()),
        broke_first=first,
    )


def test_of_one_wrong_key_one_finding_is_told_and_thirteen_follow(recordings: Recordings) -> None:
    found, first = sorted_out(recordings("vpn-nat.wrong-psk"))
    assert first == "P-01"
    assert {n for n, f in found.items() if f.verdict is Verdict.failed} == OF_WRONG_PSK | {"P-01"}
    assert {n: f.follows_from for n, f in found.items() if f.follows_from} == dict.fromkeys(
        OF_WRONG_PSK, "P-01"
    )


@pytest.mark.parametrize(
    ("recording", "first", "full"),
    [
        ("vpn.wrong-psk", "P-01", {"P-01"}),
        ("vpn.drop-esp", "OUT-19", {"OUT-19"}),
        ("vpn-nat.drop-udp-4500", "P-01", {"P-01"}),
        ("vpn-nat.no-common-proposal", "P-01", {"P-01"}),
        # A gateway's refusal is something that was seen, and no missing thing.
        ("vpn-nat.wrong-chap-secret", "P-09", {"P-09"}),
        ("vpn-nat.pap-only-peer", "P-09", {"P-09"}),
        # That nobody turned to the second gateway does not follow from the silence of the first.
        ("vpn-nat.gateways-silent", "F-07", {"F-07", "R-07"}),
        ("direct.blocked-443", "OUT-01", {"OUT-01", "R-09"}),
        # The servers' old TLS is seen on the wire, whatever became of the call.
        ("direct.old-tls-only", "OUT-01", {"OUT-01", "P-13", "P-16"}),
        ("proxy.proxy-silent", "F-10", {"F-10"}),
    ],
)
def test_what_broke_first_and_what_is_told_in_full(
    recordings: Recordings, recording: str, first: str, full: set[str]
) -> None:
    run = recordings(recording)
    assert sorted_out(run)[1] == first
    assert in_full(run) == full


@pytest.mark.parametrize(
    ("change", "also"),
    [
        (noted(lambda record: record.leftovers.append("hmc: link forgotten")), {"g6"}),
        # No rule lets it pass, and it is no address of a gateway's either.
        (leaves(UNLISTED, SYN), {"g1", "g4", "F-07", "P-10", "OUT-21"}),
        (
            tell(lambda run: run.topology.ways[0].connections[0].client_side.psk.reveal()),  # type: ignore[attr-defined]
            {"g5"},
        ),
    ],
    ids=["left-over", "unlisted", "credential"],
)
def test_a_second_fault_is_told_in_full_beside_the_first(
    recordings: Recordings, change: Callable[[TrueRun], object], also: set[str]
) -> None:
    run = recordings("vpn-nat.wrong-psk")
    change(run)
    assert in_full(run) == {"P-01"} | also
    assert following(run) == OF_WRONG_PSK - also


def test_l2tp_in_clear_is_no_consequence_of_a_vpn_that_stayed_down(recordings: Recordings) -> None:
    run = recordings("vpn-nat.wrong-psk")
    from scapy.layers.inet import IP

    own = run.topology.node("firewall").interface("fw-inet").ip
    crosses("fw-inet", "firewall", "internet", IP(src=own, dst="129.42.160.16") / CLEAR_L2TP)(run)
    assert {"P-07", "g3"} <= in_full(run)
    assert "P-07" not in following(run)


def test_where_a_call_came_through_by_the_way_nothing_follows(recordings: Recordings) -> None:
    run = recordings("vpn-nat.wrong-psk")
    good = recordings("vpn-nat").record.calls[0]
    run.record.calls.append(replace(good, way="vpn"))
    assert following(run) == set()


def test_where_agents_failed_for_two_causes_nothing_follows(
    recordings: Recordings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lab.ways.vpn import symptoms

    run = recordings("vpn-two-hmcs.wrong-chap-secret")
    findings = verify.judge(run.case())

    def told() -> set[str]:
        return {
            f.requirement for f in verify.sort_out(run.case(), findings).findings if f.follows_from
        }

    assert told() == {"OUT-21", "P-10"}
    other = next(agent.name for agent in run.topology.callers if agent.name != "hmc")
    run.record.tries.append(WayTry(agent=other, way="vpn", started=run.end))
    # Nothing of the other one's is known.
    assert told() == set()

    same = symptoms.failure(run.case(), "hmc")
    assert same is not None
    monkeypatch.setattr(symptoms, "failure", lambda _case, _agent: same)
    assert told() == {"OUT-21", "P-10"}
    causes = {"hmc": same, other: replace(same, cause="wrong-psk")}
    monkeypatch.setattr(symptoms, "failure", lambda _case, agent: causes[agent])
    assert told() == set()


def test_each_of_many_agents_is_asked_and_one_other_cause_is_enough(
    recordings: Recordings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lab.ways.vpn import symptoms

    run = recordings("vpn-nat.wrong-psk")
    findings = verify.judge(run.case())
    same = symptoms.failure(run.case(), "hmc")
    assert same is not None
    names = ["hmc", *(f"hmc-{number}" for number in range(2, 201))]
    own = run.topology.callers[0]
    run.topology = replace(run.topology, callers=tuple(replace(own, name=name) for name in names))
    run.record.tries += [WayTry(agent=n, way="vpn", started=run.end) for n in names[1:]]
    asked: list[str] = []
    causes: dict[str, str] = {}

    def failure(_case: object, agent: str) -> object:
        asked.append(agent)
        return replace(same, cause=causes.get(agent, same.cause))

    monkeypatch.setattr(symptoms, "failure", failure)

    def told() -> set[str]:
        asked.clear()
        case = run.case()
        return {f.requirement for f in verify.sort_out(case, findings).findings if f.follows_from}

    assert told() == OF_WRONG_PSK
    assert asked == names
    causes["hmc-200"] = "wrong-identity"
    assert told() == set()
    causes["hmc-2"] = "wrong-identity"
    assert told() == set()
    assert asked == names[:2], "nobody needs to know more"
    causes.update(dict.fromkeys(names, "gateway-died"))
    assert told() == set()
    assert asked == ["hmc"], "that explains nothing but itself, whoever else has it"


def test_a_step_before_the_one_that_broke_is_told_in_full(recordings: Recordings) -> None:
    """With a wrong CHAP secret there must be ESP: without it, something else is wrong, too."""
    run = recordings("vpn-nat.wrong-chap-secret")
    case = run.case()
    findings = verify.judge(case)
    lost = [
        replace(f, verdict=Verdict.failed, lacks=Step.esp, wrong=False)
        if f.requirement == "P-22"
        else f
        for f in findings
    ]
    told = {f.requirement: f for f in verify.sort_out(case, lost).findings}
    assert told["P-22"].shown
    assert told["P-10"].follows_from == "P-09"


def test_a_run_that_broke_off_explains_nothing(recordings: Recordings) -> None:
    from lab.record.cause import Blame

    run = recordings("vpn-nat.wrong-psk")
    run.record.blame = Blame.lab
    assert following(run) == set()


def test_what_is_lacking_and_what_is_wrong_are_kept_apart() -> None:
    check = Check("X-1", "something")
    check.lack(Step.l2tp, "no tunnel")
    check.need(Step.ike, [], "no SA")
    check.need(Step.modem, [1], "no modem")
    found = check.finding("")
    assert (found.lacks, found.wrong, found.seen) == (Step.ike, False, "no tunnel; no SA")
    check.object("a packet in clear")
    found = check.finding("")
    assert (found.lacks, found.wrong) == (Step.ike, True)
    held = Check("X-1", "something").finding("all is well")
    assert (held.lacks, held.wrong) == (None, False)


@pytest.mark.parametrize("kind", ways.BUILT_IN)
def test_every_cause_that_symptoms_give_has_a_step_or_explains_itself_alone(kind: str) -> None:
    symptoms = ways.stage(kind, "symptoms")
    assert given_causes.of_failures(symptoms) - symptoms.STOPS.keys() == set()


def test_every_cause_in_the_tables_is_one_that_symptoms_give() -> None:
    kinds = [ways.stage(kind, "symptoms") for kind in ways.BUILT_IN]
    given = {cause for kind in kinds for cause in given_causes.of_failures(kind)}
    assert {cause for kind in kinds for cause in kind.STOPS} - given == set()


def test_a_kind_says_at_which_step_a_cause_stops_it() -> None:
    assert broken_at("vpn", "wrong-psk") is Step.identity
    # The call that carries the VPN is none of the VPN's steps, and has steps of its own.
    assert broken_at("vpn", "wrong-pap-password") is Step.modem
    assert broken_at("dial", "wrong-pap-password") is Step.password
    assert broken_at("vpn", "gateway-died") is None
    assert broken_at("vpn", "unknown") is None
    assert broken_at("pass-through", "wrong-psk") is None


def test_a_kind_without_such_a_table_explains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from lab.ways.vpn import symptoms

    monkeypatch.delattr(symptoms, "STOPS")
    assert broken_at("vpn", "wrong-psk") is None


def test_of_a_vpn_in_a_call_the_call_has_steps_of_its_own(recordings: Recordings) -> None:
    """Where PAP failed there must be a modem: a finding that lacks one is of something else."""
    run = recordings("vpn-dial.fence-without-vpn")
    case = run.case()
    good = verify.judge(case)

    def lacking(step: Step) -> bool:
        """Whether one of two findings about the telephone follows, where both lack a step."""
        telephone = ("OUT-24", "OUT-26")
        lost = [
            replace(f, verdict=Verdict.failed, lacks=step, wrong=False)
            if f.requirement in telephone
            else f
            for f in good
        ]
        told = {f.requirement: f for f in verify.sort_out(case, lost).findings}
        return any(told[name].follows_from for name in telephone)

    from lab.ways.vpn import symptoms

    assert not lacking(Step.modem)
    same = symptoms.failure(case, "hmc")
    assert same is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            symptoms, "failure", lambda _case, _agent: replace(same, cause="wrong-pap-password")
        )
        assert not lacking(Step.modem)
        assert lacking(Step.address)


def test_the_terminal_tells_cause_then_first_failure_then_a_line(recordings: Recordings) -> None:
    result = result_of(recordings("vpn-nat.wrong-psk"))
    text = verdict.summary(result, colour=False)
    lines = text.splitlines()
    failed = [line.split()[0] for line in lines if re.match(r"\S+ +fail ", line)]
    assert failed == ["P-01"]
    places = [
        next(n for n, line in enumerate(lines) if line.startswith(word))
        for word in ("diagnosis: ", "P-01 ", "13 more follow from this: ", "vpn-nat with fault")
    ]
    assert places == sorted(places)
    assert " ".join(text.split()).count("different pre-shared keys") == 2
    assert "(--all shows them)" in " ".join(text.split())

    every = verdict.summary(result, colour=False, every=True)
    told = [line.split()[0] for line in every.splitlines() if re.match(r"\S+ +fail ", line)]
    assert set(told) == OF_WRONG_PSK | {"P-01"}
    assert told[0] == "P-01"
    assert "more follow" not in every


def test_the_verdict_file_says_what_follows_from_what(
    recordings: Recordings, tmp_path: Path
) -> None:
    verdict.write(tmp_path / "verdict.json", result_of(recordings("vpn-nat.wrong-psk")))
    content = json.loads((tmp_path / "verdict.json").read_text())
    assert content["broke_first"] == "P-01"
    by_name = {finding["requirement"]: finding for finding in content["findings"]}
    assert by_name["P-02"]["follows_from"] == "P-01"
    assert by_name["P-02"]["lacks"] == "ike"
    assert "follows_from" not in by_name["P-01"]
    assert "lacks" not in by_name["g1"]
