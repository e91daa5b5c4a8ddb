"""Milestones in the logs of daemons: lines that say what came about.

charon.log and syslog have times of their own; in xl2tpd.log, dnsmasq.log and sshd.log the lab puts the time
in front of each line. pppd.log has none: pppd tells syslog the same lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from lab.report.milestone import Milestone
from lab.report.name_milestones import of_names

_CHARON = re.compile(r"(\d+\.\d+) \d+\[(?:IKE|DMN|CFG)\] (?:<[^>]*> )?(.*)")
_SYSLOG = re.compile(r"(\S+Z) (?:<\d+>)?(?:\w+ +\d+ [\d:]+ )?([\w./-]+)(?:\[\d+\])?: (.*)")
_TIMED = re.compile(r"(\S+Z) (?:[\w-]+\[\d+\]: )?(.*)")

_OF_CHARON = re.compile(
    r"initiating |established|deleting |closing CHILD_SA|selected proposal|error notify|failed"
    r"|giving up|no (?:peer|IKE|shared|matching|acceptable)|not found|invalid|peer not responding"
    r"|shutting down|rekey|reauthenticat|unable|mismatch"
)
_IDLE = re.compile(r"^scheduling |^maximum |loaded ")
_OF_SSHD = re.compile(r"^(?:Accepted|Failed|Disconnected|Received disconnect|Invalid user)")
_OF_PROGRAMS = {
    "pppd": re.compile(
        r"started by|^Connect:|authentication (?:succeeded|failed)|(?:local|remote) +IP address|Terminating"
        r"|^Connection terminated|^Exit|hangup|No response|refused|not |timeout|Failed"
    ),
    "sshd": _OF_SSHD,
}
_OF_XL2TPD = re.compile(
    r"^Connecting to host|^Connection established|^Calling on tunnel|^Call established|^parameters: Local"
    r"|closed to|disconnected|^Disconnecting|[Hh]anging up|pppd (?:exited|terminated)|Fatal signal"
    r"|retries|Out of IP|peer closing|[Dd]enied|[Uu]nable to|[Ii]nvalid|No secret|authenticat|lookup failed"
)
"""Texts of xl2tpd 1.3.18: tunnels and calls that come, are refused, get no answer, and end."""


def find(run_dir: Path) -> list[Milestone]:
    """Those of every node, in order of time; lines without a time of the lab's are passed over."""
    logs = run_dir / "logs"
    found = [
        *(m for path in sorted(logs.glob("*/charon.log")) for m in _of_charon(path)),
        *(m for path in sorted(logs.glob("*/syslog")) for m in _of_syslog(path)),
        *(m for path in sorted(logs.glob("*/xl2tpd.log")) for m in _of(path, _OF_XL2TPD)),
        *(m for path in sorted(logs.glob("*/sshd.log")) for m in _of(path, _OF_SSHD)),
        *(m for path in sorted(logs.glob("*/dnsmasq.log")) for m in of_names(_timed(path))),
    ]
    return sorted(found, key=lambda milestone: milestone.time)


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        yield from file


def _of_charon(path: Path) -> Iterator[Milestone]:
    for line in _lines(path):
        found = _CHARON.match(line)
        if found and _OF_CHARON.search(found[2]) and not _IDLE.search(found[2]):
            yield Milestone(float(found[1]), path.parent.name, "charon", found[2].strip())


def _of_syslog(path: Path) -> Iterator[Milestone]:
    for line in _lines(path):
        found = _SYSLOG.match(line)
        if found is None:
            continue
        telling = _OF_PROGRAMS.get(found[2])
        if (
            telling is None
            or not telling.search(found[3])
            or found[3].startswith(("sent [", "rcvd ["))
        ):
            continue
        if (time := _time(found[1])) is not None:
            yield Milestone(time, path.parent.name, found[2], found[3].strip())


def _of(path: Path, telling: re.Pattern[str]) -> Iterator[Milestone]:
    return (each for each in _timed(path) if telling.search(each.text))


def _timed(path: Path) -> Iterator[Milestone]:
    """Every line of a log in which the lab's time is in front of each."""
    for line in _lines(path):
        found = _TIMED.match(line)
        if found is not None and (time := _time(found[1])) is not None:
            yield Milestone(time, path.parent.name, path.stem, found[2].strip())


def _time(stamp: str) -> float | None:
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except ValueError:
        return None
