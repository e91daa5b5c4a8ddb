"""The documentation against the program: commands, options, names, tables, links and pictures."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from functools import cache
from pathlib import Path

import pytest

from lab.cli import COMMANDS, _parse, show
from lab.inside.environment import command_environment
from lab.topology.claims import claims
from lab.topology.load import names, parse
from lab.topology.model import Topology
from lab.topology.resolve import resolve
from lab.ways import faults
from tests.models import model
from tests.unit.test_house_style import FORBIDDEN, SOURCES, imported, parsed
from tools import architecture

REPO = Path(__file__).resolve().parents[2]
PAGES = (REPO / "README.md", *sorted((REPO / "docs").glob("*.md")))
PICTURES = sorted((REPO / "docs").glob("*.svg"))
LONGEST_PAGE = 120

PLACEHOLDERS = {"TOPOLOGY": "vpn-nat", "NAME": "wrong-psk", "SEGMENT": "lan", "NODE": "hmc"}
"""What stands for a name in a command line."""

_BLOCK_LINE = re.compile(r"^    (?:\$ )?((?:lab|make) [^:].*)$", re.MULTILINE)
_INLINE = re.compile(r"`((?:lab|make) [^`]+)`")
_LINK = re.compile(r"\]\(([^)#]+)(#[^)]*)?\)")
_WORDS = re.compile(r"<(title|text)\b[^>]*>([^<]*)<")


def _commands() -> list[tuple[Path, str]]:
    found = []
    for page in PAGES:
        text = page.read_text()
        for command in dict.fromkeys([*_BLOCK_LINE.findall(text), *_INLINE.findall(text)]):
            found.append((page, command.replace("\\|", "|")))
    return found


COMMAND_LINES = _commands()


def _words(command: str) -> list[str]:
    """A command line up to its pipe, redirection or comment, with names for placeholders."""
    words = [PLACEHOLDERS.get(word, word) for word in shlex.split(command, comments=True)]
    # What the user's own command looks like is the user's business.
    own = words.index("--") if "--" in words else len(words)
    ends = (n for n, word in enumerate(words[:own]) if word in ("|", ">", "&&", ";"))
    return words[: next(ends, len(words))]


@cache
def _model(name: str) -> Topology:
    return model(name, b"docs")


def _rows(page: str, first: str) -> list[list[str]]:
    """The cells of the tables with this first column's title, without their heads."""
    rows, wanted = [], False
    for line in (REPO / page).read_text().splitlines():
        if line.startswith(f"| {first} |"):
            wanted = True
        elif not line.startswith("|"):
            wanted = False
        elif wanted and not line.startswith("|---"):
            rows.append([cell.strip().replace("`", "") for cell in line.strip("|").split("|")])
    return rows


def test_there_are_commands_to_look_at() -> None:
    assert len(COMMAND_LINES) > 60
    assert {page for page, _ in COMMAND_LINES} >= {*PAGES} - {REPO / "docs/pytest.md"}


@pytest.mark.parametrize(
    ("page", "command"), COMMAND_LINES, ids=[f"{page.name}:{c}" for page, c in COMMAND_LINES]
)
def test_command(page: Path, command: str) -> None:
    words = _words(command)
    if words[0] == "make":
        _check_make(words[1:])
    elif len(words) == 2:
        assert words[1] in COMMANDS or words[1].startswith("-"), "there is no such verb"
    else:
        _check_lab(words[1:])


def _check_make(words: list[str]) -> None:
    targets = re.findall(r"^([a-z-]+):", (REPO / "Makefile").read_text(), re.MULTILINE)
    for word in words:
        variable, _, value = word.partition("=")
        if value:
            assert variable in ("topology", "to")
            assert variable == "to" or value in names()
        else:
            assert word in targets


def _check_lab(words: list[str]) -> None:
    args = _parse(words)
    given = [*getattr(args, "topologies", []), *filter(None, [getattr(args, "topology", None)])]
    models = [_model(name) for name in given if not name.endswith(".yaml")]

    if fault := getattr(args, "fault", ""):
        assert fault in {known.name for known in faults.known()}
        assert all(fault in {f.name for f in faults.applicable(model)} for model in models)

    anywhere = models or [_model(name) for name in names()]
    if node := getattr(args, "node", ""):
        assert node in {n.name for model in anywhere for n in model.nodes}
    if segment := getattr(args, "segment", ""):
        assert segment in {
            *(s.name for model in anywhere for s in model.segments),
            *(model.telephone.node for model in anywhere if model.telephone),
        }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page(page: Path) -> None:
    text = page.read_text()
    # In tables things are looked up; a test keeps each of them as long as what it lists.
    read = [line for line in text.splitlines() if not line.startswith("|")]
    assert page.name == "README.md" or len(read) <= LONGEST_PAGE
    assert not FORBIDDEN.search(text)
    for target, _ in _LINK.findall(text):
        assert "://" in target or (page.parent / target).exists(), f"{target} does not exist"


def test_every_page_and_picture_is_linked() -> None:
    linked = {
        (page.parent / target).resolve()
        for page in PAGES
        for target, _ in _LINK.findall(page.read_text())
    }
    assert {*PAGES[1:], *PICTURES} <= linked


@pytest.mark.skipif(not shutil.which("dot"), reason="graphviz is not installed")
@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_picture_is_what_the_program_draws(picture: Path) -> None:
    """Its words and their order; where they stand depends on graphviz's version and the fonts."""
    of_imports = picture.stem == "architecture"
    drawn = architecture.svg() if of_imports else show.svg(_model(picture.stem))
    assert _WORDS.findall(picture.read_text()) == _WORDS.findall(drawn)


# Tables that are written by hand, and must agree with the data.


def test_requirements() -> None:
    expected = [
        [name, claim.text, "every path" if claim.source == "all" else claim.source]
        for name, claim in claims().items()
    ]
    assert _rows("docs/requirements.md", "ID") == expected


def test_faults() -> None:
    expected = [
        [fault.name, "survives" if fault.survives else "fails", fault.need.text, fault.summary]
        for fault in faults.known()
    ]
    assert _rows("docs/faults.md", "fault") == expected

    page = (REPO / "docs/diagnoses.md").read_text()
    told = re.findall(r"^- `([a-z0-9-]+)` \(`([a-z0-9-]+)`\): ", page, re.MULTILINE)
    assert len(told) == len(set(told)) == page.count("\n- ")
    assert {name for name, _ in told} == {fault.name for fault in faults.known()}
    for name, topology in told:
        assert name in {fault.name for fault in faults.applicable(_model(topology))}, topology


def test_the_example_of_a_topology_is_one() -> None:
    page = (REPO / "docs/topologies.md").read_text()
    example = page[page.index("    schema: 2") : page.index("## Nodes")]
    spec = parse(textwrap.dedent(example), "docs/topologies.md")
    assert resolve(spec, b"docs").agents == ("hmc",)


def test_the_example_of_a_link_with_ipv6_is_one() -> None:
    page = (REPO / "docs/ipv6.md").read_text()
    example = page[page.index("    links:\n") : page.index("A link has IPv6")]
    topology = (REPO / "topologies/direct-ipv6.yaml").read_text()
    own = topology[topology.index("  lan:") : topology.index("  fw-inet:")]
    lan = textwrap.dedent(example).removeprefix("links:\n").rstrip() + "\n"
    spec = parse(topology.replace(own, lan), "docs/ipv6.md")

    firewall = resolve(spec, b"docs").node("firewall")
    assert firewall.interface("lan").ip6 == "2001:db8:10::ff"


def test_topologies() -> None:
    assert sorted(row[0] for row in _rows("README.md", "name")) == sorted(names())


def test_environment() -> None:
    told = {name for row in _rows("README.md", "variable") for name in row[0].split(", ")}
    assert told == {
        *command_environment(_model("dial"), "hmc", "out"),
        *command_environment(_model("proxy"), "hmc", "out"),
        *command_environment(_model("esa-imm"), "esa", "out"),
        *command_environment(_model("traditional"), "hmc", "out"),
        *command_environment(_model("user-target"), "hmc", "out"),
        *command_environment(_model("vpn-nat"), "hmc", "out"),
        *command_environment(_model("pass-through-vpn"), "hmc", "out"),
        *command_environment(_model("consoles"), "hmc-b", "out"),
        *command_environment(_model("events-manager"), "hmc-m", "out"),
    }
    assert told > set(command_environment(_model("dial"), "lig", "out"))


def test_profiles() -> None:
    from lab.topology import catalogue

    rows = {row[0]: row for row in _rows("docs/topologies.md", "profile")}
    assert sorted(rows) == sorted(catalogue.names())
    for name, row in rows.items():
        profile = catalogue.profile(name)
        assert row[2] == (str(len(profile.vpn_gateways)) if profile.vpn_gateways else "none")
        assert re.findall("[0-9]+", row[3]) == [str(port) for port in profile.direct_ports]


def test_packages() -> None:
    """Which modules import a package is what the table says."""
    modules = {
        path.relative_to(REPO).as_posix(): _packages(imported(parsed(path))) for path in SOURCES
    }
    rows = _rows("docs/architecture.md", "package")
    assert len(rows) > 4
    for package, importers, *_ in rows:
        name = package.replace("-", "_")
        at = {path for path, packages in modules.items() if name in packages}
        assert at == {*re.findall(r"[\w/]+\.py", importers)}, package


def _packages(modules: set[str]) -> set[str]:
    return {module.partition(".")[0] for module in modules}


def test_what_runs_inside_loads_no_package_that_it_may_not_need() -> None:
    """Imports are what a run in the guest costs: pyroute2 alone would cost a fifth of the shortest one."""
    code = (
        "import sys, lab.engine.inside, lab.inside.running, lab.run.evidence, lab.run.handle\n"
        "import lab.scenarios.call_home, tunnels.ipsec, tunnels.l2tp, tunnels.modem\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "lab" in loaded
    assert not {row[0] for row in _rows("docs/architecture.md", "package")} & {*loaded}
