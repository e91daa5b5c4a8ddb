"""Who is to blame for an error, and the exit status that follows from that."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from lab import errors
from lab.errors import LabError, ThreadBroke
from tests.unit.test_house_style import SOURCES, parsed

BLAMED = {"PathError": 1, "UsageError": 2, "PrerequisiteError": 3, "LabBroke": 4}


@cache
def nodes() -> list[ast.AST]:
    """Of the trees of all modules. Not at import: a process that runs none of these tests needs none."""
    return [node for path in SOURCES for node in ast.walk(parsed(path))]


@cache
def bases() -> dict[str, list[str]]:
    """Every class with what it is derived from."""
    return {
        node.name: [ast.unparse(base) for base in node.bases]
        for node in nodes()
        if isinstance(node, ast.ClassDef)
    }


def is_error(name: str) -> bool:
    return name == "LabError" or any(is_error(base) for base in bases().get(name, ()))


def test_every_error_blames_one_of_four_who_have_the_exit_statuses() -> None:
    assert {kind.__name__: kind.exit_status for kind in LabError.__subclasses__()} == BLAMED
    assert [name for name, above in bases().items() if "LabError" in above] == list(BLAMED)
    own = {
        node.name
        for node in nodes()
        if isinstance(node, ast.ClassDef) and is_error(node.name)
        if any("exit_status" in ast.unparse(line) for line in node.body)
    }
    assert own == {"LabError", *BLAMED}


def test_the_tree_that_is_drawn_is_the_tree() -> None:
    drawn, top = {}, ""
    lines = re.findall(r"^    ([│ ]*)[├└]── (\w+)", errors.__doc__ or "", re.MULTILINE)
    for indent, name in lines:
        drawn[name] = top if indent else "LabError"
        top = top if indent else name
    there = {
        node.name: bases()[node.name][0]
        for node in ast.parse(Path(errors.__file__).read_text()).body
        if isinstance(node, ast.ClassDef) and is_error(node.name) and node.name != "LabError"
    }
    assert drawn == there


def test_nobody_raises_an_error_that_blames_nobody() -> None:
    calls = [ast.unparse(node.func) for node in nodes() if isinstance(node, ast.Call)]
    assert "UsageError" in calls
    assert [name for name in calls if name.endswith("LabError")] == []


def test_a_thread_that_broke_shows_where() -> None:
    try:
        raise RuntimeError("a defect")
    except RuntimeError as error:
        broken = ThreadBroke("the telephone", error)

    assert broken.message.startswith("the telephone broke: RuntimeError('a defect')")
    assert "test_errors.py" in broken.message
