"""How requirements came out, by verdicts: run directories, and what ``lab verify --json`` printed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from lab.coverage.inventory import PaperRequirement, inbound_rows
from lab.errors import UsageError
from lab.paths import shown

VERDICT = "verdict.json"
RECORD = "record.json"


class CoverageState(StrEnum):
    """Of a requirement."""

    proven = "proven"
    """A run held it, and no run without a fault failed it."""
    refuted = "refuted"
    """A run without a fault failed it."""
    uncovered = "not yet covered"
    """No run put it to the test; without runs: nothing can."""
    judged = "can be judged"
    """Without runs: a check of the program judges it."""
    unobservable = "not observable"
    """No run can show it."""


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """What one verdict says."""

    where: str
    fault: str
    verdicts: dict[str, str]
    """Requirement to ``pass``, ``fail`` or ``not-applicable``."""
    rows: frozenset[str]
    """Rows of the address tables whose servers acknowledged something."""
    profile: str = ""
    topology: str = ""


@dataclass(frozen=True, slots=True)
class RequirementOutcome:
    """How one requirement came out."""

    state: CoverageState
    held: tuple[str, ...]
    """The runs in which it held."""
    failed: tuple[str, ...]
    """The runs without a fault in which it failed."""


def read(paths: Sequence[Path]) -> list[JudgedRun]:
    """The verdicts in run directories, in folders of them, and in JSON files; raises UsageError."""
    found: list[JudgedRun] = []
    for path in paths:
        own = list(_in_folder(path) if path.is_dir() else _in_file(path))
        if not own:
            raise UsageError(
                f"no verdict is in {shown(path)}",
                hint="name run directories, a folder of them, or the output of lab verify --json",
            )
        found += own
    return found


def judge(
    requirement: PaperRequirement, runs: Sequence[JudgedRun], *, covered: bool
) -> RequirementOutcome:
    """The state of a requirement by runs; without any, by whether something can judge it."""
    if not requirement.observable:
        return RequirementOutcome(CoverageState.unobservable, (), ())
    own = [run for run in runs if _is_about(requirement, run)]
    names = requirement.by or (requirement.id,)
    each = [[r.where for r in own if r.verdicts.get(n) == "pass" or n in r.rows] for n in names]
    # What several findings decide together, holds where each of them has held somewhere.
    held = tuple(dict.fromkeys(where for one in each for where in one)) if all(each) else ()
    # With a fault a failure is what is wanted.
    failed = tuple(
        r.where for r in own if not r.fault and any(r.verdicts.get(n) == "fail" for n in names)
    )
    if failed:
        return RequirementOutcome(CoverageState.refuted, held, failed)
    if held:
        return RequirementOutcome(CoverageState.proven, held, ())
    if not runs and covered:
        return RequirementOutcome(CoverageState.judged, (), ())
    return RequirementOutcome(CoverageState.uncovered, (), ())


def _is_about(requirement: PaperRequirement, run: JudgedRun) -> bool:
    """Whether a run can show it: of some only those of a topology or a profile.

    A row of ports for remote service is shown by a run whose profile has the row.
    """
    if requirement.within and not {run.topology, run.profile} & {*requirement.within}:
        return False
    if requirement.id not in inbound_rows():
        return True
    return bool(run.profile) and requirement.id in inbound_rows(run.profile)


def _in_folder(path: Path) -> Iterator[JudgedRun]:
    if (path / VERDICT).exists():
        yield from _verdicts(_json(path / VERDICT), shown(path), _rows(path))
        return
    for each in sorted(path.glob(f"*/{VERDICT}")):
        yield from _verdicts(_json(each), shown(each.parent), _rows(each.parent))


def _in_file(path: Path) -> Iterator[JudgedRun]:
    yield from _verdicts(_json(path), shown(path), frozenset())


def _json(path: Path) -> Any:
    hint = "name run directories, a folder of them, or the output of lab verify --json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{shown(path)} cannot be read: {error.strerror}", hint=hint) from error
    except ValueError as error:
        raise UsageError(f"{shown(path)} is not JSON, or is cut off", hint=hint) from error


def _verdicts(content: Any, where: str, rows: frozenset[str]) -> Iterator[JudgedRun]:
    """Every verdict in a file, however deep it lies."""
    if isinstance(content, list):
        for each in content:
            yield from _verdicts(each, where, rows)
    elif isinstance(content, dict) and "topology" in content and "findings" in content:
        fault = str(content.get("fault") or "")
        name = str(content["topology"])
        told = {str(f["requirement"]): str(f["verdict"]) for f in _findings(content["findings"])}
        label = name if where.endswith(name) else f"{name} ({where})"
        where = f"{label} with {fault}" if fault else label
        yield JudgedRun(where, fault, told, rows, str(content.get("profile") or ""), name)
    elif isinstance(content, dict):
        for each in content.values():
            yield from _verdicts(each, where, rows)


def _findings(content: Any) -> Iterable[dict[str, Any]]:
    listed = content if isinstance(content, list) else []
    return [f for f in listed if isinstance(f, dict) and {"requirement", "verdict"} <= f.keys()]


def _rows(path: Path) -> frozenset[str]:
    """The rows whose servers did something in a run, by the record; none without one."""
    try:
        record = json.loads((path / RECORD).read_text(encoding="utf-8"))
        ledger = record["ledger"]
        return frozenset(
            row for entry in ledger if 200 <= entry["status"] < 400 for row in entry["rows"]
        )
    except (OSError, KeyError, TypeError, ValueError):
        return frozenset()
