"""SIGKILL before every write, rename, fsync and send: nothing is lost, and nothing is twice (OUT-34)."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from lab.agent.book import lines
from lab.agent.credentials import Credentials
from lab.agent.problems import Problems
from lab.ibm.receiver.desk import STORE_FILE
from tests.unit.agent.killed import EVENT, LEDGER_BYTES
from tests.unit.agent.lives import AgentLife, life

pytestmark = pytest.mark.long

REPO = Path(__file__).resolve().parents[3]
KINDS = {"heartbeat": 1, "inventory": 1, "performance": 1, "problem": 1}
KILLED = -9


class Killing:
    """The program whose children are killed."""

    def __init__(self, popen: subprocess.Popen[str], alive: AgentLife) -> None:
        self._popen = popen
        self._alive = alive

    def new(self, number: int) -> str:
        """An agent of its own: its serial."""
        serial = f"21{number:05X}"
        (self._alive.folder / f"{serial}.toml").write_text(
            f'state = "{serial}"\nca_file = "{self._alive.site.ca_file}"\n'
            f'generation = "esa-linux-7.1.5"\nevents = "{serial}.events"\n'
            f'[[machines]]\ntype = "8284"\nmodel = "22A"\nserial = "{serial}"\n'
            f'[servers]\nenrolment = ["{self._alive.site.url}"]\n'
        )
        return serial

    def tell(self, serial: str) -> None:
        """Its hardware tells of another problem."""
        (self._alive.folder / f"{serial}.events").write_bytes(EVENT)

    def run(self, serial: str, number: int) -> tuple[int, int]:
        """How many steps there were, and how the child ended."""
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._popen.stdin.write(f"{serial} {number}\n")
        self._popen.stdin.flush()
        counted, status = self._popen.stdout.readline().split()
        return int(counted), int(status)


@contextmanager
def killing(alive: AgentLife) -> Iterator[Killing]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.unit.agent.killed", alive.folder],
        cwd=REPO, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as popen:  # fmt: skip
        try:
            yield Killing(popen, alive)
        finally:
            popen.kill()


def received(folder: Path) -> dict[str, dict[str, int]]:
    """By serial, how many of each kind the receiver has; ``data``: whole files."""
    store = sqlite3.connect(folder / "ibm" / "logs" / "sdc" / STORE_FILE)
    found: dict[str, dict[str, int]] = {}
    for serial, kind, number in store.execute(
        "SELECT s.serial, r.kind, count(*) FROM reports r JOIN systems s ON s.id = r.system"
        " WHERE r.kind != 'enrolment' GROUP BY 1, 2"
    ):
        found.setdefault(serial, {})[kind] = number
    for serial, number in store.execute(
        "SELECT s.serial, count(*) FROM uploads u JOIN systems s ON s.id = u.system"
        " WHERE u.complete GROUP BY 1"
    ):
        found.setdefault(serial, {})["data"] = number
    store.close()
    return found


def check_drained(alive: AgentLife, serial: str) -> None:
    """Nothing waits, nothing was refused or damaged, and the ledger has every acknowledgement."""
    state = alive.folder / serial
    queue = state / "queue"
    assert sorted(p.name for p in queue.iterdir()) == [".lock"], serial
    got = {e["report"] for e in lines(state / "ledger.jsonl") if e["event"] == "acknowledged"}
    queued = {e["report"] for e in lines(state / "ledger.jsonl") if e["event"] == "queued"}
    assert queued <= got, serial


def numbers(folder: Path) -> list[int]:
    return [entry["n"] for entry in lines(folder / "ledger.jsonl")]


def gapless(some: list[int]) -> bool:
    return some == [*range(some[0], some[0] + len(some))] if some else True


def test_a_kill_at_every_step_of_shortening_a_ledger_leaves_a_whole_one(memory: Path) -> None:
    """The newest lines are there without a gap, and what people still want to know of the others."""
    with life(memory) as alive, killing(alive) as program:
        steps, status = program.run("ledger-0", 0)
        assert status == 0
        assert steps > 30
        assert len(numbers(memory / "ledger-0")) < 9, "it was shortened"
        for number in range(1, steps + 1):
            name = f"ledger-{number}"
            _, status = program.run(name, number)
            assert status == KILLED, number
            killed = numbers(memory / name)
            assert gapless(killed[1:]), number
            assert program.run(name, 0)[1] == 0
            first, *rest = numbers(memory / name)
            assert first == 0, "the inventory that was acknowledged"
            assert gapless(rest), number
            assert rest[-1] == (killed[-1] if killed else -1) + 12
            size = (memory / name / "ledger.jsonl").stat().st_size
            assert size <= LEDGER_BYTES, number
            left = sorted(p.name for p in (memory / name).iterdir() if "ledger" in p.name)
            assert left == ["ledger.jsonl"], number
            assert [*Problems(memory / name).all()] == ["q"]


@pytest.fixture
def memory() -> Iterator[Path]:
    """A disk that forces nothing: thousands of fsync(2) would take minutes, and prove no more here."""
    shm = Path("/dev/shm")
    with TemporaryDirectory(dir=shm if os.access(shm, os.W_OK) else None) as folder:
        yield Path(folder)


def test_a_kill_at_every_step_of_a_life_loses_nothing_and_doubles_nothing(memory: Path) -> None:
    with life(memory) as alive, killing(alive) as program:
        steps, status = program.run(program.new(0), 0)
        assert status == 0
        assert steps > 100
        for number in range(1, steps + 1):
            serial = program.new(number)
            _, status = program.run(serial, number)
            # A kill changes no earlier step: each number is reached.
            assert status == KILLED, number
            assert program.run(serial, 0)[1] == 0
            check_drained(alive, serial)
    got = received(memory)
    wrong = {serial: counts for serial, counts in got.items() if counts != {**KINDS, "data": 1}}
    assert wrong == {}
    assert len(got) == steps + 1


def test_a_kill_at_every_step_of_a_password_change_leaves_one_that_holds(memory: Path) -> None:
    """E-09."""
    with life(memory) as alive, killing(alive) as program:
        serial = program.new(0)
        assert program.run(serial, 0)[1] == 0
        steps, number = 1, 0
        while number <= steps:
            before = Credentials(memory / serial).of(f"8284-22A*{serial}")
            assert before is not None
            alive.site.receiver.change_password_now(before.id)
            program.tell(serial)
            counted, status = program.run(serial, number)
            steps = steps if number else counted
            assert status == (KILLED if number else 0), number
            assert program.run(serial, 0)[1] == 0
            check_drained(alive, serial)
            after = Credentials(memory / serial).of(f"8284-22A*{serial}")
            assert after is not None
            assert after.offered is None
            assert after.password != before.password
            number += 1
        assert steps > 20
        assert not [t for t in alive.site.transactions if t.status in (401, 409)]
    assert received(memory)[serial]["problem"] == steps + 2
