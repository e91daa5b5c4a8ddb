"""Fixes (OUT-41, OUT-42) and access keys (E-19)."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lab.ibm import errands
from lab.ibm.receiver.credentials import DAY_S
from lab.topology.servers import Speaks
from tests.unit.ibm.receiver.asking import Desk, Machine, said, server


def test_an_enrolled_machine_is_told_of_fixes_and_gets_them_anonymously(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path, servers=(server(), server("clear", speaks=Speaks.http)))
    machine = desk.enrolled()
    answer = machine.get("fixes")
    ((place, digest),) = said(answer)["fixes"].items()
    assert answer.promised == digest

    for site, encrypted in ((0, True), (1, False)):
        fix = desk.connection(site, encrypted=encrypted).get(f"fixes/{place}")
        assert fix.status == 200
        assert hashlib.sha256(fix.content).hexdigest() == digest
        assert (fix.authenticated_as, fix.system) == ("", "8284-22A*21ABCDE")
        assert dict(fix.fields or ())["Content-Type"] == "application/octet-stream"


def test_whoever_has_not_enrolled_gets_none(desk: Desk) -> None:
    assert desk.connection().get("fixes").status == 401
    assert desk.connection().get(f"fixes/0123456789abcdef/{errands.FIX}").status == 403


def test_a_fix_that_there_is_not(desk: Desk, machine: Machine) -> None:
    ((place, _),) = said(machine.get("fixes"))["fixes"].items()
    order = place.partition("/")[0]
    assert desk.connection().get(f"fixes/{order}/MH00000").status == 404
    assert desk.connection().get(f"fixes/{order.upper()}x/MH00000").status == 400


def test_each_machine_has_an_order_of_its_own_for_good(desk: Desk, machine: Machine) -> None:
    other = desk.enrolled(serial="21ABCDF")
    assert said(machine.get("fixes")) != said(other.get("fixes"))
    desk.days(100)
    assert said(machine.get("fixes")) == said(machine.get("fixes"))


def test_updates_come_with_a_log_in_and_never_in_clear(tmp_path: Path) -> None:
    """E-23, in contrast to fixes."""
    desk = Desk(tmp_path, servers=(server(), server("clear", speaks=Speaks.http)))
    machine = desk.enrolled()
    found = said(machine.get("updates"))["updates"]
    assert found.keys() == {*errands.UPDATES}
    for name, digest in found.items():
        update = machine.get(f"updates/{name}")
        assert (update.status, hashlib.sha256(update.content).hexdigest()) == (200, digest)
        assert dict(update.fields or ())["Content-Type"] == "application/octet-stream"
        assert desk.connection().get(f"updates/{name}").status == 401
        assert desk.connection(1, encrypted=False).get(f"updates/{name}").status == 403
    assert machine.get("updates/esa-0").status == 404
    assert machine.get("updates/-/..").status in (400, 404)
    assert desk.connection().get("updates").status == 401
    assert desk.connection(1, encrypted=False).get("updates").status == 403


def test_an_access_key_is_the_same_until_30_days_before_it_ends(
    desk: Desk, machine: Machine
) -> None:
    first = said(machine.get("access-key"))
    assert first["expires"] == desk.now + 180 * DAY_S
    desk.now = first["expires"] - 30 * DAY_S
    assert said(machine.get("access-key"))["key"] == first["key"]
    desk.now += 1
    change = machine.get("access-key")
    assert said(change)["key"] != first["key"]
    assert said(change)["expires"] == desk.now + 180 * DAY_S
    machine.site = 1
    assert said(machine.get("access-key"))["key"] == said(change)["key"]


def test_an_access_key_that_has_ended_is_renewed(desk: Desk, machine: Machine) -> None:
    first = said(machine.get("access-key"))
    desk.days(170)
    machine.password = said(machine.get("fixes"))["password_change"]["password"]
    desk.days(20)
    again = said(machine.get("access-key"))
    assert again["key"] != first["key"]
    assert again["expires"] > desk.now


def test_keys_are_each_machines_own(desk: Desk, machine: Machine) -> None:
    other = desk.enrolled(serial="21ABCDF")
    assert said(machine.get("access-key"))["key"] != said(other.get("access-key"))["key"]
