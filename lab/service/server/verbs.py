"""The command line of ``lab-service``, which the server takes apart for all who ask."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple, NoReturn

from lab.errors import UsageError
from lab.service.server.tool import PROGRAM


class VerbOrder(NamedTuple):
    """What is asked for."""

    verb: str
    options: dict[str, Any]


class NoVerb(UsageError):
    """Words that are no command line of this program; the message is what argparse says."""


class HelpWanted(Exception):
    """The user asks for help, which is the argument."""


def words_of(line: str) -> list[str]:
    """What a user has typed behind ``ssh USER@SERVER``; also with the program's name. Raises NoVerb."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise NoVerb(f"{PROGRAM}: {line}: {error}") from None
    return words[1:] if words[:1] == [PROGRAM] else words


def read(words: Sequence[str]) -> VerbOrder:
    """Raises NoVerb, or HelpWanted."""
    options = vars(_parser().parse_args(words))
    return VerbOrder(options.pop("verb"), options)


class _Parser(argparse.ArgumentParser):
    """Raises where argparse says something and ends the program."""

    def error(self, message: str) -> NoReturn:
        raise NoVerb(f"{self.format_usage()}{self.prog}: error: {message}")

    def print_help(self, file: object = None) -> None:
        raise HelpWanted(self.format_help())


@cache
def _parser() -> argparse.ArgumentParser:
    made = _Parser(prog=PROGRAM, description="Reach a customer's HMC, as IBM's people.")
    verbs = made.add_subparsers(
        dest="verb",
        required=True,
        metavar="authorize|connect|call|invite|extend|ask|run|type|hang-up|status|audit",
    )
    authorize = verbs.add_parser(
        "authorize", help="authorize a user for one session (an officer's)"
    )
    authorize.add_argument("--user", required=True, help="who may begin the session")
    authorize.add_argument("--console", help="with which HMC; the only one if left out")
    authorize.add_argument("--minutes", type=float, default=60, help="until when (lab time; 60)")
    connect = verbs.add_parser("connect", help="begin a session with an HMC")
    connect.add_argument("--token", default="", help="what an officer's authorize has printed")
    connect.add_argument("--console", help="with which HMC; the only one if left out")
    connect.add_argument("--ppp-address", help="what the customer says is on the HMC's panel")
    connect.add_argument("--user", help="the user ID at a terminal; else your own")
    connect.add_argument("--password", help="the same of the password at a terminal")
    connect.add_argument(
        "--response", help="typed there whatever the challenge is; else the right one"
    )
    typed = verbs.add_parser(
        "type", help="type a command line at a terminal; says what comes of it"
    )
    typed.add_argument("command", metavar="LINE")
    call = verbs.add_parser(
        "call", help="only get to the HMC's entrance, to see whether it answers"
    )
    invite = verbs.add_parser(
        "invite", help="by Internet: get a code of the relay, for the customer"
    )
    invite.set_defaults(verb="call")
    for entrance in (call, invite):
        entrance.add_argument("--token", default="", help="as of connect")
        entrance.add_argument("--console", help="as of connect")
    verbs.add_parser("extend", help="by Internet: have the code be valid for longer, once")
    asked = verbs.add_parser("ask", help="by Internet: which ports the HMC opens in the session")
    asked.add_argument("ports", nargs="*", type=int, metavar="PORT", help="all, if none is named")
    run = verbs.add_parser("run", help="run a program where the session can be reached")
    run.add_argument("command", nargs="+", metavar="COMMAND", help="behind --")
    verbs.add_parser("hang-up", help="end the session")
    verbs.add_parser("status", help="whether a session stands")
    verbs.add_parser("audit", help="every attempt so far (an officer's)")
    return made
