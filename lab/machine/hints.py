"""Commands in hints as the user can type them: ``lab`` where it is in PATH, else the way to it.

Hints are written with plain ``lab``; whoever prints one passes it through here.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from functools import cache
from pathlib import Path

# At the start of a line, in backticks, or behind a mark: not in "the lab up to its last packet".
_COMMAND = re.compile(
    r"(^\s*|`|\(|[:;,] |&& |\|\| |\b(?:or|then|and|with|as) )lab (?=[a-z])", re.MULTILINE
)


CALLED = "LAB_COMMAND"
"""In the environment: how the user calls the lab, where a program of another name does that for them."""


@cache
def command() -> str:
    """How ``lab`` is called from where the user stands."""
    if called := os.environ.get(CALLED):
        return called
    own = Path(sys.argv[0])
    if own.name != "lab":  # python -m lab, pytest
        own = Path(sys.executable).with_name("lab")
    if not own.is_file():
        return f"{Path(sys.executable).name} -m lab"

    found = shutil.which("lab")
    if found is not None and Path(found).samefile(own):
        return "lab"
    relative = os.path.relpath(own)
    return os.path.abspath(own) if relative.startswith("..") else relative  # noqa: PTH100


def typed(hint: str) -> str:
    """A hint with its commands of the lab as they can be typed here."""
    if (name := command()) == "lab":
        return hint
    return _COMMAND.sub(lambda match: f"{match[1]}{name} ", hint)


def next_steps(topology: str) -> str:
    """What to do after the first verdict: three commands."""
    steps = (
        (f"lab show {topology}", "a picture of this path"),
        (f"lab run {topology} -- YOUR-AGENT", "your own agent behind it"),
        ("lab verify", "every path, one verdict each"),
    )
    lines = [(f"{command()}{text.removeprefix('lab')}", what) for text, what in steps]
    width = max(len(text) for text, _ in lines)
    return "\n".join(["next:", *(f"  {text:{width}}  {what}" for text, what in lines)])
