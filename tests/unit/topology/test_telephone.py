"""The telephone of a topology: lines, who dials, AT&T's gateway and whom its fence lets through."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from lab import codec
from lab.errors import UsageError
from lab.inside.environment import command_environment
from lab.topology import load
from lab.topology.model import PppAuth, Topology
from lab.topology.resolve import resolve
from lab.topology.telephone import Lig, ResultTable, Telephone
from lab.topology.values import MODEM_RATES
from lab.ways.dial.plan import Dialer, dialers
from tests.models import model

SEED = b"a seed for tests"
AMERICAS = ("129.42.160.48", "129.42.160.49", "207.25.252.200", "207.25.252.204")
OTHERS = ("129.42.160.48", "129.42.160.50", "207.25.252.200", "207.25.252.205")
GATEWAYS = ("129.42.160.16", "207.25.252.196")


BORROWING = (
    (
        "  hmc:      { role: hmc, modems: 1 }\n",
        "  hmc:      { role: hmc }\n  i5:       { role: i5, modems: 1 }\n",
    ),
    ("nodes: { hmc: 192.168.10.10,", "nodes: { hmc: 192.168.10.10, i5: 192.168.10.20,"),
    ("  hmc: { number:", "  i5: { number:"),
    ("ways:\n", "ways:\n  lent: { kind: pass-through, partition: i5 }\n"),
    ("kind: dial\n", "kind: dial\n    over: lent\n"),
)
"""From ``dial`` to the same with the modem at a partition of i5/OS."""


def changed(name: str, *changes: tuple[str, str]) -> str:
    text = (load.folder() / f"{name}.yaml").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def varied(name: str, *changes: tuple[str, str]) -> Topology:
    return resolve(load.parse(changed(name, *changes), "varied.yaml"), SEED)


def with_dial(*options: str) -> Topology:
    return varied("dial", ("kind: dial\n", "\n    ".join(("kind: dial", *options)) + "\n"))


def telephone(topology: Topology) -> Telephone:
    assert topology.telephone is not None
    return topology.telephone


def lig(topology: Topology) -> Lig:
    assert topology.lig is not None
    return topology.lig


def borrowing(*changes: tuple[str, str]) -> Topology:
    return varied("dial", *BORROWING, *changes)


@pytest.fixture
def dial() -> Topology:
    return model("dial", SEED)


# -- lines -----------------------------------------------------------------------------------------


def test_each_modem_has_a_line_and_those_of_one_node_are_a_hunt_group(dial: Topology) -> None:
    lines = telephone(dial).lines

    assert [(x.name, x.node, x.device, x.number) for x in lines] == [
        ("hmc", "hmc", "/dev/modem0", "15075550101"),
        ("lig-1", "lig", "/dev/modem0", "18005550100"),
        ("lig-2", "lig", "/dev/modem1", "18005550100"),
    ]
    assert telephone(dial).node == "pstn"
    assert {line.rate_bit_s for line in lines} == {33600}
    assert {line.delay_s for line in lines} == {0.01}


def test_an_hmc_may_have_several_modems_and_looks_at_all() -> None:
    topology = varied("dial", ("role: hmc, modems: 1", "role: hmc, modems: 3"))

    assert [line.name for line in telephone(topology).lines][:3] == ["hmc-1", "hmc-2", "hmc-3"]
    assert dialers(topology)[0].devices == ("/dev/modem0", "/dev/modem1", "/dev/modem2")


def test_rate_and_delay_have_defaults_and_numbers_their_spaces_taken_out() -> None:
    topology = varied(
        "dial", ('{ number: "1-507-555-0101", rate: 33600, delay: 10ms }', '{ number: "5 07-1" }')
    )

    assert telephone(topology).lines[0].number == "5071"
    assert telephone(topology).lines[0].rate_bit_s == 33600
    assert telephone(topology).lines[0].delay_s == 0.01


@pytest.mark.parametrize("rate", MODEM_RATES)
def test_every_real_rate_is_one(rate: int) -> None:
    topology = varied("dial", ("rate: 33600", f"rate: {rate}"))

    assert telephone(topology).lines[0].rate_bit_s == rate


# -- who dials -------------------------------------------------------------------------------------


def test_a_dialer_has_everything_that_the_file_leaves_out(dial: Topology) -> None:
    (dialer,) = dialers(dial)

    assert dialer == Dialer(
        client="hmc",
        devices=("/dev/modem0",),
        init="ATZ",
        numbers=("18005550100", "18005550199"),
        rounds=2,
        redial_pause_s=10.0,
        account=dialer.account,
        accept_auth=(PppAuth.pap,),
        region="americas",
        mtu=1500,
        lcp_echo_interval_s=30,
        lcp_echo_failures=4,
        endpoints=dialer.endpoints,
    )


def test_the_options_of_the_path_arrive() -> None:
    topology = varied(
        "dial",
        ("kind: dial\n", "kind: dial\n    init: AT&F1\n    rounds: 5\n    pause: 0s\n"),
        ("role: exchange", "role: exchange, result_codes: ibm"),
        ("role: lig,", "role: lig, literal_replies: true,"),
    )
    (dialer,) = dialers(topology)

    assert (dialer.init, dialer.rounds, dialer.redial_pause_s) == ("AT&F1", 5, 0.0)
    assert telephone(topology).result_table is ResultTable.ibm
    assert lig(topology).literal_replies


def test_two_hmcs_have_two_user_ids_and_secrets() -> None:
    topology = model("dial-two-hmcs", SEED)
    accounts = [dialer.account for dialer in dialers(topology)]

    assert [a.user for a in accounts] == ["usibm.hmc01", "usibm.hmc02"]  # P-11
    assert len({a.secret for a in accounts}) == 2
    assert lig(topology).ppp.accounts == tuple(accounts)
    assert [each.user for each in lig(topology).lists] == [a.user for a in accounts]  # L-08
    assert [line.rate_bit_s for line in telephone(topology).lines][:2] == [33600, 14400]


def test_secrets_come_from_the_seed_and_nothing_else_does() -> None:
    spec = load.load("dial-two-hmcs")
    one, other = resolve(spec, b"one"), resolve(spec, b"other")

    assert one != other
    shown = codec.dump(one)
    assert shown == codec.dump(other)
    assert not any(dialer.account.secret.reveal() in shown for dialer in dialers(one))


def test_who_borrows_a_modem_has_the_account_and_the_partition_the_modem() -> None:  # OUT-30
    topology = borrowing(
        ("    over: lent\n", "    over: lent\n    regions: { hmc: non-americas }\n")
    )
    (dialer,) = dialers(topology)

    assert (dialer.client, dialer.partition, dialer.modem_node) == ("hmc", "i5", "i5")
    assert dialer.devices == ("/dev/modem0",)
    assert dialer.account == lig(topology).ppp.accounts[0]
    assert dialer.region == "non-americas"
    assert [line.node for line in telephone(topology).lines] == ["i5", "lig", "lig"]
    (way,) = (way for way in topology.ways if way.kind == "dial")
    assert way.over == "lent"
    told = command_environment(topology, "hmc", "run")
    assert (told["LAB_PARTITION"], told["LAB_USER"]) == ("192.168.10.20", "usibm.hmc01")


def test_the_modem_that_is_borrowed_is_set_up_as_its_family_has_it(tmp_path: Path) -> None:
    file = tmp_path / "family.yaml"
    line = 'i5: { number: "1-507-555-0101", rate: 33600, delay: 10ms'
    file.write_text(changed("dial", *BORROWING, (line, f"{line}, modem: usr-courier")))
    (dialer,) = dialers(resolve(load.load(str(file)), SEED))

    assert dialer.init == "AT&F1E1V1Q0&C1&D2"


def test_ppp_by_a_borrowed_modem_has_room_for_l2tp_in_clear() -> None:
    (dialer,) = dialers(borrowing())
    lan = "subnet: 192.168.10.0/24\n"
    (narrow,) = dialers(borrowing((lan, f"{lan}    mtu: 1400\n")))
    (wide,) = dialers(borrowing((lan, f"{lan}    mtu: 9000\n")))

    # IP 20, UDP 8, L2TP 12, PPP 4 (RFC 2661 3.1).
    assert (dialer.mtu, narrow.mtu, wide.mtu) == (1456, 1356, 1500)


def test_an_hmc_without_a_modem_still_makes_a_topology() -> None:
    topology = varied(
        "dial",
        ("role: hmc, modems: 1", "role: hmc"),
        ('  hmc: { number: "1-507-555-0101", rate: 33600, delay: 10ms }\n', ""),
    )

    assert dialers(topology)[0].devices == ()  # OUT-24: found at boot
    assert {line.node for line in telephone(topology).lines} == {"lig"}


@pytest.mark.parametrize("name", load.names())
def test_only_a_dial_path_is_dialled(name: str) -> None:
    topology = model(name, SEED)

    assert bool(dialers(topology)) == any(way.kind == "dial" for way in topology.ways)
    assert {d.client for d in dialers(topology)} <= set(topology.agents)


def test_a_telephone_and_a_gateway_may_stand_beside_another_path() -> None:
    topology = varied(
        "dial",
        ("kind: dial\n", "kind: direct\n"),
        ('  numbers: ["1-800-555-0100", "1-800-555-0199"]', "  #"),
    )

    assert len(telephone(topology).lines) == 3
    assert lig(topology).lists
    assert dialers(topology) == ()
    assert topology.firewall is not None
    assert topology.firewall.rules
    assert topology.node("hmc").resolver == "192.168.10.1"


# -- AT&T's gateway and its fence ------------------------------------------------------------------


def test_the_fence_has_the_servers_of_the_region_and_the_vpn_gateways(dial: Topology) -> None:
    others = varied("dial", ("profile: hmc-2007", "profile: hmc-2007\nregion: non-americas"))

    assert lig(dial).lists[0].addresses == AMERICAS + GATEWAYS  # L-10, L-11
    assert lig(others).lists[0].addresses == OTHERS + GATEWAYS
    assert lig(dial).ports == ()  # L-12


def test_a_user_id_may_have_the_list_of_another_region() -> None:
    topology = model("dial-two-hmcs", SEED)

    assert [d.region for d in dialers(topology)] == ["americas", "non-americas"]  # L-08, L-10
    first, second = lig(topology).lists
    assert (first.addresses, second.addresses) == (AMERICAS + GATEWAYS, OTHERS + GATEWAYS)
    assert {e.address for e in topology.endpoints} == {*AMERICAS, *OTHERS}
    for agent, addresses in (("hmc", AMERICAS), ("hmc-b", OTHERS)):
        (way,) = topology.ways_of(agent)
        assert tuple(e.address for e in way.endpoints_of(agent)) == addresses
        servers = command_environment(topology, agent, "run")["LAB_SERVERS"].split(",")
        assert servers == [f"https://{e.name}" for e in way.endpoints_of(agent)]


def test_where_no_list_holds_every_endpoint_is_an_agents_own() -> None:
    topology = model("vpn-two-hmcs", SEED)

    assert all(way.endpoints_of("hmc") == topology.endpoints for way in topology.ways_of("hmc"))


def test_the_fence_of_2017_has_servers_that_are_not_https_too() -> None:
    profile = ("profile: hmc-2007", "profile: hmc-2017-traditional")
    topology = varied("dial", profile, ("role: lig,", "role: lig, fence_ports: true,"))
    ursf = {"198.74.67.240", "198.74.71.240", "198.74.67.235", "198.74.71.235", "129.35.224.112"}

    assert set(lig(topology).lists[0].addresses) == {*AMERICAS, *ursf, *GATEWAYS}  # OUT-39
    assert {e.address for e in topology.endpoints} == set(AMERICAS)
    assert set(lig(topology).ports) == {
        *(("tcp", port) for port in (80, 443, 11111, 19285)),
        *(("udp", 500), ("udp", 4500), ("esp", 0)),
    }


def test_the_fence_has_no_vpn_gateways_where_the_profile_lists_none() -> None:
    topology = varied("dial", ("profile: hmc-2007", "profile: hmc-2017-simplified"))

    assert lig(topology).lists[0].addresses == tuple(e.address for e in topology.endpoints)


def test_the_probe_is_behind_the_fence(dial: Topology) -> None:
    assert dial.probe in lig(dial).lists[0].addresses


def test_nobody_but_the_hmc_has_ibms_names_to_itself(dial: Topology) -> None:
    names = {node.name: {name for _, name in node.hosts} for node in dial.nodes}

    assert not any(endpoint.name in names["hmc"] for endpoint in dial.endpoints)
    assert all(endpoint.name in names["lig"] for endpoint in dial.endpoints)
    assert {"hmc", "firewall", "localhost"} <= names["hmc"]


def test_the_firewall_opens_nothing_and_may_be_missing(dial: Topology) -> None:
    assert dial.firewall is not None
    assert dial.firewall.rules == ()  # F-18

    without = varied(
        "dial", ("firewall: { role: firewall, snat: true }", "firewall: { role: host }")
    )
    assert without.firewall is None
    assert dialers(without) == dialers(dial)


def test_a_pool_and_a_name_server_are_found_where_nobody_else_is() -> None:
    topology = model("dial-two-hmcs", SEED)
    subnets = [ipaddress.ip_network(segment.subnet) for segment in topology.segments]
    given = [lig(topology).ppp.local_ip, *lig(topology).ppp.pool, lig(topology).utility]

    assert lig(topology).ppp.pool[0] == "203.0.113.18"
    assert lig(topology).utility == "203.0.113.53"
    assert topology.node("lig").service_addresses == ("203.0.113.53",)
    assert not any(ipaddress.ip_address(a) in subnet for a in given for subnet in subnets)
    assert len(set(given)) == len(given)


def test_a_pool_may_be_smaller_than_the_number_of_modems() -> None:
    topology = varied("dial", ("pool: 203.0.113.128/28", "pool: 203.0.113.52/30"))

    assert lig(topology).ppp.pool == ("203.0.113.54",)  # P-12: the second caller gets none
    assert lig(topology).utility == "198.18.0.53"


def test_a_narrow_link_behind_the_gateway_narrows_ppp() -> None:
    topology = varied("dial", ("    delay: 5ms\n", "    delay: 5ms\n    mtu: 1400\n"))

    assert {lig(topology).mtu, dialers(topology)[0].mtu} == {1400}


@pytest.mark.parametrize("given", ["", ", pool: 11.0.0.0/28"])
def test_without_any_address_to_take_the_links_are_blamed(given: str) -> None:
    with pytest.raises(UsageError, match="the links leave no address"):
        varied(
            "dial",
            (", pool: 203.0.113.128/28", given),
            ("192.168.10.0/24", "198.18.0.0/15"),
            ("{ hmc: 192.168.10.10, firewall: 192.168.10.1 }", "{ hmc: , firewall: }"),
            ("203.0.113.0/28", "203.0.113.0/24"),
        )
