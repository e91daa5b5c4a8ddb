"""``lab-service``: what IBM's representative does by hand, at the server where representatives work."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from lab.service import desk

DESK = "dial-out"


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status: 0, or 1 where the call or the session did not come about."""
    parser = argparse.ArgumentParser(
        prog="lab-service", description="Come in to a customer's HMC, as IBM's representative."
    )
    parser.set_defaults(ppp_address=None, ports=None)
    verbs = parser.add_subparsers(
        dest="verb", required=True, metavar="connect|hang-up|status|invite|extend|ask"
    )
    connect = verbs.add_parser(
        "connect", help="dial the HMC and authenticate, or wait for the customer; begin a session"
    )
    verbs.add_parser("invite", help="by Internet: get a code of the relay, for the customer")
    verbs.add_parser("extend", help="by Internet: have the code be valid for longer, once")
    connect.add_argument("--ppp-address", help="what the customer says is on the HMC's panel")
    verbs.add_parser("hang-up", help="end the session, and the call")
    verbs.add_parser("status", help="whether a session stands")
    ask = verbs.add_parser("ask", help="by Internet: which ports the HMC opens in the session")
    ask.add_argument(
        "ports", nargs="*", type=int, metavar="PORT", help="all of them, if none is named"
    )
    args = parser.parse_args(argv)
    options = {"ppp_address": args.ppp_address, "ports": args.ports}
    return desk.ask(DESK, "lab-service", args.verb, options)


if __name__ == "__main__":
    sys.exit(main())
