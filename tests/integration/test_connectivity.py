"""Errands as others see them: tshark on the wires, the ledgers behind the front end, and curl as an agent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.topology.errand_kinds import ErrandKind
from lab.verify.errands import ErrandsSeen
from tests.integration.labs import ROOT, Ran, Runs
from tests.oracle import as_captured, tshark

pytestmark = pytest.mark.kernel

NAMES = ("simplified", "traditional", "ursf")
BY_CURL = r"""
set -e
cd "$LAB_RUN_DIR"
ask() { curl -sS -m 30 --cacert "$LAB_CA_FILE" "$@"; }
fix=http://download3.boulder.ibm.com/transaction/fix
ask -o early -w '%{http_code}' "$fix/MH01720" >early.status
ask -d '{"system": "9999-ACM*01"}' https://eccgw01.boulder.ibm.com/transaction/enrolment >enrolment
ask -d '{"system": "9999-ACM*01"}' -o wrong -w '%{http_code}' \
    https://www6.software.ibm.com/transaction/problem >wrong.status
path=$(python3 -c 'import json; print(*json.load(open("enrolment"))["fixes"])')
ask -o fix -w '%{http_code}' "$fix/$path" >fix.status
"""
BY_SERVICE = r"""
set -e
cd "$LAB_RUN_DIR"
json='Content-Type: application/json'
service=$LAB_SERVER/service
machine='{"type": "8284", "model": "22A", "serial": "21ABCDE"}'
ask() { curl -sS -m 60 --fail --cacert "$LAB_CA_FILE" "$@"; }
ask -X PUT -H "$json" $service/enrolments/e1 \
    -d "{\"machine\": $machine, \"agent\": \"x\", \"ibm_ids\": []}" >enrolled
who=$(python3 -c 'import json; a = json.load(open("enrolled")); print(a["id"] + ":" + a["password"])')
# One connection: the first request authenticates for all.
ask -u "$who" -X PUT -H "$json" $service/inventories/i1 \
    -d '{"collected": 1, "reason": "inventory", "files": {"hmc.eed": "x"}}' \
    --next -sS --cacert "$LAB_CA_FILE" -X PUT -H "$json" $service/problems/p1 \
    -d '{"reference_code": "B1", "severity": 1, "text": "Fan", "occurred": 1, "reason": "problem"}' \
    --next -sS --cacert "$LAB_CA_FILE" -X PUT -H "$json" $service/heartbeats/h1 \
    -d '{"agent": "x", "collected": 1, "reason": "heartbeat"}' -w '%{num_connects}' >/dev/null
data=$service/problems/p1/data/a.tgz
printf abcdef >a.tgz
ask -u "$who" -X PUT -H "$json" $data \
    -d "{\"bytes\": 6, \"sha256\": \"$(sha256sum a.tgz | cut -d" " -f1)\"}" >declared
ask -u "$who" -X PATCH -H 'Content-Type: application/offset+octet-stream' -H 'Upload-Offset: 0' \
    --data-binary @a.tgz $data >uploaded
ask -u "$who" $service/access-key >key
ask $service/configuration >configuration
"""
PLAN = ("traditional", "--", "sh", "-c", BY_CURL)


@pytest.fixture(scope="module", autouse=True)
def started(runs: Runs) -> None:
    runs.start([*((name,) for name in NAMES), PLAN])


@pytest.fixture(params=NAMES)
def ran(request: pytest.FixtureRequest, runs: Runs) -> Ran:
    return runs.get(request.param)


def test_tshark_sees_the_same_requests_in_clear(ran: Ran) -> None:
    """OUT-33, OUT-41: a second reader of the bytes that the findings stand on."""
    wire = as_captured(ran.run_dir / "wire" / "fw-inet.pcapng")
    fields = ("ip.dst", "tcp.srcport", "http.request.method", "http.request.uri")

    rows = tshark(wire, fields, "-Y", "http.request")

    ours = [
        (one.connection.server, str(one.connection.sent[0].source_port), asked.method, asked.target)
        for one, requests in ErrandsSeen(ran.case).in_clear
        for asked in requests
    ]
    assert sorted(tuple(row) for row in rows) == sorted(ours)
    assert {method for _, _, method, _ in ours} == {"GET"}
    assert not tshark(
        wire, ("frame.number",), "-Y", "http.authorization || http.file_data && http.request"
    )


def test_tshark_sees_every_place_that_was_called(ran: Ran) -> None:
    """OUT-38, OUT-39, OUT-40: by the first packets alone."""
    wire = ran.run_dir / "wire" / "fw-inet.pcapng"
    own = ran.case.public_address

    rows = tshark(wire, ("ip.dst", "tcp.dstport"), "-Y", f"ip.src == {own} && tcp.flags.syn == 1")

    listed = {(end.address, str(end.port)) for e in ran.topology.errands for end in e.endpoints}
    called = {tuple(row) for row in rows}
    assert called <= listed
    if ran.topology.name != "simplified":
        assert called == listed, "every place was tried"


def test_the_servers_behind_the_front_end_have_what_it_says(runs: Runs) -> None:
    """OUT-37: ledger by ledger, and on the wire between them."""
    ran = runs.get("simplified")
    core = as_captured(ran.run_dir / "wire" / "core.pcapng")
    hellos = tshark(core, ("ip.dst", "tcp.srcport"), "-Y", "tls.handshake.type == 1")
    assert not tshark(core, ("frame.number",), "-Y", "http")

    for one in ran.topology.back_ends:
        text = (ran.run_dir / "logs" / one.node / "ledger.jsonl").read_text()
        theirs = [json.loads(line) for line in text.splitlines()]
        handed = [e for e in ran.record.ledger if e.back_end == one.node]
        assert [(e["kind"], e["peer_port"], e["body_sha256"]) for e in theirs] == [
            (e.kind, e.back_end_port, e.body_sha256) for e in handed
        ]
        assert {e.kind.removeprefix("errand: ") for e in handed} == {*one.serves}
        ports = {port for address, port in hellos if address == one.address}
        assert ports == {str(e.back_end_port) for e in handed}


def test_the_servers_behind_the_front_end_do_what_the_receiver_is_asked(runs: Runs) -> None:
    """OUT-37 below /service/: ledger by ledger, and on the wire between them; one store for all (R-11)."""
    ran = runs.get("simplified", "--", "sh", "-c", BY_SERVICE)
    assert ran.status == 0, ran.told
    hellos = tshark(
        ran.run_dir / "wire" / "core.pcapng",
        ("ip.dst", "tcp.srcport"),
        "-Y",
        "tls.handshake.type == 1",
    )
    behind = {}
    for one in ran.topology.back_ends:
        text = (ran.run_dir / "logs" / one.node / "ledger.jsonl").read_text()
        theirs = [json.loads(line) for line in text.splitlines()]
        handed = [e for e in ran.record.ledger if e.back_end == one.node]
        assert [
            (e["kind"], e["status"], e["peer_port"], e["authenticated_as"]) for e in theirs
        ] == [(e.kind, e.status, e.back_end_port, e.authenticated_as) for e in handed]
        ports = [port for address, port in hellos if address == one.address]
        assert sorted(ports) == sorted(str(e.back_end_port) for e in handed)
        behind[one.node] = [e.kind.removeprefix("service: ") for e in handed]
    assert behind == {
        "problems": ["problem", "upload-declaration", "upload", "access-key"],
        "systems": ["enrolment", "inventory"],
        "downloads": ["configuration"],
    }
    own = [e for e in ran.record.ledger if not e.back_end]
    assert [e.kind for e in own] == ["service: heartbeat"], "which any server does"
    problem = next(e for e in ran.record.ledger if e.kind == "service: problem")
    inventory = next(e for e in ran.record.ledger if e.kind == "service: inventory")
    assert (problem.peer_port, problem.authenticated_as) == (
        inventory.peer_port,
        inventory.authenticated_as,
    )
    assert json.loads((ran.run_dir / "uploaded").read_text()) == {"offset": 6, "complete": True}
    assert ran.findings["OUT-37"]["verdict"] == "pass"
    assert "systems got enrolment, inventory" in ran.findings["OUT-37"]["seen"]


def test_a_server_behind_that_is_down_leaves_the_receivers_others(runs: Runs) -> None:
    script = BY_SERVICE.replace("set -e\n", "").replace("--fail ", "")
    ran = runs.get("simplified", "--fault", "back-end-down", "--", "sh", "-c", script)
    statuses = {e.kind.removeprefix("service: "): (e.status, e.back_end) for e in ran.record.ledger}
    assert statuses["enrolment"] == (201, "systems")
    assert statuses["problem"] == statuses["access-key"] == (503, "problems")
    assert statuses["configuration"] == (200, "downloads")
    key = json.loads((ran.run_dir / "key").read_text())
    assert key["problem"] == "problems, which does problem, does not answer: timed out"


def test_each_row_of_ursf_was_held_back_in_turn(runs: Runs) -> None:
    """F-16: what the agent says of it."""
    trials = {t.row: t for t in runs.get("ursf").record.errand_trials if t.row}
    functions = {
        "A-31": ErrandKind.problem,
        "A-32": ErrandKind.call_home,
        "A-34": ErrandKind.authentication,
        "A-35": ErrandKind.remote_support,
        "A-36": ErrandKind.fix,
    }

    assert trials.keys() == functions.keys()
    for row, function in functions.items():
        failed = {a.errand for a in trials[row].attempts if a.cause is not None}
        assert failed == {function}


def test_a_customer_with_servers_of_all_regions_has_others_for_the_legacy_call_home(
    runs: Runs, tmp_path: Path
) -> None:
    """F-16: a row that another one stands in for holds nothing up."""
    text = (ROOT / "topologies" / "ursf.yaml").read_text()
    file = tmp_path / "everywhere.yaml"
    file.write_text(text.replace("schema: 2\n", "schema: 2\nregion: all\n"))

    ran = runs.get(str(file))

    assert ran.status == 0, ran.told
    seen = ran.findings["F-16"]["seen"]
    assert "without A-32 all is done" in seen
    assert "without A-33 all is done" in seen
    assert "without A-34 no authentication" in seen


def test_curl_is_served_by_the_same_rules(runs: Runs) -> None:
    """OUT-38, OUT-41, OUT-42: an agent of another maker."""
    ran = runs.get(*PLAN)
    assert ran.status == 0, ran.told
    said = {path.name: path.read_text() for path in ran.run_dir.glob("*.status")}

    assert said == {"early.status": "403", "wrong.status": "421", "fix.status": "200"}
    kinds = [(e.kind, e.status, e.system) for e in ran.record.ledger]
    assert kinds == [
        ("errand: fix", 403, ""),
        ("errand: enrolment", 200, "9999-ACM*01"),
        ("errand: problem", 421, ""),
        ("errand: fix", 200, "9999-ACM*01"),
    ]
    assert "1 request without an enrolment refused" in ran.findings["OUT-42"]["seen"]
    for requirement in ("OUT-33", "OUT-41", "OUT-42"):
        assert ran.findings[requirement]["verdict"] == "pass", ran.told
    # A problem went to a server of uploads: it was refused there, and the finding says where it went.
    assert ran.findings["OUT-38"]["verdict"] == "fail"
    assert "the problem goes to 170.225.15.41:443" in ran.findings["OUT-38"]["seen"]
