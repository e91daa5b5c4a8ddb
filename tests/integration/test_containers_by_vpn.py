"""A node by VPN that was a container's network first, natively, inside the lab's own kernel."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from tests.integration import native_containers
from tests.integration.test_native import inside
from tests.integration.users import User

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    user = User.settle(tmp_path_factory.mktemp("home"))
    done = inside(user, "out", sys.executable, native_containers.__file__, "/srv/container")
    assert done.returncode == 0, done.stderr.decode()
    return dict(json.loads(done.stdout))


def test_a_command_in_the_container_goes_through_the_tunnel(facts: dict[str, Any]) -> None:
    status, said, told = facts["run"]
    assert status == 7, told
    assert said.endswith("agent\n"), "the host name is the container's"
    assert '"status": "ready"' in said
    findings = {f["requirement"]: f["verdict"] for f in facts["verdict"]["findings"]}
    assert facts["verdict"]["verdict"] == "pass"
    assert findings["g3"] == findings["g6"] == "pass"
    assert findings["P-07"] == "pass"


def test_afterwards_the_network_is_as_before(facts: dict[str, Any]) -> None:
    assert len(facts["before"]) > 200
    assert facts["after run"] == []


def test_after_sigkill_gc_takes_away_what_daemons_left(facts: dict[str, Any]) -> None:
    assert facts["up"][0] == 0, facts["up"]
    meanwhile, left = "\n".join(facts["meanwhile"]), "\n".join(facts["after kill"])
    assert "dir out" in meanwhile, "IPsec policies"
    assert "proto esp" in left, "the kernel keeps SAs of a charon that was killed"
    assert "table inet lab" in left
    assert "net.ipv4.ping_group_range" in left
    assert "hmc" in left
    assert "what was the lab's in the container agent" in facts["gc"]
    assert facts["after gc"] == []


def test_a_container_that_ends_is_the_diagnosis(facts: dict[str, Any]) -> None:
    verdict = json.loads(facts["down"])
    assert verdict["verdict"] == "fail"
    assert "hmc's container agent ended before the lab did" in verdict["diagnosis"]
