"""What a run leaves for people beside the verdict: files in the run directory, made of what was judged.

``write`` is called once, by ``Run.judge``. A writer is a function here that imports its module when it is
called: a run waits for it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lab.paths import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.verify.case import Case
    from lab.verify.verdict import Result


PAGE = "report.html"
"""What `lab report` makes again, as far as the run directory is there."""


def write(case: Case, result: Result) -> None:
    """Have each writer write; what one that fails loses is told on standard error."""
    for name, writer in WRITERS.items():
        try:
            writer(case, result)
        # Whatever is wrong with evidence, the verdict stands.
        except Exception as error:  # noqa: BLE001
            where = shown(case.run_dir)
            again = f", and `lab report {where}` tries it again" if name == PAGE else ""
            sys.stderr.write(
                f"lab: {name} of {where} is not complete: {_told(error)}; the verdict stands{again}\n"
            )


def _told(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _profile(case: Case, _: Result) -> None:
    from lab import wireshark

    wireshark.write_profile(case)


def _captures(case: Case, result: Result) -> None:
    from lab import wireshark

    wireshark.annotate(case, result)


def _timeline(case: Case, result: Result) -> None:
    from lab.report import timeline

    timeline.write(case, result)


def _html(case: Case, result: Result) -> None:
    from lab.report import html

    html.write(case, result)


WRITERS: dict[str, Callable[[Case, Result], None]] = {
    "keys/wireshark": _profile,
    "wire": _captures,
    "timeline.jsonl": _timeline,
    PAGE: _html,
}
"""What is written, in this order, and by whom."""
