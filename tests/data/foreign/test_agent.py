"""A suite of somebody's own, as a user of the lab writes it: their agent, their topology, their claims."""

import sys
import time
from pathlib import Path

import pytest

from lab.errors import ProtocolError

AGENT = [sys.executable, str(Path(__file__).with_name("agent.py"))]


@pytest.fixture(scope="module")
def ping(lab):
    """Fixtures of one's own may use the lab, and be shared as long as it is."""
    return lab.node("console").run(["ping", "-c", "3", "-i", "1", lab.topology.probe])


@pytest.mark.topology("branch.yaml")
class TestBranch:
    def test_the_line_is_slow(self, ping):
        assert "3 received" in ping
        assert float(ping.split(" = ")[1].split("/")[0]) >= 80

    def test_waiting_costs_nothing(self, lab):
        time.sleep(24 * 3600)

    def test_agent_calls_home(self, lab, capfd):
        assert lab.attend("console", AGENT) == 0
        assert "console got 200" in capfd.readouterr().out

    def test_agent_stays_outgoing(self, lab):
        lab.expect("OUT-01")
        assert [t.kind for t in lab.record.ledger] == ["request"]


@pytest.mark.topology("branch.yaml", path=False)
def test_nothing_is_sent_by_itself(lab):
    assert lab.finish().verdict == "pass"


def test_wrong_secret_is_told(lab_factory):
    lab = lab_factory("vpn", fault="wrong-psk", path=False)
    with pytest.raises(ProtocolError, match="no way home"):
        lab.path_up()
    assert lab.finish().verdict == "fail"


def test_needs_no_lab():
    assert Path(AGENT[1]).is_file()
