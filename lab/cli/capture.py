"""``lab capture``: a segment's packets, live, on standard output."""

from __future__ import annotations

import argparse
import os

from lab.engine import registry
from lab.errors import UsageError
from lab.machine import packages
from lab.names import check_known
from lab.run import standing
from lab.wire.dialled import FRAMES


def configure(parser: argparse.ArgumentParser) -> None:
    parser.usage = "lab capture [--lab NAME] SEGMENT | wireshark -k -i -"
    parser.add_argument("segment", help="a segment of the topology (`lab show`)")
    parser.add_argument("--lab", default="", help="which lab, if several are up (`lab status`)")


def run(args: argparse.Namespace) -> int:
    entry = registry.find(args.lab)
    model = standing.model_of(entry)
    calls = [model.telephone.node] if model.telephone else []
    check_known("segment", args.segment, [*(s.name for s in model.segments), *calls])
    if os.isatty(1):
        raise UsageError(
            "packets would garble the terminal",
            hint=f"lab capture {args.segment} | wireshark -k -i -    or    > {args.segment}.pcap",
        )
    argv: tuple[str, ...]
    if args.segment in calls:
        # No wire, but the exchange writes down what it carries, from the first call on.
        argv = ("tail", "-c", "+1", "-s", "0.1", "-f", f"{entry.run_dir}/wire/{FRAMES}")
    else:
        packages.require("tcpdump", "lab capture")
        argv = ("tcpdump", "--immediate-mode", "-U", "-n", "-i", args.segment, "-w", "-")
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    return standing.run_in(entry, "wires", argv, env, stdin=False)
