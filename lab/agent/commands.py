"""The agent's commands, their options and their exit statuses: for ``lab agent`` and ``python -m lab.agent``.

What each does is in ``clerk``. Results go to standard output, the story to standard error.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from lab.agent import settings
from lab.agent.clerk import Clerk
from lab.agent.state import AgentState
from lab.errors import LabError

SETTINGS = Path("/etc/callhome-agent.toml")
COMMANDS = {
    "activate": "test the connection by a heartbeat, and register the service if it arrives",
    "deactivate": "report nothing any more; what is queued is kept",
    "enrol": "ask IBM for an ID and a password for each machine that has none",
    "test": "try every server by each way, by name and at each address",
    "heartbeat": "send a heartbeat",
    "inventory": "send the inventory",
    "performance": "send performance data",
    "problem": "report a problem, and send the machine's error data for it",
    "upload": "send one data file for a problem that was reported",
    "configuration": "fetch IBM's file of addresses, and check its signature",
    "fix": "list the fixes for the machine, or fetch one",
    "update": "fetch the updates of the agent and of its tools, as far as they are not here",
    "access-key": "fetch the update access key, if it expires soon",
    "collect": "list the data files that may be sent, and the reasons for connecting",
    "queue": "list what is to be sent, or send it now",
    "ledger": "print what was tried, sent and acknowledged",
    "status": "say what is known: activation, enrolments, last reports, problems, alerts",
    "serve": "keep the schedule, hear the hardware, send what is queued, until SIGTERM",
}
"""Command to summary."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the commands to a parser."""
    commands = parser.add_subparsers(dest="agent_command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        sub = commands.add_parser(
            name, help=summary, description=f"{summary[0].upper()}{summary[1:]}."
        )
        sub.add_argument(
            "--settings", type=Path, default=SETTINGS, metavar="FILE",
            help=f"the configuration file (TOML): docs/agent.md has its keys (default: {SETTINGS})",
        )  # fmt: skip
        if name != "serve":
            sub.add_argument("--json", action="store_true", help="as JSON on stdout")
        if name in _ARGUMENTS:
            _ARGUMENTS[name](sub)


def run(args: argparse.Namespace, tell: Callable[[str], None]) -> int:
    """Carry a command out; its exit status. Raises LabError. ``tell`` gets the story's lines."""
    former = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with AgentState(settings.load(args.settings), tell) as state:
            return Clerk(args, state, tell).run()
    finally:
        signal.signal(signal.SIGTERM, former)


def main(words: list[str]) -> int:
    """``python -m lab.agent COMMAND``: as ``lab agent COMMAND``, without the rest of the lab."""
    parser = argparse.ArgumentParser(prog="python -m lab.agent")
    configure(parser)
    args = parser.parse_args(words)
    try:
        return run(args, _tell)
    except LabError as error:
        _tell(error.message)
        if error.hint:
            sys.stderr.write(f"  hint: {error.hint}\n")
        return error.exit_status
    except KeyboardInterrupt:
        _tell("interrupted; what is queued is kept")
        return 130
    except BrokenPipeError:
        return 141


def _interrupt(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends a command in order: a way that is up goes down."""
    raise KeyboardInterrupt


def _tell(line: str) -> None:
    sys.stderr.write(f"agent: {line}\n")
    sys.stderr.flush()


def _machine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--machine",
        default="",
        metavar="SERIAL",
        help="of which machine (default: of each, or the first)",
    )


def _regular(parser: argparse.ArgumentParser) -> None:
    _machine(parser)
    parser.add_argument("--reason", default="", help="why: one of the generation's (`collect`)")


def _problem(parser: argparse.ArgumentParser) -> None:
    _machine(parser)
    parser.add_argument("--reference-code", required=True, help="such as B3036620")
    parser.add_argument("--severity", type=int, default=1, help="1 to 4 (default: 1)")
    parser.add_argument("--text", default="", help="what has happened, in words")
    parser.add_argument("--reason", default="problem", help="why (default: problem)")
    parser.add_argument("--no-data", action="store_true", help="send no error data with it")


def _upload(parser: argparse.ArgumentParser) -> None:
    _machine(parser)
    parser.add_argument(
        "problem", metavar="REPORT", help="the problem's report: `status` lists them"
    )
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="a file of the papers' tables: `collect`"
    )


def _fix(parser: argparse.ArgumentParser) -> None:
    _machine(parser)
    parser.add_argument(
        "name", nargs="?", default="", help="ORDER/NAME of the one to fetch; none: list"
    )


def _queue(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--send", action="store_true", help="send it now")


def _serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--activate", action="store_true", help="activate first, if that has not been done"
    )


_ARGUMENTS: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "heartbeat": _regular,
    "inventory": _regular,
    "performance": _regular,
    "problem": _problem,
    "upload": _upload,
    "fix": _fix,
    "update": _machine,
    "queue": _queue,
    "serve": _serve,
}
