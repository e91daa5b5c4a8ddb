"""Percentages, and how a wire is told of whose packets chance befalls."""

from __future__ import annotations

import re

import pytest

from lab import codec
from lab.topology import load, resolve, shown, units
from lab.topology.segment import Impairment, Segment


@pytest.mark.parametrize(
    ("text", "share"), [("2%", 0.02), ("0.1%", 0.001), ("0%", 0.0), ("99.9%", 0.999)]
)
def test_percentages(text: str, share: float) -> None:
    assert units.parse_percent(text) == share
    assert units.show_percent(share) == text


@pytest.mark.parametrize("text", ["2", 2, 0.02, "-1%", "100%", "150%", "1e1%", "2 %", "٢%", None])
def test_what_is_no_percentage(text: object) -> None:
    with pytest.raises(ValueError, match=r"percentage such as 2%|less than 100%"):
        units.parse_percent(text)


def test_what_the_file_says_of_chance_is_in_the_model_and_in_the_picture() -> None:
    text = load.folder().joinpath("direct.yaml").read_text()
    delay = "    rate: 100Mbit\n    delay: 10ms\n"
    assert text.count(delay) == 1
    keys = "    jitter: 5ms\n    loss: 2%\n    duplicate: 0.5%\n    corrupt: 0.1%\n"
    keys += "    reorder: 10%\n    seed: 3\n    rates: { firewall: 512kbit }\n    vlan: 7\n"
    topology = resolve.resolve(load.parse(text.replace(delay, delay + keys), "x.yaml"), b"chance")

    wire = topology.segment("fw-inet")
    assert wire.impairment == Impairment(
        jitter_s=0.005, loss=0.02, duplicate=0.005, corrupt=0.001, reorder=0.1, seed=3
    )
    assert (wire.rate_of("firewall"), wire.rate_of("internet")) == (512_000, 100_000_000)
    assert codec.load(Segment, codec.dump(wire)) == wire
    lan = topology.segment("lan")
    assert lan.impairment is None
    assert (wire.vlan, wire.port_of("fw-inet")) == (7, "trunk-fw-inet")
    assert lan.port_of("lan") == "lan"
    assert not re.search("impairment|rates|vlan", codec.dump(lan))
    assert codec.load(Segment, codec.dump(lan)) == lan
    told = "100 Mbit/s (firewall 512 kbit/s), 10 ms ±5 ms, 2% lost, 0.5% twice, 0.1% corrupt, "
    assert shown.wire(wire) == told + "10% reordered, VLAN 7"
    assert shown.wire(topology.segment("lan")) == "1 Gbit/s"
