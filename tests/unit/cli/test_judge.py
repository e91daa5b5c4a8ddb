"""``lab judge`` as its users type it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.cli import main
from tests.recordings import archive


@pytest.fixture(scope="module")
def wires(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archive.unpack("direct-snat", tmp_path_factory.mktemp("run") / "direct-snat") / "wire"


def test_it_says_what_it_judged_and_what_not(
    wires: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture = str(wires / "fw-inet.pcapng")
    assert main(["judge", capture, "--topology", "direct-snat"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("OUT-01  pass")
    assert "not judged without a capture of lan: " in "\n".join(said)
    assert said[-1].startswith(f"{capture} (fw-inet) by direct-snat: pass, ")


def test_json(wires: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [f"{link}={wires / link}.pcapng" for link in ("lan", "fw-inet")]
    assert main(["judge", *words, "--topology", "direct-snat", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert {f["requirement"]: f["verdict"] for f in said["findings"]}["OUT-01"] == "pass"
    assert said["unjudged"]["g6"] == "the record of a run"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["{0}/nosuch"], "nosuch cannot be read"),
        (["wan={0}/fw-inet.pcapng"], "there is no link 'wan'"),
        (["{0}/fw-inet.pcapng", "{0}/lan.pcapng"], "are both of fw-inet"),
        (["{0}/fw-inet.pcapng", "--keys", "nosuch"], "there is no file nosuch"),
    ],
)
def test_mistakes(
    words: list[str], sentence: str, wires: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [word.format(wires) for word in words]
    assert main(["judge", *given, "--topology", "direct-snat"]) == 2
    assert sentence in capsys.readouterr().err
