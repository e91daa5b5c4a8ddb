"""verdict.json has the keys of the contract, and the summary says all of it to people."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from lab import verify
from lab.topology.model import Topology
from lab.verify import verdict
from lab.ways import faults
from tests.unit.verify.play import play
from tests.unit.verify.stage import Stage, topology

KEYS = {
    "topology", "profile", "engine", "clock", "started", "wall_s", "lab_s", "verdict", "findings",
}  # fmt: skip


def outcome(stage: Stage, model: Topology, run_dir: Path, *, broke: bool = False) -> verdict.Result:
    stage.write(run_dir)
    return verdict.result(
        model,
        stage.record,
        verify.judge(model, stage.record, run_dir),
        engine="uml",
        clock="virtual",
        wall_s=2.5,
        diagnosis=str(verify.diagnose(model, stage.record, run_dir)) if model.fault else "",
        lab_broke=broke,
    )


def test_a_good_run(tmp_path: Path) -> None:
    model = topology("vpn-nat")
    result = outcome(play(model), model, tmp_path)
    verdict.write(tmp_path / "verdict.json", result)

    content = json.loads((tmp_path / "verdict.json").read_text())

    assert set(content) == KEYS
    assert (content["verdict"], result.exit_status) == ("pass", 0)
    assert [f["requirement"] for f in content["findings"]] == list(model.expect)
    assert set(content["findings"][0]) == {
        "requirement", "expected", "seen", "verdict", "evidence",
    }  # fmt: skip
    assert {f["verdict"] for f in content["findings"]} == {"pass", "not-applicable"}
    assert content["findings"][0]["evidence"][0]["segment"] in {s.name for s in model.segments}


def test_a_failed_run_says_the_fault_and_what_was_found(tmp_path: Path) -> None:
    model = faults.apply("wrong-psk", topology("vpn"))
    result = outcome(play(model), model, tmp_path)
    verdict.write(tmp_path / "verdict.json", result)

    content = json.loads((tmp_path / "verdict.json").read_text())

    assert set(content) == KEYS | {"fault", "diagnosis"}
    assert (content["verdict"], result.exit_status) == ("fail", 1)
    text = verdict.summary(result, colour=False)
    assert "\x1b" not in text
    assert "wrong-psk" in text
    assert "different pre-shared keys" in " ".join(text.split())


def test_a_failed_call_fails_the_run_whatever_is_expected(tmp_path: Path) -> None:
    model = replace(topology("vpn-nat"), expect=("g1",))
    stage = play(model)
    stage.record.calls[-1].succeeded = False

    assert outcome(stage, model, tmp_path).exit_status == 1


def test_a_broken_lab_is_not_a_failed_check(tmp_path: Path) -> None:
    model = topology("direct")
    result = outcome(play(model), model, tmp_path, broke=True)

    assert (result.verdict, result.exit_status) == ("error", 4)


def test_the_summary_names_every_requirement_once(tmp_path: Path) -> None:
    model = topology("vpn-nat")
    text = verdict.summary(outcome(play(model), model, tmp_path), colour=True)

    firsts = [line.split()[0] for line in text.splitlines() if line[:1] not in ("", " ")]
    assert firsts[:-1] == list(model.expect)
    assert "\x1b[32m" in text
