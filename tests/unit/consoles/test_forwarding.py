"""What a console answers at port 9920; IBM gets each request once, whichever servers die meanwhile."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.agent.client import read_acknowledgement
from lab.agent.inter_console import packed
from lab.agent.message import Attempt, Message
from lab.agent.web.exchange import WebReply, WebRequest
from lab.consoles.broker import Broker
from lab.consoles.directory import KnownConsole
from lab.consoles.forwarding import ForwardingDesk
from lab.ibm.answers import Answer
from lab.ibm.once import Once
from lab.record.cause import AgentCause
from lab.record.event import Event
from tests.unit.consoles.test_directory import OWN
from tests.unit.examples import examples

HMC_B = replace(OWN, node="hmc-b", systems=())
HERE = "192.168.10.11"


class Site:
    """Consoles without a network: what each server does with a request, and IBM that counts."""

    def __init__(self, *servers: str, levels: tuple[str, ...] = ()) -> None:
        self.does = dict.fromkeys(servers, "sends")
        self.level = dict(zip(servers, levels, strict=False))
        self.tickets: Counter[str] = Counter()
        self.asked: list[str] = []
        self.told: list[Event] = []
        self._once = Once()

    def servers(self) -> list[KnownConsole]:
        return [
            KnownConsole(
                name,
                name,
                frozenset({name}),
                "",
                serves=True,
                level=self.level.get(name, ""),
                heard=0.0,
            )
            for name, does in self.does.items()
            if does != "is gone"
        ]

    def is_own(self, address: str) -> bool:
        return address == HERE

    def knows(self, address: str) -> bool:
        return address in self.does

    def forward(self, message: Message, address: str) -> Attempt:
        self.asked.append(address)
        attempt = Attempt(address)
        does = self.does[address]
        if does in ("sends", "dies when IBM has it"):
            answer = self._once.answer(message.key, message.path, lambda: self._ticket(message.key))
            attempt.acknowledgement = json.loads(answer.content)
        if does != "sends":
            attempt.acknowledgement = {}
            attempt.fail(AgentCause.broken, does)
        return attempt

    def _ticket(self, key: str) -> Answer:
        self.tickets[key] += 1
        content = json.dumps({"transaction": f"SDC{self.tickets.total():07d}"}).encode()
        return Answer(status=200, content=content, kind="heartbeat")

    def desk(self, *, serves: bool = False) -> ForwardingDesk:
        console = replace(HMC_B, serves=serves)
        return ForwardingDesk(
            console,
            self,
            lambda message: self.forward(message, "hmc-b"),
            self.forward,
            self.told.append,
        )


def ask(
    desk: ForwardingDesk, key: str = "k1", *, forwarded: bool = False, peer: str = HERE
) -> WebReply:
    message = Message("POST", "/heartbeat", b"{}", read_acknowledgement, key=key)
    body = packed(message, forwarded=forwarded).content
    return desk.answer(WebRequest("PUT", f"/requests/{key}", body=body, peer=peer))


def problem(reply: WebReply) -> str:
    return str(json.loads(reply.content)["problem"])


def test_a_request_is_sent_by_a_server_and_ibm_has_one_ticket() -> None:
    """M-05."""
    site = Site("hmc-a")

    reply = ask(site.desk())

    assert reply.status == 200
    assert json.loads(reply.content) == {"transaction": "SDC0000001", "by": "hmc-a"}
    assert [event.kind() for event in site.told] == ["request-forwarded", "request-delivered"]


def test_requests_are_shared_out_among_the_servers() -> None:
    """M-06: each by exactly one, and all are used."""
    site = Site("hmc-a", "hmc-c", "hmc-d")
    desk = site.desk()
    for number in range(30):
        ask(desk, f"k{number}")

    assert Counter(site.asked) == {"hmc-a": 10, "hmc-c": 10, "hmc-d": 10}
    assert set(site.tickets.values()) == {1}


def test_a_request_that_fails_goes_to_each_other_server_once() -> None:
    """M-07."""
    site = Site("hmc-a", "hmc-c", "hmc-d")
    site.does.update({"hmc-a": "dies when IBM has it", "hmc-c": "does not reach IBM"})

    reply = ask(site.desk())

    assert reply.status == 200
    assert json.loads(reply.content)["by"] == "hmc-d"
    assert site.asked == ["hmc-a", "hmc-c", "hmc-d"]
    assert site.tickets == {"k1": 1}


def test_if_all_fail_the_agent_hears_why_of_each() -> None:
    site = Site("hmc-a", "hmc-c")
    site.does.update({"hmc-a": "does not reach IBM", "hmc-c": "dies"})

    reply = ask(site.desk())

    assert reply.status == 503
    assert "hmc-a: " in problem(reply)
    assert "hmc-c: " in problem(reply)
    assert site.asked == ["hmc-a", "hmc-c"]


def test_without_a_server_that_is_said() -> None:
    reply = ask(Site().desk())

    assert (reply.status, problem(reply)) == (503, "hmc-b knows no call-home server")


def test_a_forwarded_request_is_sent_by_a_server_and_by_nobody_else() -> None:
    site = Site("hmc-a", "hmc-b")

    assert ask(site.desk(), forwarded=True, peer="hmc-a").status == 403
    assert not site.asked
    reply = ask(site.desk(serves=True), forwarded=True, peer="hmc-a")
    assert json.loads(reply.content)["by"] == "hmc-b"
    assert site.asked == ["hmc-b"], "it is not forwarded again"


def test_a_server_that_comes_home_by_others_asks_them_and_sends_nothing_itself() -> None:
    """Its own ways are down: it is a console like those that it serves else."""
    site = Site("hmc-a", "hmc-b")
    desk = site.desk(serves=True)
    desk.by_others = True

    reply = ask(desk)
    assert (json.loads(reply.content)["by"], site.asked) == ("hmc-a", ["hmc-a"])
    reply = ask(desk, "k2", forwarded=True, peer="hmc-a")
    assert (reply.status, site.asked) == (503, ["hmc-a"])
    assert problem(reply) == "hmc-b comes home by other consoles itself at present"
    desk.by_others = False
    assert json.loads(ask(desk, "k3").content)["by"] == "hmc-b"


def test_a_console_that_is_asked_by_another_one_asks_no_third() -> None:
    site = Site("hmc-a", "hmc-c")

    reply = ask(site.desk(), peer="hmc-c")

    assert (reply.status, site.asked, site.told) == (403, [], [])


def test_a_console_that_died_asks_nobody_and_tells_nothing() -> None:
    site = Site("hmc-a")
    desk = site.desk()
    desk.die()

    assert ask(desk).status == 503
    assert (site.asked, site.told) == ([], [])


def test_a_way_that_was_taken_down_takes_none_of_the_agent_beside_it() -> None:
    site = Site("hmc-a")
    desk = site.desk()
    desk.takes_own = False

    assert ask(desk).status == 503
    assert not site.asked


def said(**changed: object) -> bytes:
    members = {"callhome-request": 1, "path": "/", "content": "", "forwarded": True}
    return json.dumps(members | changed).encode()


@pytest.mark.parametrize(
    ("method", "path", "body", "peer", "status"),
    [
        ("PUT", "/requests/k1", b"{}", "192.0.2.66", 403),
        ("PUT", "/requests/", b"{}", HERE, 404),
        ("PUT", "/requests/a b", b"{}", HERE, 404),
        ("PUT", f"/requests/{'k' * 65}", b"{}", HERE, 404),
        ("PUT", "/", b"{}", HERE, 404),
        ("GET", "/requests/k1", b"", HERE, 405),
        ("PUT", "/requests/k1", b"", HERE, 400),
        ("PUT", "/requests/k1", b"[" * 100_000, HERE, 400),
        ("PUT", "/requests/k1", b"\xff", HERE, 400),
        ("PUT", "/requests/k1", b'{"callhome-request": 2}', HERE, 400),
        ("PUT", "/requests/k1", b'{"callhome-request": true}', HERE, 400),
        ("PUT", "/requests/k1", said(path="x"), HERE, 400),
        ("PUT", "/requests/k1", said(path="/a b"), HERE, 400),
        ("PUT", "/requests/k1", said(content=1), HERE, 400),
        ("PUT", "/requests/k1", said(forwarded=1), HERE, 400),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(
    method: str, path: str, body: bytes, peer: str, status: int
) -> None:
    site = Site("hmc-a")

    reply = site.desk(serves=True).answer(WebRequest(method, path, body=body, peer=peer))

    assert reply.status == status, reply.content
    assert problem(reply)
    assert not site.asked
    assert not site.told


def test_servers_of_several_levels_are_warned_of_once() -> None:
    """M-08: a warning, and no failure."""
    site = Site("hmc-a", "hmc-c", levels=("V8R8.7.0", "V8R8.6.0"))
    desk = site.desk()

    assert [ask(desk, key).status for key in ("k1", "k2")] == [200, 200]

    (warning,) = (event for event in site.told if event.kind() == "levels-differ")
    assert "hmc-a V8R8.7.0 and hmc-c V8R8.6.0" in warning.sentence


def test_servers_of_one_level_are_not_warned_of() -> None:
    site = Site("hmc-a", "hmc-c", levels=("V8R8.7.0", "V8R8.7.0"))
    ask(site.desk())

    assert "levels-differ" not in [event.kind() for event in site.told]


SERVERS = "hmc-a", "hmc-c", "hmc-d"
DEEDS = "sends", "dies", "dies when IBM has it", "does not reach IBM", "is gone"


@examples(300)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from(SERVERS), st.sampled_from(DEEDS)),
            st.just("an event"),
        ),
        max_size=40,
    )
)
def test_each_event_is_one_ticket_whatever_dies_and_returns(
    acts: list[str | tuple[str, str]],
) -> None:
    """M-07, R-03: any order of deaths and returns; the agent keeps what failed, and asks again."""
    site = Site(*SERVERS)
    desk = site.desk()
    kept: list[str] = []
    events = 0
    for act in (*acts, *((name, "sends") for name in SERVERS), "an event"):
        if isinstance(act, tuple):
            name, site.does[name] = act[0], act[1]
            continue
        events += 1
        kept.append(f"e{events}")
        for key in [*kept]:
            before = len(site.asked)
            if ask(desk, key).status == 200:
                kept.remove(key)
            asked = site.asked[before:]
            assert len(asked) == len({*asked}), "each server once at most"

    assert not kept
    assert site.tickets == {f"e{number}": 1 for number in range(1, events + 1)}


def test_a_broker_takes_the_server_that_has_had_the_fewest() -> None:
    broker = Broker()

    assert [broker.pick(["b", "a"], ()) for _ in range(4)] == ["a", "b", "a", "b"]
    assert broker.pick(["a", "b", "new"], ()) == "new"
    assert broker.pick(["a", "b"], ["a", "b"]) is None
    assert broker.given == {"a": 2, "b": 2, "new": 1}
