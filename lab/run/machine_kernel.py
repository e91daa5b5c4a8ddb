"""What a topology needs of this machine's kernel in the ``native`` engine, and what it can do without.

A machine without ESP or PPP, as many that run containers, holds labs whose ways need neither.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lab.machine import doctor
from lab.topology.roles import Role
from lab.ways.vpn.plan import servers

if TYPE_CHECKING:
    from lab.topology.model import Topology

UNSHAPED = "this machine's kernel has no netem: links have neither rate nor delay in this lab"


def fit(topology: Topology) -> tuple[Topology, str]:
    """The topology as this machine's kernel can hold it, natively, and what the user must know of it.

    Raises PrerequisiteError that names all that is missing.
    """
    lacking = doctor.require("native", spared(topology))
    if doctor.FOR_SHAPING not in lacking:
        return topology, ""
    return unshaped(topology), UNSHAPED


def spared(topology: Topology) -> tuple[str, ...]:
    """The checks of this machine that the topology can do without."""
    tunnels = (
        topology.telephone is not None
        or topology.service is not None
        or servers(topology)
        or any(way.peers or way.dials for way in topology.ways)
    )
    passing_through = bool(topology.with_role(Role.i5))
    # What chance does to packets is what such a topology is for.
    shaping = any(segment.impairment is not None for segment in topology.segments)
    return (
        *(() if tunnels else doctor.FOR_TUNNELS),
        *(() if passing_through else (doctor.FOR_PASS_THROUGH,)),
        *(() if shaping else (doctor.FOR_SHAPING,)),
    )


def unshaped(topology: Topology) -> Topology:
    """The same with links that are as fast as the machine."""
    links = (replace(s, rate_bit_s=0, delay_s=0.0, rates_bit_s={}) for s in topology.segments)
    return replace(topology, segments=tuple(links))
