"""An HMC of the user's own that borrows a partition's VPN: judged on the wires like the lab's."""

from __future__ import annotations

import os

import pytest

from tests.integration.labs import ROOT, Runs

pytestmark = pytest.mark.kernel

NAME = "pass-through-vpn"
CLIENT = os.fspath(ROOT / "tests" / "data" / "clients" / "own-lac.sh")


def own(*settings: str) -> tuple[str, ...]:
    return NAME, "--no-path", "--", "env", *settings, "bash", CLIENT


RIGHT = own()
WITH_AN_ADDRESS_OF_ITS_OWN = own("OWN_PPP=noipv6")
"""Without noipdefault pppd asks for the address that the host's name has."""
REFUSED = {
    own("OWN_CHAP_SECRET=nonsense"): "give both ends the same CHAP secret",
    own("OWN_PPP=refuse-chap"): "takes no CHAP",
}
WITHOUT_A_CALL = {
    own("OWN_LNS=203.0.113.77"): (
        "hmc sent 10 packets of UDP 1701 in clear to others than i5 (203.0.113.20), and none to it"
    ),
    own("OWN_COMMANDS=t i5"): (
        "hmc opened an L2TP tunnel to i5 (203.0.113.20), and asked for no call in it: no ICRQ on i5-lan"
    ),
    (
        *own()[:-2],
        "sh",
        "-c",
        f"touch /var/l2tp/5550100.options; OWN_COMMANDS='o i5 5550100' bash {CLIENT}",
    ): ("i5 clears hmc's call, by i5 (result 5, error 0: the partition has no modem)"),
}


@pytest.fixture(scope="module", autouse=True)
def started(runs: Runs) -> None:
    runs.start([RIGHT, WITH_AN_ADDRESS_OF_ITS_OWN, *REFUSED, *WITHOUT_A_CALL])


@pytest.mark.parametrize("plan", [RIGHT, WITH_AN_ADDRESS_OF_ITS_OWN], ids=["right", "address"])
def test_a_right_client_gets_home_by_the_gateways_address_and_every_finding_holds(
    runs: Runs, plan: tuple[str, ...]
) -> None:
    ran = runs.get(*plan)

    assert (ran.status, ran.failed) == (0, set()), ran.told
    assert '"service": "callhome-lab sdc"' in ran.stdout
    untested = {name for name, found in ran.findings.items() if found["verdict"] != "pass"}
    # P-10 is put to the test: the gateway gave the address from which the client called.
    assert untested == {"OUT-22", "R-07"}
    (entry,) = ran.record.ledger
    assert entry.peer_ip == "10.254.1.2"
    (trial,) = ran.record.tries
    assert (trial.agent, trial.way, trial.up, trial.own) == ("hmc", "vpn", True, True)
    assert ran.record.gateway_in_use == {"hmc": "vpn1"}


@pytest.mark.parametrize(("plan", "told"), REFUSED.items(), ids=["secret", "no chap"])
def test_a_call_that_ppp_refuses_is_a_finding(runs: Runs, plan: tuple[str, ...], told: str) -> None:
    ran = runs.get(*plan)

    assert ran.status != 0
    assert {"P-09", "OUT-21"} <= ran.failed, ran.told
    assert {"P-01", "P-02", "P-08", "OUT-28", "OUT-29"}.isdisjoint(ran.failed)
    assert told in ran.verdict["diagnosis"]


@pytest.mark.parametrize(("plan", "told"), WITHOUT_A_CALL.items(), ids=["lns", "tunnel", "modem"])
def test_a_client_without_a_call_proves_nothing_and_is_told_why(
    runs: Runs, plan: tuple[str, ...], told: str
) -> None:
    ran = runs.get(*plan)

    assert ran.status != 0
    assert not ran.failed, ran.told
    assert told in ran.verdict["diagnosis"]
    assert "made no call by L2TP" not in ran.told
    assert ran.findings["P-10"]["verdict"] == "not-applicable"
