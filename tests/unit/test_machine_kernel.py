"""What topologies need of this machine's kernel in the native engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab.errors import PrerequisiteError
from lab.machine import doctor
from lab.machine.doctor import DoctorCheck
from lab.run import machine_kernel
from lab.topology.model import Topology
from lab.topology.roles import Role
from tests.models import model


def topology(name: str) -> Topology:
    return model(name, bytes(32))


def lacking(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let this machine lack what these checks of the native engine look for."""

    def fail() -> str:
        raise PrerequisiteError("refused", hint="another machine")

    checks = tuple(
        DoctorCheck(each.name, each.purpose, fail if each.name in names else str, each.engines)
        for each in doctor.checks()
        if each.engines == ("native",)
    )
    assert {each.name for each in checks} >= {*names}
    monkeypatch.setattr(doctor, "checks", lambda: checks)


@pytest.mark.parametrize("name", ["direct", "direct-snat", "direct-ipv6", "proxy"])
def test_a_way_without_a_tunnel_needs_no_tunnels(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking(monkeypatch, *doctor.FOR_TUNNELS)
    wanted = topology(name)
    assert machine_kernel.fit(wanted) == (wanted, "")


@pytest.mark.parametrize("name", ["vpn-nat", "dial", "service-vpn"])
@pytest.mark.parametrize("missing", doctor.FOR_TUNNELS)
def test_tunnels_need_theirs(name: str, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lacking(monkeypatch, missing)
    with pytest.raises(PrerequisiteError, match=missing):
        machine_kernel.fit(topology(name))


@pytest.mark.parametrize("name", ["vpn-nat", "dial", "service-vpn"])
def test_only_a_partition_needs_channels_that_are_joined(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking(monkeypatch, doctor.FOR_PASS_THROUGH)
    wanted = topology(name)
    assert machine_kernel.fit(wanted) == (wanted, "")

    host, *others = wanted.nodes
    with_partition = replace(wanted, nodes=(replace(host, role=Role.i5), *others))
    with pytest.raises(PrerequisiteError, match=doctor.FOR_PASS_THROUGH):
        machine_kernel.fit(with_partition)


@pytest.mark.parametrize("missing", ["bridge", "veth", "nft", "root"])
def test_no_lab_does_without_wires_and_rules(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lacking(monkeypatch, missing)
    with pytest.raises(PrerequisiteError, match=missing):
        machine_kernel.fit(topology("direct"))


def test_without_netem_links_have_no_rate_and_the_user_hears_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lacking(monkeypatch, doctor.FOR_SHAPING)
    found, told = machine_kernel.fit(topology("direct"))
    assert "no netem" in told
    for segment in found.segments:
        assert (segment.rate_of("hmc"), segment.delay_s, segment.impairment) == (0, 0.0, None)


def test_what_loses_packets_by_chance_needs_netem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking(monkeypatch, doctor.FOR_SHAPING)
    text = Path("topologies/direct.yaml").read_text()
    lossy = tmp_path / "lossy.yaml"
    lossy.write_text(text.replace("    delay: 10ms\n", "    delay: 10ms\n    loss: 1%\n", 1))
    with pytest.raises(PrerequisiteError, match="netem"):
        machine_kernel.fit(topology(str(lossy)))
