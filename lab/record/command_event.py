"""What a user's own command does in a lab: beside its packets, this is what the lab notes of it."""

from __future__ import annotations

from enum import StrEnum

from lab.record.event import Event


class NodePart(StrEnum):
    """What of a node a user's command has changed."""

    link = "link"
    address = "address"
    route = "route"
    mtu = "mtu"
    resolver = "resolver"
    rules = "rules"


class LeftRunning(
    Event,
    topic="lab",
    tells="a command left {program} running on {source} (process {pid}: {command_line}); it was ended",
    recaps="a command left {program} running on {source}, and it was ended",
    chance="command_line",
    closing=True,
):
    """A user's command had ended, or the lab went down, and a process of the user's was still there."""

    pid: int
    program: str
    command_line: str
    """The beginning of it."""


class CommandRun(
    Event,
    topic="command",
    recaps="the command {program} ran on {source}",
    aspects={
        "the command {program} on {source} ended with": "status {status}",
        "the command {program} on {source} was told of the proxies": "{proxies}",
        "the command {program} on {source} was built with": "{sanitizer}",
    },
):
    """A user's own command ran on a node, and ended at ``time``. The story passes over it."""

    started: float
    program: str
    status: int
    """128 + n of one that signal n ended."""
    proxies: tuple[str, ...] = ()
    """``https_proxy=192.168.10.21:3128``: variables of the command's environment and of its own line."""
    sanitizer: str = ""
    """``AddressSanitizer``: what a program that failed in the lab's own kernel was built with."""


class NodeAltered(
    Event,
    topic="node",
    tells="{source} is not as the lab made it: {words}",
    recaps="after a command {source} was not as the lab made it, by its {part}",
    chance="words",
):
    """A command failed, and afterwards a node is not as the lab had made it."""

    part: NodePart
    words: str
