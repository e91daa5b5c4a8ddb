"""``lab-inbound``: the HMC's panel *Customize Inbound Connectivity*, as a command in the HMC's node."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from lab.service import desk

DESK = "inbound"


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status: 0, or 2 where it makes no sense, 1 where the modem does not do it."""
    args = _parse(sys.argv[1:] if argv is None else argv)
    options = {
        "by": args.by,
        "ppp_address": args.ppp_address,
        "access": args.access,
        "minutes": args.minutes,
        "code": args.code,
        "ports": args.ports,
    }
    return desk.ask(DESK, "lab-inbound", args.verb, options if args.verb == "enable" else {})


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="lab-inbound", description="Let IBM's people in to this HMC, for one session."
    )
    parser.set_defaults(by=None, ppp_address=None, access=None, minutes=None, code=None, ports=None)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="enable|status|disable")
    enable = verbs.add_parser("enable", help="let one session in")
    enable.add_argument(
        "--by", metavar="WAY", help="modem, vpn, terminal, internet; as in the topology"
    )
    enable.add_argument("--ppp-address", help="the HMC's own address in the session")
    enable.add_argument(
        "--access", nargs="*", metavar="NODE", help="whom it may reach: this HMC, partitions"
    )
    enable.add_argument("--code", help="by Internet: the seven digits that the representative has")
    enable.add_argument(
        "--ports", nargs="+", type=int, metavar="PORT", help="by Internet: to these ports only"
    )
    enable.add_argument("--minutes", type=float, help="until when, if nobody comes (lab time)")
    verbs.add_parser("status", help="whether somebody is let in, and where to")
    verbs.add_parser("disable", help="let nobody in; a session that stands ends")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
