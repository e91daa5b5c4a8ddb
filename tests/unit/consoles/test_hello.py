"""The datagram of discovery: what is written is read, and everything else is refused with a reason."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.consoles.hello import HOLD_S, MOST_BYTES, Hello, NoHelloError, decode, encode

HELLO = Hello(name="hmc-a", addresses=("192.168.10.10", "192.168.128.1"), manages=("cec-1",))
NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", fullmatch=True)
HELLOS = st.builds(
    Hello,
    name=NAMES,
    addresses=st.lists(st.ip_addresses(v=4).map(str), max_size=16, unique=True).map(tuple),
    box=st.just("") | NAMES,
    manages=st.lists(NAMES, max_size=16, unique=True).map(tuple),
    hold_s=st.integers(0, 86400),
    asks=st.booleans(),
    via=st.just("") | NAMES,
)


@given(HELLOS)
def test_what_is_written_is_read(hello: Hello) -> None:
    assert decode(encode(hello)) == hello


def test_the_format_is_the_one_that_is_written_down() -> None:
    """docs/consoles.md has it, for consoles of users' own."""
    assert json.loads(encode(HELLO)) == {
        "callhome-console": 1,
        "name": "hmc-a",
        "addresses": ["192.168.10.10", "192.168.128.1"],
        "box": "",
        "manages": ["cec-1"],
        "hold": HOLD_S,
        "ask": False,
        "via": "",
        "call-home-server": False,
        "level": "",
    }


def test_what_a_later_version_adds_is_passed_over_and_what_may_lack_may_lack() -> None:
    said = b'{"callhome-console": 1, "name": "hmc", "hold": 9, "colour": {"deep": [1]}}'

    assert decode(said) == Hello(name="hmc", addresses=(), hold_s=9)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"callhome-console": 2}, "its version is not 1"),
        ({"callhome-console": True}, "its version is not 1"),
        ({"name": "HMC"}, "name is no name"),
        ({"name": ""}, "name is no name"),
        ({"name": "a" * 64}, "name is no name"),
        ({"name": 7}, "name is no name"),
        ({"box": None}, "box is no name"),
        ({"via": "-"}, "via is no name"),
        ({"addresses": "192.168.10.10"}, "addresses is no list of 16 at most"),
        ({"addresses": ["192.168.10.10"] * 17}, "addresses is no list of 16 at most"),
        ({"addresses": ["192.168.10.256"]}, "something in addresses is not an IPv4 address"),
        ({"addresses": [3232238090]}, "something in addresses is not an IPv4 address"),
        ({"manages": [["cec-1"]]}, "something in manages is not a name"),
        ({"hold": 1.5}, "hold is no whole number"),
        ({"hold": False}, "hold is no whole number"),
        ({"hold": -1}, "hold is not from 0 to 86400"),
        ({"hold": 86401}, "hold is not from 0 to 86400"),
        ({"ask": 1}, "ask is neither true nor false"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, object], reason: str) -> None:
    right = json.loads(encode(HELLO))

    with pytest.raises(NoHelloError, match=reason):
        decode(json.dumps(right | fields).encode())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[" * MOST_BYTES, "no JSON"),
        (b"[]", "no object with callhome-console"),
        (b"{}", "no object with callhome-console"),
        (b" " * (MOST_BYTES + 1), "it has 1401 octets, and 1400 is the most"),
    ],
)
def test_what_is_nothing_of_the_kind_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(NoHelloError, match=reason):
        decode(data)


def wild(chance: random.Random, data: bytes) -> bytes:
    """A datagram with some octets changed, lost, or doubled; now and then nothing but noise."""
    if chance.random() < 0.1:
        return chance.randbytes(chance.randrange(200))
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(changed))
        match chance.randrange(3):
            case 0:
                changed[at] = chance.randrange(256)
            case 1:
                del changed[at]
            case _:
                changed[at:at] = changed[at : at + chance.randrange(20)]
    return bytes(changed)


def test_wild_datagrams_are_read_or_refused_and_raise_nothing_else() -> None:
    chance = random.Random(9900)
    said = encode(replace(HELLO, box="ds8000-1", via="cec-1"))
    refused = 0
    for _ in range(20_000):
        try:
            decode(wild(chance, said))
        except NoHelloError:
            refused += 1
    assert 10_000 < refused < 20_000
