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
    parser.set_defaults(ppp_address=None)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="connect|hang-up|status")
    connect = verbs.add_parser("connect", help="dial the HMC, authenticate, and begin a session")
    connect.add_argument("--ppp-address", help="what the customer says is on the HMC's panel")
    verbs.add_parser("hang-up", help="end the session, and the call")
    verbs.add_parser("status", help="whether a session stands")
    args = parser.parse_args(argv)
    options = {"ppp_address": args.ppp_address} if args.verb == "connect" else {}
    return desk.ask(DESK, "lab-service", args.verb, options)


if __name__ == "__main__":
    sys.exit(main())
