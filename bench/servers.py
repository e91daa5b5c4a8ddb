"""How long IBM's servers take to stand, all that the largest profile lists, in the guest."""

from __future__ import annotations

from bench.figures import Figure
from bench.guest import measure_inside, run_dir
from bench.inside_servers import MODEL
from lab import codec
from lab.engine.host import Engine
from lab.ibm import authority
from lab.topology.load import load
from lab.topology.resolve import resolve

SUMMARY = "all servers of hmc-2017-traditional, real clock"
TOPOLOGY = "service-vpn"


def measure(rounds: int) -> list[Figure]:
    topology = resolve(load(TOPOLOGY), b"")
    with run_dir() as directory:
        authority.issue(topology, directory / "keys")
        (directory / MODEL).write_text(codec.dump(topology, reveal=True))
        samples: list[float] = measure_inside(
            "inside_servers", str(rounds), where=Engine.uml, run_dir=directory
        )
    return [Figure(f"{len(topology.servers)} servers up", "s", samples, ("<=", 0.5))]
