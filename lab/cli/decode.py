"""``lab decode``: the packets of a run's capture as text, without Wireshark."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import LabError, UsageError
from lab.names import count
from lab.paths import shown

if TYPE_CHECKING:
    from lab.dissect import Dissected, Unsealer
    from lab.report.kept import KeptRun
    from lab.wire.calls import Carried

_FRAMES = re.compile(r"(\d+)(?:(-)(\d*))?")
_INDENT = 4


def configure(parser: argparse.ArgumentParser) -> None:
    parser.usage = "lab decode RUN SEGMENT [--frame N[-M]] [--all-layers] [--json]"
    parser.add_argument("run_dir", metavar="RUN", type=Path, help="the folder of a run")
    parser.add_argument(
        "segment",
        metavar="SEGMENT",
        nargs="?",
        default="",
        help="a file of its wire/, without .pcapng",
    )
    parser.add_argument(
        "--frame", default="", metavar="N[-M]", help="only these, with all their layers"
    )
    parser.add_argument("--all-layers", action="store_true", help="every field of every packet")
    parser.add_argument("--json", action="store_true", help="print an array of packets as JSON")


def run(args: argparse.Namespace) -> int:
    from lab.report.captures import captured, choose
    from lab.report.kept import KeptRun

    first, last = _numbers(args.frame)
    kept = KeptRun.read(args.run_dir)
    if not args.segment:
        raise UsageError(
            "which segment?", hint=f"captured in {shown(kept.path)}: {', '.join(captured(kept))}"
        )
    capture = choose(kept, args.segment)
    problems = [each for each in kept.problems if "keys/" in each]
    packets = _packets(kept, capture, problems)
    chosen = ((p, size) for p, size in packets if first <= p.number <= last)
    if args.json:
        any_seen = _print_json(chosen)
    else:
        any_seen = _print_text(chosen, layers=args.all_layers or bool(args.frame))
    sys.stdout.flush()
    for problem in problems:
        print(f"lab: {problem}", file=sys.stderr)
    if args.frame and not any_seen:
        raise UsageError(
            f"{args.segment} of {shown(kept.path)} has no frame {args.frame}",
            hint=f"lab decode {shown(kept.path)} {args.segment} lists those that there are",
        )
    return 0


def _numbers(given: str) -> tuple[int, int]:
    """The first frame and the last one that are wanted."""
    if not given:
        return 1, sys.maxsize
    found = _FRAMES.fullmatch(given)
    first = int(found[1]) if found else 0
    last = (int(found[3]) if found[3] else sys.maxsize) if found and found[2] else first
    if not 1 <= first <= last:
        raise UsageError(
            f"--frame {given} names no frames", hint="--frame 12, --frame 12-20, --frame 12-"
        )
    return first, last


def _packets(kept: KeptRun, path: Path, problems: list[str]) -> Iterator[tuple[Dissected, int]]:
    """Each packet with its length in bytes, as far as the capture can be read."""
    from lab.dissect import Dissector, names_of
    from lab.report.kept import frames_of
    from lab.wire import calls, fragments
    from lab.wire.dialled import FRAMES

    names = names_of(kept.topology, kept.record) if kept.topology is not None else {}
    dissector = Dissector(_unsealer(kept, problems), names)
    if path.name == FRAMES:
        for item in calls.joined(_carried(path, problems)):
            yield dissector.carried(item), len(item.frame.data)
        return
    for frame in fragments.joined(frames_of(path, path.stem, problems)):
        yield dissector.frame(frame), len(frame.data) + 4 * len(frame.vlans)


def _unsealer(kept: KeptRun, problems: list[str]) -> Unsealer | None:
    """What opens ESP; None, and why, where the keys cannot be read."""
    from lab.dissect import Unsealer

    try:
        return Unsealer.read(kept.path)
    except OSError as error:
        why = error.strerror or "no such file"
        problems.append(
            f"{shown(kept.path)}/keys cannot be read ({why}), so ESP stays closed; use sudo"
        )
    except LabError as error:
        problems.append(f"{error.message}, so ESP stays closed")
    return None


def _carried(path: Path, problems: list[str]) -> list[Carried]:
    from lab.report.kept import is_whole
    from lab.wire import calls

    found: list[Carried] = []
    try:
        for item in calls.carried_in(path):
            found.append(item)
    except (LabError, IndexError, ValueError) as error:
        told = error.message if isinstance(error, LabError) else f"{shown(path)} is broken"
        problems.append(f"{told}; what follows its packet {len(found)} is left out")
    else:
        if not is_whole(path):
            told = f"{shown(path)} is cut off or broken after {count(len(found), 'packet')}"
            problems.append(f"{told}; what follows is left out")
    return found


# -- printing ---------------------------------------------------------------------------------


def _print_text(packets: Iterable[tuple[Dissected, int]], *, layers: bool) -> bool:
    """A line a packet, perhaps with all its layers below; whether there was any."""
    since = None
    for packet, size in packets:
        since = packet.time if since is None else since
        print(line(packet, size, packet.time - since))
        if layers:
            print("\n".join(_layers(packet)), end="\n\n")
    return since is not None


def line(packet: Dissected, size: int, seconds: float) -> str:
    """Number, seconds since the first, from, to, protocol, length and what it says, as tshark has it."""
    ends = f"{packet.source:>15} → {packet.destination:<15}"
    return (
        f"{packet.number:5} {seconds:11.6f} {ends} {packet.protocol} {size} {packet.info}".rstrip()
    )


def _layers(packet: Dissected) -> Iterator[str]:
    for layer in packet.layers:
        yield f"{'':{_INDENT}}{layer.title}"
        for name, value in layer.fields:
            yield f"{'':{2 * _INDENT}}{name}: {value}"


def _print_json(packets: Iterable[tuple[Dissected, int]]) -> bool:
    """An array, an object a packet, a line each; whether there was any."""
    first = True
    print("[", end="")
    for packet, size in packets:
        print("\n" if first else ",\n", _as_json(packet, size), sep="", end="")
        first = False
    print("\n]" if not first else "]")
    return not first


def _as_json(packet: Dissected, size: int) -> str:
    content = {
        "segment": packet.segment,
        "number": packet.number,
        "time": packet.time,
        "source": packet.source,
        "destination": packet.destination,
        "protocol": packet.protocol,
        "length": size,
        "info": packet.info,
        "layers": [
            {
                "name": layer.name,
                "title": layer.title,
                "fields": [{"name": name, "value": value} for name, value in layer.fields],
            }
            for layer in packet.layers
        ],
    }
    return json.dumps(content, ensure_ascii=False)
