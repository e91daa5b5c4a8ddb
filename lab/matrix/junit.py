"""The matrix as JUnit XML, as Jenkins and GitLab read it: a suite a run, a case a finding. Text only.

Valid by both published schemas: junit-10.xsd of Jenkins' xunit plugin, and JUnit.xsd (Windy Road) of Ant.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from lab.matrix.job import Came, JobOutcome

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 document may have, not as a reference either."""


def document(outcomes: Sequence[JobOutcome]) -> str:
    """All runs, in their order."""
    # Ant's schema allows no attributes here, such as counts: readers add the suites' own up.
    root = Element("testsuites")
    for number, outcome in enumerate(outcomes):
        _suite(root, number, outcome)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _suite(root: Element, number: int, outcome: JobOutcome) -> None:
    verdict = outcome.verdict
    suite = SubElement(
        root, "testsuite", id=str(number), name=_clean(outcome.job.title), package=_package(outcome),
        hostname="callhome-lab", time=_seconds(outcome.wall_s),
        timestamp=str(verdict.get("started", "")).rstrip("Z") or _EPOCH,
    )  # fmt: skip
    properties = SubElement(suite, "properties")
    facts = {
        "ways": ", ".join(outcome.job.ways), "fault": outcome.job.fault, "cause": outcome.cause,
        "verdict": verdict.get("verdict", ""), "diagnosis": outcome.diagnosis,
        "engine": verdict.get("engine", ""), "run": outcome.job.folder,
    }  # fmt: skip
    for name, value in facts.items():
        if value:
            SubElement(properties, "property", name=name, value=_clean(str(value)))

    _of_run(suite, outcome)
    for finding in outcome.findings:
        _of_finding(suite, outcome, finding)
    tags = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    suite.set("tests", str(len(suite.findall("testcase"))))
    for count, tag in tags.items():
        suite.set(count, str(len(suite.findall(f"testcase/{tag}"))))
    # The schema has these last.
    SubElement(suite, "system-out").text = _clean(outcome.diagnosis)
    SubElement(suite, "system-err").text = _clean(outcome.problem)


_EPOCH = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(0))
"""Where a run has no verdict, and so no time: the schema wants one."""


def _of_run(suite: Element, outcome: JobOutcome) -> None:
    """The run as a whole: whether it was made, and of a fault whether it was told."""
    case = SubElement(
        suite, "testcase", classname=_package(outcome), time=_seconds(outcome.wall_s),
        name="the fault is told" if outcome.job.fault else "the run is judged",
    )  # fmt: skip
    match outcome.came:
        case Came.broke:
            _say(case, "error", "lab", outcome.problem, outcome.problem)
        case Came.ended:
            _say(case, "skipped", "", outcome.problem, "")
        case Came.unmet:
            _say(case, "skipped", "", f"{outcome.job.fault} did not come to pass", "")
        case Came.wrong if outcome.job.fault:
            _say(case, "failure", "diagnosis", outcome.objections[0], "\n".join(outcome.objections))
        case Came.wrong if not outcome.failed:
            seen = outcome.diagnosis or "the calls home did not all succeed"
            _say(case, "failure", "path", seen, seen)
        case Came.right | Came.wrong:
            pass


def _of_finding(suite: Element, outcome: JobOutcome, finding: dict[str, Any]) -> None:
    case = SubElement(
        suite, "testcase", classname=_package(outcome), name=finding["requirement"], time="0"
    )
    seen = str(finding["seen"])
    if finding["verdict"] == "not-applicable":
        _say(case, "skipped", "", f"not put to the test: {seen}", "")
    elif finding["verdict"] == "fail":
        if outcome.job.fault and not finding["requirement"].startswith("g"):
            _say(case, "skipped", "", f"failed, as it may with {outcome.job.fault}: {seen}", "")
            return
        frames = "".join(
            f"\nframes: {each['segment']}: {', '.join(map(str, each['frames']))}"
            for each in finding["evidence"]
        )
        _say(
            case,
            "failure",
            "finding",
            seen,
            f"expected: {finding['expected']}\nseen: {seen}{frames}",
        )


def _say(case: Element, tag: str, kind: str, message: str, text: str) -> None:
    said = SubElement(case, tag, message=_clean(message))
    if kind:
        said.set("type", kind)
    if text:
        said.text = _clean(text)


def _package(outcome: JobOutcome) -> str:
    return _clean(f"callhome.{outcome.job.folder.replace('.', '-')}")


def _seconds(value: float) -> str:
    return f"{value:.3f}"


def _clean(text: str) -> str:
    return _NOT_XML.sub("�", text)
