"""``lab judge``: captures from outside the lab, judged by a topology."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import UsageError
from lab.names import check_known

if TYPE_CHECKING:
    from lab.topology.model import Topology
    from lab.verify.outside import Judged


def configure(parser: argparse.ArgumentParser) -> None:
    parser.usage = "lab judge [LINK=]CAPTURE... --topology TOPOLOGY [--keys FILE] [--json]"
    parser.add_argument(
        "captures",
        nargs="+",
        metavar="[LINK=]CAPTURE",
        help="pcap or pcapng; of which link of the topology (default: the one to the Internet)",
    )
    parser.add_argument("--topology", required=True, help="a name (`lab list`) or a file")
    parser.add_argument("--keys", type=Path, help="the keys of ESP, as a run's keys/esp.json")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(args: argparse.Namespace) -> int:
    from lab.run.run import resolved
    from lab.verify.outside import judge_outside
    from lab.wire import foreign

    topology = resolved(args.topology, "")
    files = _by_link(args.captures, topology)
    if args.keys is not None and not args.keys.is_file():
        raise UsageError(f"there is no file {args.keys}", hint="--keys names a run's keys/esp.json")
    links = {link: foreign.read(path, link) for link, path in files.items()}
    judged = judge_outside(topology, links, args.keys)
    print(_as_json(judged) if args.json else _as_text(topology, files, judged))
    return int(judged.failed)


def _by_link(given: list[str], topology: Topology) -> dict[str, Path]:
    from lab.verify.outside import wire_to_the_internet

    found: dict[str, Path] = {}
    for each in given:
        link, equals, path = each.partition("=")
        if equals and not Path(each).exists():
            check_known("link", link, [segment.name for segment in topology.segments])
        else:
            link, path = wire_to_the_internet(topology), each
        if link in found:
            raise UsageError(
                f"{found[link]} and {path} are both of {link}",
                hint="name the link of each: lab judge lan=a.pcap fw-inet=b.pcap",
            )
        found[link] = Path(path)
    return found


def _as_json(judged: Judged) -> str:
    from lab.verify import verdict

    content = {
        "findings": [verdict.entry(finding) for finding in judged.findings],
        "unjudged": judged.unjudged,
    }
    return json.dumps(content, indent=1, ensure_ascii=False)


def _as_text(topology: Topology, files: Mapping[str, Path], judged: Judged) -> str:
    from lab.verify import verdict
    from lab.verify.finding import Verdict

    lines = verdict.paragraphs(judged.findings, colour=sys.stdout.isatty())
    lacking: dict[str, list[str]] = {}
    for requirement, what in judged.unjudged.items():
        lacking.setdefault(what, []).append(requirement)
    lines += [f"not judged without {w}: {', '.join(names)}" for w, names in lacking.items()]
    counts = {v: sum(f.verdict is v for f in judged.findings) for v in Verdict}
    captures = ", ".join(f"{path} ({link})" for link, path in files.items())
    lines.append(
        f"{captures} by {topology.name}: {'fail' if judged.failed else 'pass'}, "
        f"{counts[Verdict.held]} held, {counts[Verdict.failed]} failed, "
        f"{counts[Verdict.not_applicable]} not put to the test, {len(judged.unjudged)} not judged"
    )
    return "\n".join(lines)
