"""``report.html``: written after the verdict, or made again from a run directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import UsageError
from lab.paths import shown, write_whole
from lab.report import page
from lab.report.material import Material

if TYPE_CHECKING:
    from lab.verify.case import Case
    from lab.verify.verdict import Result

REPORT = "report.html"


def write(case: Case, result: Result) -> None:
    """Write the report of a run that has just been judged; raises OSError."""
    text = page.render(Material(case.run_dir, result, case.topology, case))
    write_whole(case.run_dir / REPORT, text)


def remake(run_dir: Path, out: Path | None = None) -> Path:
    """Make the report of a run directory again, as far as the directory is there, and return its path.

    Raises UsageError if it is no run directory, or if the report cannot be written.
    """
    from lab.report.kept import KeptRun

    kept = KeptRun.read(run_dir)
    case, problems = kept.open_case()
    material = Material(run_dir, kept.result, kept.topology, case, [*kept.problems, *problems])
    path = out or run_dir / REPORT
    try:
        path.write_text(page.render(material), encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"the report cannot be written to {shown(path)}: {error.strerror}",
            hint="name another file: --out FILE",
        ) from error
    return path
