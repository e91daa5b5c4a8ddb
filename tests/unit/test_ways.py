"""The registry of ways, and what of each the guest imports."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from lab import ways
from lab.errors import PrerequisiteError, UsageError
from lab.topology import load

REPO = Path(__file__).resolve().parents[2]
STAGES = (
    *("spec", "checks", "plan", "resolve", "picture", "bring_up"),
    *("faults", "findings", "symptoms", "wires"),
)

INSIDE = """
import importlib
import sys
from pathlib import Path
from lab import codec, ways
from lab.topology.model import Topology
from lab.topology.roles import TRAITS
from lab.engine import inside
topology = codec.load(Topology, Path(sys.argv[1]).read_text())
from lab.inside import running
from lab.scenarios import call_home
for way in topology.ways:
    ways.stage(way.kind, "bring_up")
for node in topology.nodes:
    if service := TRAITS[node.role].service:
        importlib.import_module(service)
print(*sorted(sys.modules), sep="\\n")
"""


def imported(name: str, folder: Path) -> set[str]:
    """What the inside imports to bring a topology up and to let its agents call home."""
    from lab import codec
    from lab.topology.resolve import resolve

    model = folder / "model.json"
    model.write_text(codec.dump(resolve(load.load(name), b"seed")))
    done = subprocess.run(
        [sys.executable, "-c", INSIDE, model], cwd=REPO, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


NEVER = {
    "pydantic",
    "yaml",
    "scapy",
    "rich",
    "pyftpdlib",
    "asyncore",
    "OpenSSL",
    "cryptography",
    "sqlite3",
    "lab.ibm.receiver",
    "lab.verify",
    "lab.topology.spec",
    "lab.ways.faults",
}


@pytest.mark.parametrize(
    ("name", "there", "absent"),
    [
        ("direct", set(), {"lab.telephony", "tunnels", "lab.ways.vpn.bring_up"}),
        ("vpn-nat", {"lab.ways.vpn.bring_up", "tunnels.ipsec"}, {"lab.telephony", "tunnels.modem"}),
        ("dial", {"lab.ways.dial.bring_up", "tunnels.modem", "tunnels.lig"}, {"tunnels.ipsec"}),
        ("failover", {"tunnels.ipsec", "tunnels.modem"}, set()),
    ],
)
def test_the_guest_imports_only_what_its_ways_need(
    name: str, there: set[str], absent: set[str], tmp_path: Path
) -> None:
    modules = imported(name, tmp_path)

    assert there <= modules
    assert not modules & (absent | NEVER)
    own = {way.kind for way in load.load(name).ways.values()}
    loaded = {module.split(".")[2] for module in modules if module.endswith(".bring_up")}
    assert loaded == own


@pytest.mark.parametrize("kind", ways.kinds())
@pytest.mark.parametrize("stage", STAGES)
def test_each_kind_has_every_stage(kind: str, stage: str) -> None:
    assert ways.stage(kind, stage).__doc__


def test_a_kind_that_nobody_brings_is_refused() -> None:
    with pytest.raises(UsageError, match="no package here brings the kind of way 'pigeon'"):
        ways.stage("pigeon", "spec")


def test_two_packages_with_one_kind_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    second = EntryPoint(name="vpn", value="another.vpn", group=ways.ENTRY_POINTS)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [second])
    ways.packages.cache_clear()
    try:
        with pytest.raises(
            PrerequisiteError, match=r"another\.vpn brings .* and so does lab\.ways\.vpn"
        ):
            ways.packages()
    finally:
        ways.packages.cache_clear()


def test_a_kind_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    """A package that was half removed leaves its entry point behind."""
    left = tmp_path / "leased_line-1.0.dist-info"
    left.mkdir()
    (left / "METADATA").write_text("Metadata-Version: 2.1\nName: leased-line\nVersion: 1.0\n")
    (left / "entry_points.txt").write_text("[callhome_lab.ways]\nleased = leased_line\n")

    done = subprocess.run(
        [sys.executable, "-m", "lab", "list"],
        env={**os.environ, "PYTHONPATH": f"{REPO}:{tmp_path}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 3, done.stderr
    assert done.stderr == (
        "lab: leased_line.spec cannot be imported, and leased_line brings the kind of way 'leased': "
        "No module named 'leased_line'\n"
        "  hint: install the package that has it, or uninstall the package that names it as an entry point\n"
    )
