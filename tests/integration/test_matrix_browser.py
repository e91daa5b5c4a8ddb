"""The matrix in a real browser: Debian's Chromium, by keyboard, dark and light, wide and narrow.

Pictures are left in the test's folder (``--basetemp``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, expect

from lab.matrix import results
from lab.topology.claims import requirement_ids
from tests.integration.browsing import RULES
from tests.unit.matrix.made_up import finding, job, outcome

WIDE, NARROW = ViewportSize(width=1200, height=900), ViewportSize(width=360, height=800)
NAMES = [f"topology-{number}" for number in range(30)]
VERDICTS = "pass", "not-applicable", "pass"


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    # Without scripts of the page's own: axe's come from outside.
    with chromium.new_context(viewport=WIDE) as context:
        yield context.new_page()


@pytest.fixture
def matrix(tmp_path: Path) -> Path:
    """Of many runs: every outcome, and a topology with a failure."""
    folder = tmp_path / "out"
    runs = []
    for number, name in enumerate(NAMES):
        found = [
            finding(each, VERDICTS[(number + place) % 3], "ein langes Wort: " + "x" * 70)
            for place, each in enumerate(requirement_ids()[:60])
        ]
        if number == 3:
            found[5]["verdict"] = "fail"
        runs.append(
            outcome(job(name, number=number), *found, folder=folder, diagnosis="all is told")
        )
    for number, fault in enumerate(("wrong-psk", "drop-esp", "small-mtu"), start=len(NAMES)):
        of = job(
            NAMES[0],
            fault,
            number=number,
            cause="wrong-psk",
            unharmed=False,
            survives=False,
            about=("vpn",),
        )
        tried = ("direct",) if fault == "small-mtu" else ("vpn",)
        failed = finding("OUT-23", "pass" if fault == "small-mtu" else "fail")
        cause = "" if fault == "small-mtu" else "wrong-psk"
        if fault == "drop-esp":
            cause = "udp-500-lost"
        runs.append(outcome(of, failed, cause=cause, tried=tried, folder=folder))
    runs.append(
        outcome(job("lost", number=90), verdict={}, status=4, problem="it broke", folder=folder)
    )
    runs.append(
        outcome(job("late", number=91), verdict={}, status=130, problem="not begun", folder=folder)
    )
    for each in runs:
        each.run_dir.mkdir(parents=True)
        (each.run_dir / "report.html").write_text(f"<title>{each.job.folder}</title>")
    results.write(folder, runs, wall_s=99.0, at_once=2, interrupted=True)
    return folder / results.PAGE


def test_nobody_is_left_out(page: Page, matrix: Path, tmp_path: Path) -> None:
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(matrix.as_uri())

    broken = {}
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        for width, size in (("narrow", NARROW), ("wide", WIDE)):
            page.set_viewport_size(size)
            page.screenshot(path=tmp_path / f"matrix-{scheme}-{width}.png", full_page=True)
            found = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}})
            broken[scheme, width] = [
                f"{each['id']}: {each['nodes'][0]['html']}" for each in found.response["violations"]
            ]
            assert not page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    assert len(broken) == 4
    assert {look: found for look, found in broken.items() if found} == {}
    assert said == []
    assert asked == [matrix.as_uri()]


def test_by_keyboard_to_what_failed(page: Page, matrix: Path) -> None:
    page.goto(matrix.as_uri())

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the runs")).to_be_focused()
    region = page.get_by_role("region", name="Requirements by topology")
    region.focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_function("document.activeElement.scrollTop > 0")

    failed = requirement_ids()[5]
    link = page.get_by_role("link", name=f"{failed} failed in topology-3")
    expect(link).to_have_count(1)
    link.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_title("topology-3")
