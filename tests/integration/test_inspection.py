"""A firewall that breaks TLS open, seen by tools of others: who it shows, and what it still keeps out."""

from __future__ import annotations

import pytest

from tests.integration.labs import Runs

pytestmark = pytest.mark.kernel

NOT_TRUSTED, NOT_CONNECTED = 60, 28
"""curl(1), EXIT CODES."""
AS_CLIENTS = """
host=${LAB_SERVER#https://}
for trusted in ca.pem inspector-ca.pem; do
    curl -sSm 20 -o /dev/null --cacert $LAB_RUN_DIR/keys/$trusted $LAB_SERVER 2>/dev/null
    echo "$trusted $?"
done
openssl s_client -connect $host:443 -servername $host </dev/null 2>/dev/null |
    openssl x509 -noout -issuer
curl -sm 5 -o /dev/null http://203.0.113.1:3129/
echo "3129 $?"
"""


def test_clients_see_the_customers_authority_and_the_server_sees_the_firewall(runs: Runs) -> None:
    ran = runs.get("direct", "--fault", "tls-inspection", "--", "sh", "-c", AS_CLIENTS)

    told = ran.stdout.splitlines()
    assert told[:2] == [f"ca.pem {NOT_TRUSTED}", "inspector-ca.pem 0"]
    assert "customer.test" in told[2]
    # Whoever was not redirected does not reach the program: the default deny stays.
    assert told[3] == f"3129 {NOT_CONNECTED}"
    served = [entry for entry in ran.case.ledger if entry.method]
    assert {entry.peer_ip for entry in ran.case.ledger} == {"198.51.100.2"}, ran.case.ledger
    assert len(served) == 1, ran.case.ledger
    # Nothing of the HMC's own gets past the firewall.
    own = [packet for _, packet in ran.case.packets("fw-inet") if packet.source == "203.0.113.10"]
    assert not own


def test_without_the_fault_clients_see_the_servers_authority(runs: Runs) -> None:
    ran = runs.get("direct", "--", "sh", "-c", AS_CLIENTS)

    told = ran.stdout.splitlines()
    assert told[0] == "ca.pem 0"
    assert "callhome-lab" in told[2]
    assert not (ran.run_dir / "keys" / "inspector-ca.pem").exists()
