"""The page: whole, without scripts or requests, every colour with a sign and a word, everything escaped."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

from lab.matrix import page, results
from tests.unit.matrix.made_up import finding, job, outcome

EVIL = "</td><script>alert(1)</script>"
VOID = ("meta", "link", "br", "img", "hr", "input")


class Elements(HTMLParser):
    """Every element with its attributes; raises ValueError where tags do not close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        if self._open:
            raise ValueError(f"left open: {self._open}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            raise ValueError(f"{tag} closes nothing")


def made(folder: Path) -> str:
    outcomes = [
        outcome(job(), finding("OUT-23"), finding("F-07", "fail", EVIL), folder=folder, diagnosis=EVIL),
        outcome(job("direct", number=1, ways=("direct",)), finding("g1", "not-applicable"), folder=folder),
        outcome(
            job("vpn", "wrong-psk", number=2, cause="wrong-psk", survives=False, folder="a b&c"),
            finding("OUT-23", "fail"), cause="wrong-psk", tried=("vpn",), folder=folder,
        ),
        outcome(job("dial", number=3), verdict={}, status=4, problem=EVIL, folder=folder),
    ]  # fmt: skip
    for each in outcomes:
        each.run_dir.mkdir(parents=True)
    (folder / "vpn" / "report.html").touch()
    (folder / "direct" / "verdict.json").touch()
    (folder / "a b&c" / "report.html").touch()
    results.write(folder, outcomes, wall_s=70.0, at_once=2, interrupted=True)
    return (folder / results.PAGE).read_text()


def test_the_page_is_whole_and_asks_nobody(tmp_path: Path) -> None:
    text = made(tmp_path)
    found = Elements(text).found

    assert EVIL not in text
    assert "&lt;script&gt;" in text
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in found}
    assert "url(" not in text
    assert "@import" not in text
    places = [
        value for _, attrs in found for name, value in attrs.items() if name in ("href", "src")
    ]
    assert not [place for place in places if ":" in place or place.startswith("/")]


def test_links_lead_to_what_there_is(tmp_path: Path) -> None:
    found = Elements(made(tmp_path)).found
    links = {
        attrs["href"] for tag, attrs in found if tag == "a" and not attrs["href"].startswith("#")
    }

    assert links == {
        "vpn/report.html", "direct/verdict.json", "a%20b%26c/report.html", "verify.json", "junit.xml",
    }  # fmt: skip
    ids = [attrs["id"] for _, attrs in found if "id" in attrs]
    assert len(ids) == len({*ids})
    own = {
        attrs["href"][1:] for tag, attrs in found if tag == "a" and attrs["href"].startswith("#")
    }
    named = {attrs["aria-labelledby"] for _, attrs in found if "aria-labelledby" in attrs}
    assert own | named <= {*ids}


def test_every_cell_says_in_words_what_its_colour_says(tmp_path: Path) -> None:
    text = made(tmp_path)

    cells = re.findall(r'<td class="(held|failed|untried)">(.*?)</td>', text)
    assert len(cells) == 4
    words = {"held": "held", "failed": "failed", "untried": "not put to the test"}
    for name, inner in cells:
        spoken = re.sub("<[^>]*>", "", inner)
        assert words[name] in spoken or "wrong-psk" in spoken
        assert spoken[0] in "✓✗○"
    assert "It was interrupted" in text


def test_the_data_says_the_same(tmp_path: Path) -> None:
    made(tmp_path)
    data = json.loads((tmp_path / results.DATA).read_text())

    assert data["counts"] == {"wrong": 1, "right": 2, "broke": 1}
    assert [(run["topology"], run["came"], run["exit_status"]) for run in data["runs"]] == [
        ("vpn", "wrong", 1), ("direct", "right", 0), ("vpn", "right", 0), ("dial", "broke", 4),
    ]  # fmt: skip
    assert data["runs"][0]["findings"] == {"OUT-23": "pass", "F-07": "fail"}
    assert data["runs"][2]["cause_expected"] == "wrong-psk"
    assert data["interrupted"] is True


def test_no_run_is_a_page_too() -> None:
    assert "no runs" in page.document([], wall_s=0.0, interrupted=True)
