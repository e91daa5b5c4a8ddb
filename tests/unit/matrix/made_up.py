"""Jobs and outcomes that nobody ran. No assertions here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab.matrix.job import Job, JobOutcome


def job(topology: str = "vpn", fault: str = "", *, number: int = 0, **more: Any) -> Job:
    name = f"{topology}.{fault}" if fault else topology
    facts = {
        "given": topology, "topology": topology, "fault": fault, "ways": ("vpn",), "kinds": ("vpn",),
        "folder": name, **more,
    }  # fmt: skip
    facts.setdefault("unharmed", facts.get("survives", True))
    return Job(number=number, **facts)


def finding(requirement: str, verdict: str = "pass", seen: str = "seen") -> dict[str, Any]:
    return {
        "requirement": requirement,
        "expected": f"expected of {requirement}",
        "seen": seen,
        "verdict": verdict,
        "evidence": [{"segment": "fw-inet", "frames": [3, 7]}],
    }


def outcome(
    of: Job, *findings: dict[str, Any], folder: Path = Path("out"), status: int = 0, **more: Any
) -> JobOutcome:
    failed = any(each["verdict"] == "fail" for each in findings)
    verdict = {
        "topology": of.topology, "engine": "uml", "started": "2026-01-02T03:04:05Z",
        "verdict": "fail" if failed else "pass", "findings": [*findings],
        "diagnosis": more.pop("diagnosis", ""),
    }  # fmt: skip
    facts = {"verdict": verdict, "wall_s": 1.25, **more}
    return JobOutcome(job=of, run_dir=folder / of.folder, status=status or int(failed), **facts)
