"""The web user interface in a real browser: Debian's Chromium, without a window.

Pictures of each page, dark and light, wide and narrow, are left in the test's folder (``--basetemp``).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, expect

from lab.agent.settings import load
from lab.agent.state import AgentState
from lab.agent.web import certificate, listening
from lab.agent.web.accounts import Accounts
from lab.agent.web.administered import AdministeredAgent
from lab.agent.web.desk import Desk
from lab.agent.web.sheet import Administered, Demand, Place
from tests.integration.browsing import RULES
from tests.unit.agent.lives import life
from tests.unit.web.office import PASSWORD, SYSTEM, USER, MadeUpAccounts, MadeUpAgent
from tests.unit.web.test_changing import FILE as SETTINGS

DEADLINE_MS = 60_000.0
WIDE = ViewportSize(width=1200, height=900)
NARROW = ViewportSize(width=360, height=800)
ATTACK = "<script>document.title='taken'</script><img src=x onerror=document.title='taken'>"


@dataclass
class Office:
    """A web user interface that is served on loopback, and what is behind it."""

    url: str
    agent: MadeUpAgent
    accounts: MadeUpAccounts


@contextmanager
def _served(agent: Administered, accounts: Accounts, folder: Path) -> Iterator[str]:
    desk = Desk(agent, accounts, (), time.monotonic, print)
    tls = listening.context(*certificate.kept(folder / "web", ("localhost", "127.0.0.1")))
    socket = listening.listener("127.0.0.1", 0)
    url = f"https://127.0.0.1:{socket.getsockname()[1]}/esa"
    with listening.serving(desk, tls, socket):
        yield url


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    agent, accounts = MadeUpAgent(), MadeUpAccounts()
    with _served(agent, accounts, tmp_path) as url:
        yield Office(url, agent, accounts)


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    # The interface's certificate is signed by itself.
    with chromium.new_context(ignore_https_errors=True, viewport=WIDE) as context:
        context.set_default_timeout(DEADLINE_MS)
        yield context.new_page()


@pytest.fixture
def console(page: Page) -> list[str]:
    """What the browser complains of: also whatever the Content-Security-Policy forbids."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    return said


def _heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text, timeout=DEADLINE_MS)


def _log_in(page: Page, office: Office, password: str = PASSWORD) -> None:
    page.goto(office.url)
    _heading(page, "Log in")
    page.get_by_label("User").fill(USER)
    page.get_by_label("Password").fill(password)
    page.get_by_label("Password").press("Enter")


def _broken_rules(page: Page) -> list[str]:
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}})
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found.response["violations"]]


def test_a_person_walks_the_pages(
    page: Page, office: Office, console: list[str], tmp_path: Path
) -> None:
    _log_in(page, office, "guessed")
    expect(page.get_by_role("alert")).to_contain_text("is wrong", timeout=DEADLINE_MS)
    assert len(console) == 1, console
    assert "401" in console.pop()
    page.screenshot(path=tmp_path / "refused.png")
    broken = {"refused": _broken_rules(page)}
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    _heading(page, Place.status.heading)
    assert SYSTEM in page.title()
    assert office.accounts.asked == [(USER, "guessed"), (USER, PASSWORD)]

    for place in Place:
        page.get_by_role("link", name=place.heading, exact=True).click()
        _heading(page, place.heading)
        expect(page.locator("nav [aria-current=page]")).to_have_text(place.heading)
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)
            for width, size in (("narrow", NARROW), ("wide", WIDE)):
                look = f"{place}-{scheme}-{width}"
                page.set_viewport_size(size)
                page.screenshot(path=tmp_path / f"{look}.png", full_page=True)
                broken[look] = _broken_rules(page)
                assert not page.evaluate(
                    "document.documentElement.scrollWidth > window.innerWidth"
                ), look
    assert len(broken) == 1 + len(Place) * 4
    assert {look: found for look, found in broken.items() if found} == {}
    assert console == []

    page.get_by_role("button", name="Log out").click()
    _heading(page, "Log in")
    page.goto(f"{office.url}/logs")
    _heading(page, "Log in")


def test_a_real_agents_pages(page: Page, console: list[str], tmp_path: Path) -> None:
    """Enrolled at a receiver on loopback, with one problem reported, and one that waits."""
    with life(tmp_path) as lived:
        worker = lived.agent()
        worker.beat()
        told = {"reference_code": "B3036620", "severity": 1, "text": "fan 3 has stopped"}
        worker.reports.problem(worker.machine, told)
        worker.courier.send()
        worker.reports.problem(worker.machine, {**told, "reference_code": "B1817201"})
        agent = AdministeredAgent(worker.state, lambda: None)
        with _served(agent, MadeUpAccounts(), tmp_path) as url:
            office = Office(url, MadeUpAgent(), MadeUpAccounts())
            _log_in(page, office)
            _heading(page, Place.status.heading)
            broken = {}
            for place in Place:
                page.goto(f"{url}/{place}")
                _heading(page, place.heading)
                page.screenshot(path=tmp_path / f"{place}.png", full_page=True)
                broken[place] = _broken_rules(page)
            page.goto(f"{url}/problems")
            for text in ("B3036620", "B1817201", "queued", "open", "PMH"):
                expect(page.locator("main table")).to_contain_text(text)
            page.goto(f"{url}/requests")
            expect(page.locator("main tbody tr")).to_have_count(1)
    assert {place: found for place, found in broken.items() if found} == {}
    assert console == []


def test_a_person_changes_the_settings(page: Page, console: list[str], tmp_path: Path) -> None:
    """The port, the way by the proxy first, and a mistake, which is told; the file is the agent's."""
    path = tmp_path / "agent.toml"
    path.write_text(SETTINGS)
    woken: list[int] = []
    with AgentState(load(path)) as state:
        agent = AdministeredAgent(state, lambda: woken.append(1))
        with _served(agent, MadeUpAccounts(), tmp_path) as url:
            _log_in(page, Office(url, MadeUpAgent(), MadeUpAccounts()))
            _heading(page, Place.status.heading)
            page.get_by_role("link", name=Place.settings.heading, exact=True).click()
            _heading(page, Place.settings.heading)
            page.get_by_label("Port of these pages").fill("70000")
            page.get_by_label("Connection 2: order").fill("0")
            page.get_by_label("Another connection: kind").select_option("lab-way")
            page.get_by_label("Another connection: address or way").fill("vpn")
            page.get_by_label("IBM ID 2").fill("second@example.com")
            page.get_by_role("button", name="Save settings").click()
            expect(page.get_by_role("alert")).to_contain_text("web.port is no port")
            assert "422" in console.pop()
            page.screenshot(path=tmp_path / "mistake.png", full_page=True)
            broken = {"mistake": _broken_rules(page)}
            assert path.read_text() == SETTINGS

            expect(page.get_by_label("IBM ID 2")).to_have_value("second@example.com")
            page.get_by_label("Port of these pages").fill("6000")
            page.get_by_role("button", name="Save settings").click()
            expect(page.get_by_role("status")).to_contain_text("holds after a restart")
            for scheme in ("dark", "light"):
                page.emulate_media(color_scheme=scheme)
                for width, size in (("narrow", NARROW), ("wide", WIDE)):
                    page.set_viewport_size(size)
                    page.screenshot(path=tmp_path / f"{scheme}-{width}.png", full_page=True)
                    broken[f"{scheme}-{width}"] = _broken_rules(page)
                    assert not page.evaluate(
                        "document.documentElement.scrollWidth > window.innerWidth"
                    )
            assert "opensesame" not in page.content()
    got = load(path)
    assert got.web is not None
    assert (got.web.port, got.ibm_ids) == (6000, ("first@example.com", "second@example.com"))
    assert [way.name for way in got.ways] == ["office", "internet", "lab-way"]
    assert "# ask Ann" in path.read_text()
    assert woken == [1]
    assert {look: found for look, found in broken.items() if found} == {}
    assert console == []


def test_a_demand_reaches_the_agent(page: Page, office: Office) -> None:
    _log_in(page, office)
    _heading(page, Place.status.heading)
    page.get_by_role("link", name=Place.demand.heading).click()
    for demand in Demand:
        page.get_by_role("button", name=demand.heading).click()
        expect(page.get_by_role("status")).to_contain_text(demand.heading, timeout=DEADLINE_MS)
    assert office.agent.demanded == list(Demand)

    office.agent.refusing = "The queue is full; send what is in it first."
    page.get_by_role("button", name=Demand.problem.heading).click()
    expect(page.get_by_role("alert")).to_have_text(office.agent.refusing, timeout=DEADLINE_MS)


def test_a_keyboard_is_enough(page: Page, office: Office) -> None:
    """The first stop is the link that skips the navigation; Enter follows it."""
    _log_in(page, office)
    _heading(page, Place.status.heading)
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_what_others_wrote_runs_nowhere(page: Page, office: Office) -> None:
    office.agent.text = ATTACK
    _log_in(page, office)
    _heading(page, Place.status.heading)
    for place in (Place.problems, Place.settings, Place.logs, Place.inventory):
        page.goto(f"{office.url}/{place}")
        _heading(page, place.heading)
        assert ATTACK in page.locator("main").inner_text()
        assert page.title().startswith(place.heading)
        assert page.locator("main img, main script").count() == 0


def test_another_site_cannot_send_a_form(page: Page, office: Office, tmp_path: Path) -> None:
    """The browser keeps the cookie back: ``SameSite=Strict``."""
    _log_in(page, office)
    _heading(page, Place.status.heading)
    elsewhere = tmp_path / "elsewhere.html"
    elsewhere.write_text(
        f'<form method="post" action="{office.url}/demand"><input name="demand" value="problem">'
        "<button>go</button></form>"
    )
    page.goto(elsewhere.as_uri())
    page.get_by_role("button").click()
    _heading(page, "Not logged in")
    assert office.agent.demanded == []
