"""Jobs in processes of their own, without labs: what each does is put in the place of a run."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from lab.engine.host import Engine
from lab.errors import PrerequisiteError
from lab.matrix import board, crew, worker
from lab.matrix.crew import Crew
from lab.matrix.job import Came, Job, JobOutcome
from lab.matrix.worker import Worker
from lab.wait import wait_until
from tests.unit.matrix.made_up import job

Deed = Callable[[Path], int]


class Looker:
    """Notes who ran together, and what ended when."""

    def __init__(self, then: Callable[[Sequence[Worker]], None] = lambda _: None) -> None:
        self.most = 0
        self.ends: list[str] = []
        self.seen: list[str] = []
        self._then = then

    def began(self, running: Sequence[Worker]) -> None:
        self.most = max(self.most, len(running))

    def went_on(self, running: Sequence[Worker]) -> None:
        self.seen += [each.now for each in running]
        self._then(running)

    def ended(self, outcome: JobOutcome, running: Sequence[Worker]) -> None:
        self.ends.append(outcome.job.topology)


@pytest.fixture
def deeds(monkeypatch: pytest.MonkeyPatch) -> dict[str, Deed]:
    """What is done in the place of each topology's run."""
    done: dict[str, Deed] = {}

    def carry_out(one: Job, run_dir: Path, _: Engine) -> dict[str, Any]:
        return {"status": done[one.topology](run_dir)}

    monkeypatch.setattr(worker, "_carry_out", carry_out)
    return done


def crew_of(deeds: dict[str, Deed], out: Path, at_once: int = 2) -> tuple[list[Job], Crew]:
    jobs = [job(name, number=number) for number, name in enumerate(deeds)]
    return jobs, Crew(jobs, out, Engine.uml, at_once)


def leave(run_dir: Path) -> int:
    """As a run that passes."""
    run_dir.mkdir()
    (run_dir / "verdict.json").write_text('{"verdict": "pass", "findings": []}')
    return 0


def crash(_: Path) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def refuse(_: Path) -> int:
    raise PrerequisiteError("there is no program charon", hint="lab setup")


def stumble(_: Path) -> int:
    raise RuntimeError("a defect")


def speak_and_vanish(_: Path) -> int:
    os.write(2, b"  0.1 s  IKE  all is well\nlab: the wire broke\n")
    os._exit(7)


def stay(_: Path) -> int:
    os.write(1, b"here\n")
    signal.pause()
    return 0


def test_whoever_ends_first_the_order_is_that_of_the_jobs(
    deeds: dict[str, Deed], tmp_path: Path
) -> None:
    def after_the_others(run_dir: Path) -> int:
        others = [tmp_path / name / "verdict.json" for name in ("second", "third")]
        wait_until("the others' end", lambda: all(each.exists() for each in others), 60.0)
        return leave(run_dir)

    deeds |= {"first": after_the_others, "second": leave, "third": leave}
    told: list[str] = []
    counts = board.Counts(3, 2, lambda each: told.append(each.job.topology))
    looker = Looker()
    looker.ended = lambda outcome, running: counts.ended(outcome)  # type: ignore[assignment,method-assign]
    _, working = crew_of(deeds, tmp_path)

    done = working.carry_out(looker)

    assert [each.job.topology for each in done] == told == ["first", "second", "third"]
    assert {each.came for each in done} == {Came.right}
    assert looker.most == 2


def test_one_at_a_time_is_one_at_a_time(deeds: dict[str, Deed], tmp_path: Path) -> None:
    deeds |= dict.fromkeys(("first", "second", "third"), leave)
    looker = Looker()
    _, working = crew_of(deeds, tmp_path, at_once=1)

    working.carry_out(looker)

    assert (looker.most, looker.ends) == (1, ["first", "second", "third"])


def test_what_becomes_of_one_loses_nothing_of_the_others(
    deeds: dict[str, Deed], tmp_path: Path
) -> None:
    deeds |= {
        "crash": crash, "good": leave, "lacking": refuse, "defect": stumble, "gone": speak_and_vanish,
    }  # fmt: skip
    _, working = crew_of(deeds, tmp_path)

    done = {each.job.topology: each for each in working.carry_out(Looker())}

    assert {name: (each.came, each.exit_status) for name, each in done.items()} == {
        "crash": (Came.broke, 4),
        "good": (Came.right, 0),
        "lacking": (Came.broke, 3),
        "defect": (Came.broke, 4),
        "gone": (Came.broke, 4),
    }
    assert "ended by signal 9" in done["crash"].problem
    assert done["lacking"].problem == "there is no program charon; lab setup"
    assert "RuntimeError: a defect" in done["defect"].problem
    assert done["gone"].problem.endswith("exit status 7, without a word of what came of the run; "
                                         "it had said: lab: the wire broke")  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_all_and_what_there_is_is_kept(
    deeds: dict[str, Deed], tmp_path: Path, number: int
) -> None:
    deeds |= {"good": leave, "one": stay, "two": stay, "later": leave}
    pids: set[int] = set()

    def interrupt(running: Sequence[Worker]) -> None:
        if not pids and [each.now for each in running] == ["here", "here"]:
            pids.update(each.pid for each in running)
            os.kill(os.getpid(), number)

    jobs, working = crew_of(deeds, tmp_path)
    done = working.carry_out(Looker(interrupt))
    whole = sorted([*done, *crew.not_begun(jobs, done, tmp_path)], key=lambda each: each.job.number)

    assert working.interrupted
    assert [(each.job.topology, each.came) for each in whole] == [
        ("good", Came.right), ("one", Came.ended), ("two", Came.ended), ("later", Came.ended),
    ]  # fmt: skip
    assert not (tmp_path / "later").exists()
    for pid in pids:
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def test_one_that_does_not_listen_is_killed_by_the_third_interrupt(
    deeds: dict[str, Deed], tmp_path: Path
) -> None:
    def deaf(run_dir: Path) -> int:
        signal.signal(signal.SIGINT, lambda *_: os.write(1, b"heard\n"))
        os.write(1, b"here\n")
        while True:
            signal.pause()

    deeds |= {"deaf": deaf}
    sent = ["here", "heard", "heard"]

    def insist(running: Sequence[Worker]) -> None:
        said = [line for each in running for line in each.heard.decode().splitlines()]
        # The next one only once the last one was heard: signals that wait are one.
        if sent and said[-1:] == [sent[0]] and len(said) == 4 - len(sent):
            del sent[0]
            os.kill(os.getpid(), signal.SIGINT)

    _, working = crew_of(deeds, tmp_path)
    (done,) = working.carry_out(Looker(insist))

    assert "ended by signal 9" in done.problem


def test_a_display_that_fails_leaves_nobody_running(deeds: dict[str, Deed], tmp_path: Path) -> None:
    deeds |= {"one": stay, "two": stay}
    pids: list[int] = []

    def fail(running: Sequence[Worker]) -> None:
        if [each.now for each in running] == ["here", "here"]:
            pids.extend(each.pid for each in running)
            raise OSError("the terminal has gone")

    _, working = crew_of(deeds, tmp_path)
    with pytest.raises(OSError, match="the terminal has gone"):
        working.carry_out(Looker(fail))

    assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def test_a_worker_ends_with_whoever_started_it(deeds: dict[str, Deed], tmp_path: Path) -> None:
    """Also where that one is killed, which nobody can tell him."""
    deeds |= {"one": stay}
    hears, says = os.pipe()
    if (parent := os.fork()) == 0:
        (one,) = crew_of(deeds, tmp_path)[0]
        begun = worker.start(one, tmp_path, Engine.uml)
        while begun.now != "here":
            begun.hear()
        os.write(says, f"{begun.pid}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)
    os.close(says)
    pid = int(os.read(hears, 64))
    os.waitpid(parent, 0)

    # The pipe ends when the last process that has it does.
    ready, _, _ = select.select([hears], [], [], 60.0)
    if not ready:
        os.kill(pid, signal.SIGKILL)
    assert ready, f"the worker {pid} went on"
    assert os.read(hears, 64) == b""
    os.close(hears)
