"""Servers up and down again, on a node that has their addresses."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from lab import codec
from lab.ibm import server
from lab.linux.nodes import Node
from lab.topology.model import Topology

MODEL = "bench-model.json"


def main() -> None:
    """Write the seconds of each round to the file that is named first."""
    result, rounds = Path(sys.argv[1]), int(sys.argv[2])
    topology = codec.load(Topology, (result.parent / MODEL).read_text())
    samples = []
    with Node.create_bare("sdc", result.parent) as node:
        for address in {listed.address for listed in topology.servers}:
            node.run(["ip", "address", "add", f"{address}/32", "dev", "lo"])
        for _ in range(rounds + 1):
            begin = time.perf_counter()
            with server.serving(topology, node, result.parent):
                samples.append(time.perf_counter() - begin)
    result.write_text(json.dumps(samples[1:]))


if __name__ == "__main__":
    main()
