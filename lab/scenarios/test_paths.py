"""Every topology of the lab's own: its path comes up, the agent calls home, what it promises holds.

Run by ``pytest lab/``, inside the lab's kernel. One class a topology, one lab a class, one test a
requirement.
"""

from __future__ import annotations

import pytest

from lab.handle import Lab
from lab.topology.load import load, names
from lab.verify import Verdict


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One YAML is the truth: its expectations are the tests."""
    marker = metafunc.definition.get_closest_marker("topology")
    if marker is not None and "requirement" in metafunc.fixturenames:
        metafunc.parametrize("requirement", load(marker.args[0]).expect)


@pytest.fixture(scope="module")
def called(lab: Lab) -> bool:
    """Whether the agent's call home got through, in a lab that is down by now."""
    succeeded = lab.call_home()
    lab.finish()
    return succeeded


class Path:
    """What must hold on every path."""

    def test_calls_home(self, lab: Lab, called: bool) -> None:
        assert lab.record.path_up
        assert called, lab.finish().diagnosis

    def test_holds(self, lab: Lab, called: bool, requirement: str) -> None:
        finding = lab.expect(requirement)
        if finding.verdict is Verdict.not_applicable:
            pytest.skip(finding.seen)


@pytest.mark.topology("direct")
class TestDirect(Path):
    pass


@pytest.mark.topology("direct-snat")
class TestDirectSnat(Path):
    pass


@pytest.mark.topology("vpn")
class TestVpn(Path):
    pass


@pytest.mark.topology("vpn-nat")
class TestVpnNat(Path):
    pass


@pytest.mark.topology("vpn-two-hmcs")
class TestVpnTwoHmcs(Path):
    pass


@pytest.mark.topology("dial")
class TestDial(Path):
    pass


@pytest.mark.topology("dial-two-hmcs")
class TestDialTwoHmcs(Path):
    pass


def test_no_topology_is_forgotten() -> None:
    classes = [value for value in globals().values() if isinstance(value, type)]
    marks = [mark for tests in classes for mark in getattr(tests, "pytestmark", [])]
    assert sorted(mark.args[0] for mark in marks) == sorted(names())
