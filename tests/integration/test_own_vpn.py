"""A VPN client of the user's own, set up from what the lab hands out: judged on the wire like the lab's."""

from __future__ import annotations

import os

import pytest

from tests.integration.labs import ROOT, Ran, Runs

pytestmark = pytest.mark.kernel

CLIENT = os.fspath(ROOT / "tests" / "data" / "clients" / "own-vpn.sh")
BY_THE_LABS_AGENT = {"OUT-22", "R-07"}
"""What a run of a command does not put to the test, or a gateway that answers at once."""

PROBES = (
    "ike-scan -M --trans=5,1,1,2 129.42.160.16; ike-scan -M --trans=5,1,1,2 207.25.252.196;"
    " nmap -sU -Pn -n -p 500,4500 129.42.160.16; false"
)


def own(*settings: str, topology: str = "vpn-nat") -> tuple[str, ...]:
    return topology, "--no-path", "--", "env", *settings, "bash", CLIENT


RIGHT, WITHOUT_NAT, SECOND = own(), own(topology="vpn"), own("OWN_GATEWAY=207.25.252.196")
WRONG = {
    own("OWN_PSK=nonsense"): "the two have different pre-shared keys",
    own("OWN_MODE=transport"): "protects UDP 1701 between the two addresses, in tunnel mode",
    own("OWN_IKE_PROPOSAL=aes128-sha256-modp2048"): "vpn1 takes 3des-md5-modp1024",
    own("OWN_ESP_PROPOSAL=aes128-sha1"): "have no ESP proposal in common",
}
WRONG_SECRET = own("OWN_CHAP_SECRET=nonsense")
IPSEC_ONLY = own("OWN_IPSEC_ONLY=1")
PROBED = ("vpn-nat", "--no-path", "--", "sh", "-c", PROBES)


@pytest.fixture(scope="module", autouse=True)
def started(runs: Runs) -> None:
    runs.start([RIGHT, WITHOUT_NAT, SECOND, *WRONG, WRONG_SECRET, IPSEC_ONLY, PROBED])


def untested(ran: Ran) -> set[str]:
    return {name for name, found in ran.findings.items() if found["verdict"] == "not-applicable"}


@pytest.mark.parametrize("plan", [RIGHT, WITHOUT_NAT, SECOND], ids=["nat", "no nat", "vpn2"])
def test_a_right_client_gets_home_and_every_finding_holds(
    runs: Runs, plan: tuple[str, ...]
) -> None:
    ran = runs.get(*plan)

    assert ran.status == 0, ran.told
    assert '"service": "callhome-lab sdc"' in ran.stdout
    assert not ran.failed, ran.told
    # OUT-04 and P-18 depend on the topology: other tests say when.
    assert untested(ran) - {"OUT-04", "P-18"} == BY_THE_LABS_AGENT
    assert ran.verdict["verdict"] == "pass"
    (entry,) = ran.record.ledger
    (agreed,) = ran.record.ike
    assert (agreed.ike_encryption, agreed.ike_dh_group) == ("3DES_CBC", "MODP_1024")
    assert (agreed.esp_integrity, agreed.esp_mode) == ("HMAC_MD5_96", "TUNNEL")
    assert agreed.udp_encapsulation is (ran.topology.name == "vpn-nat")
    assert entry.peer_ip in ran.case.assigned("hmc")
    assert not (ran.run_dir / "logs" / "hmc" / "charon.log").exists()


@pytest.mark.parametrize(("plan", "told"), WRONG.items(), ids=["key", "mode", "ike", "esp"])
def test_a_client_without_a_tunnel_proves_nothing_and_is_told_why(
    runs: Runs, plan: tuple[str, ...], told: str
) -> None:
    ran = runs.get(*plan)

    assert ran.status != 0, ran.told
    assert not ran.failed, ran.told
    assert untested(ran) > {"P-03", "P-09", "P-10", "OUT-20", "OUT-21"}
    assert told in ran.verdict["diagnosis"]
    assert told in ran.stderr


def test_a_wrong_chap_secret_is_a_finding(runs: Runs) -> None:
    ran = runs.get(*WRONG_SECRET)

    assert ran.status != 0, ran.told
    assert "P-09" in ran.failed
    assert {"P-01", "P-02", "P-04", "P-05"}.isdisjoint(ran.failed)
    assert "give both ends the same CHAP secret" in ran.verdict["diagnosis"]


def test_ipsec_alone_is_told_and_not_put_to_the_test(runs: Runs) -> None:
    ran = runs.get(*IPSEC_ONLY)

    assert ran.status == 0, ran.told
    assert not ran.failed
    expected = "hmc agreed on IPsec with vpn1, and made no call by L2TP"
    assert expected in ran.findings["P-03"]["seen"]
    assert ran.findings["P-01"]["verdict"] == "pass"


def test_both_gateways_answer_probes_and_no_key_is_called_wrong(runs: Runs) -> None:
    ran = runs.get(*PROBED)

    assert ran.stdout.count("Main Mode Handshake returned") == 2, ran.told
    assert "500/udp  open" in ran.stdout
    assert "closed" not in ran.stdout
    assert not ran.failed
    assert "diagnosis" not in ran.verdict


def test_no_secret_is_told(runs: Runs) -> None:
    ran = runs.get(*RIGHT)

    assert len(ran.secrets) > 4
    for text in (ran.told, *(p.read_text() for p in (ran.run_dir / "logs").rglob("*.log"))):
        assert not [secret for secret in ran.secrets if secret in text]
