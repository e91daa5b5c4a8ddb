"""``lab wireshark``: a run's capture in Wireshark, opened to the bottom; or the command that does it."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from lab.paths import shown

if TYPE_CHECKING:
    from lab.report.kept import KeptRun

_PROGRAM = "wireshark"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.usage = "lab wireshark RUN [SEGMENT] [--print]"
    parser.add_argument("run_dir", metavar="RUN", type=Path, help="the folder of a run")
    parser.add_argument(
        "segment",
        metavar="SEGMENT",
        nargs="?",
        default="",
        help="a file of its wire/, without .pcapng (default: where the customer leaves for the Internet)",
    )
    parser.add_argument("--print", action="store_true", help="print the command, and open nothing")


def run(args: argparse.Namespace) -> int:
    from lab.linux import process
    from lab.report import kept as reading
    from lab.report.captures import choose

    kept = reading.KeptRun.read(args.run_dir)
    capture = choose(kept, args.segment)
    profile = _profile(kept)
    why = _cannot_open()
    if args.print or why:
        if why and not args.print:
            print(f"lab: {why}; this opens it:", file=sys.stderr)
        print(shlex.join(_command(capture, profile)))
        return 0
    if profile is None or os.access(profile, os.W_OK):
        return process.run_on_terminal(_command(capture, profile))
    # Wireshark complains where it cannot note which files were open.
    with tempfile.TemporaryDirectory(prefix="lab-wireshark-") as folder:
        own = Path(folder, "profile")
        shutil.copytree(profile, own)
        return process.run_on_terminal(_command(capture, own))


def _cannot_open() -> str:
    """Why no window can be opened here; empty if one can."""
    if shutil.which(_PROGRAM) is None:
        return "wireshark is not installed here"
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "there is no display here"
    return ""


def _command(capture: Path, profile: Path | None) -> list[str]:
    from lab.wireshark.profile import VARIABLE

    prefix = ["env", f"{VARIABLE}={profile.absolute()}"] if profile is not None else []
    return [*prefix, _PROGRAM, "-r", os.fspath(capture)]


def _profile(kept: KeptRun) -> Path | None:
    """The run's folder for Wireshark, made now if the run has none; None, and why, if it cannot be had."""
    from lab import wireshark
    from lab.wireshark.profile import FOLDER

    folder = kept.path / FOLDER
    try:
        if (folder / "preferences").is_file():
            return folder
        case, _ = kept.open_case()
        if case is not None:
            wireshark.write_profile(case)
            return folder
        why = "its model is missing"
    except OSError as error:
        why = error.strerror or str(error)
    fix = f"see who owns {shown(kept.path)}/keys"
    print(
        f"lab: {shown(folder)} cannot be had ({why}), so ESP stays closed; {fix}", file=sys.stderr
    )
    return None
