"""What a partition lends, read from a topology."""

from __future__ import annotations

import os
from pathlib import Path

from lab.i5.plan import plan_of
from lab.topology.load import load
from lab.topology.model import Topology
from lab.topology.resolve import resolve

FILES = Path(__file__).parents[2] / "data" / "partition"


def topology(name: str) -> Topology:
    return resolve(load(os.fspath(FILES / f"{name}.yaml")), bytes(32))


def test_a_partition_lends_its_vpn() -> None:
    plan = plan_of(topology("vpn"), "i5")
    assert plan.gateways == ("vpn1", "vpn2")
    assert plan.borrowers == ("hmc", "hmc-b")
    assert dict(plan.clients) == {"203.0.113.10": "hmc", "203.0.113.11": "hmc-b"}
    assert {*plan.addresses.values()} == {"203.0.113.20"}
    assert plan.addresses.keys() == {*plan.clients, "129.42.160.16", "207.25.252.196"}
    assert {c.client for c in plan.connections.values()} == {"i5"}
    assert plan.devices == ()


def test_a_partition_lends_its_modem() -> None:
    plan = plan_of(topology("modem"), "i5")
    assert (plan.devices, plan.init) == (("/dev/modem0",), "ATZ")
    assert (plan.gateways, plan.borrowers, dict(plan.connections)) == ((), (), {})
    assert plan.addresses.keys() == plan.clients.keys() == {"192.168.10.10", "192.168.10.11"}


def test_a_partition_that_nobody_borrows_from_lends_nothing() -> None:
    plan = plan_of(topology("modem"), "sdc")
    assert (plan.clients, plan.addresses, plan.devices) == ({}, {}, ())
