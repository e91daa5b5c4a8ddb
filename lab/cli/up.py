"""``lab up``: bring a topology up and leave it up."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lab.cli import container_option, streams
from lab.engine import registry
from lab.engine.host import Clock, Engine
from lab.machine import hints
from lab.run import standing
from lab.run.run import Run
from lab.ways.dial.plan import dialers


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topology", help="a name from `lab list`, or a file")
    parser.add_argument(
        "--clock", choices=[each.value for each in Clock], default=Clock.real.value,
        help="real (default); virtual: an idle lab races through its timers",
    )  # fmt: skip
    parser.add_argument(
        "--engine", choices=[each.value for each in Engine], default=Engine.auto.value
    )
    parser.add_argument(
        "--out", type=Path, help="the run directory (default: runs/<topology>-<time>)"
    )
    parser.add_argument(
        "--memory", default="", metavar="SIZE",
        help="of the lab's own kernel, such as 4G (default: 2G); only what is used is taken",
    )  # fmt: skip
    container_option.configure(parser)
    parser.add_argument("--fault", default="", help="with a fault from `lab faults`")
    parser.add_argument(
        "--no-path", action="store_true", help="leave the way home down, to bring it up by hand"
    )


def run(args: argparse.Namespace) -> int:
    prepared = Run.prepare(
        args.topology,
        fault=args.fault,
        engine=Engine(args.engine),
        clock=Clock(args.clock),
        out=args.out,
        own_agent=False,
        memory_size=args.memory,
        containers=args.container,
    )
    streams.say(prepared.notes)
    entry = standing.start(prepared, path=not args.no_path)
    topology = prepared.topology
    agent = topology.agents[0]
    segment = topology.node(agent).uplink.segment
    if topology.ways_of(agent)[0].dials and topology.telephone is not None:
        # There the way home is seen: the wires are silent.
        segment = topology.telephone.node
    print(entry.name)
    this = f" --lab {entry.name}" if len(registry.entries()) > 1 else ""
    trial = f"ping -c 3 {topology.probe}"
    if args.no_path:
        own = [d for d in dialers(topology) if d.client == agent and not d.partition]
        devices = [device for plan in own for device in plan.devices]
        trial = f"picocom -b 115200 {devices[0]}" if devices else "ip route"
    fault = f" with fault {args.fault}" if args.fault else ""
    commands = (f"  lab path up{this}\n" if args.no_path else "") + (
        f"  lab shell{this} {agent}\n"
        f"  lab exec{this} {agent} -- {trial}\n"
        f"  lab capture{this} {segment} | wireshark -k -i -\n"
        f"  lab down{this}"
    )
    commands = container_option.commands(prepared) + commands
    print(f"\n{entry.name} is up{fault}. Now, from any terminal:", file=sys.stderr)
    print(hints.typed(commands), file=sys.stderr)
    return 0
