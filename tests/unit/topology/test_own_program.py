"""A program of the user's own in a topology: where it is, where it listens, how it is drawn and named."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import codec
from lab.errors import UsageError
from lab.run import run as runs
from lab.topology import dot, draw, load, own_listeners
from lab.topology.model import Topology
from lab.topology.own_listeners import Listener
from lab.topology.own_program import MOST_SHOWN, OwnProgram, find
from lab.topology.resolve import resolve
from lab.ways import faults

DATA = Path(__file__).parents[2] / "data" / "topologies"


def model(tmp_path: Path, words: str, name: str = "own-server") -> Topology:
    """The example with another program."""
    text = (DATA / f"{name}.yaml").read_text()
    path = tmp_path / f"{name}.yaml"
    path.write_text(text.replace("[python3, my-server.py]", words))
    return resolve(load.load(str(path)), b"seed")


@pytest.mark.parametrize(
    ("words", "program"),
    [
        ("[my-server, -v]", "my-server"),
        ("[./my-server, -v]", "{}/my-server"),
        ("[bin/my-server, -v]", "{}/bin/my-server"),
        ("[/opt/my-server, -v]", "/opt/my-server"),
    ],
)
def test_a_path_begins_at_the_topologys_folder(
    words: str, program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path.parent)
    (own,) = model(tmp_path, words).own_programs

    assert own.argv == (program.format(tmp_path), "-v")
    assert (own.node, own.name, own.folder) == ("sdc", "my-server", str(tmp_path))


def test_it_travels_to_the_guest(tmp_path: Path) -> None:
    topology = model(tmp_path, "[./my-server]")
    again = codec.load(Topology, codec.dump(topology, reveal=True))

    assert find(again.own_programs, "sdc") == topology.own_programs[0]
    assert find(again.own_programs, "hmc") is None


def test_it_listens_where_agents_call(tmp_path: Path) -> None:
    topology = model(tmp_path, "[./my-server]")
    places = own_listeners.wanted(topology, "sdc")

    assert places == (
        Listener("tcp", "129.42.56.189", 443),
        Listener("tcp", "129.42.60.189", 443),
        Listener("tcp", "129.42.54.189", 443),
    )


def test_pictures_name_it(tmp_path: Path) -> None:
    topology = model(tmp_path, "[./my-server, --port, '443']")

    assert "129.42.56.189 and 2 more, runs my-server --port 443 of your own" in draw.text(topology)
    assert "runs my-server --port 443 of your own" in dot.render(topology)
    plain = resolve(load.load("direct-snat"), b"seed")
    assert "of your own" not in draw.text(plain) + dot.render(plain)


def test_a_long_command_is_cut_in_pictures() -> None:
    own = OwnProgram(node="sdc", argv=("/bin/sh", "-c", "echo a\necho " + "b" * 80), folder="/")

    assert own.words.startswith("sh -c echo a echo b")
    assert own.words.endswith("b...")
    assert len(own.words) == MOST_SHOWN


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    model(tmp_path, "[./my-server]")
    with pytest.raises(UsageError, match=r"my-server', which sdc is to run") as nowhere:
        runs.resolved(str(tmp_path / "own-server.yaml"), "")
    assert "with a slash: ./my-server" in nowhere.value.hint
    (tmp_path / "my-server").write_text("#!/bin/sh\n")
    with pytest.raises(UsageError, match="my-server is not executable") as forbidden:
        runs.resolved(str(tmp_path / "own-server.yaml"), "")
    assert forbidden.value.hint == f"chmod +x {tmp_path / 'my-server'}"
    (tmp_path / "my-server").chmod(0o755)
    runs.resolved(str(tmp_path / "own-server.yaml"), "")


OURS = ("expired-certificate", "unknown-authority", "server-503", "server-resets", "slow-server")


@pytest.mark.parametrize("name", [*OURS, "old-tls-only"])
def test_what_the_labs_own_servers_do_is_no_fault_here(name: str, tmp_path: Path) -> None:
    topology = model(tmp_path, "[./my-server]")

    with pytest.raises(UsageError, match=f"the fault {name} is put in by the lab's own") as refused:
        faults.apply(name, topology)
    assert refused.value.hint.startswith("have my-server do what is to go wrong, or take run out")
    assert name not in {fault.name for fault in faults.applicable(topology)}


def test_what_befalls_the_way_is(tmp_path: Path) -> None:
    topology = model(tmp_path, "[./my-server]")
    plain = resolve(load.load("direct-snat"), b"seed")
    ours = {fault.name for fault in faults.applicable(plain)} - {*OURS, "old-tls-only"}

    assert {fault.name for fault in faults.applicable(topology)} == ours
    assert faults.apply("blocked-443", topology).fault == "blocked-443"
