"""The address tables agree with what the requirements (section H) count in the papers."""

from __future__ import annotations

import ipaddress

import pytest

from lab.errors import UsageError
from lab.topology import catalogue
from lab.topology.catalogue import Region, RowKind, Service, Variant


def distinct(addresses: tuple[catalogue.Address, ...], version: int = 4) -> set[str]:
    return {a.address for a in addresses if a.version == version}


def test_every_row_of_section_h_is_there_once() -> None:
    assert [row.id for row in catalogue.rows()] == [f"A-{n:02}" for n in range(1, 46)]


@pytest.mark.parametrize(
    ("profile", "rows"),
    [
        ("hmc-2007", 7),
        ("hmc-2017-traditional", 28),
        ("hmc-2017-simplified", 7),
        ("esa-linux-7.1.5", 8),
        ("esa-aix-2025", 3),
    ],
)
def test_a_profile_has_its_rows(profile: str, rows: int) -> None:
    assert len(catalogue.profile(profile).rows) == rows


@pytest.mark.parametrize(
    ("profile", "variant", "version", "count"),
    [
        ("hmc-2007", Variant.none, 4, 6),
        ("hmc-2017-traditional", Variant.ssl, 4, 23),
        ("hmc-2017-traditional", Variant.ursf, 4, 11),
        ("hmc-2017-simplified", Variant.none, 4, 3),
        ("hmc-2017-simplified", Variant.none, 6, 3),
        ("esa-linux-7.1.5", Variant.none, 4, 11),
        ("esa-aix-2025", Variant.none, 4, 1),
    ],
)
def test_a_profile_lists_so_many_addresses(
    profile: str, variant: Variant, version: int, count: int
) -> None:
    servers = catalogue.profile(profile).servers(variant=variant)

    assert len(distinct(servers, version)) == count


def test_ssl_and_ursf_share_no_address() -> None:
    traditional = catalogue.profile("hmc-2017-traditional")
    ssl, ursf = (distinct(traditional.servers(variant=v)) for v in (Variant.ssl, Variant.ursf))

    assert not ssl & ursf  # OUT-39


def test_2007_has_four_addresses_for_each_region() -> None:
    profile = catalogue.profile("hmc-2007")
    americas = distinct(profile.servers(Region.americas))
    others = distinct(profile.servers(Region.non_americas))

    assert americas - others == {"129.42.160.49", "207.25.252.204"}
    assert others - americas == {"129.42.160.50", "207.25.252.205"}
    assert americas & others == {"129.42.160.48", "207.25.252.200"}


def test_2025_has_five_dead_addresses_that_no_server_has() -> None:
    profile = catalogue.profile("esa-aix-2025")
    dead = distinct(profile.addresses(RowKind.disabled))

    assert len(dead) == 5
    assert not dead & distinct(profile.servers())


def test_the_recommended_ranges_hold_2017_but_not_2025() -> None:
    profile = catalogue.profile("hmc-2017-simplified")
    ranges = [ipaddress.ip_network(a.address) for a in profile.addresses(RowKind.range)]

    def covered(address: str) -> bool:
        return any(ipaddress.ip_address(address) in net for net in ranges)

    assert all(covered(a.address) for a in profile.servers())  # F-11
    assert not covered("192.148.6.11")  # V-02
    assert not covered("129.42.160.16")


def test_vpn_gateways_take_4500_instead_of_esp_behind_nat() -> None:
    gateways = catalogue.profile("hmc-2007").vpn_gateways

    assert [a.address for a in gateways] == ["129.42.160.16", "207.25.252.196"]
    assert all(a.row.services == (Service("udp", 500), Service("esp", 0)) for a in gateways)
    assert all(a.row.behind_nat == (Service("udp", 500), Service("udp", 4500)) for a in gateways)


@pytest.mark.parametrize(
    ("profile", "count"), [("hmc-2007", 17), ("hmc-2017-traditional", 19), ("esa-aix-2025", 0)]
)
def test_inbound_ports_are_open_for_tcp_and_udp(profile: str, count: int) -> None:
    found = catalogue.profile(profile)
    services = {s for row in found.rows if row.kind is RowKind.inbound for s in row.services}

    ports = {service.port for service in services}
    assert len(ports) == count
    assert services == {Service(p, n) for p in ("tcp", "udp") for n in ports}


def test_a_name_is_marked_as_the_labs_where_the_paper_has_none() -> None:
    own = f".{catalogue.LAB_DOMAIN}"
    labs = {row.id for row in catalogue.rows() for host in row.hosts if host.endswith(own)}

    assert labs == {"A-31", "A-32", "A-33", "A-34", "A-35", "A-36", "A-37", "A-38", "A-39"}


def test_every_address_is_one() -> None:
    for row in catalogue.rows():
        for address in row.addresses:
            net = ipaddress.ip_network(address.address)
            assert (net.num_addresses > 1) == (row.kind is RowKind.range), address


def test_a_profile_says_what_is_known_and_nothing_else() -> None:
    data = catalogue._data()

    for entry in data["profiles"].values():
        assert entry.keys() == {"title", "seeds", "direct"}
        assert entry["direct"].keys() == {"requirement", "ports"}
        assert {*entry["seeds"]} <= data["seeds"].keys()


def test_ports_by_generation() -> None:
    def ports(name: str) -> set[int]:
        return {s.port for a in catalogue.profile(name).servers() for s in a.row.services}

    assert ports("hmc-2007") == {443}
    assert ports("esa-linux-7.1.5") == {80, 443}
    assert ports("hmc-2017-traditional") == {21, 80, 443, 11111, 19285}
    assert ports("esa-aix-2025") == {443}  # V-03


def test_an_unknown_profile_says_what_was_perhaps_meant() -> None:
    with pytest.raises(UsageError, match="did you mean hmc-2007"):
        catalogue.profile("hmc-207")
