"""verdict.json has the keys of the contract, and the summary says all of it to people."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from lab.topology.model import Topology
from lab.verify import verdict
from tests.recordings.true_run import Recordings, TrueRun

KEYS = {
    "topology", "profile", "engine", "clock", "started", "wall_s", "lab_s", "verdict", "findings",
}  # fmt: skip


def outcome(run: TrueRun, model: Topology | None = None, *, broke: bool = False) -> verdict.Result:
    model = model or run.topology
    return verdict.result(
        model,
        run.record,
        tuple(run.judge(model).values()),
        engine="uml",
        clock="virtual",
        wall_s=2.5,
        diagnosis=str(run.diagnose()) if model.fault else "",
        lab_broke=broke,
    )


def test_a_good_run(recordings: Recordings, tmp_path: Path) -> None:
    run = recordings("vpn-nat")
    result = outcome(run)
    verdict.write(tmp_path / "verdict.json", result)

    content = json.loads((tmp_path / "verdict.json").read_text())

    assert set(content) == KEYS
    assert (content["verdict"], result.exit_status) == ("pass", 0)
    assert [f["requirement"] for f in content["findings"]] == list(run.topology.expect)
    assert set(content["findings"][0]) == {
        "requirement", "expected", "seen", "verdict", "evidence",
    }  # fmt: skip
    assert {f["verdict"] for f in content["findings"]} == {"pass", "not-applicable"}
    segments = {s.name for s in run.topology.segments}
    assert content["findings"][0]["evidence"][0]["segment"] in segments


def test_a_failed_run_says_the_fault_and_what_was_found(
    recordings: Recordings, tmp_path: Path
) -> None:
    result = outcome(recordings("vpn.wrong-psk"))
    verdict.write(tmp_path / "verdict.json", result)

    content = json.loads((tmp_path / "verdict.json").read_text())

    assert set(content) == KEYS | {"fault", "diagnosis", "broke_first"}
    assert (content["verdict"], result.exit_status) == ("fail", 1)
    text = verdict.summary(result, colour=False)
    assert "\x1b" not in text
    assert "wrong-psk" in text
    assert "different pre-shared keys" in " ".join(text.split())


def test_a_failed_call_fails_the_run_whatever_is_expected(recordings: Recordings) -> None:
    run = recordings("vpn-nat")
    run.record.calls[-1].succeeded = False

    assert outcome(run, replace(run.topology, expect=("g1",))).exit_status == 1


def test_a_broken_lab_is_not_a_failed_check(recordings: Recordings) -> None:
    result = outcome(recordings("direct"), broke=True)

    assert (result.verdict, result.exit_status) == ("error", 4)


def test_the_summary_names_every_requirement_once(recordings: Recordings) -> None:
    run = recordings("vpn-nat")
    text = verdict.summary(outcome(run), colour=True)

    firsts = [line.split()[0] for line in text.splitlines() if line[:1] not in ("", " ", "\x1b")]
    assert sorted(firsts[:-1]) == sorted(run.topology.expect)
    assert "\x1b[32m" in text


def test_what_failed_is_told_in_a_paragraph_each(recordings: Recordings) -> None:
    run = recordings("vpn-nat")
    assert verdict.failures(outcome(run)) == ""
    run.record.leftovers.append("hmc: link forgotten")

    assert verdict.failures(outcome(run)) == "g6 failed: left over: hmc: link forgotten\n"
