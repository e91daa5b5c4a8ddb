"""What the people at the receiver do, by HTTP on loopback (E-10), and what is deleted by the clock (E-21)."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from lab.ibm.receiver import alone
from lab.ibm.receiver.alone import LoneSite
from lab.ibm.receiver.configuration import Spoiled
from lab.ibm.receiver.keeper import RetentionKeeper
from lab.ibm.receiver.refused import NotDone
from tests.unit.ibm.receiver.asking import MACHINE, PROBLEM, Desk, Machine, enrolment, offered, said
from tests.unit.ibm.receiver.test_alone import asked
from tests.unit.ibm.receiver.test_configuration import verified
from tests.unit.ibm.sites import lab_threads

DEADLINE_S = 20.0


@pytest.fixture
def site(tmp_path: Path) -> Iterator[LoneSite]:
    with alone.receiving(tmp_path) as site:
        yield site
    assert lab_threads() == []


def tell(site: LoneSite, method: str, target: str, body: bytes = b"") -> tuple[int, Any]:
    where = urlsplit(site.administration_url)
    with contextlib.closing(HTTPConnection(where.netloc, timeout=DEADLINE_S)) as connection:
        connection.request(method, f"{where.path}/{target}", body)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def test_a_reset_by_http(site: LoneSite) -> None:
    first = asked(site, "PUT", "enrolments/e1", enrolment())
    asked(site, "POST", "resets", {"machine": MACHINE})

    _, listed = tell(site, "GET", "machines")
    (machine,) = listed["machines"]
    assert (machine["id"], machine["machine"]) == (first["id"], "8284-22A*21ABCDE")
    assert machine["reset_asked"]
    assert not machine["reset_carried_out"]
    assert first["password"] not in json.dumps(listed)

    assert tell(site, "POST", f"resets/{first['id']}") == (
        200,
        {"id": first["id"], "state": "carried out"},
    )
    assert tell(site, "GET", "machines")[1]["machines"][0]["reset_carried_out"]
    again = asked(site, "PUT", "enrolments/e2", enrolment())
    assert again["id"] == first["id"]
    assert again["password"] != first["password"]
    _, told = tell(site, "GET", "acts")
    assert [(act["act"], act["subject"]) for act in told["acts"]] == [("reset", first["id"])]
    assert {entry.kind for entry in site.transactions} == {"service: enrolment", "service: reset"}


def test_a_configuration_by_http(site: LoneSite) -> None:
    body = json.dumps({"servers": {"problem": ["https://192.0.2.9"]}}).encode()
    assert tell(site, "POST", "configuration", body) == (200, {"version": 1})
    assert tell(site, "POST", "configuration") == (200, {"version": 2})
    assert tell(site, "POST", "retention") == (200, {"removed": 0})


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("GET", "nothing", b"", 404),
        ("DELETE", "machines", b"", 405),
        ("POST", "resets/C7H2OELBD4J2KNNF", b"", 404),
        ("POST", "password-changes/C7H2OELBD4J2KNNF", b"", 404),
        ("POST", "closings/PMH0000001", b"", 404),
        ("POST", "configuration", b"{", 400),
        ("POST", "configuration", b"[]", 400),
        ("POST", "configuration", b'{"servers": 5}', 400),
        ("POST", "configuration", b'{"servers": {"problem": "https://x"}}', 400),
        ("POST", "configuration", b'{"spoiled": "utterly"}', 400),
        ("POST", "configuration", b"x" * 70_000, 413),
    ],
)
def test_what_is_not_done(
    site: LoneSite, method: str, target: str, body: bytes, status: int
) -> None:
    told = tell(site, method, target, body)
    assert told[0] == status
    assert told[1]["problem"]
    assert tell(site, "GET", "acts") == (200, {"acts": []})


def test_agents_do_not_get_there(site: LoneSite) -> None:
    told = asked(site, "POST", "administration/resets/x", {})
    assert told["problem"].startswith("there is nothing of that name")
    assert tell(site, "GET", "acts") == (200, {"acts": []})


def test_the_password_is_changed_when_somebody_says_so(desk: Desk, machine: Machine) -> None:
    assert offered(machine.get("fixes")) == ""
    desk.receiver.change_password_now(machine.id)
    change = offered(machine.get("fixes"))
    told = desk.receiver.listing("machines")[0]
    assert (told["password_number"], told["password_offered"]) == (1, desk.now)
    assert Machine(desk, machine.id, change).get("fixes").status == 200
    told = desk.receiver.listing("machines")[0]
    assert (told["password_number"], told["password_offered"]) == (2, None)


def test_what_is_listed_of_problems(desk: Desk, machine: Machine) -> None:
    pmh = said(machine.put("problems/p1", PROBLEM))["pmh"]
    desk.receiver.close_problem(pmh)
    desk.days(60)
    desk.receiver.purge()
    (problem,) = desk.receiver.listing("problems")
    assert (problem["pmh"], problem["report"], problem["deleted"]) == (pmh, "p1", True)


@pytest.mark.parametrize("spoiled", ["signature", "content", "half"])
def test_a_spoiled_configuration_is_refused_by_who_checks(desk: Desk, spoiled: str) -> None:
    good = verified(desk, desk.connection().get("configuration"))
    desk.receiver.publish({"problem": ["https://evil.example"]}, Spoiled(spoiled))
    with pytest.raises(Exception):  # noqa: B017, PT011 - by signature, JSON or number of parts
        verified(desk, desk.connection().get("configuration"))
    assert desk.receiver.publish() == 3
    again = verified(desk, desk.connection().get("configuration"))
    assert again["servers"] == good["servers"]


def test_the_keeper_deletes_at_the_time_and_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first time, the store cannot be used."""
    monkeypatch.setattr("lab.ibm.receiver.keeper.RETRY_S", 0.01)
    done: list[float] = []
    over = threading.Event()

    def purge() -> int:
        done.append(time.time())
        if len(done) == 1:
            raise NotDone(507, "the disk is full")
        keeper.look(None)
        over.set()
        return 1

    keeper = RetentionKeeper(purge, time.time)
    keeper.start()
    keeper.look(time.time() + 3600)
    due = time.time() + 0.05
    keeper.look(due)
    assert over.wait(DEADLINE_S)
    keeper.end()
    assert len(done) == 2
    assert due <= done[0]
    assert done[0] + 0.01 <= done[1]


def test_a_keeper_ends_while_it_waits() -> None:
    keeper = RetentionKeeper(lambda: 0, lambda: 0.0)
    keeper.start()
    keeper.look(1e9)
    keeper.end()
    assert lab_threads() == []
