"""Users' own commands in a lab: when they ran, how they ended, which proxies they were told of."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from lab.inside.sanitizers import sanitizer_of
from lab.linux import alterations
from lab.paths import COMMANDS_FILE
from lab.record.command_event import CommandRun, NodeAltered
from lab.ways.ground import Ground

PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080, "socks4": 1080}
_VARIABLE = re.compile(r"(?:https?|all)_proxy", re.IGNORECASE)
_GIVEN = re.compile(r"""(?i)\b((?:https?|all)_proxy)=["']?([^\s"';&|]+)""")
"""In a shell's line."""


def described(
    node: str, argv: Sequence[str], environment: Mapping[str, str], started: float, status: int
) -> CommandRun:
    """What is noted of a command that has just ended: of its words only the program and the proxies."""
    return CommandRun(
        source=node,
        started=started,
        program=argv[0].rpartition("/")[2],
        status=status,
        proxies=tuple(dict.fromkeys(_proxies(argv, environment))),
        sanitizer=sanitizer_of(argv[0], environment) if status and _in_own_kernel() else "",
    )


def _in_own_kernel() -> bool:
    return os.environ.get("LAB_INSIDE") == "uml"


def _proxies(argv: Sequence[str], environment: Mapping[str, str]) -> Iterator[str]:
    """``https_proxy=proxy.test:3128``, without user and password."""
    told = [(name, value) for name, value in environment.items() if _VARIABLE.fullmatch(name)]
    told += [(found[1], found[2]) for word in argv for found in _GIVEN.finditer(word)]
    for name, value in told:
        if place := place_of(value):
            yield f"{name}={place}"


def place_of(url: str) -> str:
    """Host and port of a proxy as its variable has it; empty if there is none, or it is no place."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname or "", parts.port or PORTS.get(parts.scheme, 1080)
    except ValueError:
        return ""
    written = f"[{host}]" if ":" in host else host
    return f"{written}:{port}" if host and "$" not in host else ""


class CommandWatch:
    """Begins before a command of ``lab run``, and notes how it ended."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._started = time.time()
        self._before = self._look()

    def _look(self) -> dict[str, alterations.Before]:
        return {name: alterations.look(node) for name, node in self._ground.nodes.items()}

    @contextlib.contextmanager
    def sparing(self) -> Iterator[None]:
        """What the lab itself changes in the ``with`` block, as for ``lab-way``, is no command's doing."""
        since = self._look()
        try:
            yield
        finally:
            self._before = {
                name: alterations.taken_over(self._before[name], since[name], until)
                for name, until in self._look().items()
            }

    def note(
        self, node: str, argv: Sequence[str], environment: Mapping[str, str], status: int
    ) -> None:
        """Into the record and the events: the command, and if it failed what is not as the lab made it."""
        record, story = self._ground.record, self._ground.story
        run = described(node, argv, environment, self._started, status)
        record.commands.append(run)
        story.tell(run)
        for found in self._altered() if status else ():
            record.altered.append(found)
            story.tell(found)

    def _altered(self) -> list[NodeAltered]:
        nodes, topology = self._ground.nodes, self._ground.topology
        mtus = {segment.name: segment.mtu for segment in topology.segments}
        return [
            found
            for plan in topology.nodes
            for found in alterations.find(nodes[plan.name], plan, mtus, self._before[plan.name])
        ]


def collect(ground: Ground) -> None:
    """Into the record and the events: what process 1 of the inside has noted in a lab that was up."""
    for line in (ground.run_dir / COMMANDS_FILE).read_text().splitlines():
        one = json.loads(line)
        run = described(one["node"], one["argv"], one["env"], one["started"], one["status"])
        ground.record.commands.append(replace(run, time=one["time"]))
        ground.story.tell(ground.record.commands[-1])
        ground.record.command_status = run.status
