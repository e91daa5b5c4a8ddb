"""The agent as a program in a lab: what it sends by which way, and what it never sends, as tshark sees it."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from lab.agent.book import lines
from tests.integration.labs import ROOT, Ran, Runs
from tests.oracle import as_captured, tshark

pytestmark = pytest.mark.kernel

BEGIN = f"""
set -u
cd "$LAB_RUN_DIR"
export PYTHONPATH={ROOT}
agent() {{ {sys.executable} -m lab.agent "$@" --settings agent.toml; }}
cat > agent.toml <<END
state = "state"
ca_file = "$LAB_CA_FILE"
configuration_key = "keys/configuration.pub"
"""
MACHINE = """
[[machines]]
type = "8284"
model = "22A"
serial = "21ABCDE"
"""
SERVICE = '["https://eccgw01.boulder.ibm.com", "https://eccgw02.rochester.ibm.com"]'

BLOCKED = f"""{BEGIN}
generation = "esa-linux-7.1.5"
{MACHINE}
[servers]
inventory = {SERVICE}
problem = ["https://www-945.ibm.com"]
upload = ["https://www6.software.ibm.com", "https://www.ecurep.ibm.com"]
configuration = ["https://www-03.ibm.com", "http://www-03.ibm.com"]
END
agent activate > activate 2>&1; echo $? > activate.status
agent problem --reference-code B3036620 > problem 2>&1; echo $? > problem.status
agent configuration --json > configuration 2>/dev/null; echo $? > configuration.status
agent queue --json > queue
"""
BLOCKED_PLAN = ("esa-linux", "--fault", "blocked-443", "--", "sh", "-c", BLOCKED)

BULL = f"""{BEGIN}
vendor = "Bull"
{MACHINE}
[servers]
enrolment = {SERVICE}
END
agent activate > activate 2>&1; echo $? > activate.status
agent heartbeat > /dev/null 2>&1; agent test > /dev/null 2>&1
exit 0
"""
BULL_PLAN = ("traditional", "--", "sh", "-c", BULL)

BY_WAYS = f"""{BEGIN}
generation = "hmc-2007"
{MACHINE}
[[ways]]
name = "first"
kind = "lab-way"
way = "vpn"
[[ways]]
name = "second"
kind = "lab-way"
way = "modem"
[servers]
enrolment = ["$LAB_SERVER"]
END
agent activate > activate 2>&1; echo $? > activate.status
ip -br link > links
"""
BY_VPN_PLAN = ("failover", "--no-path", "--", "sh", "-c", BY_WAYS)
BY_MODEM_PLAN = ("failover", "--fault", "gateways-silent", "--no-path", "--", "sh", "-c", BY_WAYS)


@pytest.fixture(scope="module", autouse=True)
def started(runs: Runs) -> None:
    runs.start([BLOCKED_PLAN, BULL_PLAN, BY_VPN_PLAN, BY_MODEM_PLAN])


def said(ran: Ran, name: str) -> str:
    return (ran.run_dir / name).read_text()


def book(ran: Ran, *events: str) -> list[dict[str, Any]]:
    return [e for e in lines(ran.run_dir / "state" / "ledger.jsonl") if e["event"] in events]


def test_without_https_the_configuration_alone_comes_by_http(runs: Runs) -> None:
    """OUT-32, OUT-33, E-12."""
    ran = runs.get(*BLOCKED_PLAN)
    assert said(ran, "activate.status") == "1\n", ran.told
    assert "Performing Connectivity Test ... FAILURE" in said(ran, "activate")
    assert said(ran, "problem.status") == "1\n"
    assert said(ran, "configuration.status") == "0\n"
    assert json.loads(said(ran, "configuration"))["version"] == 1
    kinds = [entry["kind"] for entry in json.loads(said(ran, "queue"))["waiting"]]
    assert kinds.count("problem") == 1

    wire = as_captured(ran.run_dir / "wire" / "fw-inet.pcapng")
    asked = tshark(
        wire, ("http.request.method", "http.host", "http.request.uri"), "-Y", "http.request"
    )
    assert asked == [("GET", "www-03.ibm.com", "/service/configuration")]
    assert not tshark(
        wire, ("frame.number",), "-Y", "http.request && (http.authorization || http.file_data)"
    )


def test_of_another_vendors_system_no_packet_leaves(runs: Runs) -> None:
    """E-17."""
    ran = runs.get(*BULL_PLAN)
    assert said(ran, "activate.status") == "2\n", ran.told
    assert "'Bull'" in said(ran, "activate")
    assert not tshark(ran.run_dir / "wire" / "lan.pcapng", ("frame.number",), "-Y", "ip && !icmp")


@pytest.mark.parametrize(
    ("plan", "name"), [(BY_VPN_PLAN, "first"), (BY_MODEM_PLAN, "second")], ids=["vpn", "modem"]
)
def test_a_way_comes_up_when_it_is_needed_and_goes_down_after(
    runs: Runs, plan: tuple[str, ...], name: str
) -> None:
    """OUT-14, R-01."""
    ran = runs.get(*plan)
    assert said(ran, "activate.status") == "0\n", ran.told
    assert "Performing Connectivity Test ... SUCCESS" in said(ran, "activate")
    assert {e["way"] for e in book(ran, "acknowledged")} == {name}
    assert [e["way"] for e in book(ran, "way-up", "way-down")] == [name, name]
    passed = [e["way"] for e in book(ran, "way-passed-over")]
    assert passed == ([] if name == "first" else ["first"])
    assert "ppp" not in said(ran, "links")
    ledger = (ran.run_dir / "logs" / "sdc" / "ledger.jsonl").read_text().splitlines()
    kinds = [json.loads(line)["kind"] for line in ledger]
    assert kinds == ["service: enrolment", "service: heartbeat"]
