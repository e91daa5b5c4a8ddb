"""Who is on a connection (E-08), what goes in clear, and which server does what."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.topology.servers import Speaks
from tests.unit.ibm.receiver.asking import (
    HEARTBEAT,
    PROBLEM,
    Desk,
    Machine,
    enrolment,
    said,
    server,
)


def test_the_first_request_of_a_connection_authenticates_it(desk: Desk, machine: Machine) -> None:
    connection = desk.connection()
    assert connection.get("fixes").status == 401
    assert connection.get("fixes", machine.auth).status == 200
    assert connection.get("fixes").status == 200
    assert connection.get("fixes", machine.auth).status == 200
    assert desk.connection().get("fixes").status == 401, "another one begins anew"


def test_a_connection_is_for_one_machine(desk: Desk, machine: Machine) -> None:
    other = desk.enrolled(serial="21ABCDF")
    connection = desk.connection()
    assert connection.get("fixes", machine.auth).status == 200
    assert connection.get("fixes", other.auth).status == 403
    assert connection.get("fixes").authenticated_as == machine.id


def test_a_wrong_password_on_a_connection_that_is_known(desk: Desk, machine: Machine) -> None:
    connection = desk.connection()
    assert connection.get("fixes", machine.auth).status == 200
    assert connection.get("fixes", (machine.id, "wrong")).status == 401


@pytest.mark.parametrize(
    "field",
    ["Bearer x", "Basic", "Basic !!", "Basic w6Q", "Basic gA==", "Basic OnB3", "basic OnB3"],
)
def test_what_is_no_id_and_password(desk: Desk, machine: Machine, field: str) -> None:
    assert desk.connection().ask("GET", "fixes", authorization=field).status == 401


def test_a_connection_ends_with_its_password(desk: Desk, machine: Machine) -> None:
    connection = desk.connection()
    connection.get("fixes", machine.auth)
    desk.receiver.change_password_now(machine.id)
    change = said(machine.get("fixes"))["password_change"]["password"]
    assert connection.get("fixes").status == 200, "both hold"
    assert Machine(desk, machine.id, change).get("fixes").status == 200
    assert connection.get("fixes").status == 401
    assert connection.get("fixes", (machine.id, change)).status == 200


def test_what_a_machine_reported_is_nobody_elses(desk: Desk, machine: Machine) -> None:
    other = desk.enrolled(serial="21ABCDF")
    machine.put("problems/p1", PROBLEM)
    assert other.get("problems/p1").status == 404
    assert other.put("problems/p1", {**PROBLEM, "severity": 1}).status == 201


def test_in_clear_there_are_downloads_only_and_no_passwords(tmp_path: Path) -> None:
    desk = Desk(tmp_path, servers=(server(), server("clear", speaks=Speaks.http)))
    machine = desk.enrolled()
    (fix,) = said(machine.get("fixes"))["fixes"]
    clear = desk.connection(1, encrypted=False)

    assert clear.get("configuration").status == 200
    assert clear.get(f"fixes/{fix}").status == 200
    for target in ("fixes", "access-key", "openapi.json", "problems/p1"):
        assert clear.get(target, machine.auth).status == 403
    assert clear.get("configuration", machine.auth).status == 403
    assert clear.put("heartbeats/h1", HEARTBEAT, machine.auth).status == 403
    assert clear.put("enrolments/e2", enrolment(serial="21ABCDF")).status == 403


def test_each_server_does_what_the_papers_list(tmp_path: Path) -> None:
    desk = Desk(tmp_path, servers=(server("a", "enrolment", "inventory"), server("b", "problem")))
    machine = desk.enrolled()

    refused = machine.put("problems/p1", PROBLEM)
    assert refused.status == 421
    assert said(refused)["problem"] == "a does not do problem, but enrolment, inventory"
    machine.site = 1
    assert machine.put("problems/p1", PROBLEM).status == 201
    assert machine.get("access-key").status == 200
    assert machine.put("heartbeats/h1", HEARTBEAT).status == 201, "at any server"
    assert desk.connection(1).put("enrolments/e9", {}).status == 421
    machine.site = 0
    assert said(machine.get("problems/p1"))["state"] == "open", "at any server"
