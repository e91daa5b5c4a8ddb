"""Events that wait for approval: judged, read by tshark, asked for by curl, decided by command and page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lab import verify
from lab.consoles.events import RequestDelivered, RequestFailed, RequestForwarded
from lab.verify.case import Case
from tests.integration.labs import Runs, changed
from tests.integration.users import User
from tests.oracle import tshark

pytestmark = pytest.mark.kernel

NAME = "events-manager"
M, A, B, C = "203.0.113.10", "203.0.113.11", "203.0.113.12", "203.0.113.13"
JUDGED = {"M-10", "M-11", "M-12", "M-13", "M-14"}
SYNS = "tcp.flags.syn == 1 && tcp.flags.ack == 0"


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User.settle(tmp_path / "home")


def test_a_month_passes_and_nothing_goes_that_nobody_has_approved(runs: Runs) -> None:
    """By the SYNs, as tshark reads them: one call of hmc-a, and none of hmc-b and hmc-c since then."""
    ran = runs.get(NAME)

    assert (ran.status, ran.failed) == (0, set()), ran.told
    assert {n for n, f in ran.findings.items() if f["verdict"] == "pass"} >= JUDGED
    held = min(e["time"] for e in ran.events if e["kind"] == "event-held")
    assert ran.record.ended - held > 30 * 86400
    fields = "frame.time_epoch", "ip.src", "ip.dst", "tcp.dstport"
    syns = tshark(ran.run_dir / "wire" / "lan.pcapng", fields, "-Y", SYNS)
    later = [(source, to, port) for when, source, to, port in syns if float(when) > held]
    between = [each for each in later if each[0] == M]
    assert {*between} == {(M, A, "443"), (M, B, "443")}
    (called,) = [each for each in later if each[0] != M]
    assert called[0] == A
    assert called[1] not in (M, B, C)
    (entry,) = [each for each in ran.record.ledger if each.kind == "errand: problem"]
    assert (entry.key, entry.peer_ip) == ("hmc-a-1", A)


def test_the_trail_has_who_when_what_and_the_digest(runs: Runs) -> None:
    ran = runs.get(NAME)
    lines = (ran.run_dir / "approvals.jsonl").read_text().splitlines()
    trail = [json.loads(line) for line in lines]
    held = {e["event"]: e["sha256"] for e in ran.events if e["kind"] == "event-held"}

    assert [(e["event"], e["decision"], e["by"]) for e in trail] == [
        ("hmc-a-1", "approved", "the lab's user"),
        ("hmc-a-2", "rejected", "the lab's user"),
    ]
    assert all(e["sha256"] == held[e["event"]] and not e["problem"] for e in trail)
    (entry,) = [each for each in ran.record.ledger if each.key]
    assert entry.body_sha256 == held["hmc-a-1"]


PEOPLE = """
page() { curl -sS --cacert "$LAB_CA_FILE" -u "$LAB_EVENTS_MANAGER_USER:$LAB_EVENTS_MANAGER_PASSWORD" "$@"; }
lab-events list
lab-events show hmc-a-1 >shown; sha256sum <shown | cut -d' ' -f1
lab-events approve hmc-a-1 | cut -d, -f1
lab-events approve hmc-a-1 | cut -d, -f1
lab-events reject hmc-a-1 2>&1; echo $?
lab-events show hmc-c-1 2>&1; echo $?
curl -sS --cacert "$LAB_CA_FILE" -o /dev/null -w '%{http_code}\\n' "$LAB_EVENTS_MANAGER"
page "$LAB_EVENTS_MANAGER" | grep -c hmc-b-1
page "$LAB_EVENTS_MANAGER/hmc-b-1" >form
field() { grep -o "name=\\"$1\\" value=\\"[^\\"]*" form | head -1 | cut -d'"' -f4; }
page -o /dev/null -w '%{http_code}\\n' -d token=0 -d sha256="$(field sha256)" \\
  "$LAB_EVENTS_MANAGER/hmc-b-1/reject"
page -o /dev/null -w '%{http_code}\\n' -d token="$(field token)" -d sha256="$(field sha256)" \\
  "$LAB_EVENTS_MANAGER/hmc-b-1/reject"
page "$LAB_EVENTS_MANAGER/hmc-b-1" | grep -o 'hmc-b: [a-z]*'
curl -sS -o /dev/null -w '%{http_code}\\n' --cacert "$LAB_CA_FILE" https://203.0.113.11/events
curl -sS -o /dev/null -w '%{http_code}\\n' --cacert "$LAB_CA_FILE" \\
  -H 'Authorization: Bearer wrong' https://203.0.113.11/events/hmc-a-1
openssl s_client -connect 203.0.113.11:443 -CAfile "$LAB_CA_FILE" -verify_return_error </dev/null 2>&1 |
  grep -o 'Verify return code: 0' | head -1
"""


def test_people_decide_by_command_and_by_page_in_a_lab_that_stands(user: User) -> None:
    with user.standing(NAME, "--out", "out"):
        for host in ("hmc-a", "hmc-b", "hmc-c"):
            done = user.lab("exec", host, "--", "lab-events", "fail", "Fan", "3", "has", "failed")
            assert done.stdout == f"{host}-1 waits for approval\n".encode(), done.stderr
        done = user.lab("exec", "hmc-a", "--", "lab-events", "list")
        assert done.returncode == 2
        assert b"this console has no Events Manager" in done.stderr
        done = user.lab("exec", "firewall", "--", "lab-events", "list")
        assert done.returncode != 0
        assert b"lab-events" in done.stderr
        done = user.lab("exec", "hmc-m", "--", "sh", "-c", PEOPLE)
    lines = done.stdout.decode().splitlines()
    first, second, digest, *rest = lines
    assert re.match(r"hmc-a-1  hmc-a  severity 2  Fan 3 has failed  20\d\d-", first), done.stderr
    assert second.startswith("hmc-b-1  hmc-b  ")
    state, again = rest[:2]
    assert state == "hmc-a-1 of hmc-a: approved"
    assert again in ("hmc-a-1 of hmc-a: approved", "hmc-a-1 of hmc-a: sent")
    assert "hmc-a-1 is " in rest[2]
    assert rest[3:5] == ["  hint: an event that waits goes on waiting; say it again when the "
                         "console answers", "1"]  # fmt: skip
    assert rest[5] == "lab-events: there is no event 'hmc-c-1'"
    assert rest[7:] == [
        "2", "401", "1", "403", "303", "hmc-b: rejected", "401", "401", "Verify return code: 0",
    ]  # fmt: skip
    trail = [
        json.loads(line)
        for line in (user.home / "out" / "approvals.jsonl").read_text().splitlines()
    ]
    told = [(e["event"], e["decision"], e["by"], e["means"], bool(e["problem"])) for e in trail]
    assert told == [
        ("hmc-a-1", "approved", "root", "command", False),
        ("hmc-a-1", "approved", "root", "command", False),
        ("hmc-a-1", "rejected", "root", "command", True),
        ("hmc-b-1", "rejected", "hscroot", "page", False),
    ]
    assert trail[0]["sha256"] == digest
    verdict = json.loads((user.home / "out" / "verdict.json").read_text())
    found = {each["requirement"]: each for each in verdict["findings"]}
    assert {n: found[n]["verdict"] for n in JUDGED} == dict.fromkeys(JUDGED, "pass"), found


HOME_BY_OTHERS = (
    (
        "  internet: { kind: direct }\n",
        "  internet: { kind: direct }\n  others: { kind: consoles }\n",
    ),
    ("  hmc-m: [internet]\n", "  hmc-m: [others]\n"),
    (
        "\nexpect: [",
        "\nconsoles: { hmc-m: {}, hmc-a: { call_home_server: true }, hmc-c: { call_home_server: true } }"
        "\nexpect: [M-05, M-06, ",
    ),
)


def test_a_manager_that_calls_home_by_other_consoles_asks_them_for_that_alone(
    runs: Runs, tmp_path: Path
) -> None:
    """M-10, M-11: what goes to 9920 for a call home is nothing of the Events Manager's, and all else is."""
    ran = runs.get(changed(tmp_path, NAME, *HOME_BY_OTHERS, to="manager-without-a-way"))

    assert (ran.status, ran.failed) == (0, set()), ran.told
    assert {n for n, f in ran.findings.items() if f["verdict"] == "pass"} >= JUDGED | {
        "M-05",
        "M-06",
    }
    assert ran.findings["M-11"]["seen"].endswith(
        "none to 9920 but to have own requests sent (M-05)"
    )
    case = Case(ran.topology, ran.record, ran.run_dir)
    of_calls = RequestForwarded, RequestDelivered, RequestFailed
    case.__dict__["events"] = [e for e in ran.case.events if not isinstance(e, of_calls)]
    failed = {
        f.requirement: f.seen for f in verify.judge(case) if f.verdict is verify.Verdict.failed
    }
    assert "of hmc-m to TCP 9920 of hmc-a" in failed["M-11"]
    assert "between hmc-m and hmc-c, which is not registered" in failed["M-10"]


OTHERS = """
lab-events fail Fan 3 has failed
curl -sS --cacert "$LAB_CA_FILE" -o /dev/null "$LAB_SERVER/"
openssl s_client -connect "${LAB_SERVER#https://}:443" -CAfile "$LAB_CA_FILE" </dev/null >/dev/null 2>&1
"""
ITSELF = """
curl -sS --cacert "$LAB_CA_FILE" -o /dev/null -H 'Idempotency-Key: "hmc-b-1"' \\
  -d '{"system": "7042-CR9*2100001"}' "$LAB_SERVER/transaction/problem"
"""


@pytest.mark.parametrize(("script", "verdict"), [(OTHERS, "pass"), (OTHERS + ITSELF, "fail")])
def test_what_a_console_sends_is_an_event_or_something_else(
    script: str, verdict: str, runs: Runs
) -> None:
    """M-13: another request is no event's, and an event that the console sends by itself is caught."""
    ran = runs.get(NAME, "--node", "hmc-b", "--", "sh", "-c", script)

    assert ran.findings["M-13"]["verdict"] == verdict, ran.told
    assert ran.failed == ({"M-13"} if verdict == "fail" else set())
    if verdict == "fail":
        assert "hmc-b-1 waits, and IBM's servers have it 1 time" in ran.findings["M-13"]["seen"]
