"""The change of passwords, and everything that may be lost on the way (E-09, E-10, R-11)."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.ibm.receiver import told_secrets
from lab.ibm.receiver.credentials import DAY_S, OLDEST_S
from lab.ibm.receiver.desk import KEY_FILE, STORE_FILE
from tests.unit.ibm.receiver.asking import HEARTBEAT, Desk, Machine, offered, said


def test_the_next_password_is_offered_at_150_days_to_the_second(
    desk: Desk, machine: Machine
) -> None:
    desk.days(150)
    desk.now -= 1
    assert offered(machine.get("fixes")) == ""
    desk.now += 1
    assert offered(machine.get("fixes")) not in ("", machine.password)


def test_a_lost_offer_is_offered_again_and_is_the_same(desk: Desk, machine: Machine) -> None:
    desk.days(150)
    first = offered(machine.get("fixes"))
    desk.days(10)
    desk.receiver.close()
    desk.open()
    machine.site = 1
    assert offered(machine.put("heartbeats/h1", HEARTBEAT)) == first


def test_both_passwords_hold_until_the_next_one_is_used(desk: Desk, machine: Machine) -> None:
    desk.days(150)
    change = offered(machine.get("fixes"))
    new = Machine(desk, machine.id, change)
    assert machine.get("fixes").status == 200

    used = new.desk.connection().put("password", {}, new.auth)
    assert (used.status, said(used)) == (200, {"since": desk.now})
    assert machine.get("fixes").status == 401
    assert new.get("fixes").status == 200
    assert offered(new.get("fixes")) == "", "its age begins now"


def test_a_lost_acknowledgement_does_no_harm(desk: Desk, machine: Machine) -> None:
    """The answer to the first use of the next password did not arrive: the sender uses it again."""
    desk.days(150)
    new = Machine(desk, machine.id, offered(machine.get("fixes")))
    answers = [new.desk.connection().put("password", {}, new.auth) for _ in range(3)]

    assert [each.status for each in answers] == [200, 200, 200]
    assert len({each.content for each in answers}) == 1


def test_any_use_acknowledges_also_one_that_is_refused(desk: Desk, machine: Machine) -> None:
    desk.days(150)
    new = Machine(desk, machine.id, offered(machine.get("fixes")))
    assert new.get("problems/none").status == 404
    assert machine.get("fixes").status == 401


def test_the_old_password_acknowledges_nothing(desk: Desk, machine: Machine) -> None:
    desk.days(150)
    change = offered(machine.get("fixes"))
    answer = desk.connection().put("password", {}, machine.auth)
    assert answer.status == 200
    assert offered(answer) == change
    assert machine.get("fixes").status == 200


def test_from_183_days_on_nothing_is_served_but_the_change(desk: Desk, machine: Machine) -> None:
    desk.now += OLDEST_S - 1
    assert machine.get("fixes").status == 200
    desk.now += 1
    answer = machine.put("heartbeats/h1", HEARTBEAT)
    assert answer.status == 403
    assert "183 days" in said(answer)["problem"]
    new = Machine(desk, machine.id, offered(answer))

    desk.days(1000)
    assert offered(machine.get("fixes")) == new.password, "also to who was away for years"
    assert new.put("heartbeats/h1", HEARTBEAT).status == 201, "nothing of the refused one was kept"


def test_whoever_has_been_offered_nothing_yet_is_at_183_days(desk: Desk, machine: Machine) -> None:
    desk.days(200)
    answer = machine.get("fixes")
    assert answer.status == 403
    assert Machine(desk, machine.id, offered(answer)).get("fixes").status == 200


def test_a_wrong_password_gets_no_offer(desk: Desk, machine: Machine) -> None:
    desk.days(150)
    answer = Machine(desk, machine.id, "wrong").get("fixes")
    assert answer.status == 401
    assert offered(answer) == ""


def test_the_password_before_the_last_never_comes_back(desk: Desk, machine: Machine) -> None:
    seen = [machine.password]
    for _ in range(5):
        desk.receiver.change_password_now(machine.id)
        machine.password = offered(machine.get("fixes"))
        assert machine.get("fixes").status == 200
        assert machine.password not in seen
        seen.append(machine.password)
    for old in seen[:-1]:
        assert Machine(desk, machine.id, old).get("fixes").status == 401


def test_change_now_is_done_once(desk: Desk, machine: Machine) -> None:
    desk.receiver.change_password_now(machine.id)
    change = offered(machine.get("fixes"))
    assert change
    desk.receiver.change_password_now(machine.id)
    assert offered(machine.get("fixes")) == change
    new = Machine(desk, machine.id, change)
    assert offered(new.get("fixes")) == ""


def test_whoever_looks_for_passwords_knows_them_all(desk: Desk, machine: Machine) -> None:
    """Also those of before a reset, and one that was offered and not used."""
    said_to_the_machine = [machine.password]
    desk.receiver.change_password_now(machine.id)
    said_to_the_machine.append(offered(machine.get("fixes")))
    key = said(machine.get("access-key"))["key"]
    desk.receiver.reset(machine.id)
    again = desk.enrolled()
    desk.receiver.change_password_now(machine.id)
    said_to_the_machine += [again.password, offered(again.get("fixes"))]
    desk.receiver.close()

    store, keys = desk.folder / "logs" / STORE_FILE, desk.folder / "keys" / KEY_FILE
    known = [secret.reveal() for _, secret in told_secrets.told(store, keys)]
    assert {*said_to_the_machine, key} <= {*known}
    assert [*told_secrets.told(desk.folder / "none", keys)] == []


class Agent:
    """Keeps both passwords until it knows which one holds, as an agent has to."""

    def __init__(self, desk: Desk, machine: Machine) -> None:
        self.desk = desk
        self.id = machine.id
        self.held = [machine.password]

    def call(self, site: int, *, answered: bool) -> int:
        """The status of a call with the newest password that holds; ``answered``: the answer arrives."""
        for password in [*reversed(self.held)]:
            answer = Machine(self.desk, self.id, password, site).get("fixes")
            if not answered:
                return 0
            if answer.status != 401:
                change = offered(answer)
                self.held = [password, change] if change else [password]
                return answer.status
        return 401


@pytest.mark.parametrize("seed", range(5))
def test_three_years_with_answers_that_are_lost(desk: Desk, machine: Machine, seed: int) -> None:
    """E-09: no password is in use for more than 183 days, and no call fails that is answered at all."""
    chance = random.Random(seed)
    agent = Agent(desk, machine)
    since, changes = desk.now, 0
    begun = desk.now
    while desk.now < begun + 3 * 365 * DAY_S:
        desk.now += chance.uniform(0.2, 1.5) * DAY_S
        before = agent.held[0]
        status = agent.call(chance.randrange(2), answered=chance.random() > 0.3)
        assert status in (0, 200)
        if agent.held[0] != before:
            assert desk.now - since <= OLDEST_S
            since, changes = desk.now, changes + 1
    assert changes in (6, 7)
    told = desk.receiver.listing("machines")[0]
    assert told["password_number"] == changes + 1


@given(steps=st.lists(st.tuples(st.sampled_from(["call", "lose", "now", "month"]), st.booleans())))
def test_an_agent_that_keeps_both_passwords_is_never_locked_out(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, bool]]
) -> None:
    """Whatever is lost when, at whichever site: at most one refusal for age, and then all is well."""
    desk = Desk(Path(tmp_path_factory.mktemp("desk")))
    try:
        agent = Agent(desk, desk.enrolled())
        for what, site in steps:
            if what == "now":
                desk.receiver.change_password_now(agent.id)
            elif what == "month":
                desk.days(31)
            else:
                assert agent.call(int(site), answered=what == "call") in (0, 200, 403)
        assert agent.call(0, answered=True) in (200, 403)
        assert agent.call(1, answered=True) == 200
    finally:
        desk.receiver.close()
