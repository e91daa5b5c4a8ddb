"""Errands from end to end on loopback: the reference agent, the servers, and one behind the front end."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from lab import codec
from lab.agent.client import AgentCaller
from lab.agent.errands import Errands, Task
from lab.ibm import authority, back_end, errand_desk
from lab.ibm import errands as answers
from lab.ibm.answers import Answer, HttpRequest
from lab.ibm.back_ends import BackEnds
from lab.ibm.server import Server
from lab.linux.nodes import Node
from lab.record.cause import AgentCause
from lab.record.record import Transaction
from lab.topology.errand_kinds import DOWNLOADS, ErrandKind
from lab.topology.model import Topology
from lab.topology.servers import BackEnd, Speaks
from tests.ports import free_port
from tests.unit.ibm.sites import ADDRESSES, HostNode, Site, entries, lab_threads, read
from tests.unit.ibm.test_agent import run_agent

SYSTEM = "7042-CR9*2112345"
FIRST, SECOND = ADDRESSES


def serving(first: str, second: str = "") -> Callable[[Topology], Topology]:
    """The first address does some errands by HTTPS, the second one others by HTTP; names with blanks."""

    def change(topology: Topology) -> Topology:
        one, other, third = topology.servers
        return replace(
            topology,
            servers=(
                replace(one, serves=tuple(first.split())),
                replace(other, serves=tuple(second.split()), speaks=Speaks.http, tls=""),
                third,
            ),
        )

    return change


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, serving("enrolment inventory problem upload configuration", "fix"))


@pytest.fixture
def server(site: Site) -> Iterator[Server]:
    with site.server() as server:
        yield server
    assert lab_threads() == []


def clear(site: Site) -> str:
    return f"http://{SECOND}:{site.port}"


def do(site: Site, *written: str, everywhere: bool = False) -> Errands:
    """Do errands with little patience."""
    caller = AgentCaller(site.ca_file, total_s=10, rounds=1)
    errands = Errands([Task(each) for each in written], SYSTEM, caller)
    errands.run(everywhere=everywhere)
    return errands


def done(errands: Errands) -> dict[str, bool]:
    return {str(task.kind): task.done for task in errands.tasks}


def test_all_errands_of_a_site(site: Site, server: Server) -> None:
    kinds = ("configuration", "enrolment", "inventory", "problem", "upload")

    errands = do(site, *(f"{kind}={site.url()}" for kind in kinds), f"fix={clear(site)}")

    assert done(errands) == dict.fromkeys((*kinds, "fix"), True)
    ledger = entries(server, 6)
    assert [e.kind for e in ledger] == [f"errand: {kind}" for kind in (*kinds, "fix")]
    assert {e.system for e in ledger} == {"", SYSTEM}
    assert [e.method for e in ledger] == ["GET", "POST", "POST", "POST", "PUT", "GET"]
    fix = errands.attempts[-1]
    assert fix.acknowledgement["sha256"] == ledger[1].promised
    assert SYSTEM not in ledger[-1].target, "it is in clear"
    assert ledger[-1].tls_version == ""


def test_the_command_says_what_it_kept(site: Site, server: Server) -> None:
    result = run_agent(
        "--json", "--system", SYSTEM,
        LAB_ERRANDS=f"enrolment={site.url()} problem=https://127.0.0.4:{free_port()}",
        LAB_CA_FILE=site.ca_file,
    )  # fmt: skip

    assert result.returncode == 1
    told = json.loads(result.stdout)
    assert told["acknowledged"] is False
    assert [(e["errand"], e["done"]) for e in told["errands"]] == [
        ("enrolment", True),
        ("problem", False),
    ]
    assert [a["errand"] for a in told["attempts"]] == ["enrolment", "problem", "problem"]
    assert "agent: problem: not done, and kept" in result.stderr


def test_errands_on_the_command_line_take_the_place_of_the_environments(
    site: Site, server: Server
) -> None:
    result = run_agent(
        "--errand", f"inventory={site.url()}", LAB_ERRANDS="problem=https://127.0.0.9",
        LAB_CA_FILE=site.ca_file,
    )  # fmt: skip

    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["errands"] == [
        {"errand": "inventory", "done": True, "attempts": 1}
    ]


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("problem", "is not TYPE=URL"),
        ("report=https://x", "types: configuration, enrolment"),
        ("problem=", "no server is given for problem"),
        *((f"{k}=http://x", "is not https") for k in ErrandKind if k not in DOWNLOADS),
    ],
)
def test_wrong_errands_are_refused_before_anything_is_sent(written: str, sentence: str) -> None:
    """OUT-33: data in clear are wrong use, of every kind."""
    result = run_agent("--errand", written, LAB_CA_FILE="/dev/null")

    assert result.returncode == 2
    assert sentence in result.stderr


def test_an_agent_enrols_before_it_downloads(site: Site, server: Server) -> None:
    """OUT-42: whatever the order of the list."""
    errands = do(site, f"fix={clear(site)}", f"enrolment={site.url()}")

    assert done(errands) == {"fix": True, "enrolment": True}
    assert [a.errand for a in errands.attempts] == ["enrolment", "fix"]


def test_an_agent_that_cannot_enrol_asks_for_no_fix(site: Site, server: Server) -> None:
    errands = do(site, f"enrolment=https://127.0.0.4:{free_port()}", f"fix={clear(site)}")

    assert done(errands) == {"enrolment": False, "fix": False}
    assert errands.attempts[-1].cause is AgentCause.not_enrolled
    assert server.transactions == ()


def test_nobody_asks_for_what_was_not_promised(site: Site, server: Server) -> None:
    errands = do(site, f"fix={clear(site)}")

    assert errands.attempts[0].cause is AgentCause.unpromised
    assert server.transactions == ()


def get(site: Site, path: str) -> tuple[int, bytes]:
    import http.client

    connection = http.client.HTTPConnection(SECOND, site.port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


@pytest.mark.parametrize("path", ["MH01720", "0123456789abcdef/MH01720", "/MH01720"])
def test_a_system_that_has_not_enrolled_gets_no_fix(site: Site, server: Server, path: str) -> None:
    """OUT-42: by guessing neither."""
    status, body = get(site, f"/transaction/fix/{path}")

    assert status == 403
    assert b"no enrolled system has this order" in body
    assert entries(server, 1)[0].status == 403


def test_a_fix_that_is_another_one_is_not_taken(
    site: Site, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OUT-41."""
    monkeypatch.setattr(answers, "_fix", lambda request: Answer(
        status=200, content=b"something else", kind="errand: fix"
    ))  # fmt: skip

    errands = do(site, f"enrolment={site.url()}", f"fix={clear(site)}")

    assert done(errands) == {"enrolment": True, "fix": False}
    assert errands.attempts[-1].cause is AgentCause.digest
    assert "is not what was promised" in errands.attempts[-1].why


def test_a_server_does_its_own_errands_only(site: Site, server: Server) -> None:
    """OUT-38."""
    errands = do(site, f"call-home={site.url()}")

    assert done(errands) == {"call-home": False}
    assert "421 Misdirected Request" in errands.attempts[0].why
    assert entries(server, 1)[0].status == 421


def test_everywhere_means_every_address(site: Site, server: Server) -> None:
    """F-12; and HTTP that is a backup stays one."""
    https, http = site.url(), clear(site)
    nowhere = f"https://127.0.0.4:{free_port()}"

    errands = do(
        site, f"inventory={https},{nowhere}", f"configuration={https},{http}", everywhere=True
    )

    assert done(errands) == {"inventory": False, "configuration": True}
    assert [(a.errand, a.server) for a in errands.attempts] == [
        ("inventory", https), ("inventory", nowhere), ("configuration", https),
    ]  # fmt: skip


def ask(kind: str, content: bytes, method: str = "POST", query: str = "") -> HttpRequest:
    target = f"/transaction/{kind}{query}"
    return HttpRequest(method=method, target=target, body=content, body_bytes=len(content))


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (ask("problem", b"{"), 400),
        (ask("problem", b"[]"), 400),
        (ask("problem", b'{"system": 7}'), 400),
        (ask("problem", json.dumps({"system": "x" * 65}).encode()), 400),
        (ask("problem", b"", query="?system=%zz"), 400),
        (ask("problem", b'{"system": "a"}', "GET"), 405),
        (ask("nothing", b'{"system": "a"}'), 404),
        (ask("problem", b'{"system": "a"}'), 200),
        (ask("upload", b"data", "PUT", "?system=7042-CR9%2A21"), 200),
        (ask("fix/MH01721", b"", "GET"), 404),
    ],
)
def test_what_servers_answer(site: Site, request_: HttpRequest, status: int) -> None:
    listed = replace(site.topology.servers[0], serves=())
    desk = errand_desk.ErrandDesk(cast(Node, HostNode()), ())

    assert desk.answer(request_, listed, "SDC1").status == status


# -- a server behind the front end ------------------------------------------------------------------


@pytest.fixture
def behind(tmp_path: Path) -> tuple[Site, BackEnd]:
    own = BackEnd(node="problems", segment="core", address=FIRST, serves=("problem", "enrolment"))
    site = Site(tmp_path, lambda topology: replace(topology, back_ends=(own,)))
    authority.issue(site.topology, site.keys_dir)
    return site, own


def desk_of(site: Site, own: BackEnd, port: int) -> errand_desk.ErrandDesk:
    node = cast(Node, HostNode())
    return errand_desk.ErrandDesk(node, site.topology.servers, (own,), site.ca_file, port)


def members(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.content)
    return found


def test_the_front_end_hands_an_errand_on(behind: tuple[Site, BackEnd]) -> None:
    """OUT-37."""
    site, own = behind
    port = free_port()
    desk, listed = desk_of(site, own, port), site.topology.servers[0]
    with back_end.serving(own, cast(Node, site.node), site.run_dir, port) as server:
        problem = desk.answer(ask("problem", b'{"system": "a"}'), listed, "SDC7")
        enrolment = desk.answer(ask("enrolment", b'{"system": "a"}'), listed, "SDC8")
        inventory = desk.answer(ask("inventory", b'{"system": "a"}'), listed, "SDC9")
        ledger = entries(server, 2)

    assert (problem.status, problem.back_end) == (200, "problems")
    assert members(problem)["transaction"] == "SDC7", "the front end's number"
    assert problem.back_end_port == ledger[0].peer_port
    assert (inventory.status, inventory.back_end) == (200, ""), "the front end does it itself"
    assert inventory.promised == enrolment.promised != ""
    assert members(inventory)["fixes"] == members(enrolment)["fixes"], "the same order"
    (written,) = {e.kind for e in read(site.run_dir / "logs/problems/ledger.jsonl")[:1]}
    assert written == "errand: problem"
    assert lab_threads() == []


def test_a_server_that_is_down_is_told_of(behind: tuple[Site, BackEnd]) -> None:
    site, own = behind
    desk = desk_of(site, own, free_port())

    answer = desk.answer(ask("problem", b'{"system": "a"}'), site.topology.servers[0], "SDC7")

    assert (answer.status, answer.back_end, answer.back_end_port) == (503, "problems", 0)
    assert "problems, which does problem, does not answer: connection refused" in answer.detail


@pytest.mark.parametrize(
    "said", [b"", b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"]
)
def test_a_server_that_makes_no_sense_is_told_of(
    behind: tuple[Site, BackEnd], monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    class Connection:
        def __init__(self) -> None:
            self.left = [said, b""]

        def getsockname(self) -> tuple[str, int]:
            return FIRST, 4000

        def sendall(self, data: bytes) -> None:
            assert data.endswith(b'{"system": "a"}')

        def recv(self, size: int) -> bytes:
            return self.left.pop(0)

    site, own = behind
    reach = contextlib.nullcontext(Connection())
    monkeypatch.setattr(BackEnds, "_reach", lambda desk, back_end: reach)

    answer = desk_of(site, own, 443).answer(
        ask("problem", b'{"system": "a"}'), site.topology.servers[0], "SDC7"
    )

    assert (answer.status, answer.back_end, answer.back_end_port) == (502, "problems", 4000)
    assert "makes no sense" in answer.detail


def test_an_enrolment_that_was_not_done_gives_no_order(behind: tuple[Site, BackEnd]) -> None:
    site, own = behind
    desk, listed = desk_of(site, own, free_port()), site.topology.servers[0]

    assert desk.answer(ask("enrolment", b'{"system": "a"}'), listed, "SDC7").status == 503

    assert "fixes" not in members(desk.answer(ask("inventory", b'{"system": "a"}'), listed, "SDC8"))


def test_who_serves_survives_as_text() -> None:
    entry = Transaction(
        time=0.0, kind="errand: problem", system="a", peer_ip="", peer_port=0, server_ip="",
        server_port=443, tls_version="", cipher="", sni="", status=200, bytes_in=0,
        back_end="problems", back_end_port=4000, promised="00",
    )  # fmt: skip

    assert codec.load(Transaction, codec.dump(entry)) == entry
