"""What is covered comes from the tables, and how it came out from verdicts alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab import cli
from lab.coverage import covering, outcomes
from lab.coverage.inventory import Sort, inventory
from lab.coverage.outcomes import CoverageState, JudgedRun
from lab.life import judging
from lab.topology.claims import claims

RunDir = Callable[[str], Path]
DOCS = Path(__file__).resolve().parents[3] / "docs"


def states(*paths: Path) -> dict[str, CoverageState]:
    runs = outcomes.read(paths)
    return {
        name: outcomes.judge(each, runs, covered=covering.of(each).judges(each)).state
        for name, each in inventory().items()
    }


def test_everything_that_is_judged_anywhere_is_there() -> None:
    assert claims().keys() <= inventory().keys()
    assert judging.CHECKS.keys() <= inventory().keys()
    lived = {name for name, each in inventory().items() if each.sort is Sort.life}
    assert lived == judging.CHECKS.keys() - claims().keys()


def test_the_texts_of_lives_are_those_of_their_page() -> None:
    page = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", (DOCS / "life.md").read_text()).replace("`", "")
    rows = dict(re.findall(r"^\| ([A-Z]+-\d\d) \| (.*?) \|$", page, re.MULTILINE))
    for name, each in inventory().items():
        if each.sort is Sort.life:
            assert rows[name].lower().startswith(each.text.rstrip(".").lower()), name


def test_without_runs_nothing_is_proven_and_nothing_refuted() -> None:
    found = states()
    assert {*found.values()} == {
        CoverageState.judged,
        CoverageState.uncovered,
        CoverageState.unobservable,
    }
    assert found["P-01"] is CoverageState.judged
    assert found["E-09"] is CoverageState.judged
    # Of its servers none does anything in a topology of ours.
    assert found["A-33"] is CoverageState.uncovered
    assert found["A-10"] is found["OUT-35"] is found["Q-05"] is CoverageState.unobservable
    assert found["V-02"] is found["X-19"] is found["G-09"] is CoverageState.unobservable
    assert found["X-01"] is found["A-37"] is CoverageState.judged


def test_a_run_proves_what_held_in_it_and_no_more(run_dir: RunDir) -> None:
    path = run_dir("vpn-nat")
    found = states(path)
    content = json.loads((path / "verdict.json").read_text())
    held = {f["requirement"] for f in content["findings"] if f["verdict"] == "pass"}
    # By the servers' ledger, and by what those findings show together.
    assert {n for n, state in found.items() if state is CoverageState.proven} - held == {
        "A-37", "A-38", "A-39", "X-01", "X-02", "X-03", "X-04",
    }  # fmt: skip
    assert held <= {n for n, state in found.items() if state is CoverageState.proven}
    assert found["OUT-19"] is CoverageState.uncovered
    assert CoverageState.refuted not in found.values()
    assert CoverageState.judged not in found.values()


def change(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads((path / "verdict.json").read_text())
    edit(content)
    (path / "verdict.json").write_text(json.dumps(content))


def test_a_failure_refutes_unless_a_fault_was_put_in(run_dir: RunDir) -> None:
    good, faulty = run_dir("vpn-nat"), run_dir("vpn-nat.wrong-psk")
    assert states(good, faulty)["P-01"] is CoverageState.proven
    assert states(faulty)["P-01"] is CoverageState.uncovered
    assert states(faulty)["g5"] is CoverageState.proven
    change(faulty, lambda verdict: verdict.pop("fault"))
    assert states(good, faulty)["P-01"] is CoverageState.refuted


def test_a_row_of_addresses_needs_a_server_that_did_something(run_dir: RunDir) -> None:
    path = run_dir("direct")
    assert states(path)["A-11"] is CoverageState.proven
    record = json.loads((path / "record.json").read_text())
    for entry in record["ledger"]:
        entry["status"] = 503
    (path / "record.json").write_text(json.dumps(record))
    assert states(path)["A-11"] is CoverageState.uncovered


def run(profile: str, fault: str = "", **verdicts: str) -> JudgedRun:
    told = {name.replace("_", "-"): verdict for name, verdict in verdicts.items()}
    return JudgedRun("somewhere", fault, told, frozenset(), profile)


def state(name: str, *runs: JudgedRun) -> CoverageState:
    return outcomes.judge(inventory()[name], runs, covered=True).state


def test_what_several_findings_decide_needs_each_of_them() -> None:
    assert state("X-04", run("", P_01="pass")) is CoverageState.uncovered
    assert state("X-04", run("", P_01="pass", P_22="not-applicable")) is CoverageState.uncovered
    assert state("X-04", run("", P_01="pass"), run("", P_22="pass")) is CoverageState.proven
    both = run("", P_01="pass", P_22="pass")
    assert state("X-04", both, run("", P_22="fail")) is CoverageState.refuted
    assert state("X-04", both, run("", "wrong-psk", P_22="fail")) is CoverageState.proven


def test_a_reading_is_shown_only_where_the_other_reading_would_be_another_run() -> None:
    assert state("X-26", run("hmc-2007", P_14="pass")) is CoverageState.uncovered
    assert state("X-26", run("hmc-2007", P_14="fail")) is CoverageState.uncovered
    assert state("X-26", run("hmc-2017-simplified", P_14="pass")) is CoverageState.proven
    by_internet, by_modem = (
        replace(run("hmc-2007", I_13="pass"), topology=name)
        for name in ("service-vpn", "service-vpn-dial")
    )
    assert state("X-05", by_internet) is CoverageState.uncovered
    assert state("X-05", by_internet, by_modem) is CoverageState.proven
    assert covering.of(inventory()["X-05"]).topologies == (
        "service-vpn-dial",
        "service-vpn-pass-through",
    )


def test_ports_for_remote_service_are_shown_by_a_session_of_a_profile_that_lists_them() -> None:
    old, new = run("hmc-2007", I_10="pass"), run("hmc-2017-traditional", I_10="pass")
    assert state("A-41", old) is state("A-42", new) is CoverageState.proven
    assert state("A-42", old) is CoverageState.uncovered
    for profile in ("", "somebody's own"):
        assert state("A-41", run(profile, I_10="pass")) is CoverageState.uncovered


def test_verdicts_are_found_in_folders_and_in_files(run_dir: RunDir, tmp_path: Path) -> None:
    direct, vpn = run_dir("direct"), run_dir("vpn-nat")
    both = [json.loads((path / "verdict.json").read_text()) for path in (direct, vpn)]
    listed, nested = tmp_path / "all.json", tmp_path / "matrix.json"
    listed.write_text(json.dumps(both))
    nested.write_text(json.dumps({"runs": [{"name": "one", "verdict": each} for each in both]}))
    wanted = [run.verdicts for run in outcomes.read([direct, vpn])]
    for paths in ([tmp_path], [listed], [nested]):
        found = [run.verdicts for run in outcomes.read(paths)]
        assert sorted(found, key=len) == sorted(wanted, key=len)


def test_what_covers_is_named() -> None:
    own = covering.of(inventory()["P-01"])
    assert own.check == "lab.ways.vpn.ike.check_p_01"
    assert {"vpn", "vpn-nat"} <= {*own.topologies}
    assert "tests/unit/verify/test_consequences.py" in own.tests
    assert covering.of(inventory()["E-09"]).check == "lab.life.identity.check_e_09"
    assert {"week", "year"} <= {*covering.of(inventory()["E-09"]).lives}
    assert "direct" in covering.of(inventory()["A-11"]).topologies
    assert covering.of(inventory()["A-30"]).topologies == ("upload",)
    assert covering.of(inventory()["A-37"]).check == "the findings of F-08 and P-01"
    assert "service-modem" not in covering.of(inventory()["A-42"]).topologies


def test_the_command(run_dir: RunDir, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run_dir("direct")
    assert cli.main(["requirements", "--json", str(path)]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [each["id"] for each in listed] == list(inventory())
    assert {each["state"] for each in listed} == {"proven", "not yet covered", "not observable"}
    assert cli.main(["requirements", str(path)]) == 0
    text = capsys.readouterr().out
    assert re.search(r"^F-03 +proven ", text, re.MULTILINE)
    assert text.splitlines()[-1].startswith(f"{len(listed)} requirements: ")

    def fail(verdict: dict[str, Any]) -> None:
        next(f for f in verdict["findings"] if f["requirement"] == "F-03")["verdict"] = "fail"

    change(path, fail)
    assert cli.main(["requirements", str(path)]) == 1
    assert re.search(r"^F-03 +refuted ", capsys.readouterr().out, re.MULTILINE)

    assert cli.main(["requirements", str(tmp_path / "nowhere")]) == 2
    (tmp_path / "cut.json").write_text('[{"topology"')
    assert cli.main(["requirements", str(tmp_path / "cut.json")]) == 2
    assert "is not JSON, or is cut off" in capsys.readouterr().err
