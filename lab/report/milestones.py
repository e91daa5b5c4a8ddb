"""Milestones in the logs of daemons: lines that say what came about, where the log has the lab's time.

charon.log and syslog have it. xl2tpd.log, pppd.log and dnsmasq.log have none; syslog has what pppd says, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

_CHARON = re.compile(r"(\d+\.\d+) \d+\[(?:IKE|DMN|CFG)\] (?:<[^>]*> )?(.*)")
_SYSLOG = re.compile(r"(\S+Z) (?:<\d+>)?(?:\w+ +\d+ [\d:]+ )?([\w./-]+)(?:\[\d+\])?: (.*)")

_OF_CHARON = re.compile(
    r"initiating |established|deleting |closing CHILD_SA|selected proposal|error notify|failed"
    r"|giving up|no (?:peer|IKE|shared|matching|acceptable)|not found|invalid|peer not responding"
    r"|shutting down|rekey|reauthenticat|unable|mismatch"
)
_IDLE = re.compile(r"^scheduling |^maximum |loaded ")
_OF_PROGRAMS = {
    "pppd": re.compile(
        r"started by|^Connect:|authentication (?:succeeded|failed)|(?:local|remote) +IP address|Terminating"
        r"|^Connection terminated|^Exit|hangup|No response|refused|not |timeout|Failed"
    ),
    "sshd": re.compile(r"^(?:Accepted|Failed|Disconnected|Received disconnect|Invalid user)"),
}


@dataclass(frozen=True, slots=True)
class Milestone:
    """One line of one log."""

    time: float
    node: str
    program: str
    text: str


def find(run_dir: Path) -> list[Milestone]:
    """Those of every node, in order of time; lines without a time of the lab's are passed over."""
    logs = run_dir / "logs"
    found = [
        *(m for path in sorted(logs.glob("*/charon.log")) for m in _of_charon(path)),
        *(m for path in sorted(logs.glob("*/syslog")) for m in _of_syslog(path)),
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
        try:
            time = datetime.fromisoformat(found[1]).timestamp()
        except ValueError:
            continue
        yield Milestone(time, path.parent.name, found[2], found[3].strip())
