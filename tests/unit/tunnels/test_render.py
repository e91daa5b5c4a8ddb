"""The daemons' configurations as text: as reviewed, without secrets, and each option's effect."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lab.secret import Secret, find
from lab.topology import load, model, resolve
from lab.ways.vpn.plan import (
    Encapsulation,
    IpsecConnection,
    L2tpClient,
    SessionLayout,
    clients,
    connections,
    servers,
)
from tests import golden
from tunnels import _dnsmasq, _xl2tpd, ipsec, l2tp, ppp
from tunnels._vici import Settings

LOG, KEYS = Path("/run/lab/logs/node"), Path("/run/lab/keys")


def topology(name: str) -> model.Topology:
    return resolve.resolve(load.load(name), b"golden")


def ends(resolved: model.Topology, node: str) -> tuple[IpsecConnection, ...]:
    return tuple(c for c in connections(resolved) if node in (c.client, c.gateway))


def ipsec_files(resolved: model.Topology, node: str) -> dict[str, str]:
    connections = ends(resolved, node)
    settings = [dict(ipsec.render_connection(c, node)) for c in connections]
    return {
        "strongswan.conf": ipsec.render_strongswan(
            connections, LOG / "charon.log", KEYS / "ike.log"
        ),
        "connections.json": json.dumps(settings, indent=1) + "\n",
    }


def client_files(resolved: model.Topology, node: str) -> dict[str, str]:
    (client,) = (c for c in clients(resolved) if c.client == node)
    server = servers(resolved)[0]
    sections = l2tp.lac_sections(client, server)
    return {
        "xl2tpd.conf": _xl2tpd.render_lac("192.168.10.10", sections),
        "ppp-options": ppp.render_options(l2tp.client_options(client, LOG / "pppd-0.log")),
    }


def server_files(resolved: model.Topology, node: str) -> dict[str, str]:
    (server,) = (s for s in servers(resolved) if s.gateway == node)
    return {
        "xl2tpd.conf": l2tp.render_server(server),
        "ppp-options": ppp.render_options(l2tp.server_options(server, LOG / "pppd.log")),
    }


def rendered(name: str, node: str) -> dict[str, str]:
    resolved = topology(name)
    role = client_files if resolved.node(node).role is model.Role.hmc else server_files
    return ipsec_files(resolved, node) | role(resolved, node)


NODES = [("vpn", "hmc"), ("vpn-nat", "hmc"), ("vpn-nat", "vpn1"), ("vpn-two-hmcs", "vpn1")]


@pytest.mark.parametrize(("name", "node"), NODES)
def test_the_configurations_of_a_node_are_as_reviewed(name: str, node: str) -> None:
    folder = golden.DATA / "render" / name / node
    files = rendered(name, node)

    seen = {file: golden.reviewed(folder / file, text) for file, text in files.items()}
    assert files == seen, golden.HINT


@pytest.mark.parametrize(("name", "node"), NODES)
def test_no_secret_is_in_a_configuration(name: str, node: str) -> None:
    resolved = topology(name)
    secrets = {hidden.reveal() for _, hidden in find(resolved, Secret)}

    text = "".join(rendered(name, node).values())
    assert secrets
    assert not [secret for secret in secrets if secret in text]


def connection(**changes: object) -> IpsecConnection:
    return replace(connections(topology("vpn-nat"))[0], **changes)  # type: ignore[arg-type]


def child(rendered_connection: Settings) -> dict[str, object]:
    (settings,) = rendered_connection.values()
    (only,) = settings["children"].values()
    return dict(only)


def test_only_the_client_rekeys() -> None:
    wanted = connection(rekey_min_s=1440, rekey_max_s=2160)

    client = child(ipsec.render_connection(wanted, wanted.client))
    gateway = child(ipsec.render_connection(wanted, wanted.gateway))

    assert (client["rekey_time"], client["rand_time"]) == ("2160s", "540s")
    assert (gateway["rekey_time"], gateway["rand_time"]) == ("0", "0")


def test_the_gateways_keys_outlive_the_clients() -> None:
    wanted = connection()

    def life_s(node: str) -> int:
        return int(str(child(ipsec.render_connection(wanted, node))["life_time"]).rstrip("s"))

    assert life_s(wanted.gateway) > life_s(wanted.client) > wanted.rekey_max_s


def test_the_selectors_admit_l2tp_between_the_two_ends_only() -> None:
    wanted = connection()

    client = child(ipsec.render_connection(wanted, wanted.client))
    gateway = child(ipsec.render_connection(wanted, wanted.gateway))

    assert client["local_ts"] == gateway["remote_ts"] == ["192.168.10.10/32[17/1701]"]
    assert client["remote_ts"] == gateway["local_ts"] == ["129.42.160.16/32[17/1701]"]


def test_transport_mode_takes_the_peers_address_as_it_is_seen() -> None:
    plain = connection()
    side = replace(plain.gateway_side, encapsulation=Encapsulation.transport)

    gateway = child(ipsec.render_connection(replace(plain, gateway_side=side), plain.gateway))

    assert gateway["mode"] == "transport"
    assert gateway["remote_ts"] == ["dynamic[17/1701]"]


def client(**changes: object) -> L2tpClient:
    return replace(clients(topology("vpn-nat"))[0], **changes)  # type: ignore[arg-type]


def test_sessions_share_a_tunnel_or_have_one_each() -> None:
    server = servers(topology("vpn-nat"))[0]

    def sections(layout: str, count: int) -> tuple[_xl2tpd.LacSection, ...]:
        wanted = client(layout=SessionLayout(layout), sessions=count)
        return l2tp.lac_sections(wanted, server)

    assert [s.lns for s in sections("sessions", 1)] == [server.address]
    assert [s.lns for s in sections("sessions", 3)] == ["vpn1..lns"]
    assert [s.lns for s in sections("tunnels", 3)] == [server.address] * 3
    assert len({s.options_file for s in sections("tunnels", 3)}) == 3


def test_a_pool_is_written_as_runs() -> None:
    pool = ["10.0.0.2", "10.0.0.3", "10.0.0.5", "10.0.0.4", "10.0.0.9"]

    assert list(_xl2tpd.pool_ranges(pool)) == [
        ("10.0.0.2", "10.0.0.5"),
        ("10.0.0.9", "10.0.0.9"),
    ]


def test_a_gateway_with_an_empty_pool_still_assigns() -> None:
    server = servers(topology("vpn-nat"))[0]
    empty = replace(server, ppp=replace(server.ppp, pool=()))

    lines = l2tp.render_server(empty).splitlines()
    assert "assign ip = yes" in lines
    assert not [line for line in lines if line.startswith("ip range")]


def options(**changes: object) -> list[str]:
    plain = ppp.Options(name="hmc", log=LOG / "pppd.log", mtu=1394)
    return ppp.render_options(replace(plain, **changes)).splitlines()  # type: ignore[arg-type]


def test_a_client_that_accepts_chap_refuses_everything_else() -> None:
    lines = options(offer=(model.PppAuth.chap,))

    assert {"noauth", "refuse-pap", "refuse-mschap", "refuse-mschap-v2", "refuse-eap"} <= set(lines)
    assert "refuse-chap" not in lines


def test_a_gateway_demands_what_the_model_says() -> None:
    assert "require-pap" in options(demand=model.PppAuth.pap)
    assert "require-chap" in options(demand=model.PppAuth.chap)
    assert "noauth" not in options(demand=model.PppAuth.chap)


def test_echoes_are_asked_for_only_where_the_model_has_them() -> None:
    assert "lcp-echo-interval 30" in options(echo_interval_s=30, echo_failures=4)
    assert not [line for line in options() if line.startswith("lcp-echo")]


def test_secrets_files_name_any_server_and_any_address() -> None:
    text = ppp.render_secrets([model.PppAccount(user="hmc", secret=Secret("s3cret"))])

    assert text == '"hmc" * "s3cret" *\n'


def test_a_name_of_both_versions_of_ip_goes_into_both_sets_by_one_option() -> None:
    """dnsmasq(8): of two options for one name, it reads one."""
    sets = ("4#inet#lab#four", "6#inet#lab#six")
    settings = _dnsmasq.DnsmasqSettings(
        addresses=("192.0.2.53",), upstream="192.0.2.54", noted=(("esupport.ibm.com", sets),)
    )

    told = [line for line in _dnsmasq.render(settings).splitlines() if line.startswith("nftset")]

    assert told == ["nftset=/esupport.ibm.com/4#inet#lab#four,6#inet#lab#six"]
