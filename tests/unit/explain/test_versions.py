"""What has changed between profiles: what the papers' section K claims is what the data gives."""

from __future__ import annotations

import ipaddress
import re
from itertools import permutations

import pytest

from lab.explain import versions
from lab.explain.versions import Difference
from lab.topology import capability, catalogue, own_profile
from tests import golden
from tests.unit.topology.test_own_profile import ACME

OLD, TRADITIONAL, SIMPLIFIED = "hmc-2007", "hmc-2017-traditional", "hmc-2017-simplified"
ESA_7, ESA_2008, AIX = "esa-linux-7.1.5", "esa-2008", "esa-aix-2025"
BY_AGE = (OLD, ESA_2008, ESA_7, TRADITIONAL, SIMPLIFIED, AIX)


def since(profile: str, other: str) -> tuple[Difference, ...]:
    return versions.differences(catalogue.profile(profile), catalogue.profile(other))


def of(profile: str, other: str, topic: str) -> Difference:
    return next(found for found in since(profile, other) if found.topic == topic)


def cited(profile: str, other: str) -> dict[str, set[str]]:
    """The topics that each line of section K speaks of."""
    found: dict[str, set[str]] = {}
    for difference in since(profile, other):
        for version in difference.versions:
            found.setdefault(version, set()).add(difference.topic)
    return found


def test_the_differences_are_those_that_somebody_has_read() -> None:
    """All pairs of section K, from old to new."""
    lines = []
    for number, profile in enumerate(BY_AGE):
        for other in BY_AGE[:number]:
            lines.append(f"{profile} since {other}")
            for found in since(profile, other):
                lines.append(f"  {found.versions_text or '-'}\t{found.topic}\t{found.text}")
    told = "\n".join([*lines, ""])

    assert told == golden.reviewed(golden.DATA / "explain" / "versions.expected", told), golden.HINT


def test_every_claim_is_covered_by_some_difference() -> None:
    every = {v for a, b in permutations(BY_AGE, 2) for v in cited(a, b)}

    assert sorted(every) == [f"V-{n:02}" for n in range(1, 19)] == sorted(versions.table().versions)


def test_v_01_the_ways_home() -> None:
    assert cited(TRADITIONAL, OLD)["V-01"] >= {"out/pass-through-vpn", "out/pass-through-modem"}
    for way in ("pass-through-vpn", "pass-through-modem"):
        assert of(TRADITIONAL, OLD, f"out/{way}").now == ("no",)
    left = {
        name
        for (group, name), said in catalogue.profile(AIX).can.every.items()
        if group == "out" and not said.lacks
    }
    assert left == {"direct", "proxy", "service-proxy"}


def test_v_02_a_firewall_of_2017_blocks_2025() -> None:
    found = of(AIX, SIMPLIFIED, "reached")

    assert found.versions == ("V-02",)
    assert [(r.address, r.listed, r.in_range) for r in found.reach] == [
        ("192.148.6.11", False, False)
    ]
    assert "lets through 0 of 1; blocked: 192.148.6.11" in found.text


@pytest.mark.parametrize(
    ("profile", "other"), [*permutations((OLD, TRADITIONAL, SIMPLIFIED, AIX, ESA_7), 2)]
)
def test_v_02_is_computed_address_by_address(profile: str, other: str) -> None:
    listed = {a.address for a in catalogue.profile(other).servers()}
    nets = ["129.42.0.0/18", "2620:0:6c0::/45"] if other == SIMPLIFIED else []
    for reach in of(profile, other, "reached").reach:
        address = ipaddress.ip_address(reach.address)
        assert reach.listed == (reach.address in listed)
        assert reach.in_range == any(address in ipaddress.ip_network(net) for net in nets)


@pytest.mark.parametrize(
    ("profile", "counts"),
    [
        (OLD, "6 IPv4"),
        (TRADITIONAL, "34 IPv4"),
        (SIMPLIFIED, "3 IPv4 and 3 IPv6"),
        (AIX, "1 IPv4"),
    ],
)
def test_v_02_the_numbers_of_addresses(profile: str, counts: str) -> None:
    other = OLD if profile != OLD else AIX
    assert f", {counts} now)" in of(profile, other, "servers").text


def test_v_03_the_ports() -> None:
    assert of(ESA_7, OLD, "ports").now == ("tcp/80", "tcp/443")
    assert of(SIMPLIFIED, OLD, "ports").now == ("tcp/80", "tcp/443")
    assert of(TRADITIONAL, OLD, "ports").now == (
        "tcp/21",
        "tcp/80",
        "tcp/443",
        "tcp/11111",
        "tcp/19285",
    )
    assert of(AIX, SIMPLIFIED, "ports").now == ("tcp/443",)
    assert of(AIX, SIMPLIFIED, "ports").versions == ("V-03",)


def test_v_04_the_ciphers() -> None:
    assert "RC4" in of(SIMPLIFIED, OLD, "says/bulk-cipher").before[0]
    assert "RC4" not in of(SIMPLIFIED, OLD, "says/bulk-cipher").now[0]
    assert "NIST" in of(AIX, TRADITIONAL, "says/bulk-cipher").now[0]


def test_v_05_the_ports_of_remote_service() -> None:
    found = of(TRADITIONAL, OLD, "inbound-ports")

    assert {*found.now} - {*found.before} == {"443", "8443"}
    assert {*found.before} < {*found.now}
    assert found.versions == ("V-05",)


def test_v_06_ipv6() -> None:
    levels = {name: capability.table(name).every["has", "ipv6"].level for name in BY_AGE}

    assert (levels[OLD], levels[ESA_7], levels[SIMPLIFIED]) == ("no", "no", "yes")
    assert levels[AIX] == "limited"  # fully, and no address is listed: X-21
    assert of(SIMPLIFIED, OLD, "has/ipv6").versions == ("V-06",)


@pytest.mark.parametrize(("version", "topic"), [("V-07", "out/modem"), ("V-08", "out/vpn")])
def test_v_07_v_08_what_aix_has_lost(version: str, topic: str) -> None:
    found = of(AIX, ESA_2008, topic)

    assert (found.before, found.now, found.versions) == (("yes",), ("no",), (version,))


def test_v_09_what_2017_adds() -> None:
    assert cited(TRADITIONAL, OLD)["V-09"] == {
        *("has/events-manager", "has/access-keys", "in/internet", "says/subjects"),
    }
    assert of(TRADITIONAL, OLD, "says/subjects").before == (
        "repairing and verifying system parts (S4)",
    )


@pytest.mark.parametrize(
    ("version", "topic"),
    [
        ("V-10", "says/consoles-advice"),
        ("V-11", "says/proxy-called"),
        ("V-12", "says/vpn-session-begins"),
    ],
)
def test_v_10_to_v_12_what_is_worded_otherwise(version: str, topic: str) -> None:
    found = of(TRADITIONAL, OLD, topic)

    assert found.changed
    assert found.versions == (version,)


def test_v_13_addresses_by_region() -> None:
    assert of(TRADITIONAL, OLD, "regions").now == ("yes, of ursf",)
    assert of(SIMPLIFIED, OLD, "regions").now == ()
    assert of(AIX, TRADITIONAL, "regions").versions == ("V-13",)


def test_v_14_the_vpn_is_worded_as_before() -> None:
    for profile, other in ((TRADITIONAL, OLD), (TRADITIONAL, ESA_2008), (ESA_2008, OLD)):
        found = of(profile, other, "says/vpn-layers")
        assert not found.changed
        assert found.versions == ("V-14",)


def test_v_15_what_is_left_of_2007_is_ursf() -> None:
    found = of(TRADITIONAL, OLD, "surviving")

    assert {*found.now} == {a.address for a in catalogue.profile(OLD).servers()}
    assert found.text.count("(ursf)") == 6
    assert "ssl" not in found.text
    assert not {a.address for a in catalogue.profile(SIMPLIFIED).servers()} & {*found.now}


def test_v_16_an_address_that_nobody_mentions() -> None:
    assert "129.42.54.189" in of(AIX, SIMPLIFIED, "unmentioned").before
    assert not {"129.42.56.189", "129.42.60.189"} & {*of(AIX, SIMPLIFIED, "unmentioned").before}


def test_v_17_addresses_that_came_and_went() -> None:
    found = of(AIX, SIMPLIFIED, "only-disabled")

    assert found.now == ("129.42.18.70", "129.42.19.70", "129.42.21.70")
    everywhere = {
        a
        for n in BY_AGE[:-1]
        for r in catalogue.profile(n).rows
        for h in r.hosts.values()
        for a in h
    }
    assert not everywhere & {*found.now}


def test_v_18_http_as_a_backup() -> None:
    assert of(ESA_7, OLD, "has/http-backup").now == ("yes",)
    assert of(ESA_7, OLD, "has/http-backup").versions == ("V-18",)


@pytest.mark.parametrize("profile", catalogue.names())
def test_nothing_has_changed_since_itself(profile: str) -> None:
    found = [d for d in since(profile, profile) if d.changed]

    assert found == []


def test_a_profile_of_the_users_own_is_compared_too() -> None:
    acme = own_profile.load(ACME, "./acme.yaml")
    found = versions.differences(acme, catalogue.profile(OLD))

    assert not any(difference.versions for difference in found)
    (reached,) = [difference for difference in found if difference.topic == "reached"]
    assert not any(r.listed or r.in_range for r in reached.reach)


def test_the_table_names_what_there_is() -> None:
    table = versions.table()
    topics = {f"{group}/{name}" for group, name in capability.table(OLD).every}
    topics |= {f"says/{key}" for key in table.statements}
    topics |= {*("servers", "reached", "ports", "inbound-ports", "regions")}
    topics |= {*("surviving", "unmentioned", "only-disabled")}

    for version, claim in table.versions.items():
        assert re.fullmatch(r"V-[0-9]{2}", version)
        assert {*claim.covers} <= topics
        assert {*claim.between} <= {*catalogue.names()}
    for said in table.statements.values():
        assert said.keys() - {"title"} <= {*catalogue.names()}
