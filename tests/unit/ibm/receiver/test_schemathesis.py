"""The receiver against its document, by schemathesis, with all checks: what is said there is what happens.

The same requests in each run. That each check can fail is shown by an answer that is broken for it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.ibm.answers import Answer
from lab.ibm.receiver import alone, document
from lab.ibm.receiver.alone import LoneSite
from lab.ibm.receiver.desk import KIND, Receiver
from tests.unit.ibm.receiver.asking import enrolment
from tests.unit.ibm.receiver.test_alone import asked

pytestmark = pytest.mark.long

REPO = Path(__file__).resolve().parents[4]
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
EXAMPLES = 10
DEADLINE_S = 300.0
"""For a machine under load; on an idle one it takes ten seconds."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[LoneSite]:
    with alone.receiving(tmp_path) as site:
        yield site


def tried(site: LoneSite, folder: Path) -> tuple[int, str]:
    """Exit status and words of schemathesis, which has the ID and the password of a machine."""
    known = asked(site, "PUT", "enrolments/e1", enrolment())
    done = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli", "--no-color", "--config-file", CONFIGURATION, "run",
            f"{site.url}/service/openapi.json", "--tls-verify", site.ca_file, "--auth",
            f"{known['id']}:{known['password']}", "--max-examples", str(EXAMPLES),
        ],
        cwd=folder, capture_output=True, text=True, check=False, timeout=DEADLINE_S,
        env={**os.environ, "PYTHONPATH": os.fspath(REPO)},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_what_the_document_says_is_what_happens(site: LoneSite, tmp_path: Path) -> None:
    status, text = tried(site, tmp_path)

    assert status == 0, text
    assert re.search(r"Tested: +17\b", text), text
    assert "error" not in text.partition("SUMMARY")[2].lower(), text
    asked_for = {entry.kind for entry in site.transactions}
    done = {entry.kind for entry in site.transactions if entry.status in (200, 201, 202)}
    operations = {KIND + each.id.replace("_", "-") for each in document.operations()}
    assert operations <= asked_for
    # No order of a fix and no name of an update can be guessed: test_downloads has both.
    assert operations - done == {"service: fix", "service: update"}


BROKEN: dict[str, tuple[str, Callable[[Answer], Answer]]] = {
    "ST108 Response violates schema": ("heartbeat 201", lambda a: replace(a, content=b"{}")),
    "ST103 Undocumented status code": ("performance 201", lambda a: replace(a, status=202)),
    "ST105 Undocumented Content-Type": ("configuration 200", lambda a: typed(a, "text/html")),
    "ST107 Missing required response headers": (
        "inventory 401",
        lambda a: typed(a, "application/json"),
    ),
    "ST201 Schema-violating request accepted": ("problem 400", lambda a: replace(a, status=201)),
    "ST401 API accepts requests without authentication": (
        "fixes 401",
        lambda a: replace(a, status=200),
    ),
    "ST204 Wrong response to undeclared method": ("request 405", lambda a: replace(a, status=200)),
    "ST202 Schema-valid request rejected": ("password 200", lambda a: replace(a, status=400)),
    "ST203 Missing required header accepted": ("upload 400", lambda a: replace(a, status=200)),
    "ST101 Server error": ("reset 404", lambda a: replace(a, status=503)),
}
"""What each check says, and an answer that is broken so that it has to."""


def typed(answer: Answer, content_type: str) -> Answer:
    return replace(answer, fields=(("Content-Type", content_type),))


def test_each_check_finds_what_is_broken_for_it(
    site: LoneSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks = dict(BROKEN.values())
    sound = Receiver.answer

    def broken(*arguments: Any) -> Answer:
        answer = sound(*arguments)
        spoil = breaks.get(f"{answer.kind.removeprefix(KIND)} {answer.status}")
        return answer if spoil is None else spoil(answer)

    known = site.transactions
    monkeypatch.setattr(Receiver, "answer", broken)
    status, text = tried(site, tmp_path)

    assert known == ()
    assert status == 1, text
    assert [said for said in BROKEN if said not in text] == [], text
