"""Enrolment (E-06, E-07), its lost answer, and resets (E-10)."""

from __future__ import annotations

import pytest

from tests.unit.ibm.receiver.asking import HEARTBEAT, MACHINE, Desk, Machine, enrolment, said


def test_the_same_machine_has_the_same_id_in_every_lab(desk: Desk, machine: Machine) -> None:
    assert machine.id == "C7H2OELBD4J2KNNF"
    other = desk.enrolled(serial="21ABCDF")
    assert other.id != machine.id
    assert other.password != machine.password


def test_whoever_has_not_enrolled_is_refused(desk: Desk) -> None:
    answer = Machine(desk, "C7H2OELBD4J2KNNF", "x").put("heartbeats/h1", HEARTBEAT)

    assert answer.status == 401
    assert ("WWW-Authenticate", 'Basic realm="callhome-lab receiver", charset="UTF-8"') in (
        answer.fields or ()
    )
    assert "PUT /service/enrolments/REPORT" in said(answer)["problem"]


def test_a_lost_answer_is_given_again_until_the_password_is_used(desk: Desk) -> None:
    first = desk.connection().put("enrolments/e1", enrolment())
    again = desk.connection(1).put("enrolments/e1", enrolment())

    assert (first.status, again.status) == (201, 200)
    assert first.content == again.content

    machine = desk.enrolled()
    assert machine.put("heartbeats/h1", HEARTBEAT).status == 201
    assert desk.connection().put("enrolments/e1", enrolment()).status == 409


def test_the_answer_is_the_same_after_the_receiver_began_again(desk: Desk) -> None:
    first = desk.connection().put("enrolments/e1", enrolment())
    desk.receiver.close()
    desk.open()

    assert desk.connection().put("enrolments/e1", enrolment()).content == first.content


def test_a_wrong_password_does_not_use_the_right_one(desk: Desk, machine: Machine) -> None:
    assert Machine(desk, machine.id, "wrong").get("fixes").status == 401
    assert desk.connection().put("enrolments/e1", enrolment()).status == 200


def test_an_enrolled_machine_is_not_enrolled_again(desk: Desk, machine: Machine) -> None:
    other_report = desk.connection().put("enrolments/e2", enrolment())
    other_content = desk.connection().put("enrolments/e1", enrolment("another agent"))

    assert (other_report.status, other_content.status) == (409, 409)
    assert "POST /service/resets" in said(other_report)["problem"]
    assert "other content" in said(other_content)["problem"]


def test_two_machines_may_call_their_enrolments_alike(desk: Desk, machine: Machine) -> None:
    other = desk.enrolled("e1", serial="21ABCDF")

    assert machine.get("fixes").status == other.get("fixes").status == 200


def test_a_reset_is_asked_for_and_carried_out_by_the_administration(
    desk: Desk, machine: Machine
) -> None:
    assert machine.get("fixes").status == 200
    asked = desk.connection().ask(
        "POST", "resets", b'{"machine": %s}' % str(MACHINE).replace("'", '"').encode(),
        content_type="application/json",
    )  # fmt: skip
    assert (asked.status, said(asked)["id"]) == (202, machine.id)
    assert machine.get("fixes").status == 200, "to ask changes nothing"
    assert desk.connection().put("enrolments/e2", enrolment()).status == 409

    desk.receiver.reset(machine.id)
    assert machine.get("fixes").status == 401
    again = desk.enrolled("e2")
    assert again.id == machine.id
    assert again.password != machine.password
    assert again.get("fixes").status == 200
    assert machine.get("fixes").status == 401


def test_after_a_reset_the_next_password_is_none_that_was_offered(
    desk: Desk, machine: Machine
) -> None:
    desk.receiver.change_password_now(machine.id)
    change = said(machine.get("fixes"))["password_change"]["password"]
    desk.receiver.reset(machine.id)

    again = desk.enrolled()
    assert again.password not in (machine.password, change)
    assert Machine(desk, machine.id, change).get("fixes").status == 401


def test_nobody_resets_what_is_not_enrolled(desk: Desk) -> None:
    body = b'{"machine": {"type": "8284", "model": "22A", "serial": "21ABCDE"}}'
    asked = desk.connection().ask("POST", "resets", body, content_type="application/json")

    assert asked.status == 404
    with pytest.raises(Exception, match="no machine with the ID"):
        desk.receiver.reset("C7H2OELBD4J2KNNF")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"type": "828"}, "machine.type"),
        ({"model": "22a"}, "machine.model"),
        ({"serial": "21ABCDE\n"}, "machine.serial"),
    ],
)
def test_a_machine_is_named_as_on_its_plate(
    desk: Desk, change: dict[str, str], problem: str
) -> None:
    answer = desk.connection().put("enrolments/e1", enrolment(**change))

    assert answer.status == 400
    assert problem in said(answer)["problem"]


def test_a_contact_is_all_there_or_left_out(desk: Desk) -> None:
    half = {**enrolment(), "contact": {"name": "Kim Example"}}
    refused = desk.connection().put("enrolments/e1", half)
    assert refused.status == 400
    assert "contact: lacks company" in said(refused)["problem"]


def test_two_ibm_ids_at_most(desk: Desk) -> None:
    """E-18."""
    three = {**enrolment(), "ibm_ids": ["a@x", "b@x", "c@x"]}
    assert desk.connection().put("enrolments/e1", three).status == 400
    assert (
        desk.connection().put("enrolments/e1", {**three, "ibm_ids": ["a@x", "b@x"]}).status == 201
    )
