"""IDs and passwords: whichever answer is lost, one that holds is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.agent.credentials import AgentLogIn, Credentials
from lab.secret import Secret
from tests.unit.agent.examples import NAME


@pytest.fixture
def known(tmp_path: Path) -> Credentials:
    credentials = Credentials(tmp_path)
    credentials.keep(NAME, AgentLogIn(id="ID", password=Secret("first"), enrolled_by="r"))
    return credentials


def passwords(credentials: Credentials) -> list[str]:
    log_in = credentials.of(NAME)
    assert log_in is not None
    return [password.reveal() for password in log_in.passwords]


def test_nobody_is_known_at_first(tmp_path: Path) -> None:
    assert Credentials(tmp_path).of(NAME) is None


def test_each_machine_has_its_own(known: Credentials) -> None:
    """E-06."""
    known.keep("other", AgentLogIn(id="ID2", password=Secret("two")))
    again = Credentials(known.path.parent)
    assert passwords(again) == ["first"]
    other = again.of("other")
    assert other is not None
    assert (other.id, other.password.reveal()) == ("ID2", "two")
    assert known.path.stat().st_mode & 0o777 == 0o600


def test_an_offered_password_is_tried_first_and_the_old_one_after_it(known: Credentials) -> None:
    """E-09: the answer to the first use may be lost, or the offer may never have been used."""
    assert known.offer(NAME, Secret("two"))
    assert passwords(known) == ["two", "first"]
    assert not known.offer(NAME, Secret("two")), "the same offer again changes nothing"
    assert known.used(NAME, Secret("two"), 7.0)
    assert passwords(known) == ["two"]
    assert not known.offer(NAME, Secret("two")), "an offer of the one in use changes nothing"


def test_a_use_of_the_old_password_keeps_the_offer(known: Credentials) -> None:
    known.offer(NAME, Secret("two"))
    assert not known.used(NAME, Secret("first"), 7.0)
    assert passwords(known) == ["two", "first"]


def test_a_damaged_file_is_kept_aside(known: Credentials) -> None:
    known.path.write_text("{half")
    assert known.of(NAME) is None
    assert (known.path.parent / "credentials.json.damaged").read_text() == "{half"


def test_passwords_show_as_stars(known: Credentials) -> None:
    assert "first" not in repr(known.of(NAME))
