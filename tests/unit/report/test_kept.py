"""A run directory is read back as far as it is there, and what is missing is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.engine.run_dir import in_use
from lab.errors import UsageError
from lab.report.kept import KeptRun
from lab.verify import Verdict
from lab.wire import pcapng
from tests.unit.wire.test_pcapng import ring_block

RunDir = Callable[[str], Path]


def test_a_whole_run_is_read_whole(run_dir: RunDir) -> None:
    run = KeptRun.read(run_dir("vpn-nat"))
    assert run.problems == ()
    assert run.topology is not None
    assert run.record is not None
    assert run.result is not None
    assert run.name == run.topology.name == "vpn-nat"
    assert run.result.verdict == "pass"
    assert {f.verdict for f in run.result.findings} <= {Verdict.held, Verdict.not_applicable}
    assert [e["kind"] for e in run.events].count("ike-established") == 1
    case, problems = run.open_case()
    assert problems == ()
    assert case is not None
    assert case.all_insides


@pytest.mark.parametrize("name", ["record.json", "verdict.json", "events.jsonl", "keys/model.json"])
def test_a_missing_file_is_named_and_the_rest_is_there(run_dir: RunDir, name: str) -> None:
    path = run_dir("direct")
    (path / name).unlink()
    run = KeptRun.read(path)
    (problem,) = run.problems
    assert name in problem
    assert "is missing" in problem
    lost = {
        "record.json": run.record is None,
        "verdict.json": run.result is None,
        "events.jsonl": run.events == (),
        "keys/model.json": run.topology is None,
    }
    assert [each for each, gone in lost.items() if gone] == [name]


def test_a_capture_that_is_missing_or_cut_off_is_told_with_what_to_do(run_dir: RunDir) -> None:
    path = run_dir("direct")
    (path / "wire" / "lan.pcapng").unlink()
    cut = path / "wire" / "fw-inet.pcapng"
    cut.write_bytes(cut.read_bytes()[:-1])

    _, problems = KeptRun.read(path).open_case()

    gone, broken = sorted(problems, key=lambda each: "cut off" in each)
    assert gone.endswith(
        "the packets of lan are left out; copy wire/ along, or run the topology again"
    )
    assert "fw-inet.pcapng is cut off" in broken
    assert broken.endswith("copy it again, or run the topology again")


@pytest.mark.parametrize("name", ["record.json", "verdict.json", "keys/model.json"])
def test_what_is_cut_off_or_of_another_version_is_named(run_dir: RunDir, name: str) -> None:
    path = run_dir("direct")
    text = (path / name).read_text()
    (path / name).write_text(text[: len(text) // 2])
    assert any(name in each and "cut off" in each for each in KeptRun.read(path).problems)
    (path / name).write_text(json.dumps({**json.loads(text), "strange": 1}))
    (problem,) = KeptRun.read(path).problems
    assert name in problem
    assert "another version" in problem


def test_a_verdict_of_another_version_is_read_as_far_as_it_is_known(run_dir: RunDir) -> None:
    path = run_dir("direct")
    content = json.loads((path / "verdict.json").read_text())
    del content["profile"]
    (path / "verdict.json").write_text(json.dumps({**content, "strange": 1}))
    run = KeptRun.read(path)
    assert run.result is not None
    assert run.result.verdict == "pass"
    assert "without strange, profile" in run.problems[0]


def test_a_line_of_events_that_is_cut_off_is_counted_and_left_out(run_dir: RunDir) -> None:
    path = run_dir("direct")
    whole = KeptRun.read(path).events
    with (path / "events.jsonl").open("a") as file:
        file.write('{"time": 1.0, "so')
    run = KeptRun.read(path)
    assert run.events == whole
    assert "1 line that cannot be read" in run.problems[0]


def test_a_capture_is_read_up_to_where_it_is_cut_off(run_dir: RunDir) -> None:
    path = run_dir("vpn-nat")
    whole, _ = KeptRun.read(path).open_case()
    capture = path / "wire" / "fw-inet.pcapng"
    capture.write_bytes(capture.read_bytes()[:-300])
    (path / "wire" / "dmz.pcapng").unlink()
    case, problems = KeptRun.read(path).open_case()
    assert case is not None
    assert whole is not None
    assert 0 < len(case.frames("fw-inet")) < len(whole.frames("fw-inet"))
    assert case.frames("dmz") == []
    assert sorted("missing" in each for each in problems) == [False, True]
    assert any("fw-inet.pcapng is cut off or broken after" in each for each in problems)


def test_a_run_that_goes_on_is_said_to(run_dir: RunDir) -> None:
    path = run_dir("direct")
    (path / "verdict.json").unlink()
    (path / "record.json").unlink()
    with in_use(path):
        (problem,) = KeptRun.read(path).problems
    assert "still going" in problem
    assert not any("still going" in each for each in KeptRun.read(path).problems)


def test_what_is_no_run_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no run directory"):
        KeptRun.read(tmp_path)
    with pytest.raises(UsageError, match="there is no run directory"):
        KeptRun.read(tmp_path / "nowhere")


def test_what_a_run_that_was_killed_had_captured_is_read(run_dir: RunDir) -> None:
    """The captures are made when a lab is down; until then all frames are in one file."""
    path = run_dir("direct")
    whole = KeptRun.read(path).open_case()[0]
    assert whole is not None
    ports = dict(enumerate(whole.wire, 1000))
    blocks = [
        ring_block(tuple((int(f.time * 1e9), f.data) for f in whole.wire[name]), (port,))
        for port, name in ports.items()
    ]
    (path / "wire" / pcapng.SPOOL).write_bytes(pcapng.spool_header(ports) + b"".join(blocks))
    for capture in (path / "wire").glob("*.pcapng"):
        capture.unlink()
    case, problems = KeptRun.read(path).open_case()
    assert case is not None
    assert [(n, [f.data for f in frames]) for n, frames in case.wire.items()] == [
        (n, [f.data for f in frames]) for n, frames in whole.wire.items()
    ]
    assert len(problems) == 1
    assert "frames.spool" in problems[0]
    assert (path / "wire" / pcapng.SPOOL).exists(), "a reader changes nothing"
