"""The lock-down as text, and what the panel is told: listed ports have rules, and nothing else passes."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from lab.errors import UsageError
from lab.service import lockdown, wanted
from lab.topology import catalogue
from lab.topology.model import RemoteService
from lab.topology.service import credentials
from tests.unit.verify.stage import topology


def service() -> RemoteService:
    found = topology("service-modem").service
    assert found is not None
    return found


def rules(script: str, chain: str) -> list[str]:
    """Of a chain, without where it is hooked."""
    body = script.split(f"chain {chain} {{")[1].split("\n\t}")[0]
    lines = [line.strip() for line in body.splitlines()]
    return [line for line in lines if line and not line.startswith("type ")]


def render(service: RemoteService) -> str:
    """Of a session on one interface."""
    return lockdown.render(service, ["ppp0"], lockdown.doors(service, "ppp0"))


@pytest.mark.parametrize(("profile", "number"), [("hmc-2007", 17), ("hmc-2017-simplified", 19)])
def test_the_list_of_each_generation(profile: str, number: int) -> None:
    """A-40 to A-42: with 443 and 8443 since 2017 (V-05)."""
    ports = catalogue.profile(profile).service_ports
    assert len(ports) == number
    assert ({443, 8443} <= {*ports}) == (number == 19)


def test_what_is_not_allowed_is_dropped_last() -> None:
    arriving = rules(render(service()), "arriving")
    assert rules(render(service()), "dispatch") == ['iifname "ppp0" goto arriving']
    assert arriving[-1] == 'counter name "dropped" drop'
    accepted = [rule for rule in arriving[:-1] if rule.endswith("accept")]
    assert len(accepted) == len(arriving) - 1 == 2 * 17 + 1
    found = [re.findall(r"(tcp|udp) dport (\d+)", rule) for rule in accepted]
    ports = [(protocol, int(port)) for pairs in found for protocol, port in pairs]
    assert sorted(ports) == sorted((p, n) for p in ("tcp", "udp") for n in service().ports)
    assert all(
        f'iifname "ppp0" ip daddr {service().ppp_address} ' in r for r in accepted if "dport" in r
    )
    assert all("counter name" in rule for rule in accepted)


def test_a_console_that_is_not_allowed_has_no_port() -> None:
    """I-09."""
    arriving = rules(render(replace(service(), console_allowed=False)), "arriving")
    assert not [rule for rule in arriving if "dport" in rule]
    assert len(arriving) == 2


def test_only_allowed_partitions_have_an_alias() -> None:
    script = render(service())
    assert rules(script, "to-partitions") == [
        'iifname "ppp0" ip daddr 10.253.0.3 dnat to 192.168.1.10'
    ]
    assert "10.253.0.4" not in script
    nobody = tuple(replace(p, allowed=False) for p in service().partitions)
    assert not rules(render(replace(service(), partitions=nobody)), "to-partitions")


def test_answers_pass_where_a_topology_wants_it() -> None:
    """I-32, in the other reading."""
    strict, stateful = (
        rules(render(replace(service(), stateful=each)), "arriving") for each in (False, True)
    )
    assert [rule for rule in stateful if rule not in strict] == [
        'ct state established,related counter name "returns" accept'
    ]
    assert "established" in stateful[-2], "every packet for an alias has to be marked before"


# What the panel is told.


def test_what_is_left_out_is_as_in_the_topology() -> None:
    assert wanted.told(service(), {}) == service()


def test_an_address_moves_all_addresses_of_the_session() -> None:
    found = wanted.told(service(), {"ppp_address": "10.9.0.1", "access": ["lpar-2"]})
    assert (found.ppp_address, found.caller_address) == ("10.9.0.1", "10.9.0.2")
    assert [(p.alias, p.allowed) for p in found.partitions] == [
        ("10.9.0.3", False), ("10.9.0.4", True),
    ]  # fmt: skip
    assert not found.console_allowed


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"ppp_address": "10.9"}, "10.9 is no IPv4 address"),
        ({"access": ["hmc", "lpar-3"]}, "no partition 'lpar-3'"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, object], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        wanted.told(service(), options)


def test_a_generation_without_modems_is_refused() -> None:
    """G-03, G-04."""
    later = replace(service(), ways_in=catalogue.profile("hmc-2017-simplified").inbound)
    assert later.ways_in == ("vpn", "internet")
    with pytest.raises(UsageError, match="no remote service by modem"):
        wanted.told(later, {})


def test_credentials_follow_the_ppp_address() -> None:
    one, other = credentials("10.253.0.1"), credentials("10.253.0.2")
    assert one == credentials("10.253.0.1")
    assert one.user == "ibm.10.253.0.1"
    assert (one.user, one.secret) != (other.user, other.secret)
    assert one.secret != other.secret
    assert "***" in repr(one)


def test_by_a_call_comes_what_carries_the_vpn_and_what_was_asked_for() -> None:
    """Where a VPN runs in a call: before all rules of sessions, whose pattern the call's PPP would fit."""
    line = lockdown.CarryingLine("ppp0", ("129.42.160.16", "207.25.252.196"))
    both = 'iifname "ppp0" ip saddr { 129.42.160.16, 207.25.252.196 }'
    own = [
        f"{both} udp sport 500 udp dport 500 accept",
        f"{both} ip protocol esp accept",
        f"{both} udp dport 1701 meta ipsec exists accept",
        'iifname "ppp0" ct state established,related accept',
        'iifname "ppp0" counter name "dropped" drop',
    ]
    session = lockdown.render(service(), ["ppp*"], lockdown.doors(service(), "ppp1"), line)

    assert rules(session, "dispatch") == [*own, 'iifname "ppp*" goto arriving']
    assert rules(lockdown.render_off(["ppp*"], line), "arriving")[: len(own)] == own
