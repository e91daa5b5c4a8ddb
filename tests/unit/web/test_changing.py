"""The settings that a person changes on the page: form, check, file, and what the service makes of it."""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lab.agent import storage
from lab.agent.book import lines
from lab.agent.settings import load
from lab.agent.state import AgentState
from lab.agent.web.administered import AdministeredAgent
from lab.agent.web.desk import Desk
from lab.agent.web.exchange import WebReply
from tests.unit.web.office import MadeUpAccounts, Visitor

FILE = """\
# The agent of the machine room.
state = "state"   # on the big disk
ca_file = "ca.pem"
ibm_ids = ["first@example.com"]   # Kent's

[[machines]]
type = "8284"
model = "22A"
serial = "21ABCDE"

[[ways]]   # our own line
name = "internet"
kind = "direct"

[[ways]]
name = "office"   # ask Ann
kind = "proxy"
url = "http://agent:opensesame@proxy.example:3128"

[schedule]
heartbeat = 86400   # daily

[web]
port = 5024
users = ["operator"]
"""


class _Form(HTMLParser):
    """The fields of the form of the page, and their values."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._inside, self._select = False, ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = told.get("action") == "/esa/settings"
        if self._inside and tag == "input":
            self.fields[told["name"]] = told["value"]
        if self._inside and tag == "select":
            self._select = told["name"]
        if self._inside and tag == "option" and "selected" in told:
            self.fields[self._select] = told["value"]


class SettingsDesk:
    """Somebody at the page of an agent whose file is ``FILE``."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "agent.toml"
        self.path.write_text(FILE)
        self.path.chmod(0o640)
        self.state = AgentState(load(self.path))
        self.woken = 0
        self.told: list[str] = []
        agent = AdministeredAgent(self.state, self._wake)
        self.desk = Desk(agent, MadeUpAccounts(), (), lambda: 1000.0, self.told.append)
        self.visitor = Visitor(self.desk)
        self.visitor.log_in()

    def _wake(self) -> None:
        self.woken += 1

    @property
    def page(self) -> str:
        return self.visitor.get("/esa/settings").content.decode()

    def form(self) -> dict[str, str]:
        form = _Form()
        form.feed(self.page)
        return form.fields

    def send(self, fields: dict[str, str]) -> WebReply:
        return self.visitor.post("/esa/settings", urllib.parse.urlencode(fields))

    def change(self, **fields: str) -> WebReply:
        """Fill in fields (``__`` stands for a dot), and save."""
        named = {
            name.replace("__", ".").replace("ibm.ids", "ibm_ids"): v for name, v in fields.items()
        }
        form = self.form()
        assert named.keys() <= form.keys()
        return self.send({**form, **named})

    @property
    def noted(self) -> list[dict[str, object]]:
        return [e for e in lines(self.state.book.path) if e["event"] == "settings-changed"]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[SettingsDesk]:
    made = SettingsDesk(tmp_path)
    with made.state:
        yield made


def test_a_form_that_comes_back_as_it_was_changes_nothing(office: SettingsDesk) -> None:
    assert office.send(office.form()).status == 303
    assert office.path.read_text() == FILE
    assert "Nothing was changed." in office.page
    assert (office.noted, office.woken) == ([], 0)


def test_each_setting_is_written_and_all_else_stays_as_somebody_wrote_it(
    office: SettingsDesk,
) -> None:
    reply = office.change(
        **{"ibm_ids.1": "second@example.com", "schedule.heartbeat": "43200", "retry": "900"},
        schedule__inventory="86400",
    )
    assert reply.status == 303
    got = load(office.path)
    assert got.ibm_ids == ("first@example.com", "second@example.com")
    assert (got.schedule["heartbeat"], got.schedule["inventory"]) == (43200, 86400)
    assert got.retry_s == 900
    expected = FILE.replace('["first@example.com"]', '["first@example.com", "second@example.com"]')
    expected = expected.replace("heartbeat = 86400   # daily", "heartbeat = 43200   # daily")
    for line in expected.splitlines():
        assert line in office.path.read_text().splitlines()
    assert len(office.path.read_text().splitlines()) == len(FILE.splitlines()) + 2
    assert [(e["by"], e["keys"]) for e in office.noted] == [
        ("operator", "ibm_ids, schedule.heartbeat, schedule.inventory, retry")
    ]
    assert office.woken == 1
    assert "The service goes by what the file says now." in office.page


def test_the_ways_get_another_order_with_their_comments_and_passwords(
    office: SettingsDesk,
) -> None:
    """OUT-14; the password of a proxy is on no page, and is not lost."""
    assert "opensesame" not in office.page
    assert office.form()["ways.1.target"] == "http://proxy.example:3128"
    form = {**office.form(), "ways.0.order": "2", "ways.1.order": "1"}
    form |= {"ways.2.kind": "lab-way", "ways.2.name": "backup", "ways.2.target": "vpn"}
    assert office.send(form).status == 303
    got = load(office.path)
    assert [(w.name, w.kind, w.way) for w in got.ways] == [
        ("office", "proxy", ""), ("internet", "direct", ""), ("backup", "lab-way", "vpn"),
    ]  # fmt: skip
    text = office.path.read_text()
    assert 'url = "http://agent:opensesame@proxy.example:3128"' in text
    assert 'name = "office"   # ask Ann' in text
    assert text.startswith(FILE[: FILE.index("[[ways]]")])
    assert text.index("office") < text.index("internet")
    assert "opensesame" not in office.page + str(office.noted) + str(office.told)


def test_a_contact_is_written_changed_and_taken_away(office: SettingsDesk) -> None:
    """S2, "Configuring Electronic Service Agent": all of it, or nothing."""
    kim = {
        "contact.company": "Example Corp.",
        "contact.name": "Kim Example",
        "contact.telephone": "555-0123",
        "contact.email": "kim@example.com",
        "contact.country": "United States",
        "contact.system_telephone": "555-0124",
        "contact.system_country": "Canada",
    }
    half = office.send({**office.form(), "contact.name": "Kim Example"})
    assert half.status == 422
    assert "contact.company is missing" in half.content.decode()
    assert office.path.read_text() == FILE

    assert office.change(**kim).status == 303
    got = load(office.path).contact
    assert got is not None
    assert {f"contact.{key}": value for key, value in got.as_dict().items()} == kim
    assert "Name of the contact person" in office.page
    assert office.send(office.form()).status == 303
    assert "Nothing was changed." in office.page

    office.path.write_text(office.path.read_text().replace('"Canada"', '"Canada"   # the lake'))
    assert office.change(**{"contact.name": "Ann Example"}).status == 303
    assert 'name = "Ann Example"' in office.path.read_text()
    assert '"Canada"   # the lake' in office.path.read_text()
    assert office.change(**dict.fromkeys(kim, "")).status == 303
    assert load(office.path).contact is None
    assert "[contact]" not in office.path.read_text()
    assert [each["keys"] for each in office.noted] == ["contact"] * 3


def test_another_address_of_a_proxy_has_its_own_password(office: SettingsDesk) -> None:
    office.change(ways__1__target="http://other.example:8080")
    assert "opensesame" not in office.path.read_text()
    office.change(ways__1__target="http://me:pw@other.example:8080")
    assert load(office.path).ways[1].proxy is not None
    assert "me:pw@other" in office.path.read_text()


def test_a_way_is_taken_away_and_without_any_the_direct_one_is_left(office: SettingsDesk) -> None:
    """OUT-15."""
    office.change(ways__1__kind="")
    assert [way.name for way in load(office.path).ways] == ["internet"]
    assert "proxy.example" not in office.path.read_text()
    office.change(ways__0__kind="")
    assert [way.kind for way in load(office.path).ways] == ["direct"]
    assert office.form()["ways.0.kind"] == "direct"
    assert office.send(office.form()).status == 303
    assert "Nothing was changed." in office.page


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"schedule.heartbeat": "0"}, ["schedule.heartbeat is no number of seconds above 0"]),
        ({"schedule.heartbeat": "daily"}, ["schedule.heartbeat is no number of seconds above 0"]),
        ({"retry": ""}, ["retry is no number of seconds above 0"]),
        ({"web.port": "70000"}, ["web.port is no port; write a number from 1 to 65535"]),
        ({"web.port": "http"}, ["web.port is no port"]),
        ({"ibm_ids.0": "a b"}, ["ibm_ids is no list of texts"]),
        ({"ways.1.target": "socks://x"}, ["ways[2].url", "write url = &quot;http://HOST:PORT&quot;"]),
        ({"ways.1.name": "internet"}, ["ways[2].name is no text, or is there twice"]),
        ({"ways.0.kind": "pigeon"}, ["ways[1].kind", "kinds: direct, proxy, lab-way"]),
        ({"retry": "-1", "web.port": "0"}, ["retry is no number", "web.port is no port"]),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_the_words_of_the_file_and_changes_nothing(
    office: SettingsDesk, fields: dict[str, str], told: list[str]
) -> None:
    """Whoever filled the form in gets it back as it was."""
    reply = office.send({**office.form(), **fields})
    assert reply.status == 422
    page = reply.content.decode()
    for each in told:
        assert each in page
    form = _Form()
    form.feed(page)
    for name, value in fields.items():
        assert form.fields.get(name) == (None if value == "pigeon" else value)
    assert office.path.read_text() == FILE
    assert (office.noted, office.woken) == ([], 0)


def test_four_proxies_are_one_too_many(office: SettingsDesk) -> None:
    """OUT-13."""
    for number in (2, 3):
        form = office.form()
        form |= {f"ways.{number}.kind": "proxy", f"ways.{number}.name": f"p{number}"}
        assert office.send(form).status == 303
    form = {**office.form(), "ways.4.kind": "proxy", "ways.4.name": "p4"}
    reply = office.send(form)
    assert reply.status == 422
    assert "has 4 proxies, and 3 are the most; keep 3 (OUT-13)" in reply.content.decode()


def test_what_somebody_else_has_changed_meanwhile_is_not_overwritten(office: SettingsDesk) -> None:
    form = office.form()
    office.path.write_text(FILE.replace("86400", "3600"))
    assert office.send({**form, "retry": "900"}).status == 303
    assert "Somebody has changed the configuration file meanwhile." in office.page
    assert load(office.path).retry_s == 1800
    assert office.form()["schedule.heartbeat"] == "3600"


def test_another_site_or_nobody_changes_nothing(office: SettingsDesk) -> None:
    """CSRF: the form's token is the session's, and the browser says who sent it."""
    form = {**office.form(), "retry": "900"}
    assert office.send({**form, "token": "guessed"}).status == 403
    body = urllib.parse.urlencode(form)
    assert office.visitor.post("/esa/settings", body, sec_fetch_site="cross-site").status == 403
    assert Visitor(office.desk).post("/esa/settings", body).status == 403
    assert office.path.read_text() == FILE
    assert office.visitor.post("/esa/settings", body, sec_fetch_site="same-origin").status == 303


def test_a_file_that_is_wrong_is_shown_as_such_and_has_no_form(office: SettingsDesk) -> None:
    office.path.write_text("ca_file = 3\n")
    page = office.page
    assert "the former settings hold" in page
    assert "ca_file is no text" in page
    assert office.form() == {}
    assert "first@example.com" in page


def test_the_file_is_replaced_whole_and_stays_whose_it_was(
    office: SettingsDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = office.path.with_name("real.toml")
    office.path.rename(link)
    office.path.symlink_to(link)
    assert office.change(retry="900").status == 303
    assert office.path.is_symlink()
    assert load(link).retry_s == 900
    assert link.stat().st_mode & 0o777 == 0o640

    def full(path: Path, content: bytes) -> None:
        raise storage.cannot_write(path, OSError(28, os.strerror(28)))

    with monkeypatch.context() as patch:
        patch.setattr(storage, "write_whole", full)
        assert office.change(retry="1000").status == 303
    assert "No space left on device" in office.page
    assert load(link).retry_s == 900
    assert len(office.noted) == 1


def test_the_port_is_the_files_and_holds_after_a_restart(office: SettingsDesk) -> None:
    """E-01."""
    assert office.change(web__port="6000").status == 303
    assert "The port holds after a restart of the service." in office.page
    assert office.form()["web.port"] == "6000"
    assert office.state.settings.web is not None
    assert office.state.settings.web.port == 5024
    assert 'users = ["operator"]' in office.path.read_text()
