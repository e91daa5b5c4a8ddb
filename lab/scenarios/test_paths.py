"""Every topology of the lab's own: its path comes up, the agent calls home, what it promises holds.

Run by ``pytest lab/``, inside the lab's kernel. One class a topology, one lab a class, one test a
requirement.
"""

from __future__ import annotations

import pytest

from lab.run.handle import Lab
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


def _class_of(name: str) -> type[Path]:
    return pytest.mark.topology(name)(type(_title(name), (Path,), {}))


def _title(name: str) -> str:
    """``TestVpnNat`` of ``vpn-nat``."""
    return "Test" + "".join(part.capitalize() for part in name.split("-"))


globals().update({_title(name): _class_of(name) for name in names()})
