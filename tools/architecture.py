"""Draws docs/architecture.svg from the imports: the folders of `lab/` and `tunnels/`, and who imports whom.

    python -m tools.architecture > docs/architecture.svg

Arrows that follow from others are left out, and so are imports that only types need.
"""

from __future__ import annotations

import ast
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
ALONE = "lab"
"""The modules at the top of `lab/`, which everybody may import."""
INSIDE = (
    "bring_up",
    "carrying_calls",
    "connectivity",
    "fence_packets",
    "fence_trials",
    "ground",
    "own_client",
    "ringing",
    "trials",
)
PLAIN = ("plan", "events")
STAGES = {
    **dict.fromkeys(INSIDE, "ways: in the lab"),
    **dict.fromkeys(PLAIN, "ways: plans, events"),
}
"""Of a kind of way the modules that the guest imports; all others are for the host."""


def folder(module: str) -> str:
    """In which box of the picture a module stands."""
    parts = module.split(".")
    if parts[0] == "tunnels":
        return "tunnels"
    if parts[:2] == ["lab", "ways"] and len(parts) > 2:
        return STAGES.get(parts[-1], "ways: on the host")
    return parts[1] if len(parts) > 2 or (REPO / "lab" / parts[-1]).is_dir() else ALONE


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of the two packages, by its dotted name."""
    for package in ("lab", "tunnels"):
        for path in sorted((REPO / package).rglob("*.py")):
            parts = path.relative_to(REPO).with_suffix("").parts
            if parts[-1].startswith("test_"):
                continue  # Written as users write.
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports(tree: ast.Module) -> Iterator[str]:
    """What a module imports when it is loaded or run, without what only types need."""
    for node in statements(tree, but=_needed_by_types):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _needed_by_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def statements(
    tree: ast.Module, *, but: Callable[[ast.AST], bool] = lambda _: False
) -> Iterator[ast.AST]:
    """Every statement of a module, however deep, and not the expressions, which are most of a tree.

    ``but`` chooses those that are left out with whatever is below them.
    """
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if but(node):
            continue
        yield node
        for name in _BLOCKS:
            todo += getattr(node, name, ())


_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
"""The fields that hold statements, or an ``except`` or a ``case`` with statements below it."""


def edges() -> dict[str, set[str]]:
    """Folder to the folders that it imports from."""
    known = dict(modules())
    found: dict[str, set[str]] = defaultdict(set)
    for name, path in known.items():
        for wanted in imports(ast.parse(path.read_text(encoding="utf-8"))):
            target = wanted if wanted in known else wanted.rpartition(".")[0]
            if target in known and folder(target) not in (folder(name), ALONE):
                found[folder(name)].add(folder(target))
        found.setdefault(folder(name), set())
    found.pop(ALONE, None)
    return dict(found)


def reduced(found: dict[str, set[str]]) -> dict[str, set[str]]:
    """Without the arrows that follow from others. Raises graphlib.CycleError for a circle of folders."""
    below: dict[str, set[str]] = {}
    for name in TopologicalSorter(found).static_order():
        below[name] = found[name].union(*(below[target] for target in found[name]))
    return {
        name: targets.difference(*(below[target] for target in targets))
        for name, targets in found.items()
    }


def dot() -> str:
    """The picture in graphviz's language."""
    lines = [
        "digraph architecture {",
        '  graph [rankdir=TB, nodesep=0.3, ranksep=0.4, pad=0.2, bgcolor="white"];',
        '  node [shape=box, style="rounded,filled", fillcolor="#eaf2ff", color="#a6c8ff", fontsize=13,',
        '    fontname="DejaVu Sans, Helvetica, Arial, sans-serif"];',
        '  edge [color="#7b8794", arrowsize=0.7];',
    ]
    for name, targets in sorted(reduced(edges()).items()):
        lines.append(f'  "{name}";')
        lines += [f'  "{name}" -> "{target}";' for target in sorted(targets)]
    return "\n".join([*lines, "}"]) + "\n"


def svg() -> str:
    return subprocess.run(
        ["dot", "-Tsvg"], input=dot(), capture_output=True, text=True, check=True
    ).stdout


if __name__ == "__main__":
    print(svg(), end="")
