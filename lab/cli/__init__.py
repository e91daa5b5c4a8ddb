"""The command ``lab``: one module a verb, each with configure(parser) and run(args).

Only the verb that is asked for is imported. Results go to standard output, the story to standard
error; every LabError ends in its own exit status with its message and the hint.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import sys
from collections.abc import Sequence
from gc import set_threshold
from pathlib import Path

from lab.cli import streams
from lab.errors import LabBroke, LabError

COMMANDS: dict[str, str] = {
    "setup": "install the packages and build the kernel, as far as they are missing",
    "doctor": "say what this machine can run, what is missing, and the one command that fixes it",
    "kernel": "build the lab's own kernel, or say what is there",
    "charon": "fetch a charon that knows IKEv1, where the installed one does not, or say what there is",
    "list": "list the topologies",
    "show": "draw a topology",
    "explain": "say what a profile may do, what a firewall must allow for it, and what the lab has chosen",
    "schema": "print the JSON schema of topology files, profiles or modem families, for editors",
    "run": "run a topology's own scenario, or a command of yours, and judge what was seen",
    "faults": "list the faults that a topology can be run with",
    "verify": "run every path, one verdict each",
    "report": "make the report of a run again: one HTML file with verdict, packets, requests and logs",
    "diff": "say in words what two runs differ in",
    "requirements": "say what of the papers is covered, by what, and how it came out",
    "judge": "judge a capture from outside the lab, as far as packets alone show",
    "service": "try remote service, and print its contract: who may reach what, and what was seen",
    "life": "have an agent, the lab's or yours, live through a script of events, and judge it by requirement",
    "up": "bring a topology up and leave it up",
    "status": "say which labs are up",
    "watch": "show a lab that is up as it goes on: ways, sessions, SAs, calls, rules, events",
    "exec": "run a command in a node of a lab that is up",
    "shell": "open a shell in a node of a lab that is up",
    "path": "bring a way home of a lab that is up, up or down",
    "capture": "write a segment's packets to standard output, for tcpdump or Wireshark",
    "decode": "print the packets of a run's capture as text, ESP opened",
    "wireshark": "open a run's capture in Wireshark with the run's keys, or print the command that does",
    "down": "take a lab down, and judge what was seen",
    "agent": "the reference agent as a program: activate, report, queue, serve",
    "gc": "remove what labs that were killed left behind, and nothing else",
}
"""Verb to summary; the module is ``lab.cli.<verb>``."""

WITH_COMMAND = ("run", "exec", "service")

EXIT_INTERRUPTED = 130
EXIT_NO_READER = 141

SEEN_ANEW = 50_000
"""How many objects come before the garbage collector looks for circles among them.

By Python's own 700 it looks 130 times while the modules of `lab run` are loaded, and finds nothing: 50 ms.
"""

NOT_WRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""What no command can do anything about, wherever it meets that."""


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, dispatch, and turn errors into messages and exit statuses."""
    # Not gc.: that is the module of a verb here, too.
    set_threshold(SEEN_ANEW)
    streams.hold()
    streams.take_any_text()
    # Not list(): that is the module of a verb here, once it is imported.
    words = [*(sys.argv[1:] if argv is None else argv)]
    debug = "--debug" in words[:1]
    if debug:
        del words[0]

    try:
        return _carry_out(words)
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone (``lab list | head -1``).
        streams.let_go()
        return EXIT_NO_READER
    except Exception as error:
        # Also of a mistake of the lab's own, which nobody foresaw, people get a message and a status.
        if debug:
            raise
        told = _as_told(error)
        _complain(told)
        return told.exit_status
    finally:
        _give_back_bytecode()


def _as_told(error: Exception) -> LabError:
    """What a user is told of an error; of one that nobody foresaw, that the lab has a mistake, and where.

    The interpreter's own exit status would say that a check failed.
    """
    if isinstance(error, LabError):
        return error
    if isinstance(error, OSError) and error.errno in NOT_WRITABLE:
        streams.let_go()
        return streams.not_written(error)
    import traceback  # Not at the head: it is hardly ever needed.

    frames = traceback.extract_tb(error.__traceback__)
    own = [each for each in frames if Path(each.filename).is_relative_to(Path(__file__).parents[2])]
    place = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "no place of the lab"
    return LabBroke(
        f"the lab has a mistake of its own: {type(error).__name__} at {place}: {error}",
        hint="Report it, with what the same command prints as lab --debug.",
    )


def _give_back_bytecode() -> None:
    """What the interpreter compiled while we were root must not be in the way of the checkout's owner."""
    from lab.machine import sudo

    if sudo.caller() is not None:
        for package in ("lab", "tunnels"):
            sudo.give_back(Path(__file__).parents[2].glob(f"{package}/**/__pycache__"))


def _carry_out(words: list[str]) -> int:
    try:
        args = _parse(words)
        return int(args.run(args))
    finally:
        # Not left to the interpreter's end, which can only complain about it.
        sys.stdout.flush()


def _complain(error: LabError) -> None:
    print(f"lab: {error.message}", file=sys.stderr)
    if error.hint:
        from lab.machine import hints

        print(f"  hint: {hints.typed(error.hint)}", file=sys.stderr)
    for note in getattr(error, "__notes__", ()):
        print(f"  {note}", file=sys.stderr)


def _parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="lab",
        description="Put a call-home agent behind every network path, and see packet by packet what it does.",
        epilog="exit status: 0 all held, 1 a check failed, 2 usage or topology error, "
        "3 something missing on this machine, 4 the lab itself broke",
    )
    parser.add_argument("--debug", action="store_true", help="show where an error comes from")
    parser.add_argument("--version", action=_Version, nargs=0, help="say which one this is")
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND", required=True)

    wanted = next((word for word in words if not word.startswith("-")), None)
    for verb, summary in COMMANDS.items():
        sub = verbs.add_parser(
            verb, help=summary, description=summary[0].upper() + summary[1:] + "."
        )
        if verb == wanted:
            module = importlib.import_module(f"lab.cli.{verb}")
            module.configure(sub)
            sub.set_defaults(run=module.run)

    # Everything behind ``--`` is the user's command, whatever it looks like.
    cut = words.index("--") if "--" in words else len(words)
    args, strange = parser.parse_known_args(words[:cut])
    args.command = words[cut + 1 :]
    # Not args.verb: a verb may have verbs of its own.
    asked = verbs.choices[str(wanted)]
    if strange:
        asked.error(f"not understood: {' '.join(strange)}")
    if args.command and wanted not in WITH_COMMAND:
        asked.error(f"`lab {wanted}` takes no command")
    return args


class _Version(argparse.Action):
    """Says the version. Looking for it takes as long as everything else before a command starts."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"callhome-lab {_version()}")
        parser.exit()


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("callhome-lab")
    except metadata.PackageNotFoundError:
        return "(not installed)"
