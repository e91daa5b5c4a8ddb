"""Resolving: golden models, determinism, and packets that find their way by the routes alone."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import codec, ways
from lab.topology import catalogue, load
from lab.topology.model import Role, Topology
from lab.topology.resolve import resolve
from lab.topology.spec import TopologySpec
from lab.ways.vpn import mtu
from lab.ways.vpn.plan import Encapsulation, clients, connections, servers
from lab.ways.vpn.proposal import Proposal
from tests import golden
from tests.models import model
from tests.unit.examples import examples

ROOT = Path(__file__).parents[3]

SEED = b"a seed for tests"


def parts(topology: Topology) -> dict[str, object]:
    """What a file of the golden folder is about: none holds the whole model, and each way has its own.

    Of nodes that a file names once there are the first and the last.
    """
    alike = {name for fleet in topology.fleets for name in fleet.members[1:-1]}
    its: dict[str, object] = {f"way-{way.name}": way for way in topology.ways}
    its |= {f"node-{node.name}": node for node in topology.nodes if node.name not in alike}
    its |= {f"link-{segment.name}": segment for segment in topology.segments}
    its |= {"firewall": topology.firewall, "telephone": topology.telephone, "lig": topology.lig}
    its |= {"dns": topology.dns, "events": topology.events}
    its |= {f"console-{console.node}": console for console in topology.consoles}
    return {name: part for name, part in its.items() if part is not None}


@pytest.mark.parametrize("name", load.names())
def test_the_labs_own_topologies_resolve_as_before(name: str) -> None:
    texts = {part: codec.dump(of) + "\n" for part, of in parts(model(name, SEED)).items()}
    folder = golden.DATA / "resolve" / name
    seen = {part: golden.reviewed(folder / f"{part}.json", text) for part, text in texts.items()}

    assert texts == seen, golden.HINT
    assert texts.keys() == {path.stem for path in folder.glob("*.json")}, "remove what is no more"


@pytest.mark.parametrize("name", load.names())
def test_a_model_survives_its_way_into_the_guest(name: str) -> None:
    topology = model(name, SEED)

    assert codec.load(Topology, codec.dump(topology, reveal=True)) == topology


# -- walking packets -------------------------------------------------------------------------------


OWNERS: dict[int, tuple[Topology, dict[str, str]]] = {}
"""By the ``id`` of a topology, which is kept so that no other has it: address to node."""


def owners(topology: Topology) -> dict[str, str]:
    """Each address of a node, and the first node that has it."""
    if id(topology) not in OWNERS:
        found: dict[str, str] = {}
        for node in topology.nodes:
            its = (*node.service_addresses, *(ip for i in node.interfaces for ip in i.ips))
            found = dict.fromkeys(its, node.name) | found
        OWNERS[id(topology)] = topology, found
    return OWNERS[id(topology)][1]


def owner(topology: Topology, address: str) -> str | None:
    if address in owners(topology):
        return owners(topology)[address]
    if topology.lig is not None and address in topology.lig.ppp.pool:
        return topology.lig.node

    return None


def everything(via: str) -> str:
    return "::/0" if ":" in via else "0.0.0.0/0"


def next_hop(topology: Topology, name: str, address: str) -> str | None:
    """Whom a node hands a packet to: the longest matching prefix decides, as in the kernel."""
    node, ip = topology.node(name), ipaddress.ip_address(address)
    own = [own for i in node.interfaces for own in (i.address, i.address6) if own]
    choices = [(ipaddress.ip_interface(each).network, address) for each in own] + [
        (ipaddress.ip_network(r.destination.replace("default", everything(r.via))), r.via)
        for r in node.routes
    ]
    fitting = [(net.prefixlen, via) for net, via in choices if ip in net]
    return owner(topology, max(fitting)[1]) if fitting else None


def walk(topology: Topology, start: str, address: str) -> list[str]:
    """The nodes that a packet visits, until it is delivered, dropped or has gone in circles."""
    visited = [start]
    while owner(topology, address) != visited[-1]:
        if len(visited) > 1 and not topology.node(visited[-1]).forwarding:
            break
        hop = next_hop(topology, visited[-1], address)
        if hop is None or len(visited) > 20:
            break
        visited.append(hop)

    return visited


@pytest.mark.parametrize("name", load.names())
def test_packets_reach_ibm_and_come_back(name: str) -> None:
    topology = model(name, SEED)
    firewall = topology.firewall
    assert firewall is not None
    if not connections(topology):
        far = [(e.address, "sdc") for e in topology.endpoints]
    else:
        far = [(c.gateway_address, c.gateway) for c in connections(topology)]

    for agent in topology.agents:
        own = topology.node(agent).uplink
        for address, node in far:
            edge = ["firewall", *(router.node for router in topology.routers)]
            hidden = topology.seen_address and ":" not in address
            home = topology.seen_address if hidden else own.ip6 if ":" in address else own.ip
            assert walk(topology, agent, address) == [agent, *edge, "internet", node]
            back = walk(topology, node, home)
            assert back[:3] == [node, "internet", edge[-1]]
            assert back[-1] == (owner(topology, topology.seen_address) if hidden else agent)


@pytest.mark.parametrize("name", ["dial", "dial-two-hmcs"])
def test_callers_reach_ibm_by_their_gateway_and_are_answered(name: str) -> None:
    topology = model(name, SEED)
    assert topology.lig is not None

    for endpoint in topology.endpoints:
        assert walk(topology, "lig", endpoint.address) == ["lig", "internet", "sdc"]
    for address in (*topology.lig.ppp.pool, topology.lig.utility):
        assert walk(topology, "sdc", address) == ["sdc", "internet", "lig"]


def test_a_leak_past_the_tunnel_is_answered() -> None:
    topology = model("vpn-nat", SEED)

    assert walk(topology, "hmc", topology.probe) == ["hmc", "firewall", "internet", "sdc"]
    assert walk(topology, "sdc", "198.51.100.2") == ["sdc", "internet", "firewall"]


def test_ibm_reaches_each_pool_by_its_own_gateway_and_servers_by_the_core() -> None:
    topology = model("vpn", SEED)
    for server in servers(topology):
        routes = {r.destination: r for r in topology.node("sdc").routes}
        pool = ipaddress.ip_interface(f"{server.ppp.pool[0]}/27").network
        assert routes[str(pool)].via == topology.node(server.gateway).interface("core").ip
        route = next(
            r for r in topology.node(server.gateway).routes if r.destination == "129.42.160.48/32"
        )
        assert route.interface == "core"


@pytest.mark.parametrize("name", load.names())
def test_the_internet_knows_no_private_network(name: str) -> None:
    topology = model(name, SEED)
    private = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
    for route in topology.node("internet").routes:
        assert route.destination != "default"
        first = ipaddress.ip_network(route.destination)[0]
        assert not any(first in ipaddress.ip_network(net) for net in private)


# -- name servers ---------------------------------------------------------------------------------


def changed(name: str, *changes: tuple[str, str]) -> Topology:
    text = (load.folder() / f"{name}.yaml").read_text(encoding="utf-8")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    return resolve(load.parse(text, f"{name}.yaml"), SEED)


@pytest.mark.parametrize(
    ("families", "server", "asked"),
    [
        ("[ipv6]", "2001:db8::54", "2001:db8:10::1"),
        ("[ipv6, ipv4]", "203.0.113.54", "192.168.10.1"),
        ("[ipv4, ipv6]", "203.0.113.54", "192.168.10.1"),
    ],
)
def test_names_are_asked_by_ipv6_where_nobody_calls_by_ipv4(
    families: str, server: str, asked: str
) -> None:
    made = changed("dual-stack", ("[ipv6, ipv4]", families), ("OUT-08, ", ""))
    dns = made.dns
    assert dns is not None
    assert dns.resolver is not None

    assert (dns.server.address, made.node("aix").resolver) == (server, asked)
    assert walk(made, "firewall", server) == ["firewall", "internet", "sdc"]
    assert walk(made, "sdc", dns.resolver.source) == ["sdc", "internet", "firewall"]


def test_the_address_of_the_name_server_is_on_no_link() -> None:
    made = changed("direct-ipv6", ("2001:db8:10::/64", "2001:db8::/64"))

    assert made.dns is not None
    assert made.dns.server.address == "2001:db8:0:1::54"


def test_a_host_on_a_link_without_ipv6_has_no_name_server_there() -> None:
    link = "  by-ipv4: { subnet: 10.1.0.0/24, rate: 1Gbit, nodes: { pc: , firewall: } }\n"
    made = changed(
        "direct-ipv6",
        ("nodes:\n", "nodes:\n  pc: { role: host }\n"),
        ("ways:\n", f"{link}\nways:\n"),
    )

    assert made.node("pc").resolver == ""
    assert made.node("hmc").resolver == "2001:db8:10::1"


# -- the firewall's rules --------------------------------------------------------------------------


def rules(name: str) -> set[tuple[str, str, str, int, bool]]:
    firewall = model(name, SEED).firewall
    assert firewall is not None
    return {(r.requirement, r.destination, r.protocol, r.port, r.both_ways) for r in firewall.rules}


def test_direct_opens_443_to_the_listed_addresses_and_ping_to_one() -> None:
    listed = [a.address for a in catalogue.profile("hmc-2017-simplified").servers()]

    assert rules("direct") == {
        *(("F-03", a, "tcp", 443, False) for a in listed if ":" not in a),
        ("LAB_PROBE", listed[0], "icmp-echo", 0, False),
    }


def test_ipv6_opens_443_and_ping_for_it_alone() -> None:
    listed = [a.address for a in catalogue.profile("hmc-2017-simplified").servers()]
    six = [address for address in listed if ":" in address]

    assert rules("direct-ipv6") == {
        *(("F-03", a, "tcp", 443, False) for a in six),
        ("LAB_PROBE", six[0], "icmp-echo", 0, False),
    }


def test_vpn_opens_esp_without_nat_and_4500_with_it_to_the_two_gateways() -> None:
    gateways = ("129.42.160.16", "207.25.252.196")

    assert rules("vpn") == {
        *(("F-06", g, "udp", 500, True) for g in gateways),
        *(("F-06", g, "esp", 0, True) for g in gateways),
    }
    assert rules("vpn-dial") == set(), "in a call it passes the firewall by (F-18)"
    assert rules("vpn-nat") == {
        ("F-07", g, "udp", port, True) for g in gateways for port in (500, 4500)
    }


# -- MTU: facts T1-13 ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encapsulation", "nat", "least", "most"),
    [
        (Encapsulation.transport, False, 1422, 1428),
        (Encapsulation.transport, True, 1414, 1420),
        (Encapsulation.tunnel, False, 1402, 1408),
        (Encapsulation.tunnel, True, 1394, 1400),
    ],
)
def test_ppp_mtu(encapsulation: Encapsulation, nat: bool, least: int, most: int) -> None:
    def at(header: int) -> int:
        return mtu.ppp_mtu(
            1500, encapsulation, Proposal("3des", "md5"), udp_encapsulation=nat, l2tp_header=header
        )

    assert (at(12), at(6)) == (least, most)


@pytest.mark.parametrize(
    ("name", "expected"), [("vpn", 1402), ("vpn-nat", 1394), ("vpn-dial", 1402)]
)
def test_a_topology_takes_the_mtu_that_always_fits(name: str, expected: int) -> None:
    topology = model(name, SEED)

    assert {c.mtu for c in clients(topology)} == {expected}
    assert {s.mtu for s in servers(topology)} == {expected}


@pytest.mark.parametrize(
    ("link", "expected"),
    [("lig-inet", 1402 - 496), ("dmz", 1402 - 496), ("core", 1402), ("lan", 1402)],
)
def test_in_a_call_the_narrowest_link_beyond_it_counts(
    link: str, expected: int, tmp_path: Path
) -> None:
    """And none of the customer's, whose NAT is on no call's way either."""
    text = (ROOT / "topologies" / "vpn-dial.yaml").read_text()
    narrow = re.sub(rf"(  {link}:[^\n]*\n)", r"\1    mtu: 1004\n", text, count=1)
    assert narrow != text
    path = tmp_path / "narrow.yaml"
    path.write_text(narrow)

    topology = resolve(load.load(str(path)), SEED)

    assert {c.mtu for c in clients(topology)} == {expected}
    assert {c.client_address for c in connections(topology)} == {""}


# -- secrets ---------------------------------------------------------------------------------------


def test_secrets_depend_on_the_seed_and_nothing_else_does() -> None:
    spec = load.load("vpn-two-hmcs")
    one, other = resolve(spec, b"one"), resolve(spec, b"other")

    assert one != other
    assert codec.dump(one) == codec.dump(other)


def test_one_site_has_one_psk_and_each_agent_its_own_ppp_secret() -> None:
    topology = model("vpn-two-hmcs", SEED)
    psks = {s.psk for c in connections(topology) for s in (c.client_side, c.gateway_side)}
    accounts = {c.account for c in clients(topology)}

    assert len(psks) == 1
    assert len({a.secret for a in accounts}) == 2
    assert not psks & {a.secret for a in accounts}
    assert all(set(s.ppp.accounts) == accounts for s in servers(topology))


def test_hidden_secrets_are_nowhere_in_the_text() -> None:
    topology = model("vpn-nat", SEED)
    shown = codec.dump(topology)

    assert connections(topology)[0].client_side.psk.reveal() not in shown
    assert clients(topology)[0].account.secret.reveal() not in shown
    assert shown.count(codec.HIDDEN) == 7


# -- properties ------------------------------------------------------------------------------------


@st.composite
def specs(draw: st.DrawFn) -> TopologySpec:
    """A topology of any kind with agents, bystanders, and addresses partly left out."""
    kinds = draw(st.lists(st.sampled_from(ways.kinds()), min_size=1, unique=True))
    snat, vpn, dial = draw(st.booleans()), "vpn" in kinds, "dial" in kinds
    borrowing = "pass-through" in kinds and (vpn or dial)
    kinds = [kind for kind in kinds if kind != "pass-through"] or ["direct"]
    agents = [f"hmc-{n}" for n in range(draw(st.integers(1, 5)))]
    others = [f"pc-{n}" for n in range(draw(st.integers(0, 5)))]
    proxies = [f"proxy-{n}" for n in range(draw(st.integers(1, 3)))] if "proxy" in kinds else []
    base = "192.168.10" if snat else "203.0.113"
    hosts = [*agents, *others, *proxies, *(["i5"] if borrowing else []), "firewall"]
    written = draw(
        st.lists(st.integers(1, 254), unique=True, min_size=len(hosts), max_size=len(hosts))
    )
    keep = draw(st.lists(st.booleans(), min_size=len(hosts), max_size=len(hosts)))
    lan = {h: f"{base}.{w}" if k else None for h, w, k in zip(hosts, written, keep, strict=True)}
    gateways = ["vpn1", "vpn2"][: draw(st.integers(1, 2))] if vpn else []
    modems = {a: draw(st.integers(0, 3)) if dial else 0 for a in agents}
    roles: dict[str, dict[str, object]] = {
        **{a: {"role": "hmc", "modems": modems[a]} for a in agents},
        **{o: {"role": "host"} for o in others},
        **{p: {"role": "proxy"} for p in proxies},
        **({"i5": {"role": "i5", "modems": int(dial)}} if borrowing else {}),
        "firewall": {"role": "firewall", "snat": snat},
        "internet": {"role": "internet"},
        **{g: {"role": "vpn-gateway"} for g in gateways},
        "sdc": {"role": "sdc"},
    }

    def link(subnet: str, nodes: dict[str, str | None]) -> dict[str, object]:
        return {"subnet": subnet, "rate": "1Gbit", "nodes": nodes}

    links = {
        "lan": link(f"{base}.0/24", lan),
        "fw-inet": link("198.51.100.0/24", dict.fromkeys(("firewall", "internet"))),
        "dmz": link("192.0.2.0/24", dict.fromkeys(("internet", *gateways, "sdc"))),
    }
    drawn: dict[str, dict[str, object]] = {kind: {"kind": kind} for kind in kinds}
    telephone = {a: {"number": f"1000{n}"} for n, a in enumerate(agents) if modems[a]}
    if dial:
        roles |= {
            "pstn": {"role": "exchange"},
            "lig": {"role": "lig", "modems": draw(st.integers(1, 64))},
        }
        links["lig-inet"] = link(
            draw(st.sampled_from(["203.0.112.0/24", "198.18.0.0/16", "198.18.0.0/24"])),
            dict.fromkeys(("internet", "lig")),
        )
        telephone["lig"] = {"number": "18005550100"}
        drawn["dial"]["numbers"] = ["18005550100"]
    if vpn:
        links["core"] = link("10.1.0.0/24", dict.fromkeys((*gateways, "sdc")))
        drawn["vpn"]["gateways"] = gateways
        drawn["vpn"]["l2tp"] = {"sessions": draw(st.integers(1, 16))}
    if borrowing:
        drawn["lent"] = {"kind": "pass-through", "partition": "i5"}
        upper = draw(st.sampled_from([kind for kind in ("vpn", "dial") if kind in drawn]))
        drawn[upper]["over"] = "lent"
        if dial:
            telephone["i5"] = {"number": "2000"}
    if proxies:
        drawn["proxy"]["proxies"] = proxies
    consoles: dict[str, dict[str, bool]] = {}
    if "consoles" in drawn:
        # The last agent comes home by the others, and alone by nobody.
        consoles = {agent: {"call_home_server": True} for agent in agents[:-1]}
        consoles[agents[-1]] = {}
    if "consoles" in drawn and (len(agents) == 1 or [*drawn] == ["consoles"]):
        del drawn["consoles"]
        drawn.setdefault("direct", {"kind": "direct"})

    def drawn_for(agent: str) -> Iterator[str]:
        own = [kind for kind in drawn if kind != "lent"]
        return (kind for kind in own if kind != "consoles" or agent == agents[-1])

    listing = [name for name in catalogue.names() if catalogue.profile(name).servers()]
    profile = "hmc-2007" if vpn else draw(st.sampled_from(listing))
    return TopologySpec.model_validate(
        {
            "schema": 2,
            "summary": "drawn",
            "profile": profile,
            "nodes": roles,
            "links": links,
            "telephone": telephone,
            "ways": drawn,
            "agents": {a: [*drawn_for(a)] for a in agents},
            "consoles": consoles,
        }
    )


@examples(60)
@given(specs(), st.binary(max_size=32))
def test_the_same_input_gives_the_same_bytes(spec: TopologySpec, seed: bytes) -> None:
    assert codec.dump(resolve(spec, seed), reveal=True) == codec.dump(
        resolve(spec, seed), reveal=True
    )


@examples(60)
@given(specs())
def test_every_address_is_in_its_link_and_there_once(spec: TopologySpec) -> None:
    topology = resolve(spec, SEED)
    plugs = [(i, n.name) for n in topology.nodes for i in n.interfaces]
    pools = [a for s in servers(topology) for a in (s.ppp.local_ip, *s.ppp.pool)]
    if topology.lig is not None:
        pools += [topology.lig.ppp.local_ip, *topology.lig.ppp.pool]
    services = [a for n in topology.nodes for a in n.service_addresses]
    every = [i.ip for i, _ in plugs] + pools + services

    assert len(set(every)) == len(every)
    assert len({i.mac for i, _ in plugs}) == len(plugs)
    for interface, node in plugs:
        assert ipaddress.ip_interface(interface.address).network == ipaddress.ip_network(
            topology.segment(interface.segment).subnet
        )
        written = spec.links[interface.segment].nodes[node]
        assert written in (None, interface.ip)


@examples(60)
@given(specs())
def test_every_way_there_is_a_way(spec: TopologySpec) -> None:
    topology = resolve(spec, SEED)
    goals = [c.gateway_address for c in connections(topology)] or [
        e.address for e in topology.endpoints
    ]
    for agent in topology.agents:
        for goal in goals:
            assert walk(topology, agent, goal)[-1] == owner(topology, goal)

    for node in topology.nodes:
        for route in node.routes:
            assert ipaddress.ip_address(route.via) in ipaddress.ip_network(
                topology.segment(route.interface).subnet
            )
        assert node.forwarding == (
            node.role in (Role.firewall, Role.internet, Role.vpn_gateway, Role.lig)
        )


@examples(60)
@given(specs())
def test_a_pool_has_room_for_every_session(spec: TopologySpec) -> None:
    topology = resolve(spec, SEED)
    sessions = sum(client.sessions for client in clients(topology))

    assert all(len(server.ppp.pool) >= sessions for server in servers(topology))
    if topology.lig is not None:
        assert len(topology.lig.ppp.pool) >= spec.nodes["lig"].modems


# -- what the user may vary ------------------------------------------------------------------------


def varied(name: str, old: str, new: str) -> Topology:
    text = (load.folder() / f"{name}.yaml").read_text(encoding="utf-8")
    assert old in text
    return resolve(load.parse(text.replace(old, new, 1), "varied.yaml"), SEED)


def test_transport_mode_and_sha1_reach_both_sides_and_the_mtu() -> None:
    options = "kind: vpn, ipsec: { encapsulation: transport, integrity: sha1 }"
    topology = varied("vpn", "kind: vpn", options)
    sides = [s for c in connections(topology) for s in (c.client_side, c.gateway_side)]

    assert {s.encapsulation for s in sides} == {Encapsulation.transport}
    assert {s.ike_proposal for s in sides} == {"3des-sha1-modp1024"}
    assert {s.esp_proposal for s in sides} == {"3des-sha1"}
    assert clients(topology)[0].mtu == 1422


def test_sessions_and_layout_reach_the_client() -> None:
    topology = varied("vpn", "kind: vpn", "kind: vpn, l2tp: { layout: tunnels, sessions: 3 }")

    assert (clients(topology)[0].layout, clients(topology)[0].sessions) == ("tunnels", 3)


def test_esp_keys_are_renewed_around_every_30_minutes_and_live_longer() -> None:
    connection = connections(model("vpn", SEED))[0]

    assert (connection.rekey_min_s, connection.rekey_max_s) == (26 * 60, 34 * 60)  # P-06
    assert connection.esp_lifetime_s == 40 * 60
    assert connection.ike_lifetime_s > 86400  # T3-08: an IKE renewal may take the ESP SA with it


def test_the_region_decides_where_the_agent_may_go_and_sdc_answers_for_all() -> None:
    topology = varied("vpn", "profile: hmc-2007", "profile: hmc-2007\nregion: non-americas")

    assert [e.address for e in topology.endpoints] == [
        *("129.42.160.48", "129.42.160.50", "207.25.252.200", "207.25.252.205")
    ]
    assert {"129.42.160.49", "207.25.252.204"} < set(topology.node("sdc").service_addresses)


def test_a_narrow_link_on_the_way_narrows_ppp() -> None:
    topology = varied("vpn", "    delay: 10ms\n", "    delay: 10ms\n    mtu: 1400\n")

    assert clients(topology)[0].mtu == 1306  # 1400 are used up to the last byte


def test_gaps_are_filled_low_for_routers_and_from_ten_for_hosts() -> None:
    nodes = "nodes: { hmc: 203.0.113.10, firewall: 203.0.113.1 }"
    topology = varied("vpn", nodes, "nodes: { hmc: , firewall: }")

    assert topology.node("firewall").interface("lan").address == "203.0.113.1/24"
    assert topology.node("hmc").interface("lan").address == "203.0.113.10/24"
