"""Two modems of a model's telephone at work, with data both ways: how fast, and what the thread takes."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from lab import codec
from lab.linux import syscalls
from lab.linux.nodes import Node
from lab.telephony.equipment import start_equipment
from lab.topology.model import Topology

CALLER, CALLED = "hmc", "lig"


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
    taken: dict[str, list[float]] = {"rate": [], "share": []}
    for _ in range(arguments.rounds + 1):
        rate, share = _measure(topology, run_dir, arguments.seconds)
        taken["rate"].append(rate)
        taken["share"].append(share)

    arguments.result.write_text(json.dumps({name: values[1:] for name, values in taken.items()}))
    return 0


def _measure(topology: Topology, run_dir: Path, seconds: int) -> tuple[float, float]:
    """Mbit/s each way, and the share of a core."""
    telephone = topology.telephone
    assert telephone is not None
    count = telephone.lines[0].rate_bit_s // 8 * seconds
    number = next(line.number for line in telephone.lines if line.node == CALLED)
    with contextlib.ExitStack() as stack:
        nodes = {
            name: stack.enter_context(Node.create_bare(name, run_dir)) for name in (CALLER, CALLED)
        }
        stack.enter_context(start_equipment(telephone, nodes, run_dir / "modem-wire"))
        ports = [
            node.call(os.open, "/dev/modem0", os.O_RDWR | os.O_NOCTTY) for node in nodes.values()
        ]
        for port in ports:
            stack.callback(os.close, port)
        caller, called = ports
        _connect(caller, called, number)

        (thread,) = (each for each in threading.enumerate() if each.name == "telephone")
        clock = time.pthread_getcpuclockid(thread.ident or 0)
        spent, began = time.clock_gettime(clock), time.perf_counter()
        programs = [
            subprocess.Popen(
                ["head", "-c", str(count)],
                stdin=port if reading else zero,
                stdout=subprocess.DEVNULL if reading else port,
            )
            for zero in [stack.enter_context(Path("/dev/zero").open("rb"))]
            for port in ports
            for reading in (True, False)
        ]
        for program in programs:
            program.wait()
        took = time.perf_counter() - began
        return count * 8 / took / 1e6, (time.clock_gettime(clock) - spent) / took


def _connect(caller: int, called: int, number: str) -> None:
    os.write(called, b"ATE0S0=1\r")
    _until(called, b"OK\r\n")
    os.write(caller, f"ATE0DT{number}\r".encode())
    for port in (caller, called):
        _until(port, b"CONNECT ")
        _until(port, b"\r\n")


def _until(port: int, end: bytes) -> None:
    seen = b""
    while not seen.endswith(end):
        seen += os.read(port, 1)


if __name__ == "__main__":
    sys.exit(main())
