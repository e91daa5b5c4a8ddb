"""``lab-service``: what IBM's people do at the service server, and all that they get when they log in by SSH.

Says a request to the server's own process by a socket of the node, and says the answer. Nothing of the lab's
is imported: a user who has logged in runs this file as the lab copies it into the node, with the
standard library alone, because the lab's own folder may be the lab's user's only.
"""

from __future__ import annotations

import argparse
import array
import json
import os
import shlex
import socket
import sys
from collections.abc import Sequence
from typing import Any

SOCKET = "/run/lab/service.sock"
PROGRAM = "lab-service"
USAGE_STATUS, BROKE_STATUS = 2, 4
"""As in ``lab.errors``."""


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status: 0; 1 where it was refused or came to nothing; 2 where it makes no sense.

    That of ``run`` is the command's own.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    if os.geteuid() != 0 and os.environ.get("SSH_CONNECTION"):
        # The server runs this program whatever the client has asked for, and says here what that was.
        wanted = os.environ.get("SSH_ORIGINAL_COMMAND", "status")
        try:
            words = shlex.split(wanted)
        except ValueError as error:
            return _end(USAGE_STATUS, f"{wanted}: {error}")
        words = words[1:] if words[:1] == [PROGRAM] else words
        return _ask_by_ssh(words)
    args = vars(parser().parse_args(words))
    return ask(args.pop("verb"), args)


def _ask_by_ssh(words: list[str]) -> int:
    """Who has logged in may want something else than this program: also that is an attempt, and recorded."""
    try:
        args = vars(parser().parse_args(words))
    except SystemExit as ended:
        if ended.code:
            ask("unknown", {"words": words})
        raise
    return ask(args.pop("verb"), args)


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    made = argparse.ArgumentParser(
        prog=PROGRAM, description="Reach a customer's HMC, as IBM's people."
    )
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


def ask(verb: str, options: dict[str, Any]) -> int:
    """Have the server do something, and say the words; the exit status."""
    order = {"verb": verb, "options": options, "connection": os.environ.get("SSH_CONNECTION", "")}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        try:
            server.connect(SOCKET)
        except OSError:
            return _end(USAGE_STATUS, "there is no remote service in this node")
        streams = array.array("i", (0, 1, 2))
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)
        server.sendmsg([json.dumps(order).encode() + b"\n"], [rights])
        line = server.makefile("rb").readline()
    if not line:
        return _end(BROKE_STATUS, "the lab is going down")
    answer = json.loads(line)
    return _end(int(answer["status"]), str(answer["words"]))


def _end(status: int, words: str) -> int:
    if words:
        stream = sys.stderr if status else sys.stdout
        stream.write(f"{PROGRAM}: {words}\n" if status else f"{words}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
