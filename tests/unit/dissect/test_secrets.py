"""No secret of a run is in any text that its packets are told by."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import codec
from lab.dissect import Dissected, Unsealer, dissect, dissect_calls
from lab.secret import Secret, find
from lab.topology.model import Topology
from lab.wire import calls, decode, fragments
from tests.recordings import archive

NAMES = ("vpn-nat", "vpn-dial", "pass-through-vpn", "pass-through-modem", "dial", "proxy-auth")


def packets(run_dir: Path) -> Iterator[Dissected]:
    opened = Unsealer.read(run_dir)
    for frames in decode.read_all(run_dir / "wire").values():
        yield from dissect(fragments.joined(frames), opened)
    for capture in run_dir.glob("wire/pstn.pcapng"):
        yield from dissect_calls(calls.joined(calls.read(capture)), opened)


def texts(packet: Dissected) -> Iterator[str]:
    yield packet.info
    for layer in packet.layers:
        yield layer.title
        for name, value in layer.fields:
            yield f"{name}: {value}"


@pytest.mark.parametrize("name", NAMES)
def test_no_text_has_a_secret(name: str, tmp_path: Path) -> None:
    run_dir = archive.unpack(name, tmp_path)
    topology = codec.load(Topology, (run_dir / "keys" / "model.json").read_text())
    secrets = {secret.reveal() for _, secret in find(topology, Secret)}
    assert secrets

    found = [
        (packet.segment, packet.number, text)
        for packet in packets(run_dir)
        for text in texts(packet)
        if any(secret in text for secret in secrets)
    ]

    assert not found, found[:3]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("dial", "Password: 32 bytes, not shown"),
        ("vpn-nat", "Value: 16 bytes, not shown"),
        ("proxy-auth", "Proxy-Authorization: 62 characters, not shown"),
    ],
)
def test_in_the_place_of_a_secret_stands_how_long_it_is(
    name: str, shown: str, tmp_path: Path
) -> None:
    found = {text for packet in packets(archive.unpack(name, tmp_path)) for text in texts(packet)}

    assert shown in found, [each for each in found if "not shown" in each]
