"""What two modems with ``+MS`` agree on: by table, by properties, and as their terminals read it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.telephony.modem import Modem
from lab.telephony.modulation import CARRIERS, Offer, agree, offer
from lab.telephony.repertoire import PARAMETERS
from lab.telephony.settings import Settings
from lab.topology.values import MODEM_RATES
from tests.unit.telephony.test_modem_calls import NUMBER, Office


def _offer(values: str) -> Offer:
    settings = Settings()
    settings.set("+MS", *values.split(","))
    return settings.offer


@pytest.mark.parametrize(
    ("one", "other", "line", "rate"),
    [
        ("", "", 33600, 33600),
        ("", "", 28800, 28800),
        ("V32B,1", "", 33600, 14400),
        ("V32B,0", "", 33600, 14400),
        ("V32B", "V22B", 33600, 2400),
        ("V32B,0", "V22B", 33600, 0),
        ("V32,0", "V32B,0", 33600, 0),
        ("V32", "V32B", 33600, 9600),
        ("V22B,0,1200,1200", "", 33600, 1200),
        ("V22,0", "", 33600, 1200),
        ("V21", "", 33600, 300),
        # A rate of one's own that the line does not allow.
        ("V32,0", "", 7200, 4800),
        ("V32,0", "", 2400, 0),
        ("V34,0", "", 300, 0),
        ("V34,1", "", 300, 300),
        # Limits.
        ("V34,1,0,20000", "", 33600, 19200),
        ("V34,1,19200", "", 14400, 0),
        ("V34,1,19200", "", 19200, 19200),
        ("V34,1,14400,9600", "", 33600, 0),
        ("V34,1,4800,9600", "V34,1,9600", 33600, 9600),
        ("V34,1,4800,9600", "V34,1,12000", 33600, 0),
        ("V34,1,0,28800,0,14400", "", 33600, 14400),
        ("V34,1,0,0,33600,0", "", 31200, 0),
        ("V34,1,0,2400,0,0", "V32B,0", 33600, 0),
        # No digital modem is there to meet.
        ("V90", "", 33600, 33600),
        ("V92,1,300,56000", "V90", 33600, 33600),
        ("V90,0", "V90,0", 33600, 0),
        # Lines that no Recommendation knows.
        ("", "", 1_000_000, 1_000_000),
        ("", "", 75, 75),
        ("V32B", "", 1_000_000, 14400),
    ],
)
def test_common_rate(one: str, other: str, line: int, rate: int) -> None:
    assert agree(_offer(one), _offer(other), line)[0] == rate
    assert agree(_offer(other), _offer(one), line)[0] == rate


@pytest.mark.parametrize("rate", MODEM_RATES)
def test_modems_that_nobody_limits_reach_what_their_line_can(rate: int) -> None:
    assert agree(Offer(), Settings().offer, rate)[0] == rate
    assert Offer() == Settings().offer, "what the exchange assumes is what modems begin with"


@pytest.mark.parametrize(
    ("one", "other", "line", "carrier"),
    [
        ("", "", 33600, "V34"),
        ("", "", 2400, "V34"),
        ("", "", 75, "V21"),
        ("", "", 300, "V21"),
        ("V32B", "", 33600, "V32B"),
        ("V32", "V32B", 9600, "V32"),
        ("V22B,0", "", 33600, "V22B"),
        ("V22", "", 33600, "V22"),
        ("V34,1,0,1200", "", 33600, "V22B"),
        ("", "", 1_000_000, "V34"),
    ],
)
def test_common_carrier(one: str, other: str, line: int, carrier: str) -> None:
    offers = _offer(one), _offer(other)
    assert agree(*offers, line)[1] == carrier


_LIMIT = st.sampled_from((0, 300, 2400, 9600, 10000, 14400, 33600, 56000))
_OFFERS = st.tuples(st.sampled_from(tuple(CARRIERS)), st.integers(0, 1), *(_LIMIT,) * 4)


@given(_OFFERS, _OFFERS, st.sampled_from((*MODEM_RATES, 1_000_000)))
def test_nobody_gets_a_rate_that_it_excluded(
    one: tuple[int | str, ...], other: tuple[int | str, ...], line: int
) -> None:
    rate = agree(offer(one), offer(other), line)[0]
    assert rate == agree(offer(other), offer(one), line)[0]
    if not rate:
        return
    assert rate <= line
    for carrier, automatic, *limits in (one, other):
        low, high, low_received, high_received = map(int, limits)
        assert max(low, low_received) <= rate
        assert all(rate <= limit for limit in (high, high_received) if limit)
        older = list(CARRIERS)[: list(CARRIERS).index(str(carrier)) + 1]
        allowed = older if automatic else [str(carrier)]
        assert rate == line or any(rate in CARRIERS[name] for name in allowed)


def test_every_carrier_that_can_be_set_is_known() -> None:
    (carriers, *_) = PARAMETERS["+MS"].fields
    assert carriers.allowed.split(",") == list(CARRIERS)
    for name, rates in CARRIERS.items():
        assert list(rates) == sorted(rates), name
    assert {rate for rates in CARRIERS.values() for rate in rates} == {*MODEM_RATES, 600}


NO_CARRIER = b"\r\nNO CARRIER\r\n"


def _connect(rate: int) -> bytes:
    return b"\r\nCONNECT %d\r\n" % rate if rate else NO_CARRIER


@pytest.mark.parametrize(
    ("caller", "called", "rate"),
    [
        (b"AT+MS=V32B,1", b"AT", 14400),
        (b"AT", b"AT+MS=V32B,1", 14400),
        (b"AT+MS=V32B,1", b"AT+MS=V34,1,0,9600", 9600),
        (b"AT+MS=V34,1,28800", b"AT+MS=V32B", 0),
        (b"AT+MS=V34,0", b"AT+MS=V32B,1", 0),
        (b"AT+MS=V22,0;&W", b"ATZ", 1200),
        (b"AT+MS=V22,0;&F", b"AT", 33600),
    ],
)
def test_terminals_read_what_was_agreed_on(caller: bytes, called: bytes, rate: int) -> None:
    office = Office()
    office.type("lig-1", called + b"\r")
    office.type("lig-1", b"ATS0=1\r")
    office.type("hmc", caller + b"\r")
    assert office.read("hmc") == b"\r\nOK\r\n"
    office.type("hmc", b"ATDT%b\r" % NUMBER)
    office.wait(30.0)
    assert office.read("hmc") == _connect(rate)
    assert office.read("lig-1").endswith(b"RING\r\n" + _connect(rate))


def test_terminals_read_by_what_it_goes() -> None:
    office = Office()
    office.type("lig-1", b"ATS0=1+MR=1;+MS=V22B\r")
    office.type("hmc", b"AT+MR=1\r")
    office.type("hmc", b"ATDT%b\r" % NUMBER)
    office.wait(30.0)
    told = b"\r\n+MCR: V22B\r\n\r\n+MRR: 2400\r\n" + _connect(2400)
    assert office.read("hmc").endswith(told)
    assert office.read("lig-1").endswith(told)


@pytest.mark.parametrize(
    "lines",
    [
        (b"ATH1\r", b"AT+MS=V32B;DT%b\r" % NUMBER),
        (b"ATDT%b;+MS=V32B;D\r" % NUMBER,),
        (b"AT+MS=V32B;DT%b\r" % NUMBER,),
    ],
)
def test_it_counts_what_is_set_when_training_begins(lines: tuple[bytes, ...]) -> None:
    office = Office()
    office.type("lig-1", b"ATS0=2\r")
    for line in lines:
        office.type("hmc", line)
        office.wait(1.0)
    office.wait(40.0)
    assert office.read("hmc").endswith(_connect(14400))


def test_a_call_keeps_its_rate_and_the_next_one_has_another() -> None:
    office = Office()
    office.type("lig-1", b"ATS0=1\r")
    office.type("hmc", b"ATDT%b\r" % NUMBER)
    office.wait(30.0)
    office.type("hmc", b"+++")
    office.wait(2.0)
    office.type("hmc", b"AT+MS=V32,0\r")
    office.type("hmc", b"ATO\r")
    office.wait(1.0)
    assert office.read("hmc").endswith(b"\r\nOK\r\n" + _connect(33600))
    office.wait(1.0)
    office.type("hmc", b"+++")
    office.wait(2.0)
    office.type("hmc", b"ATH\r")
    office.wait(10.0)
    office.type("hmc", b"ATDT%b\r" % NUMBER)
    office.wait(30.0)
    assert office.read("hmc").endswith(_connect(9600))


def test_a_modem_made_with_it_offers_it() -> None:
    """Of its factory's settings the exchange hears at the latest when it goes off hook."""
    office = Office()
    office.replace("lig-1", Modem(factory={"E": 0, "S0": 1, "+MS": "V22B"}))
    office.type("hmc", b"ATDT%b\r" % NUMBER)
    office.wait(30.0)
    assert office.read("hmc") == _connect(2400)
