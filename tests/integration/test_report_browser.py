"""The report of a run in a real browser: Debian's Chromium, without a window, from disk.

Pictures of each page, dark and light, wide and narrow, are left in the test's folder (``--basetemp``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, expect

from lab.report import html
from tests.integration.browsing import RULES
from tests.recordings import archive
from tests.unit.report.conftest import judged

DEADLINE_MS = 60_000.0
DESKTOP = ViewportSize(width=1280, height=900)
PHONE = ViewportSize(width=360, height=800)
Scheme = Literal["light", "dark"]
LOOKS: tuple[tuple[str, ViewportSize, Scheme], ...] = (
    ("vpn-nat.drop-udp-4500", DESKTOP, "light"),
    ("vpn-nat.drop-udp-4500", PHONE, "dark"),
    ("dial", PHONE, "light"),
    ("dial", DESKTOP, "dark"),
    ("proxy-auth", PHONE, "dark"),
    ("consoles-failover", DESKTOP, "light"),
)
"""A wide and a narrow page, each light and dark, and topologies of several shapes."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """The address of a recording's report."""
    there: dict[str, Path] = {}

    def make(name: str) -> str:
        if name not in there:
            run_dir = archive.unpack(name, tmp_path_factory.mktemp("runs") / name)
            html.write(*judged(run_dir))
            there[name] = run_dir / html.REPORT
        return there[name].as_uri()

    return make


class Told:
    """What the browser complains of, also what the policy forbids, and what it asks for."""

    def __init__(self, page: Page) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))


@pytest.mark.long
@pytest.mark.parametrize(("name", "size", "scheme"), LOOKS)
def test_a_page_is_fit_for_everybody(
    chromium: Browser,
    report: Callable[[str], str],
    tmp_path: Path,
    name: str,
    size: ViewportSize,
    scheme: Scheme,
) -> None:
    """Axe finds nothing, also in what is folded; the browser has nothing to complain of, and asks nobody."""
    with chromium.new_context(viewport=size, color_scheme=scheme) as context:
        page = context.new_page()
        told = Told(page)
        page.goto(report(name))
        page.screenshot(path=tmp_path / f"{name}-{size['width']}-{scheme}.png", full_page=True)

        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        # What is folded is looked at, too.
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        found = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}})
        broken = [f"{v['id']}: {v['nodes'][0]['html']}" for v in found.response["violations"]]
        assert not broken
        assert not told.complaints
        assert told.requests == [report(name)]


@pytest.fixture
def plain(chromium: Browser) -> Iterator[Page]:
    """A page of a browser without scripts."""
    with chromium.new_context(viewport=DESKTOP, java_script_enabled=False) as context:
        context.set_default_timeout(DEADLINE_MS)
        yield context.new_page()


@pytest.fixture
def scripted(chromium: Browser) -> Iterator[Page]:
    with chromium.new_context(viewport=DESKTOP) as context:
        context.set_default_timeout(DEADLINE_MS)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        yield context.new_page()


def test_without_scripts_an_arrow_opens_by_keyboard(
    plain: Page, report: Callable[[str], str]
) -> None:
    plain.goto(report("vpn-nat.drop-udp-4500"))
    row = plain.locator("details.row").first
    layer = row.get_by_text("Internet Security Association", exact=False).first
    expect(layer).to_be_hidden()
    row.locator("summary").focus()
    plain.keyboard.press("Enter")
    expect(layer).to_be_visible()
    expect(plain.get_by_role("button", name="Open all packets")).to_have_count(0)


def test_without_scripts_the_frame_of_a_finding_leads_to_its_packet(
    plain: Page, report: Callable[[str], str]
) -> None:
    plain.goto(report("vpn-nat.drop-udp-4500"))
    link = plain.locator(".finding.fail[open] dd a").first
    target = (link.get_attribute("href") or "").removeprefix("#")
    expect(plain.locator(f"#{target}")).to_be_hidden()
    link.click()
    expect(plain.locator(f"#{target}")).to_be_visible()


def test_without_scripts_a_node_is_a_filter(plain: Page, report: Callable[[str], str]) -> None:
    plain.goto(report("vpn-nat.drop-udp-4500"))
    rows = plain.locator(".ladder li:not(.phase):visible")
    every = rows.count()
    plain.get_by_role("radio", name="vpn2").check()
    assert 0 < rows.count() < every
    assert all("vpn2" in text for text in rows.all_inner_texts())
    plain.get_by_role("radio", name="all", exact=True).check()
    assert rows.count() == every


def test_a_screen_reader_finds_its_way(plain: Page, report: Callable[[str], str]) -> None:
    plain.goto(report("dial"))
    plain.keyboard.press("Tab")
    expect(plain.get_by_role("link", name="Skip to the findings")).to_be_focused()
    for landmark in ("banner", "main", "contentinfo", "navigation"):
        expect(plain.get_by_role(landmark)).to_have_count(1)
    expect(plain.get_by_role("heading", level=1)).to_have_text("dial")
    expect(plain.get_by_role("img", name=re.compile("^The topology dial"))).to_have_count(1)
    first = plain.locator("details.row summary").first.inner_text()
    assert " to " in first, "who says it to whom is text, and not the arrow's place alone"


def test_a_command_is_copied(scripted: Page, report: Callable[[str], str]) -> None:
    scripted.goto(report("dial"))
    scripted.get_by_role("button", name="Copy").first.click()
    expect(scripted.get_by_role("button", name="Copied")).to_have_count(1)
    assert scripted.evaluate("navigator.clipboard.readText()").startswith("curl ")


def test_print_shows_what_is_folded(scripted: Page, report: Callable[[str], str]) -> None:
    scripted.goto(report("vpn-nat.drop-udp-4500"))
    held = scripted.locator("details.finding.pass .body").first
    expect(held).to_be_hidden()
    scripted.emulate_media(media="print")
    expect(held).to_be_visible()
    expect(scripted.locator("nav.contents")).to_be_hidden()
