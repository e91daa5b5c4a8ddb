"""A run directory, read back: what a run left, and what is missing of it. Judges nothing."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lab import codec
from lab.engine.run_dir import left_behind
from lab.errors import LabError, UsageError
from lab.names import count
from lab.paths import shown
from lab.record.record import Record
from lab.record.story import EVENTS
from lab.topology.model import Topology
from lab.verify.case import Case
from lab.verify.verdict import Result
from lab.wire import decode, fragments, pcapng

if TYPE_CHECKING:
    from lab.wire.decode import Frame

T = TypeVar("T")

MODEL = "keys/model.json"
RECORD = "record.json"
VERDICT = "verdict.json"
_SECTION, _LITTLE = b"\x0a\x0d\x0d\x0a", b"\x4d\x3c\x2b\x1a"
"""The type of a section's header in pcapng, and its mark of the order of bytes."""
ANOTHER_VERSION = (
    "it was written by another version of the lab; run the topology again to have all of it"
)


@dataclass(frozen=True, slots=True)
class KeptRun:
    """What a run directory holds; what is None or empty is missing, and ``problems`` says why."""

    path: Path
    topology: Topology | None
    """With the run's secrets."""
    record: Record | None
    events: tuple[dict[str, Any], ...]
    """The lines of ``events.jsonl``, in order of time."""
    result: Result | None
    problems: tuple[str, ...]
    """What is missing, cut off, of another version, or still going: a sentence each, with the fix."""

    @classmethod
    def read(cls, path: Path) -> KeptRun:
        """Read a run directory as far as it can be read.

        Raises UsageError if it is none, and nothing else.
        """
        _check(path)
        problems: list[str] = []
        going = _is_going(path)
        if going:
            problems.append(
                f"the run in {shown(path)} is still going, so what came so far is here; "
                "take the lab down (lab down), and look again"
            )
        reader = _RunReader(path, problems, going=going)
        return cls(
            path=path,
            topology=reader.file(MODEL, lambda text: codec.load(Topology, text)),
            record=reader.file(RECORD, lambda text: codec.load(Record, text)),
            events=reader.events(),
            result=reader.file(VERDICT, reader.result),
            problems=tuple(problems),
        )

    @property
    def name(self) -> str:
        """The topology's, with the fault that was put in."""
        if self.result is not None:
            fault = f" with fault {self.result.fault}" if self.result.fault else ""
            return self.result.topology + fault
        return self.topology.name if self.topology is not None else self.path.name

    def open_case(self) -> tuple[Case | None, tuple[str, ...]]:
        """All that is judged, with captures as far as they can be read; and what is wrong with them."""
        if self.topology is None:
            return None, ()
        problems: list[str] = []
        case = Case(self.topology, self.record or Record(), self.path)
        wire = {}
        with _captures(self.path / "wire", problems) as folder:
            for name in (segment.name for segment in self.topology.segments):
                wire[name] = fragments.joined(frames_of(folder / f"{name}.pcapng", name, problems))
        case.__dict__["wire"] = {name: frames for name, frames in wire.items() if frames}
        try:
            _ = case.all_carried
        except LabError as error:
            problems.append(f"{error.message}; the calls are left out")
            case.__dict__["all_carried"] = []
        return case, tuple(problems)


@contextlib.contextmanager
def _captures(folder: Path, problems: list[str]) -> Iterator[Path]:
    """Where the captures are; of a run that is still going, a copy of what came so far."""
    spool = folder / pcapng.SPOOL
    if not spool.exists():
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="lab-report-") as place:
        copy = Path(place) / pcapng.SPOOL
        try:
            shutil.copyfile(spool, copy)
            pcapng.convert(copy)
        except (LabError, OSError, ValueError):
            yield folder  # What is missing is told by the name of the capture.
            return
        problems.append(
            f"the packets are those of {shown(spool)}, where the latest may not be written yet; "
            "lab capture LINK shows them as they come, and lab down writes all"
        )
        yield Path(place)


def _check(path: Path) -> None:
    """Raise UsageError if the folder is no run directory at all."""
    hint = "name the folder of a run: lab run says at its end where it is"
    if not path.is_dir():
        raise UsageError(f"there is no run directory {shown(path)}", hint=hint)
    known = (MODEL, RECORD, VERDICT, EVENTS)
    try:
        there = (path / "wire").is_dir() or any((path / name).exists() for name in known)
    except OSError as error:
        raise UsageError(f"{shown(path)} cannot be read: {error.strerror}", hint=hint) from error
    if not there:
        raise UsageError(f"{shown(path)} is no run directory: nothing of a run is in it", hint=hint)


def _is_going(path: Path) -> bool:
    """Whether the lab of the run lives: it has no verdict yet, and is marked as in use."""
    if (path / VERDICT).exists():
        return False
    try:
        with left_behind(path) as free:
            return not free
    except OSError:
        return False


class _RunReader:
    """Reads one file after the other, and notes what is wrong with each."""

    def __init__(self, path: Path, problems: list[str], *, going: bool) -> None:
        self._path = path
        self._problems = problems
        self._going = going

    def file(self, name: str, read: Callable[[str], T]) -> T | None:
        text = self._text(name)
        if text is None:
            return None
        try:
            return read(text)
        except json.JSONDecodeError as error:
            self._note(
                name, f"is cut off or broken at its line {error.lineno}; run the topology again"
            )
        except (KeyError, TypeError, ValueError):
            self._note(name, f"cannot be read: {ANOTHER_VERSION}")
        return None

    def result(self, text: str) -> Result:
        """The verdict as far as this version knows its fields."""
        content = json.loads(text)
        known = {field.name: field for field in fields(Result)}
        strange = sorted(content.keys() - known.keys())
        optional = {name for name, field in known.items() if field.default is not MISSING}
        missing = sorted(known.keys() - content.keys() - optional - {"fault", "diagnosis"})
        if strange or missing:
            which = ", ".join(strange + missing)
            self._note(VERDICT, f"is read without {which}: {ANOTHER_VERSION}")
        own = {name: value for name, value in content.items() if name in known}
        for name in (*missing, "fault", "diagnosis"):
            numeric = name in ("wall_s", "lab_s")
            own.setdefault(name, () if name == "findings" else 0.0 if numeric else "")
        return codec.build(Result, own)  # type: ignore[no-any-return]

    def events(self) -> tuple[dict[str, Any], ...]:
        text = self._text(EVENTS)
        found: list[dict[str, Any]] = []
        broken = 0
        for line in (text or "").splitlines():
            try:
                entry = json.loads(line)
                found.append({**entry, "time": float(entry["time"]), "kind": str(entry["kind"])})
            except (KeyError, TypeError, ValueError):
                broken += 1
        if broken:
            self._note(
                EVENTS,
                f"has {count(broken, 'line')} that cannot be read, as of a run that was killed; "
                "the others are here",
            )
        return tuple(sorted(found, key=lambda entry: float(entry["time"])))

    def _text(self, name: str) -> str | None:
        path = self._path / name
        try:
            return path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            if name == MODEL:
                self._note(name, "is missing: without it there is no topology; copy keys/ along")
            elif not self._going:
                self._note(name, "is missing: the run did not come so far, or the file was removed")
        except OSError as error:
            self._note(name, f"cannot be read: {error.strerror}; see who owns it, or use sudo")
        return None

    def _note(self, name: str, what: str) -> None:
        self._problems.append(f"{shown(self._path / name)} {what}")


def frames_of(path: Path, segment: str, problems: list[str]) -> list[Frame]:
    """The frames of a capture up to where it is broken; what is wrong with it goes to ``problems``."""
    if not path.exists():
        spool = path.parent / pcapng.SPOOL
        where = f"; what was captured is still in {spool.name}" if spool.exists() else ""
        problems.append(
            f"the capture {shown(path)} is missing{where}; the packets of {segment} are left out; "
            "copy wire/ along, or run the topology again"
        )
        return []
    found = []
    whole = is_whole(path)
    warnings = logging.getLogger("scapy.runtime")
    level = warnings.level
    warnings.setLevel(logging.ERROR)  # It warns of what is said below, in other words.
    try:
        for number, time, data, _ in decode.read_packets(path, f"segment {segment}"):
            found.append(decode.read_frame(segment, number, time, data))
    except LabError:
        whole = False
    finally:
        warnings.setLevel(level)
    if not whole:
        told = count(len(found), "packet")
        problems.append(
            f"{shown(path)} is cut off or broken after {told}; what follows is left out; copy it "
            "again, or run the topology again"
        )
    return found


def is_whole(path: Path) -> bool:
    """Whether the last block of a capture ends where the file does: scapy takes any other end in silence."""
    end = path.stat().st_size
    at = 0
    with path.open("rb") as file:
        order = "<"
        while at < end:
            file.seek(at)
            head = file.read(12)
            if len(head) < 12:
                return False
            if head[:4] == _SECTION:
                order = "<" if head[8:12] == _LITTLE else ">"
            (length,) = struct.unpack_from(f"{order}I", head, 4)
            if length < 12 or length % 4:
                return False
            at += length
    return at == end
