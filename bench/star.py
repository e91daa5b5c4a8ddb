"""How long a star of 100 hosts on one switch takes, against the bare calls for the same objects."""

from __future__ import annotations

import os
from typing import Any

from bench.figures import Figure, ratios
from bench.guest import measure_inside, run_dir
from lab.engine.host import Engine

SUMMARY = "100 hosts on one switch, made by the lab and by bare calls"

HOSTS = 100


def measure(rounds: int) -> list[Figure]:
    """In the lab's own kernel, and in the running one where that is allowed."""
    figures = _figures("guest", _took(Engine.uml, rounds))
    if os.geteuid() == 0:
        figures += _figures("native", _took(Engine.native, rounds))
    return figures


def _took(where: Engine, rounds: int) -> dict[str, Any]:
    with run_dir() as directory:
        arguments = ("--hosts", str(HOSTS), "--rounds", str(rounds))
        taken: dict[str, Any] = measure_inside(
            "inside_star", *arguments, where=where, run_dir=directory
        )
    return taken


def _figures(place: str, took: dict[str, Any]) -> list[Figure]:
    ours = [a + b for a, b in zip(took["nodes"], took["links"], strict=True)]
    bare = [a + b for a, b in zip(took["spaces"], took["calls"], strict=True)]
    how = "" if took["shaped"] else ", no netem"
    return [
        Figure(f"{place}: namespaces and private files", "s", took["nodes"]),
        Figure(f"{place}: wires, addresses, routes{how}", "s", took["links"]),
        Figure(f"{place}: both", "s", ours),
        Figure(f"{place}: bare unshare calls", "s", took["spaces"]),
        Figure(f"{place}: bare netlink calls", "s", took["calls"]),
        Figure(f"{place}: ratio", "", ratios(ours, bare), ("<=", 2)),
    ]
