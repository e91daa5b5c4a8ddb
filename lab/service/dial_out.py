"""``lab-service``: what IBM's representative does by hand, at the server that dials."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from lab.service import desk

DESK = "dial-out"


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status: 0, or 1 where the call or the session did not come about."""
    parser = argparse.ArgumentParser(
        prog="lab-service", description="Call a customer's HMC, as IBM's representative."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="connect|type|hang-up|status")
    connect = verbs.add_parser("connect", help="dial the HMC, authenticate, and begin a session")
    connect.add_argument("--ppp-address", help="what the customer says is on the HMC's panel")
    connect.add_argument("--user", help="the user ID at a terminal; else the representative's own")
    connect.add_argument("--password", help="the same of the password")
    connect.add_argument("--response", help="typed whatever the challenge is; else the right one")
    typed = verbs.add_parser(
        "type", help="type a command line at a terminal; says what comes of it"
    )
    typed.add_argument("command")
    verbs.add_parser("hang-up", help="end the session, and the call")
    verbs.add_parser("status", help="whether a session stands")
    args = parser.parse_args(argv)
    options = {name: value for name, value in vars(args).items() if name != "verb" and value}
    return desk.ask(DESK, "lab-service", args.verb, options)


if __name__ == "__main__":
    sys.exit(main())
