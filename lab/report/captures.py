"""The captures of a run directory, by the names of their segments."""

from __future__ import annotations

from pathlib import Path

from lab.errors import UsageError
from lab.names import did_you_mean
from lab.paths import shown
from lab.report.kept import KeptRun


def captured(kept: KeptRun) -> list[str]:
    """The segments that have a capture; ``pstn`` for the telephone."""
    return sorted(path.stem for path in (kept.path / "wire").glob("*.pcapng"))


def choose(kept: KeptRun, segment: str) -> Path:
    """A segment's capture; without a name, that of the link to the Internet, or of the telephone.

    Raises UsageError, with those that there are, where there is none.
    """
    where = shown(kept.path)
    there = captured(kept)
    if not there:
        raise UsageError(
            f"there are no captures in {where}/wire",
            hint="; ".join(kept.problems) or "run the topology again",
        )
    if not segment:
        segment = next((name for name in _telling(kept) if name in there), there[0])
    if segment not in there:
        raise UsageError(f"there is no capture of {segment} in {where}", hint=_hint(segment, there))
    return kept.path / "wire" / f"{segment}.pcapng"


def _hint(segment: str, there: list[str]) -> str:
    near = did_you_mean(segment, there)
    captured_here = f"captured: {', '.join(there)}"
    return f"{near} {captured_here}" if near.endswith("?") else captured_here


def _telling(kept: KeptRun) -> list[str]:
    """The segments that say most of a call home, the most telling first."""
    topology = kept.topology
    if topology is None:
        return []
    dials = any(way.dials for way in topology.ways)
    outside = [topology.firewall.outside] if topology.firewall is not None else []
    return [*(["pstn"] if dials else []), *outside]
