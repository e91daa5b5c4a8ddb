"""The queue: what was added is there, in order, whole, whatever happens to the files."""

from __future__ import annotations

import dataclasses
import errno
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lab.agent import spool, storage
from lab.agent.spool import DAMAGED, REFUSED, Queued, Spool
from lab.agent.storage import StorageError
from tests.unit.agent.examples import report

NAMES = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)


def test_reports_wait_in_their_order_and_survive_the_program(tmp_path: Path) -> None:
    queue = Spool(tmp_path)
    for number in range(12):
        queue.add(report(f"r-{number}", content=bytes([number]), collected=float(number)))

    again = Spool(tmp_path).entries()
    assert [entry.report for entry in again] == [f"r-{number}" for number in range(12)]
    assert [entry.content for entry in again] == [bytes([number]) for number in range(12)]


def test_a_report_that_waits_is_not_queued_twice(tmp_path: Path) -> None:
    queue = Spool(tmp_path)
    first = queue.add(report("r", content=b"first"))
    second = queue.add(report("r", content=b"second"))
    assert second == first
    assert len(queue) == 1


@given(NAMES, st.text(max_size=30), st.binary(max_size=300))
def test_a_file_gives_back_what_was_queued(name: str, reason: str, content: bytes) -> None:
    entry = report(
        name, reason=reason, content=content, size=len(content), place=f"00000001-{name}"
    )
    assert spool.parse(spool.render(entry), entry.place) == entry


@given(st.binary(max_size=60), st.data())
def test_any_change_of_a_file_is_seen(content: bytes, data: st.DataObject) -> None:
    entry = report("r", content=content, place="00000001-r")
    whole = spool.render(entry)
    at = data.draw(st.integers(0, len(whole) - 1))
    kind = data.draw(st.sampled_from(["cut", "flip", "insert"]))
    bit = bytes([whole[at] ^ (1 << data.draw(st.integers(0, 7)))])
    changed = {
        "cut": whole[:at],
        "flip": whole[:at] + bit + whole[at + 1 :],
        "insert": whole[:at] + b"x" + whole[at:],
    }[kind]
    with pytest.raises(ValueError, match=r"^(its|Expecting|Extra)"):
        spool.parse(changed, entry.place)


def test_a_large_content_is_not_held_while_it_waits(tmp_path: Path) -> None:
    queue = Spool(tmp_path)
    large, small = b"x" * (spool.LARGE_BYTES + 1), b"x" * spool.LARGE_BYTES
    queue.add(report("large", content=large))
    queue.add(report("small", content=small))
    first, second = queue.entries()
    assert (first.content, first.size) == (b"", len(large))
    assert second.content == small
    loaded = queue.load(first)
    assert loaded is not None
    assert loaded.content == large
    assert queue.load(second) is second
    queue.remove(first)
    assert queue.load(first) is None


def test_a_damaged_file_is_moved_aside_and_named_and_the_others_go_on(tmp_path: Path) -> None:
    told: list[str] = []
    queue = Spool(tmp_path, told.append)
    places = [queue.add(report(f"r-{n}", content=b"x" * 50)).place for n in range(3)]
    path = tmp_path / "queue" / places[1]
    path.write_bytes(path.read_bytes()[:-7])

    assert [entry.report for entry in queue.entries()] == ["r-0", "r-2"]
    assert len(told) == 1
    assert places[1] in told[0]
    assert queue.aside(DAMAGED) == [places[1]]
    assert (tmp_path / "queue" / DAMAGED / places[1]).stat().st_size > 0, "nothing is lost"
    assert [entry.report for entry in queue.entries()] == ["r-0", "r-2"]
    assert len(told) == 1, "told once"


def test_a_refused_report_is_kept_aside(tmp_path: Path) -> None:
    queue = Spool(tmp_path)
    entry = queue.add(report("r", content=b"x"))
    moved = queue.refuse(entry)
    assert spool.parse(moved.read_bytes(), entry.place) == entry
    assert entry.size == 1
    assert queue.entries() == []
    assert queue.aside(REFUSED) == [entry.place]
    other = queue.add(report("r", content=b"y"))
    assert queue.refuse(other) != moved, "a second one does not overwrite the first one"


def test_without_room_nothing_is_queued_and_a_message_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = Spool(tmp_path)
    queue.add(report("before", content=b"x"))

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(StorageError, match="No space left") as refused:
            queue.add(report("after"))
    assert "make room in" in refused.value.hint
    assert refused.value.exit_status == 3
    assert [entry.report for entry in queue.entries()] == ["before"]
    assert sorted(p.name for p in queue.folder.iterdir()) == [".lock", "00000001-before"]


def test_what_a_kill_left_unfinished_is_swept(tmp_path: Path) -> None:
    queue = Spool(tmp_path)
    queue.add(report("a"))
    (queue.folder / ".new-1-00000002-b").write_bytes(b"half")
    assert [entry.report for entry in queue.entries()] == ["a"]
    queue.add(report("c"))
    assert not list(queue.folder.glob(".new*"))


def test_a_file_is_forced_to_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(file: int) -> None:
        steps.append("fsync")
        fsync(file)

    def noted_replace(*paths: str) -> None:
        steps.append("rename")
        replace(*paths)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    storage.write_whole(tmp_path / "file", b"content")
    assert steps == ["fsync", "rename", "fsync"], "the file, the name, the folder"


class SpoolMachine(RuleBasedStateMachine):
    """The queue against a list, with a new program now and then."""

    def __init__(self) -> None:
        super().__init__()
        self._held = tempfile.TemporaryDirectory()
        self.folder = Path(self._held.name)
        self.queue = Spool(self.folder)
        self.model: list[Queued] = []
        self.gone = 0

    @rule(number=st.integers(0, 9), content=st.binary(max_size=20))
    def add(self, number: int, content: bytes) -> None:
        entry = self.queue.add(report(f"r-{number}", content=content))
        if all(each.report != entry.report for each in self.model):
            self.model.append(dataclasses.replace(entry, place=""))
            assert entry.size == len(entry.content)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, len(self.model) - 1))
        entry = self.queue.entries()[at]
        del self.model[at]
        if data.draw(st.booleans()):
            self.queue.remove(entry)
        else:
            self.queue.refuse(entry)
            self.gone += 1

    @rule()
    def another_program(self) -> None:
        self.queue = Spool(self.folder)

    @invariant()
    def nothing_lost_nothing_twice_in_order(self) -> None:
        got = [dataclasses.replace(entry, place="") for entry in self.queue.entries()]
        assert got == self.model
        assert len(self.queue) == len(self.model)
        assert len(self.queue.aside(REFUSED)) == self.gone

    def teardown(self) -> None:
        self._held.cleanup()


TestSpoolMachine = SpoolMachine.TestCase
TestSpoolMachine.settings = __import__("hypothesis").settings(
    max_examples=30, stateful_step_count=20
)
