"""Which servers stand in a lab, and what TLS they speak, by profile."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from lab.errors import TopologyError
from lab.topology import catalogue, load, resolve_servers
from lab.topology.catalogue import RowKind
from lab.topology.dns import AddressMove
from lab.topology.resolve import resolve
from lab.topology.servers import VERSIONS, KeyKind, ListedServer, Speaks
from tests.models import model

PROFILES = tuple(name for name in catalogue.names() if catalogue.profile(name).servers())
"""The slides of 2008 list no server."""


def servers(profile: str) -> tuple[ListedServer, ...]:
    return resolve_servers.servers(catalogue.profile(profile))


@pytest.mark.parametrize(
    ("profile", "counts"),
    [
        ("hmc-2007", {443: 6}),
        ("hmc-2017-traditional", {443: 14, 80: 16, 21: 1, 19285: 2, 11111: 2}),
        ("hmc-2017-simplified", {443: 3, 80: 3}),
        ("ds8000-2017", {443: 14, 80: 16, 21: 1, 19285: 2, 11111: 2}),
        ("ds8880", {443: 3, 80: 3}),
        ("esa-linux-7.1.5", {443: 11, 80: 4}),
        ("esa-aix-2025", {443: 1}),
    ],
)
def test_every_listed_port_has_one_server(profile: str, counts: dict[int, int]) -> None:
    listed = servers(profile)

    assert Counter(server.port for server in listed) == counts
    assert len({(server.address, server.port) for server in listed}) == len(listed)


def test_nothing_stands_twice_where_a_name_moves_to_an_address_that_is_there() -> None:
    own = catalogue.profile("hmc-2017-simplified")
    move = AddressMove(name="esupport.ibm.com", old=(), new=("129.42.56.189",), row="A-11")

    assert resolve_servers.moved(own, own.name, (move,)) == ()
    (new,) = resolve_servers.moved(own, "esa-aix-2025", (replace(move, new=("192.148.6.11",)),))
    assert (new.address, new.port) == ("192.148.6.11", 443)


def test_profiles_are_all_there() -> None:
    assert {*catalogue.names()} - {*PROFILES} == {"esa-2008"}


def test_a_server_of_two_purposes_names_both_rows_and_one_that_is_optional_is_there() -> None:
    of = {(server.address, server.port): server for server in servers("hmc-2017-traditional")}

    assert of["170.225.15.41", 443].rows == ("A-15", "A-28")
    assert of["204.146.30.17", 80].rows == ("A-14",)
    assert of["170.225.15.31", 21].speaks is Speaks.ftps
    assert of["198.74.67.240", 19285].speaks is of["198.74.71.235", 11111].speaks is Speaks.https
    assert of["129.35.224.112", 80].speaks is Speaks.http
    assert of["129.35.224.112", 80].tls == ""


@pytest.mark.parametrize("profile", PROFILES)
def test_what_a_profile_calls_disabled_has_no_server(profile: str) -> None:
    disabled = {a.address for a in catalogue.profile(profile).addresses(RowKind.disabled)}

    assert not disabled & {server.address for server in servers(profile)}
    assert bool(disabled) == (profile == "esa-aix-2025")


@pytest.mark.parametrize("name", load.names())
def test_the_ways_lead_to_servers_and_sdc_has_their_addresses(name: str) -> None:
    topology = model(name, b"seed")

    there = {(server.address, server.port) for server in topology.servers}
    assert {(endpoint.address, endpoint.port) for endpoint in topology.endpoints} <= there
    (sdc,) = (node for node in topology.nodes if node.role == "sdc")
    assert {address for address, _ in there} == set(sdc.service_addresses)
    assert {server.tls for server in topology.servers} - {""} == {p.name for p in topology.tls}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("literal", [True, False])
def test_each_profile_has_a_plan_that_can_be_offered(profile: str, literal: bool) -> None:
    (plan,) = resolve_servers.plans(servers(profile), literal=literal)

    assert VERSIONS.index(plan.minimum) <= VERSIONS.index(plan.maximum)
    assert len(set(plan.suites)) == len(plan.suites) > 0
    assert len(plan.keys) == 1 if literal else KeyKind.ec_p256 in plan.keys


def test_what_the_papers_say_of_tls() -> None:
    """P-13 to P-16."""
    of = {profile: resolve_servers.plans(servers(profile), literal=True)[0] for profile in PROFILES}

    old = {name for name, plan in of.items() if plan.keys == (KeyKind.rsa_1024,)}
    assert old == {"hmc-2007", "hmc-2017-traditional", "ds8000-2017", "esa-linux-7.1.5"}
    assert of["hmc-2007"].suites == ("RC4-SHA", "RC4-MD5", "AES256-SHA")
    assert not [s for s in of["hmc-2017-traditional"].suites if "RC4" in s or "AES256" not in s]
    assert (of["esa-linux-7.1.5"].minimum, of["esa-linux-7.1.5"].maximum) == ("TLSv1", "TLSv1")
    for name in ("hmc-2017-simplified", "ds8880", "esa-aix-2025"):
        plan = of[name]
        assert plan.minimum == "TLSv1.2"
        assert plan.keys == (KeyKind.rsa_2048,)
        assert not plan.is_weak
        # CBC with SHA-1 is left out, too: NIST 800-131A forbids SHA-1 in signatures, and it is old.
        assert not [s for s in plan.suites if any(bad in s for bad in ("RC4", "DES", "MD5"))]


def test_what_is_not_literal_has_todays_clients_in_mind() -> None:
    plan = resolve_servers.plan("tls-2007", literal=False)

    assert (plan.minimum, plan.maximum) == ("TLSv1", "TLSv1.3")
    assert plan.keys == (KeyKind.ec_p256, KeyKind.rsa_2048, KeyKind.rsa_1024)
    assert plan.keys_of_today == (KeyKind.ec_p256, KeyKind.rsa_2048)
    assert plan.of_then == ("RC4-SHA", "RC4-MD5", "AES256-SHA")
    assert plan.suites[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"
    assert plan.suites[-3:] == ("RC4-SHA", "RC4-MD5", "AES256-SHA")


def test_a_row_may_have_a_plan_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    data = {**resolve_servers._data(), "rows": {"A-25": "nist-2017"}}
    monkeypatch.setattr(resolve_servers, "_data", lambda: data)

    listed = servers("hmc-2017-traditional")
    assert {server.rows[0] for server in listed if server.tls == "nist-2017"} == {"A-25"}
    assert {p.name for p in resolve_servers.plans(listed, literal=True)} == {
        "tls-2017",
        "nist-2017",
    }


def test_every_row_and_plan_of_the_table_is_known() -> None:
    data = resolve_servers._data()

    assert set(data["profiles"]) == set(PROFILES)
    assert set(data["rows"]) <= {row.id for row in catalogue.rows()}
    assert {*data["profiles"].values(), *data["rows"].values()} <= set(data["plans"])
    for name in data["plans"]:
        assert resolve_servers.note(name)


def test_literal_tls_and_stubs_are_sdcs_only() -> None:
    text = load.folder().joinpath("direct.yaml").read_text()
    assert "{ role: sdc }" in text

    spec = load.parse(text.replace("{ role: sdc }", "{ role: sdc, literal_tls: true }"), "x.yaml")
    (plan,) = resolve(spec, b"").tls
    assert plan.keys == (KeyKind.rsa_2048,)
    wrong = text.replace("{ role: hmc }", "{ role: hmc, literal_tls: true, stubs: x }")
    with pytest.raises(TopologyError) as caught:
        load.parse(wrong, "x.yaml")
    assert [issue.problem for issue in caught.value.issues] == [
        "only an sdc has TLS, and the role of hmc is hmc",
        "only an sdc has stubs, and the role of hmc is hmc",
    ]
