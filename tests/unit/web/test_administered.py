"""The web user interface of a real agent: its files become pages, and what is asked for is queued."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.agent.problems import CLOSED
from lab.agent.settings import SettingsError
from lab.agent.state import AgentState
from lab.agent.web.administered import AdministeredAgent
from lab.agent.web.interface import interface, plan
from lab.agent.web.pages import Reader, sheet_page
from lab.agent.web.sheet import ROWS, Demand, FactList, Grid, Listing, NotToBeHad, Place, Tone
from lab.errors import PrerequisiteError
from tests.ports import free_port
from tests.unit.agent.examples import NAME, settings

LINUX = {"generation": "esa-linux-7.1.5"}


class Post:
    """An agent that nothing has happened to yet."""

    def __init__(self, folder: Path, **more: object) -> None:
        self.state = AgentState(settings(folder, **{**LINUX, **more}), now=lambda: 1_800_000_000.0)
        self.woken = 0
        self.agent = AdministeredAgent(self.state, self._wake)

    def _wake(self) -> None:
        self.woken += 1

    def page(self, place: Place, page: int = 1) -> str:
        """The page's HTML, without markup."""
        sheet = self.agent.sheet(place, page)
        return sheet_page(place, sheet, self.agent.system, Reader("operator", "t"))

    def grid(self, place: Place, heading: str, page: int = 1) -> Grid:
        blocks = self.agent.sheet(place, page).blocks
        return next(each for each in blocks if isinstance(each, Grid) and each.heading == heading)

    def facts(self, place: Place) -> dict[str, object]:
        blocks = self.agent.sheet(place, 1).blocks
        return {k: v for each in blocks if isinstance(each, FactList) for k, v in each.facts}


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    made = Post(tmp_path)
    with made.state:
        yield made


@pytest.mark.parametrize("place", Place)
def test_an_agent_to_which_nothing_has_happened_has_pages(post: Post, place: Place) -> None:
    assert NAME in post.page(place)


def test_connectivity_is_what_was_tried_last(post: Post) -> None:
    assert post.facts(Place.status)["Connectivity"] == ("not tried yet", Tone.waiting)
    post.state.book.note("acknowledged", kind="heartbeat", way="direct", server="https://one")
    assert post.facts(Place.status)["Connectivity"] == ("IBM was reached", Tone.good)
    assert post.facts(Place.status)["Last heartbeat"] == (1_800_000_000.0,)
    post.state.alerts.sound("no-way-home", "nothing could be sent: <no route>", "look there")
    assert post.facts(Place.status)["Connectivity"] == (
        "nothing could be sent: <no route>",
        Tone.bad,
    )
    (alert,) = post.grid(Place.status, "Alerts").rows
    assert alert[1:] == ("nothing could be sent: <no route>", "look there")
    assert "<no route>" not in post.page(Place.status)


def test_ways_are_in_their_order_with_their_last_try(tmp_path: Path) -> None:
    ways = [
        {"name": "internet", "kind": "direct"},
        {"name": "squid", "kind": "proxy", "url": "http://user:s3cret@proxy:3128"},
        {"name": "backup", "kind": "lab-way", "way": "vpn"},
    ]
    with Post(tmp_path, ways=ways).state as state:
        post = Post(tmp_path, ways=ways)
        state.book.note("acknowledged", way="squid")
        state.book.note("failed", way="squid", problem="the proxy is silent")
        state.book.note("acknowledged", way="internet")
        rows = post.grid(Place.status, "Ways to IBM, in the order of trying").rows
        assert [row[0] for row in rows] == ["internet", "squid", "backup"]
        assert [row[2] for row in rows] == [
            ("worked", Tone.good), ("failed: the proxy is silent", Tone.bad), "not tried yet",
        ]  # fmt: skip
        for place in Place:
            assert "s3cret" not in post.page(place)
        assert "http://proxy:3128" in post.page(Place.settings)


def test_a_service_request_is_a_problem_with_a_number(post: Post) -> None:
    machine = {"machine": NAME, "severity": 1, "text": "fan"}
    post.state.problems.note("a", reference_code="AAAA", occurred=5.0, state="queued", **machine)
    post.state.problems.note(
        "b", reference_code="BBBB", occurred=9.0, state="open", pmh="PMH2", **machine
    )
    post.state.problems.note(
        "c", reference_code="CCCC", occurred=7.0, state=CLOSED, pmh="PMH1", **machine
    )
    requests = post.grid(Place.requests, "Service requests").rows
    assert [row[:3] for row in requests] == [
        ("PMH2", ("open", Tone.waiting), "BBBB"),
        ("PMH1", ("closed", Tone.good), "CCCC"),
    ]
    assert [row[1] for row in post.grid(Place.problems, "Problems").rows] == [
        "BBBB",
        "CCCC",
        "AAAA",
    ]


def test_the_log_has_pages_and_the_newest_first(post: Post) -> None:
    for number in range(2 * ROWS + 1):
        post.state.book.note("queued", report=f"report-{number}")
    first, last = post.grid(Place.logs, "Log", 1), post.grid(Place.logs, "Log", 3)
    assert (first.page, first.pages, len(first.rows)) == (1, 3, ROWS)
    assert first.rows[0][4] == f"report: report-{2 * ROWS}"
    assert [row[4] for row in last.rows] == ["report: report-0"]
    assert post.grid(Place.logs, "Log", 99).page == 3


def test_damaged_files_are_no_reason_to_show_nothing(post: Post) -> None:
    folder = post.state.folder
    folder.mkdir(parents=True)
    (folder / "ledger.jsonl").write_bytes(
        b'{"time": 1e300, "event": "x"}\n{"time": "\n\xff\xfe\n[1]\n{}\n'
    )
    (folder / "problems.json").write_text(
        json.dumps({"a": 3, "b": {"occurred": "never", "pmh": 7}})
    )
    (folder / "alerts.json").write_text("{")
    (folder / "credentials.json").write_text("[]")
    for place in Place:
        assert NAME in post.page(place)
    assert "an impossible time" in post.page(Place.logs)


def test_the_inventory_is_what_would_be_sent(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "customer.txt").write_text("SECRET-OF-THE-CUSTOMER")
    post = Post(tmp_path, machine_files="files", generation="hmc-2017")
    with post.state:
        listed = [b for b in post.agent.sheet(Place.inventory, 1).blocks if isinstance(b, Listing)]
        assert listed
        assert "SECRET-OF-THE-CUSTOMER" not in post.page(Place.inventory)


@pytest.mark.parametrize(
    ("demand", "kind"),
    [
        (Demand.connectivity, "heartbeat"),
        (Demand.inventory, "inventory"),
        (Demand.problem, "problem"),
    ],
)
def test_a_demand_is_queued_and_the_service_is_woken(post: Post, demand: Demand, kind: str) -> None:
    told = post.agent.demand(demand)
    assert told == f"{demand.heading}: 1 report queued, and sent now. The logs tell the rest."
    assert [entry.kind for entry in post.state.spool.entries()] == [kind]
    assert post.woken == 1
    if demand is Demand.problem:
        (problem,) = post.state.problems.all().values()
        assert (problem["reference_code"], problem["state"]) == ("TEST0000", "queued")


def test_a_demand_that_the_state_folder_does_not_take(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    post = Post(tmp_path, state="file/state")
    with pytest.raises(NotToBeHad, match=r"cannot write .*make room"):
        post.agent.demand(Demand.problem)
    assert post.woken == 0


def test_the_settings_of_the_interface(tmp_path: Path) -> None:
    assert plan(settings(tmp_path)) is None
    found = plan(settings(tmp_path, web={}))
    assert found is not None
    assert (found.port, found.address, found.users, found.files) == (5024, "", (), None)
    web = {"port": 6000, "address": "::1", "users": ["root"], "certificate": "c", "key": "k"}
    found = plan(settings(tmp_path, web=web))
    assert found is not None
    assert (found.port, found.address, found.users) == (6000, "::1", ("root",))
    assert found.files == (str(tmp_path / "c"), str(tmp_path / "k"))


def test_every_mistake_in_them_is_told(tmp_path: Path) -> None:
    web = {"adress": "x", "address": "localhost", "users": "root", "key": "k"}
    with pytest.raises(SettingsError) as caught:
        plan(settings(tmp_path, web=web))
    assert caught.value.problems == [
        "web.adress is not known; did you mean address?",
        'web.users is no list of names; write users = ["root"]',
        "web.address 'localhost' is no address; write address = \"127.0.0.1\"",
        "web.certificate and web.key belong together; write both as paths",
    ]


def test_without_the_table_there_is_no_interface(tmp_path: Path) -> None:
    with Post(tmp_path).state as state, interface(state):
        pass
    assert not (state.folder / "web").exists()


def test_a_folder_that_cannot_hold_the_certificate(tmp_path: Path) -> None:
    post = Post(tmp_path, web={"port": free_port(), "address": "127.0.0.1"})
    with post.state as state:
        state.folder.mkdir(parents=True)
        (state.folder / "web").write_text("")
        with pytest.raises(PrerequisiteError, match="cannot write"), interface(state):
            pass
