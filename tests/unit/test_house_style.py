"""The house style, as far as a program can check it: sizes, sleeping, spawning, words, linters."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tools import architecture

REPO = Path(__file__).resolve().parents[2]
LINES = 400

SOURCES = sorted(
    path for folder in ("lab", "tunnels") for path in (REPO / folder).rglob("*.py")
)  # fmt: skip
TEXTS = sorted(
    path
    for pattern in (
        "lab/**/*",
        "tunnels/**/*",
        "topologies/*",
        "tests/**/*",
        "tools/*",
        "bench/*",
        "docs/*",
        ".ci/*",
        "*",
    )
    for path in REPO.glob(pattern)
    if path.is_file() and path.suffix not in (".pyc", ".pcapng", ".xz") and path != Path(__file__)
)

SPAWNERS = ("lab/linux/process.py", "lab/kernel/", "lab/engine/")
"""Where programs may be started: the lab's one spawner, and the host's side of the guest."""

CALLERS = ("lab/linux/syscalls.py", "lab/linux/packets.py", "lab/linux/nft.py")
"""Where what Python has no name for may be called."""

# This checkout's own place, wherever it is, the hosts of package registries, and promises.
PUBLISHED = Path("/home/vagrant/callhome-lab")
"""Where every Vagrant machine has the checkout: docs/vagrant.md says so."""

FORBIDDEN = re.compile(
    "|".join(
        [
            *([re.escape(f"{REPO}/")] if len(REPO.parts) > 2 and REPO != PUBLISHED else []),
            r"https?://[\w.-]*(?:debian|pypi|pythonhosted|npmjs|golang)",
            r"\bTODO\b",
            r"\bFIXME\b",
        ]
    )
)


def _name(path: Path) -> str:
    return path.relative_to(REPO).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imported(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in architecture.statements(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_module(path: Path) -> None:
    text = path.read_text()
    name = _name(path)
    tree = parsed(path)
    modules = imported(tree)

    assert len(text.splitlines()) <= LINES, "split it by nouns"
    assert not tree.body or ast.get_docstring(tree), "say what lives here, and what must not"
    assert "from __future__ import annotations" in text or len(tree.body) <= 1
    if not name.startswith(SPAWNERS):
        assert "subprocess" not in modules, "spawn by lab.process"
    if name not in CALLERS:
        assert "ctypes" not in modules, "what Python has no name for: lab.linux"

    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else "everything"
            broad = caught in ("Exception", "BaseException", "everything")
            assert not broad or _passed_on(node) or _explained(text, node.lineno), (
                f"line {node.lineno}: catch what you can handle, or say why it must be {caught}"
            )
        if name != "lab/wait.py" and isinstance(node, ast.Attribute) and node.attr == "sleep":
            assert ast.unparse(node) != "time.sleep", f"line {node.lineno}: wait for a fact"


def test_a_class_name_means_one_thing() -> None:
    given: dict[str, list[str]] = {}
    for path in SOURCES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef):
                given.setdefault(node.name, []).append(f"{_name(path)}:{node.lineno}")
    twice = {name: places for name, places in given.items() if len(places) > 1}
    assert not twice, "find a name of its own for all but one of each"


def _passed_on(handler: ast.ExceptHandler) -> bool:
    """Whether what was caught is raised again after tidying up."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def _explained(text: str, line: int) -> bool:
    """Whether there is a comment at a broad `except`, on it or just below."""
    return any("#" in near for near in text.splitlines()[line - 1 : line + 1])


IN_FOLDER = {
    folder: [path for path in TEXTS if _name(path.parent) == folder]
    for folder in sorted({_name(path.parent) for path in TEXTS})
}


@pytest.mark.parametrize("folder", IN_FOLDER)
def test_words(folder: str) -> None:
    texts = {path: path.read_bytes().decode(errors="replace") for path in IN_FOLDER[folder]}
    found = {_name(path): FORBIDDEN.search(text) for path, text in texts.items()}
    assert not (told := {name: each[0] for name, each in found.items() if each}), told


def _run(*argv: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / argv[0]
    if not program.exists():
        pytest.skip(f"{argv[0]} is not installed here (it comes with the extra `dev`)")
    return subprocess.run(
        [program, *argv[1:]],
        cwd=REPO,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "argv",
    [
        ("ruff", "format", "--check", "."),
        ("ruff", "check", "--output-format", "concise", "."),
        ("mypy",),
        ("lint-imports", "--no-cache"),
    ],
    ids=["format", "ruff", "mypy", "imports"],
)
def test_linter(argv: tuple[str, ...]) -> None:
    done = _run(*argv)
    assert done.returncode == 0, f"\n{done.stdout}{done.stderr}"


def test_folders_need_each_other_in_one_direction() -> None:
    """docs/architecture.svg; import-linter knows modules, and not folders."""
    graphlib.TopologicalSorter(architecture.edges()).prepare()
