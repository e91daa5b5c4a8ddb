"""A user's file of stubs: what it means, and every mistake at once with its place."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from lab import codec
from lab.errors import TopologyError, UsageError
from lab.topology import load, stub_file
from lab.topology.model import Topology
from lab.topology.resolve import resolve
from lab.topology.servers import Failure, Stub


def read(folder: Path, text: str) -> tuple[Stub, ...]:
    path = folder / "acme.yaml"
    path.write_text(text)
    return stub_file.load(path, "./acme.yaml")


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(TopologyError) as caught:
        read(folder, text)
    assert str(caught.value).startswith("./acme.yaml has ")
    return [str(issue) for issue in caught.value.issues]


def test_a_stub_with_everything(tmp_path: Path) -> None:
    (tmp_path / "answer.bin").write_bytes(b"\0\xff")
    (stub,) = read(
        tmp_path,
        """
- host: "*.Example.com"
  method: POST
  path: /api/*/tickets
  status: 201
  headers: { Content-Type: application/octet-stream, X-Id: "7" }
  body_file: answer.bin
  delay: 1500ms
  failure: truncate
""",
    )

    assert (stub.name, stub.method, stub.status, stub.reason) == (
        "acme.yaml:2",
        "POST",
        201,
        "Created",
    )
    assert re.fullmatch(stub.host, "a.example.com")
    assert re.fullmatch(stub.path, "/api/v1/x/tickets")
    assert not re.fullmatch(stub.path, "/api/v1/tickets/7")
    assert stub.headers == (("Content-Type", "application/octet-stream"), ("X-Id", "7"))
    assert base64.b64decode(stub.body_base64) == b"\0\xff"
    assert (stub.delay_s, stub.failure) == (1.5, Failure.truncate)


def test_the_least_stub_and_a_pattern(tmp_path: Path) -> None:
    least, other = read(tmp_path, "- path: /\n- { pattern: '/v[0-9]+/.*', status: 599 }\n")

    assert (least.host, least.method, least.status, least.body_base64) == ("", "", 200, "")
    assert (least.delay_s, least.failure) == (0.0, Failure.none)
    assert other.path == "/v[0-9]+/.*"
    assert other.reason


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: top level: a file of stubs is a list; begin each stub with - path: /..."),
        ("path: /\n", "line 1: top level: a file of stubs is a list; begin each"),
        ("- 5\n", "line 1: [0]: must be a mapping of keys, not 5"),
        ("- {}\n", "line 1: [0]: has neither path nor pattern; path: * is every path"),
        ("- { path: /, pattern: x }\n", "line 1: [0].pattern: there is a path, too; take one"),
        ("- { path: x }\n", "line 1: [0].path: must begin with / or *, not 'x'"),
        ("- { pattern: '(' }\n", "line 1: [0].pattern: must be a regular expression, not '('"),
        ("- { path: /, method: post }\n", "[0].method: methods are in capitals: POST"),
        ("- { path: /, method: 'a b' }\n", "[0].method: must be a method such as POST, not 'a b'"),
        ("- { path: /, status: 99 }\n", "[0].status: must be 200 at least"),
        ("- { path: /, status: '200' }\n", "[0].status: must be a whole number, not '200'"),
        ("- { path: /, staus: 200 }\n", "[0].staus: unknown key; did you mean status?"),
        ("- { path: /, body: a, body_file: b }\n", "[0].body_file: there is a body, too"),
        ("- { path: /, status: 204, body: a }\n", "an answer with 204 has no body; take the body"),
        ("- { path: /, failure: truncate }\n", "without a body there is nothing to cut"),
        ("- { path: /, failure: rest }\n", "not 'rest'; did you mean reset?"),
        ("- { path: /, delay: 5 }\n", "[0].delay: must be a time with its unit"),
        ("- { path: /, delay: 2d }\n", "[0].delay: must be at most 1d"),
        ("- { path: /, body_file: gone }\n", "[0].body_file: gone cannot be read: No such file"),
        ("- { path: /, headers: { a b: x } }\n", "[0].headers.a b: is no name of a field"),
        ("- { path: /, headers: { Content-Length: '1' } }\n", "the server writes this field itself"),
        ('- { path: /, headers: { A: "x\\ny" } }\n', "has a character that no field has"),
        ("- { path: /, headers: { A: 5 } }\n", "[0].headers.A: must be text, not 5"),
        ("- &a { path: / }\n", "anchor or alias 'a' is not allowed"),
    ],
)  # fmt: skip
def test_mistakes(tmp_path: Path, text: str, said: str) -> None:
    (problem,) = problems(tmp_path, text)
    assert said in problem


def test_all_mistakes_are_told_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    told = problems(tmp_path, "- path: x\n  status: 1\n- colour: red\n- path: /\n  method: get\n")

    assert [line.partition(":")[0] for line in told] == ["line 1", "line 2", "line 3", "line 5"]


def test_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stub_file, "MAX_BODY_BYTES", 3)
    assert "has 4 bytes; 3 are the most" in problems(tmp_path, "- { path: /, body: abcd }\n")[0]
    monkeypatch.setattr(stub_file, "MAX_ALL_BYTES", 5)
    two = "- { path: /, body: abc }\n" * 2
    assert "all bodies have 6 bytes; 5 are the most" in problems(tmp_path, two)[0]
    monkeypatch.setattr(stub_file, "MAX_STUBS", 1)
    assert "has 2 stubs; 1 are the most" in problems(tmp_path, "- { path: / }\n" * 2)[0]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no file \./no\.yaml"):
        stub_file.load(tmp_path / "no.yaml", "./no.yaml")
    (tmp_path / "binary").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="binary is not text in UTF-8"):
        stub_file.load(tmp_path / "binary", "binary")


def test_stubs_travel_with_the_topology_and_are_found_beside_it(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "acme.yaml").write_text("- { path: /x, body: hello }\n")
    text = load.folder().joinpath("direct.yaml").read_text()
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("{ role: sdc }", "{ role: sdc, stubs: ./sub/acme.yaml }"))

    topology = resolve(load.load(str(path)), b"")

    (stub,) = topology.stubs
    assert stub.name == "acme.yaml:1"
    assert codec.load(Topology, codec.dump(topology, reveal=True)) == topology


def test_a_wrong_file_of_stubs_keeps_the_topology_from_loading(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text("- { path: x }\n")
    text = load.folder().joinpath("direct.yaml").read_text()
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("{ role: sdc }", "{ role: sdc, stubs: acme.yaml }"))

    with pytest.raises(TopologyError, match=r"acme\.yaml has 1 error"):
        load.load(str(path))


def test_the_example_in_the_docs_is_the_file_that_is_tried() -> None:
    repo = Path(__file__).parents[3]
    example = (repo / "tests" / "data" / "stubs" / "acme-stubs.yaml").read_text()
    page = (repo / "docs" / "servers.md").read_text()

    assert "".join(f"    {line}\n" for line in example.splitlines()) in page
    topology = resolve(load.load(str(repo / "tests" / "data" / "stubs" / "acme.yaml")), b"")
    assert [stub.name for stub in topology.stubs] == [
        f"acme-stubs.yaml:{line}" for line in (1, 7, 12)
    ]
