"""Nodes with a count: what a name and a number become, and what people are told of them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.topology import dot, draw, fleet, load
from lab.topology.model import Topology
from lab.topology.resolve import resolve
from lab.topology.spec import TopologySpec
from tests.unit.examples import examples

SINGLE = """\
schema: 2
summary: Some consoles behind a proxy
profile: hmc-2017-simplified
nodes:
{nodes}
  proxy-1:  {{ role: proxy }}
  firewall: {{ role: firewall, snat: true }}
  internet: {{ role: internet }}
  sdc:      {{ role: sdc }}
links:
  lan:
    subnet: 192.168.8.0/22
    subnet6: 2001:db8:10::/64
    rate: 1Gbit
    nodes: {{ {plugs}, proxy-1: 192.168.8.21, firewall: 192.168.8.1 }}
    nodes6: {{ {plugs6} }}
    rates: {{ {rates} }}
  fw-inet:
    subnet: 198.51.100.0/24
    rate: 100Mbit
    nodes: {{ firewall: 198.51.100.2, internet: 198.51.100.1 }}
  dmz:
    subnet: 192.0.2.0/24
    rate: 1Gbit
    nodes: {{ internet: 192.0.2.1, sdc: 192.0.2.20 }}
ways:
  proxy: {{ kind: proxy, proxies: [proxy-1] }}
  direct: {{ kind: direct }}
agents: {{ {agents} }}
"""


def spec_of(**parts: str) -> TopologySpec:
    return load.parse(SINGLE.format(**parts), "some.yaml")


def counted(count: int, **others: str) -> TopologySpec:
    given_ = {
        "nodes": f"  hmc: {{ role: hmc, count: {count} }}",
        "plugs": "hmc: 192.168.9.250",
        "plugs6": "hmc: 2001:db8:10::ff",
        "rates": "hmc: 10Mbit",
        "agents": "hmc: [proxy, direct]",
    }
    return spec_of(**{**given_, **others})


def by_hand(count: int) -> TopologySpec:
    numbers = range(1, count + 1)
    address = 9 * 256 + 250
    plugs = ((n, address + n - 1) for n in numbers)
    return spec_of(
        nodes="\n".join(f"  hmc-{n}: {{ role: hmc }}" for n in numbers),
        plugs=", ".join(f"hmc-{n}: 192.168.{at // 256}.{at % 256}" for n, at in plugs),
        plugs6=", ".join(f"hmc-{n}: '2001:db8:10::{0xFE + n:x}'" for n in numbers),
        rates=", ".join(f"hmc-{n}: 10Mbit" for n in numbers),
        agents=", ".join(f"hmc-{n}: [proxy, direct]" for n in numbers),
    )


@examples(20)
@given(st.integers(min_value=1, max_value=30))
def test_a_count_says_what_as_many_entries_say(count: int) -> None:
    """Of the file; 192.168.9.255 and 192.168.10.0 are hosts' in a /22."""
    assert counted(count).model_dump() == by_hand(count).model_dump()


def model(spec: TopologySpec) -> Topology:
    return resolve(spec, b"a seed")


def test_the_model_has_ordinary_nodes_and_says_which_were_named_once() -> None:
    topology = model(counted(200))

    (its,) = topology.fleets
    assert (its.name, its.members) == ("hmc", topology.agents)
    assert its.members[:2] + its.members[-1:] == ("hmc-1", "hmc-2", "hmc-200")
    assert topology.node("hmc-7").uplink.ip == "192.168.10.0"
    assert model(by_hand(200)).fleets == ()


def test_a_member_has_what_is_said_of_it_by_its_own_name() -> None:
    spec = counted(
        5,
        plugs="hmc: 192.168.9.10, hmc-3: 192.168.11.99",
        agents="hmc: [proxy, direct], hmc-3: [direct, proxy]",
    )

    addresses = [spec.links["lan"].nodes[f"hmc-{n}"] for n in range(1, 6)]
    assert addresses == [f"192.168.{end}" for end in ("9.10", "9.11", "11.99", "9.13", "9.14")]
    assert list(spec.agents) == [f"hmc-{n}" for n in range(1, 6)]
    assert spec.agents["hmc-3"] == ("direct", "proxy") != spec.agents["hmc-4"]


def test_empty_addresses_are_allocated_for_each_member() -> None:
    topology = model(counted(300, plugs="hmc: "))

    used = [topology.node(agent).uplink.ip for agent in topology.agents]
    assert len({*used, "192.168.8.21", "192.168.8.1"}) == 302


def test_the_hosts_tables_grow_with_the_number_of_machines_and_no_faster() -> None:
    """Machines of a fleet do not know each other; those beside them know all."""
    few, many = model(counted(10)), model(counted(40))

    assert len(few.node("hmc-1").hosts) == len(many.node("hmc-1").hosts)
    known = {name for _, name in many.node("proxy-1").hosts}
    assert {"hmc-1", "hmc-40", "hmc-40.customer.test"} <= known
    assert {"hmc-7", "proxy-1"} <= {name for _, name in many.node("hmc-7").hosts}


def test_pictures_show_one_box_for_all() -> None:
    topology = model(counted(200, rates=""))
    text, picture = draw.text(topology), dot.render(topology)

    assert "200 x hmc 192.168.9.250 to 192.168.10.193" in text
    assert picture.count("200 x hmc") == picture.count("hmc-1 to hmc-200") == 1
    for told in (text, picture):
        assert not re.search(r"\bhmc-2\b", told)
        assert "hmc-17" not in told
    assert "1 Gbit/s (hmc-1 to hmc-200 10 Mbit/s)" in draw.text(model(counted(200)))
    assert len(text.splitlines()) == len(draw.text(model(counted(2))).splitlines())


def test_pictures_show_a_member_apart_that_is_not_like_the_others() -> None:
    its = counted(9, agents="hmc: [proxy, direct], hmc-3: [direct]")
    text = draw.text(model(its))

    assert "8 x hmc" in text
    assert "● hmc-3" in text
    assert "9 x hmc" not in text


@pytest.mark.parametrize("count", [1, 2, 200])
def test_rules_of_all_are_shown_once(count: int) -> None:
    text = draw.text(model(counted(count, agents="hmc: [direct, proxy]")))

    rules = [line for line in text.splitlines() if " TCP 443 " in line and "192.168.9.250" in line]
    assert len(rules) == 1


def test_a_fleet_of_one_is_told_by_its_name() -> None:
    (one,) = model(counted(1)).fleets
    assert (one.span, fleet.title(model(counted(1)), "hmc-1")) == ("hmc-1", "hmc-1")


# -- times of calls --------------------------------------------------------------------------------


def times(topology: Topology) -> dict[str, float]:
    return {agent.name: agent.calls_at_s for agent in topology.callers}


def scheduled(count: int, seed: int = 0) -> Topology:
    words = f"hmc: [proxy, direct] }}\nschedule: {{ over: 24h, seed: {seed}"
    return model(counted(count, agents=words))


def test_without_a_schedule_nobody_waits() -> None:
    assert {*times(model(counted(5))).values()} == {0.0}


def test_calls_are_spread_over_the_time_alike() -> None:
    """200 of a day: in each quarter 50, give or take four standard deviations (6.1)."""
    drawn = times(scheduled(200)).values()

    assert all(0 <= time < 86400 for time in drawn)
    quarters = [sum(1 for time in drawn if time // 21600 == quarter) for quarter in range(4)]
    assert all(abs(number - 50) <= 25 for number in quarters)
    assert len({*drawn}) == 200


def test_times_are_of_the_seed_and_the_name_alone() -> None:
    few, more, other = times(scheduled(20)), times(scheduled(21)), times(scheduled(20, seed=1))

    assert {name: more[name] for name in few} == few
    assert not any(few[name] == other[name] for name in few)
    assert few == times(scheduled(20))


def test_the_picture_says_from_when_to_when() -> None:
    assert re.search(
        r"agents call home from 00:\d\d:\d\d to 23:\d\d:\d\d after", draw.text(scheduled(200))
    )
