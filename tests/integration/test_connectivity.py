"""Errands as others see them: tshark on the wires, the ledgers behind the front end, and curl as an agent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.topology.errand_kinds import ErrandKind
from lab.verify.errands import ErrandsSeen
from tests.integration.labs import ROOT, Ran, Runs
from tests.oracle import tshark

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
PLAN = ("traditional", "--", "sh", "-c", BY_CURL)


@pytest.fixture(scope="module", autouse=True)
def started(runs: Runs) -> None:
    runs.start([*((name,) for name in NAMES), PLAN])


@pytest.fixture(params=NAMES)
def ran(request: pytest.FixtureRequest, runs: Runs) -> Ran:
    return runs.get(request.param)


def test_tshark_sees_the_same_requests_in_clear(ran: Ran) -> None:
    """OUT-33, OUT-41: a second reader of the bytes that the findings stand on."""
    wire = ran.run_dir / "wire" / "fw-inet.pcapng"
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
    core = ran.run_dir / "wire" / "core.pcapng"
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
