"""TCP through the whole VPN, over the lab's own path and over one made by hand, in turn in one kernel."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

from bench import by_hand
from lab import codec
from lab.inside.running import start_lab
from lab.linux import syscalls
from lab.linux.nodes import Node
from lab.record.story import Story
from lab.topology.model import Topology

OMITTED_S = 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", type=Path)
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    arguments = parser.parse_args()
    # As every run of the lab does it.
    syscalls.populate_memory()

    run_dir: Path = arguments.run_dir
    topology = codec.load(Topology, (run_dir / "keys" / "model.json").read_text())
    taken: dict[str, list[float]] = {"lab": [], "hand": []}
    for number in range(arguments.rounds + 1):
        taken["lab"].append(_lab(topology, run_dir, arguments.seconds))
        taken["hand"].append(_hand(topology, run_dir / "by-hand", arguments.seconds))
        if number == 0:
            # A warm-up: the files of the programs are in the guest's memory now.
            taken = {"lab": [], "hand": []}

    arguments.result.write_text(json.dumps(taken))
    return 0


def _server(topology: Topology) -> str:
    return topology.endpoints[0].address


def _lab(topology: Topology, run_dir: Path, seconds: int) -> float:
    """As users run it: bridges, captures, servers and all."""
    mine = run_dir / "lab"
    shutil.copytree(run_dir / "keys", mine / "keys")
    try:
        with start_lab(topology, mine, Story(mine, silent=True)) as lab:
            lab.path_up()
            return _mbit_s(lab.nodes["hmc"], lab.nodes["sdc"], _server(topology), seconds)
    finally:
        shutil.rmtree(mine)


def _hand(topology: Topology, run_dir: Path, seconds: int) -> float:
    with by_hand.path_up(topology, _server(topology), run_dir) as nodes:
        return _mbit_s(nodes["hmc"], nodes["sdc"], _server(topology), seconds)


def _mbit_s(client: Node, server: Node, address: str, seconds: int) -> float:
    listener = server.spawn(["iperf3", "--server", "--bind", address, "--forceflush"])
    listener.expect_line("Server listening", 10)
    report = client.run(
        ["iperf3", "--client", address, "--json", "--time", str(seconds), "--omit", str(OMITTED_S)],
        deadline_s=seconds + 30,
    )
    received: float = json.loads(report)["end"]["sum_received"]["bits_per_second"]
    return received / 1e6


if __name__ == "__main__":
    sys.exit(main())
