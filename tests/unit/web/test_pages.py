"""The web user interface's pages: what others wrote is shown, and never is HTML."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.agent.web.pages import Reader, login_page, message_page, sheet_page
from lab.agent.web.sheet import (
    FactList,
    Grid,
    Instant,
    Listing,
    Place,
    Sheet,
    Shown,
    Tone,
)
from lab.markup import Markup, fill

READER = Reader("operator", "t0ken")
VOID = {"meta", "link", "input"}


class Outline(HTMLParser):
    """The elements of a page, its text, and whether what was opened was closed."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.text = ""
        self.ids: list[str] = []
        self.labels: set[str] = set()
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.labels |= {value for name, value in attrs if name == "for" and value}
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def everywhere(text: str) -> str:
    """A page that shows one text in each place where a text can be."""
    sheet = Sheet(
        text,
        (
            FactList(text, ((text, text), (text, Shown(text, Tone.bad)))),
            Grid(text, (text,), ((text,), (Shown(text),)), text, 2, 3),
            Grid(text, (text,), (), text),
            Listing(text, text),
        ),
    )
    return sheet_page(Place.status, sheet, text, Reader(text, text), Shown(text, Tone.bad))


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_text_is_text(text: str) -> None:
    plain, shown = Outline(everywhere("x")), Outline(everywhere(text))
    assert shown.tags == plain.tags
    assert shown.ids == plain.ids
    # A parser takes a NUL and a bare CR for something else; nothing else may change.
    if not set(text) & set("\0\r"):
        assert text in shown.text


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "' onmouseover='alert(1)",
        "</title><svg onload=alert(1)>",
        "{0.__class__}{path}",
        "&lt;b&gt;",
        "\u202eesrever",
    ],
)
def test_attacks(text: str) -> None:
    plain, shown = Outline(everywhere("x")), Outline(everywhere(text))
    assert shown.tags == plain.tags
    assert shown.text.count(text) == plain.text.count("x") - shown_by_ourselves()
    login = Outline(login_page(text, text, Place.logs, Shown(text), text))
    assert login.tags == Outline(login_page("x", "x", Place.logs, Shown("x"), "x")).tags
    message = Outline(message_page(text, text, text, Reader()))
    assert message.tags == Outline(message_page("x", "x", "x", Reader())).tags


def shown_by_ourselves() -> int:
    """How often an ``x`` is in words of the page's own."""
    return Outline(everywhere("~")).text.count("x")


def test_what_is_markup_is_not_escaped_again() -> None:
    once = fill("<b>{text}</b>", text="a & b")
    assert once == "<b>a &amp; b</b>"
    assert fill("<p>{inner}</p>", inner=once) == "<p><b>a &amp; b</b></p>"
    assert isinstance(once, Markup)


def test_a_page_has_what_readers_of_screens_need() -> None:
    page = everywhere("x")
    outline = Outline(page)
    assert outline.tags.count("h1") == 1
    assert outline.tags.count("main") == 1
    assert len(outline.ids) == len(set(outline.ids))
    assert '<html lang="en">' in page
    login = Outline(login_page("s", "t", Place.status))
    assert login.labels == {"user", "password"} <= set(login.ids)


@pytest.mark.parametrize("place", Place)
def test_the_navigation_says_where_one_is(place: Place) -> None:
    page = sheet_page(place, Sheet("", ()), "s", READER)
    assert page.count("aria-current") == 1
    assert f'href="/esa/{place}" aria-current="page"' in page
    assert "<nav" not in message_page("t", "x", "s", Reader())


def test_moments() -> None:
    page = sheet_page(
        Place.status, Sheet("", (FactList("", (("Then", Instant(0.0)),)),)), "s", READER
    )
    assert '<time datetime="1970-01-01T00:00:00Z">1970-01-01 00:00:00 UTC</time>' in page


@pytest.mark.parametrize("seconds", [1e300, float("nan"), float("inf"), -1e300])
def test_an_impossible_moment_is_said_to_be_one(seconds: float) -> None:
    """A damaged ledger may hold any number."""
    sheet = Sheet("", (FactList("", (("Then", Instant(seconds)),)),))
    assert "an impossible time" in sheet_page(Place.status, sheet, "s", READER)


@pytest.mark.parametrize(
    ("page", "pages", "links"),
    [(1, 1, []), (1, 3, ["?page=2"]), (2, 3, ["?page=1", "?page=3"]), (3, 3, ["?page=2"])],
)
def test_turning_pages(page: int, pages: int, links: list[str]) -> None:
    grid = Grid("Attempts", ("When",), (("now",),), "", page, pages)
    told = sheet_page(Place.logs, Sheet("", (grid,)), "s", READER)
    assert [each.partition('"')[0] for each in told.split("/esa/logs")[2:]] == links
