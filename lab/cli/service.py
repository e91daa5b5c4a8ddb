"""`lab service`: remote service and its contract, as a table that an auditor can sign."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from itertools import groupby
from pathlib import Path

from lab.cli import streams
from lab.engine.host import Engine
from lab.errors import UsageError
from lab.run.run import Run, resolved
from lab.verify.contract import STATES, Clause, clauses


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topology", metavar="TOPOLOGY", help="one with `service:`, or a .yaml file")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--contract", action="store_true", help="the contract only, and no story")
    form.add_argument("--csv", action="store_true", help="the contract only, as CSV")
    form.add_argument("--json", action="store_true", help="the contract only, as JSON")
    parser.add_argument("--fault", default="", metavar="NAME", help="with a fault of `lab faults`")
    parser.add_argument(
        "--engine", choices=[each.value for each in Engine], default=Engine.auto.value
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="the run directory")
    parser.usage = "lab service [options] TOPOLOGY [-- COMMAND...]"


def run(args: argparse.Namespace) -> int:
    from lab import verify

    # Before a run directory is made.
    service = resolved(args.topology, "").service
    if service is None:
        raise UsageError(
            f"{args.topology} has no remote service",
            hint="take one of service-* in `lab list`; `service:` in a topology file sets it up",
        )
    command = tuple(args.command)
    node = service.console if command else ""
    prepared = Run.prepare(
        args.topology,
        fault=args.fault,
        engine=Engine(args.engine),
        out=args.out,
        node=node,
        command=command,
    )
    streams.say(prepared.notes)
    quiet = args.contract or args.csv or args.json
    status = prepared.carry_out(node=node, command=command, quiet=quiet)
    outcome = prepared.judge()
    record = prepared.record()
    case = verify.Case(prepared.topology, record, prepared.run_dir) if record else None
    found = clauses(case) if case else ()
    if args.csv:
        _print_csv(found)
    elif args.json:
        print(json.dumps([{**asdict(clause), "holds": clause.holds} for clause in found], indent=1))
    else:
        print(_heading(prepared))
        print("\n".join(_table(found) or ["nobody tried to get in"]))
        failed = [f.requirement for f in outcome.findings if f.verdict is verify.Verdict.failed]
        print(f"\n{prepared.topology.name}: {outcome.verdict}", end="")
        print(f"; failed: {', '.join(failed)}" if failed else "")
        if outcome.diagnosis:
            print(f"diagnosis: {outcome.diagnosis}")
        print(f"run directory: {prepared.shown_dir}")
        if found:
            print("\nSeen and agreed: ____________________    Date: ______________")
    if status not in (0, 1):
        return status
    return max(outcome.exit_status, int(not all(clause.holds for clause in found)))


def _heading(run: Run) -> str:
    """Whose contract it is, and room for whom to sign it."""
    topology = run.topology
    assert topology.service is not None, "its caller has looked"
    return (
        f"Remote service of {topology.service.console}: who may come in, and who did\n"
        f"topology {topology.name}, profile {topology.profile}, {topology.source}\n"
    )


def _table(found: Sequence[Clause]) -> list[str]:
    """State by state; what does not hold is marked."""
    heads = ("from", "to", "what", "may answer", "answered", "")
    rows = [
        (c.source, c.target, c.what, c.expected, c.seen, "holds" if c.holds else "FAILS")
        for c in found
    ]
    widths = [max(len(row[n]) for row in (heads, *rows)) for n in range(len(heads))]
    lines: list[str] = []
    both = zip(found, rows, strict=True)
    for state, group in groupby(both, key=lambda pair: pair[0].state):
        lines += ["", STATES[state]] if lines else [STATES[state]]
        lines += [_line(widths, heads), *(_line(widths, row) for _, row in group)]
    return lines


def _line(widths: list[int], cells: Sequence[str]) -> str:
    return (
        "  "
        + "  ".join(f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()
    )


def _print_csv(found: Sequence[Clause]) -> None:
    names = [field.name for field in fields(Clause)]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([*names, "holds"])
    for clause in found:
        writer.writerow(
            [*(getattr(clause, name) for name in names), "yes" if clause.holds else "no"]
        )
