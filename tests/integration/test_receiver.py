"""IBM's receiver in a lab: at the servers of the address tables, in clear, and by the lab's clock."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from typing import Any

import pytest

from tests.integration.labs import ROOT, SYSTEM_PYTHON, Ran, Runs

pytestmark = pytest.mark.kernel

LIFE = ROOT / "tests" / "data" / "receiver" / "life.py"
ADMINISTRATION = r"""
ask() { curl -sS -m 20 "$@"; }
service=$LAB_SERVER/service
json='Content-Type: application/json'
machine='{"type": "8284", "model": "22A", "serial": "21ABCDE"}'
ask --cacert $LAB_CA_FILE -X PUT -H "$json" $service/enrolments/e1 \
    -d "{\"machine\": $machine, \"agent\": \"x\", \"ibm_ids\": []}" >/dev/null
ask --cacert $LAB_CA_FILE -H "$json" -d "{\"machine\": $machine}" $service/resets
ask http://127.0.0.1:8023/administration/machines
ask -X POST http://127.0.0.1:8023/administration/resets/C7H2OELBD4J2KNNF
ask --cacert $LAB_CA_FILE -X PUT -H "$json" $service/enrolments/e2 \
    -d "{\"machine\": $machine, \"agent\": \"x\", \"ibm_ids\": []}" \
    -o /dev/null -w '{"status": %{http_code}}\n'
ask http://127.0.0.1:8023/administration/acts
"""


def lived(runs: Runs) -> tuple[Ran, dict[str, Any]]:
    ran = runs.get("traditional", "--quiet", "--", SYSTEM_PYTHON, os.fspath(LIFE))
    assert ran.status == 0, ran.told
    told: dict[str, Any] = json.loads(ran.stdout)
    return ran, told


def test_a_machine_deals_with_the_servers_of_the_tables(runs: Runs) -> None:
    """E-06, E-20, OUT-41, OUT-42, R-04: each operation at the servers that the paper of 2017 lists for it."""
    ran, told = lived(runs)

    statuses = {name: answer[0] for name, answer in told.items() if isinstance(answer, list)}
    assert statuses == {
        "enrolled": 201, "misdirected": 421, "heartbeat": 201, "problem": 201, "declared": 201,
        "uploaded": 200, "configuration": 200, "fixes": 200, "fix": 200, "in clear": 403,
        "after": 200, "standing": 200,
    }  # fmt: skip
    assert told["fix"][1] in told["fixes"][1]["fixes"].values()
    assert told["heartbeat"][1] == told["after"][1], "the same message, four days later"
    by_kind = {entry.kind: entry for entry in ran.record.ledger}
    assert by_kind["service: fix"].tls_version == ""
    assert by_kind["service: fixes"].promised == told["fix"][1]
    assert by_kind["service: problem"].authenticated_as == told["enrolled"][1]["id"]
    assert by_kind["service: problem"].server == "www-945.ibm.com"
    assert told["127.0.0.1"] == "ConnectionRefusedError"
    assert told["eccgw01.boulder.ibm.com"] == "TimeoutError", (
        "the customer's firewall drops it, too"
    )
    assert not ran.failed


def test_the_signature_is_what_openssl_takes(runs: Runs) -> None:
    ran, told = lived(runs)
    head, content, signature = told["configuration"][1].split(".")
    (ran.run_dir / "signed").write_text(f"{head}.{content}")
    script = (
        f"printf %s {signature} | tr -- -_ +/ | base64 -d 2>/dev/null >signature; "
        "openssl pkeyutl -verify -pubin -inkey keys/configuration.pub -rawin -in signed -sigfile signature"
    )
    done = subprocess.run(["sh", "-c", script], cwd=ran.run_dir, check=False)
    assert done.returncode == 0


def test_problem_data_are_deleted_by_the_labs_clock(runs: Runs) -> None:
    """E-21: nobody has asked for anything in these days, and it happens at the time all the same."""
    ran, told = lived(runs)
    with sqlite3.connect(ran.run_dir / "logs" / "sdc" / "receiver.sqlite") as store:
        (stored, removed) = store.execute("SELECT stored, removed FROM removals").fetchone()
        assert store.execute("SELECT count(*) FROM parts").fetchone() == (0,)
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    store.close()
    assert 0 <= removed - stored - 3 * 86400 < 1
    assert 0 <= told["uploaded_at"] - stored < 60
    assert told["standing"][1] == {"offset": 3000, "bytes": 3000, "complete": True}


def test_no_password_is_in_the_run_directory(runs: Runs) -> None:
    ran, told = lived(runs)
    password = told["enrolled"][1]["password"].encode()
    for path in ran.run_dir.rglob("*"):
        # What the program of this test has said itself is not the lab's.
        if path.is_file() and not path.is_socket() and path.name not in ("stdout", "stderr"):
            assert password not in path.read_bytes(), path


def test_the_people_at_the_receiver_carry_a_reset_out(runs: Runs) -> None:
    """E-10, at the servers' own node."""
    ran = runs.get("direct", "--quiet", "--node", "sdc", "--", "sh", "-c", ADMINISTRATION)
    assert ran.status == 0, ran.told
    asked, machines, reset, again, acts = map(json.loads, ran.stdout.splitlines())

    assert asked["state"] == "asked"
    (machine,) = machines["machines"]
    assert machine["id"] == asked["id"] == reset["id"]
    assert machine["reset_asked"] > 0
    assert again == {"status": 201}
    assert [act["act"] for act in acts["acts"]] == ["reset"]
