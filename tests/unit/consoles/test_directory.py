"""Which consoles a console knows: by their own word, by a managed system's, and for how long."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from lab.consoles.directory import MOST_PEERS, ConsoleDirectory
from lab.consoles.hello import EVERY_S, HOLD_S, Hello, decode, encode
from lab.consoles.outputs import Found, Lost, Send
from lab.topology.consoles import Console, ConsoleCard, SystemPort
from tests.unit.consoles.test_hello import wild

OWN = Console(
    node="hmc-a",
    cards=(
        ConsoleCard(segment="lan", address="192.168.10.10", broadcast="192.168.10.255"),
        ConsoleCard(segment="svc", address="192.168.128.1", broadcast="192.168.128.255"),
    ),
    systems=(SystemPort(name="cec-1", address="192.168.128.10", card="svc"),),
    box="",
)
OTHER = Hello(name="hmc-b", addresses=("192.168.10.11",))
TOLD = Hello(name="hmc-c", addresses=("192.168.20.10",), manages=("cec-1",), via="cec-1")


def heard(
    directory: ConsoleDirectory, hello: Hello, now: float = 1.0, source: str = ""
) -> list[object]:
    return [*directory.receive(encode(hello), source or hello.addresses[0], "lan", now)]


def told(directory: ConsoleDirectory, hello: Hello, now: float = 1.0) -> list[object]:
    return [*directory.receive(encode(hello), "192.168.128.10", "svc", now)]


@pytest.fixture
def directory() -> ConsoleDirectory:
    made = ConsoleDirectory(OWN)
    made.start(0.0)
    return made


def test_a_console_that_comes_broadcasts_on_each_card_asks_its_systems_and_wants_answers() -> None:
    """M-01, M-02."""
    sent = ConsoleDirectory(OWN).start(0.0)

    assert all(isinstance(each, Send) for each in sent)
    assert [(s.address, s.card) for s in sent if isinstance(s, Send)] == [
        ("192.168.10.255", "lan"),
        ("192.168.128.255", "svc"),
        ("192.168.128.10", "svc"),
    ]
    said = {decode(s.data) for s in sent if isinstance(s, Send)}
    assert said == {
        Hello(
            name="hmc-a",
            addresses=("192.168.10.10", "192.168.128.1"),
            manages=("cec-1",),
            asks=True,
        )
    }


def test_who_asks_is_answered_by_the_same_card_and_known(directory: ConsoleDirectory) -> None:
    found, answer = heard(directory, replace(OTHER, asks=True))

    assert found == Found(name="hmc-b", address="192.168.10.11", via="")
    assert isinstance(answer, Send)
    assert (answer.address, answer.card) == ("192.168.10.11", "lan")
    assert not decode(answer.data).asks
    # Who asks again has been gone, and is answered again; to know it twice is nothing new.
    assert heard(directory, replace(OTHER, asks=True), 2.0) == [answer]


def test_who_does_not_ask_is_known_and_not_answered(directory: ConsoleDirectory) -> None:
    assert heard(directory, OTHER) == [Found(name="hmc-b", address="192.168.10.11", via="")]


def test_the_address_is_the_one_from_which_a_console_speaks(directory: ConsoleDirectory) -> None:
    (found,) = heard(directory, replace(OTHER, addresses=("10.9.9.9",)), source="192.168.10.77")
    assert found == Found(name="hmc-b", address="192.168.10.77", via="")


def test_broadcasts_go_on(directory: ConsoleDirectory) -> None:
    assert directory.next_due == EVERY_S
    assert directory.tick(EVERY_S - 1) == []
    sent = directory.tick(EVERY_S)
    assert len(sent) == 3
    assert not any(decode(s.data).asks for s in sent if isinstance(s, Send))
    assert directory.next_due == 2 * EVERY_S


def test_a_peer_that_is_silent_for_the_time_that_it_told_is_gone(
    directory: ConsoleDirectory,
) -> None:
    heard(directory, replace(OTHER, hold_s=250), 10.0)
    heard(directory, replace(OTHER, hold_s=250), 20.0)

    assert directory.next_due == 270.0
    assert directory.tick(269.9) == []
    assert directory.tick(270.0) == [Lost(name="hmc-b", silent_s=250.0)]
    assert not directory.peers


def test_a_goodbye_is_believed_and_of_a_stranger_it_is_nothing(directory: ConsoleDirectory) -> None:
    assert heard(directory, replace(OTHER, hold_s=0)) == []
    heard(directory, OTHER)
    assert heard(directory, replace(OTHER, hold_s=0), 2.0) == [Lost(name="hmc-b", silent_s=0.0)]


def test_a_managed_system_tells_of_who_manages_it_too(directory: ConsoleDirectory) -> None:
    """M-02: the address is the one in the datagram."""
    assert told(directory, TOLD) == [Found(name="hmc-c", address="192.168.20.10", via="cec-1")]


def test_who_is_known_in_two_ways_is_gone_when_both_have_ended(directory: ConsoleDirectory) -> None:
    told(directory, replace(TOLD, hold_s=100), 0.0)
    heard(directory, replace(TOLD, via="", hold_s=200), 0.0)

    assert directory.tick(150.0) == []
    assert heard(directory, replace(TOLD, via="", hold_s=0), 160.0) == [
        Lost(name="hmc-c", silent_s=0.0)
    ]


@pytest.mark.parametrize(
    ("hello", "source", "reason"),
    [
        (replace(OTHER, name="hmc-a"), "192.168.10.11", "somebody has the same name"),
        (replace(OTHER, box="ds8000-2"), "192.168.10.11", "the console is in another box"),
        (TOLD, "192.168.10.11", "nobody that is managed here tells of it"),
        (replace(TOLD, via="cec-2"), "192.168.128.10", "nobody that is managed here tells of it"),
        (replace(TOLD, addresses=()), "192.168.128.10", "the managed system tells no address"),
    ],
)
def test_what_is_not_for_this_console_changes_nothing(
    hello: Hello, source: str, reason: str, directory: ConsoleDirectory
) -> None:
    assert directory.receive(encode(hello), source, "lan", 1.0) == []
    assert (directory.ignored, dict(directory.peers)) == ({reason: 1}, {})


def test_the_same_box_is_heard() -> None:
    """M-09."""
    directory = ConsoleDirectory(replace(OWN, box="ds8000-1"))
    assert heard(directory, OTHER) == []
    assert len(heard(directory, replace(OTHER, box="ds8000-1"))) == 1


def test_a_broadcast_comes_back_to_who_sends_it(directory: ConsoleDirectory) -> None:
    assert heard(directory, OTHER, source="192.168.10.10") == []
    assert not directory.ignored


def test_who_says_goodbye_itself_is_known_as_long_as_the_system_tells_of_it(
    directory: ConsoleDirectory,
) -> None:
    heard(directory, replace(TOLD, via=""), 0.0)
    told(directory, replace(TOLD, hold_s=200), 0.0)

    assert heard(directory, replace(TOLD, via="", hold_s=0), 10.0) == []
    assert directory.tick(200.0) == [Lost(name="hmc-c", silent_s=200.0)]


def test_a_known_console_speaks_from_all_of_its_addresses_and_from_no_other(
    directory: ConsoleDirectory,
) -> None:
    heard(directory, replace(OTHER, addresses=("192.168.10.11", "192.168.128.2")))

    assert heard(directory, replace(OTHER, hold_s=0), source="192.168.10.66") == []
    assert directory.ignored == {"a console that is known has another address": 1}
    gone = heard(directory, replace(OTHER, hold_s=0), source="192.168.128.2")
    assert gone == [Lost(name="hmc-b", silent_s=0.0)]


def test_many_names_do_not_fill_the_memory(directory: ConsoleDirectory) -> None:
    for number in range(MOST_PEERS + 5):
        heard(directory, replace(OTHER, name=f"x{number}"))
    assert len(directory.peers) == MOST_PEERS
    assert directory.ignored == {f"{MOST_PEERS} consoles are known": 5}


def test_a_hundred_thousand_wild_datagrams_change_nothing_else(directory: ConsoleDirectory) -> None:
    """Who is known stays known; what is read by chance is another name, which ends by itself."""
    chance = random.Random(9901)
    heard(directory, replace(OTHER, hold_s=86400))
    said = encode(replace(OTHER, box="ds8000-1", hold_s=1))
    for _ in range(100_000):
        directory.receive(wild(chance, said), "192.168.10.66", "lan", 2.0)

    assert sum(directory.ignored.values()) > 90_000
    directory.tick(2.0 + 86000)
    assert set(directory.peers) == {"hmc-b"}
    assert directory.peers["hmc-b"].address == "192.168.10.11"
    assert HOLD_S > 2 * EVERY_S


def test_whose_addresses_a_console_takes_for_its_own_and_for_others(
    directory: ConsoleDirectory,
) -> None:
    """At TCP port 9920 the agent beside it is heard, and other consoles that are known."""
    heard(directory, OTHER)

    assert [a for a in ("192.168.128.1", "127.0.0.1") if directory.is_own(a)] == [
        "192.168.128.1",
        "127.0.0.1",
    ]
    assert directory.knows("192.168.10.11")
    assert not directory.is_own("192.168.10.11")
    assert not directory.knows("192.168.10.12")
    assert not directory.knows("192.168.128.1")
