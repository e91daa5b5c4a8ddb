"""The reader of DNS for people agrees with the one that findings are judged by, and takes any bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.dissect import lookups
from lab.wire import dns
from lab.wire.decode import UDP, Packet
from tests.recordings.true_run import Recordings

NAMES = (
    "direct",
    "direct-names",
    "dual-stack",
    "dial.dns-silent",
    "proxy.dns-wrong-answer",
    "vpn-nat",
)


def packet(payload: bytes) -> Packet:
    return Packet("192.0.2.1", "192.0.2.2", UDP, 0, 28 + len(payload), 0, False, payload)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    return Recordings(tmp_path_factory.mktemp("recordings"))


@pytest.mark.parametrize("name", NAMES)
def test_both_readers_agree(recordings: Recordings, name: str) -> None:
    run = recordings(name)
    seen = [f.ip for frames in run.wire.values() for f in frames if f.ip]
    seen += [item.data for item in run.carried if item.data]
    asked = [each for each in seen if each.uses_udp(dns.PORT)]
    assert asked
    for each in asked:
        assert lookups.read(each) == dns.read_message(each)


@given(st.binary(max_size=80))
def test_any_bytes_are_taken(data: bytes) -> None:
    lookups.read(packet(data))


def test_a_name_that_refers_to_itself_is_none() -> None:
    assert (
        lookups.read(packet(bytes.fromhex("0001 0100 0001 0000 0000 0000 c00c 0001 0001"))) is None
    )


@pytest.mark.parametrize(
    ("label", "told"),
    [
        (b"esupport", "esupport"),
        (b"\0as-1\n", "\\000as-1\\010"),
        (b"\x1b[2J", "\\027[2j"),
        (b"back\\slash", "back\\092slash"),
        ("é".encode(), "\\195\\169"),
    ],
)
def test_a_byte_of_a_name_that_nobody_can_read_is_a_number(label: bytes, told: str) -> None:
    """RFC 1035 5.1. So it breaks no line and no terminal, whoever reads it."""
    question = bytes((len(label),)) + label + b"\x04test\0" + bytes.fromhex("00010001")
    asked = packet(bytes.fromhex("000101000001000000000000") + question)

    for read in (lookups.read, dns.read_message):
        message = read(asked)
        assert message is not None
        assert message.name == f"{told}.test"
