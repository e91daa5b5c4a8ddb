"""A program of the user's own in a topology: where it is, where it listens, how it is drawn and named."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from lab import codec
from lab.errors import UsageError
from lab.run import run as runs
from lab.topology import dot, draw, load, own_listeners
from lab.topology.model import Topology
from lab.topology.own_listeners import Listener
from lab.topology.own_program import MOST_SHOWN, OwnProgram, find
from lab.topology.resolve import resolve
from lab.ways import faults
from lab.ways.proxy import own_proxy
from lab.ways.vpn import own_gateway
from lab.ways.vpn.plan import VpnPlan

DATA = Path(__file__).parents[2] / "data" / "topologies"


def model(tmp_path: Path, words: str, name: str = "own-server") -> Topology:
    """The example with another program."""
    text = (DATA / f"{name}.yaml").read_text()
    path = tmp_path / f"{name}.yaml"
    path.write_text(re.sub(r"run: \[.*?\]", f"run: {words}", text))
    return resolve(load.load(str(path)), b"seed")


@pytest.mark.parametrize(
    ("words", "program"),
    [
        ("[my-server, -v]", "my-server"),
        ("[./my-server, -v]", "{}/my-server"),
        ("[bin/my-server, -v]", "{}/bin/my-server"),
        ("[/opt/my-server, -v]", "/opt/my-server"),
    ],
)
def test_a_path_begins_at_the_topologys_folder(
    words: str, program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path.parent)
    (own,) = model(tmp_path, words).own_programs

    assert own.argv == (program.format(tmp_path), "-v")
    assert (own.node, own.name, own.folder) == ("sdc", "my-server", str(tmp_path))


def test_it_travels_to_the_guest(tmp_path: Path) -> None:
    topology = model(tmp_path, "[./my-server]")
    again = codec.load(Topology, codec.dump(topology, reveal=True))

    assert find(again.own_programs, "sdc") == topology.own_programs[0]
    assert find(again.own_programs, "hmc") is None


def test_it_listens_where_agents_call(tmp_path: Path) -> None:
    topology = model(tmp_path, "[./my-server]")
    places = own_listeners.wanted(topology, "sdc")

    assert places == (
        Listener("tcp", "129.42.56.189", 443),
        Listener("tcp", "129.42.60.189", 443),
        Listener("tcp", "129.42.54.189", 443),
    )


def test_pictures_name_it(tmp_path: Path) -> None:
    topology = model(tmp_path, "[./my-server, --port, '443']")

    assert "129.42.56.189 and 2 more, runs my-server --port 443\n" in draw.text(topology)
    assert "runs my-server --port 443<" in dot.render(topology)
    plain = resolve(load.load("direct-snat"), b"seed")
    assert "runs my-server" not in draw.text(plain) + dot.render(plain)


@pytest.mark.parametrize("name", ["own-gateway", "own-proxy"])
def test_pictures_name_the_far_end(name: str, tmp_path: Path) -> None:
    topology = model(tmp_path, "[python3, my-gateway.py]", name)

    text = draw.text(topology)
    assert "runs python3 my-gatewa..." in text
    assert "runs python3 my-gatewa..." in dot.render(topology)
    # The tunnel beside it is not touched.
    assert not re.search(r"[^ ][│┐┘]", text)


def test_a_long_command_is_cut_in_pictures() -> None:
    own = OwnProgram(node="sdc", argv=("/bin/sh", "-c", "echo a\necho " + "b" * 80), folder="/")

    assert own.words == "sh -c echo a echo..."
    assert len(own.words) == MOST_SHOWN


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    model(tmp_path, "[./my-server]")
    with pytest.raises(UsageError, match=r"my-server', which sdc is to run") as nowhere:
        runs.resolved(str(tmp_path / "own-server.yaml"), "")
    assert "with a slash: ./my-server" in nowhere.value.hint
    (tmp_path / "my-server").write_text("#!/bin/sh\n")
    with pytest.raises(UsageError, match="my-server is not executable") as forbidden:
        runs.resolved(str(tmp_path / "own-server.yaml"), "")
    assert forbidden.value.hint == f"chmod +x {tmp_path / 'my-server'}"
    (tmp_path / "my-server").chmod(0o755)
    runs.resolved(str(tmp_path / "own-server.yaml"), "")


OURS = ("expired-certificate", "unknown-authority", "server-503", "server-resets", "slow-server")


@pytest.mark.parametrize("name", [*OURS, "old-tls-only"])
def test_what_the_labs_own_servers_do_is_no_fault_here(name: str, tmp_path: Path) -> None:
    topology = model(tmp_path, "[./my-server]")

    with pytest.raises(UsageError, match=f"the fault {name} is put in by the lab's own") as refused:
        faults.apply(name, topology)
    assert refused.value.hint.startswith("have my-server do what is to go wrong, or take run out")
    assert name not in {fault.name for fault in faults.applicable(topology)}


def test_what_befalls_the_way_is(tmp_path: Path) -> None:
    topology = model(tmp_path, "[./my-server]")
    plain = resolve(load.load("direct-snat"), b"seed")
    ours = {fault.name for fault in faults.applicable(plain)} - {*OURS, "old-tls-only"}

    assert {fault.name for fault in faults.applicable(topology)} == ours
    assert faults.apply("blocked-443", topology).fault == "blocked-443"


def test_a_gateway_listens_for_ike_and_l2tp(tmp_path: Path) -> None:
    topology = model(tmp_path, "[my-gateway]", "own-gateway")
    ports = (500, 4500, 1701)

    places = tuple(Listener("udp", "129.42.160.16", port) for port in ports)
    assert own_listeners.wanted(topology, "vpn1") == places
    plain = resolve(load.load("vpn"), b"seed")
    assert [each.port for each in own_listeners.wanted(plain, "vpn1")] == [500, 1701]
    assert own_listeners.wanted(topology, "hmc") == ()
    # Whoever does the NAT: here it is the Internet provider alone.
    text = (DATA / "vpn-double-nat.yaml").read_text()
    (tmp_path / "cgnat.yaml").write_text(
        re.sub(r"(role: firewall,) snat: true", r"\1 snat: false", text)
    )
    provider = resolve(load.load(str(tmp_path / "cgnat.yaml")), b"seed")
    assert provider.firewall is not None
    assert not provider.firewall.snat
    assert [each.port for each in own_listeners.wanted(provider, "vpn1")] == [500, 4500, 1701]


def test_a_gateway_that_no_way_leads_to_need_not_listen(tmp_path: Path) -> None:
    topology = model(tmp_path, "[my-gateway]", "own-gateway")
    (way,) = topology.ways
    assert isinstance(way, VpnPlan)
    other = replace(topology, ways=(replace(way, gateways=("vpn2",), connections=(), servers=()),))

    assert own_listeners.wanted(other, "vpn1") == ()
    assert own_gateway.environment(other, "vpn1") == {}
    assert own_gateway.files(other, "vpn1") == {}


def test_what_a_gateway_is_told(tmp_path: Path) -> None:
    topology = model(tmp_path, "[my-gateway]", "own-gateway")
    (way,) = topology.ways
    assert isinstance(way, VpnPlan)
    server, connection = way.server("vpn1"), way.connection("hmc", "vpn1")

    assert own_gateway.environment(topology, "vpn1") == {
        "LAB_IDENTITY": "129.42.160.16",
        "LAB_HOSTNAME": server.hostname,
        "LAB_CLIENTS": "hmc.customer.test=192.168.10.10",
        "LAB_PSK_FILE": "/run/lab-vpn/psk",
        "LAB_IKE_VERSION": "1",
        "LAB_IKE_PROPOSAL": "3des-md5-modp1024",
        "LAB_ESP_PROPOSAL": "3des-md5",
        "LAB_IPSEC_MODE": "tunnel",
        "LAB_CHAP_SECRETS_FILE": "/run/lab-vpn/chap-secrets",
        "LAB_PPP_ADDRESS": "10.254.1.1",
        "LAB_PPP_POOL": f"{server.ppp.pool[0]}-{server.ppp.pool[-1]}",
        "LAB_PPP_MTU": "1394",
    }
    account = way.client("hmc").account
    assert own_gateway.files(topology, "vpn1") == {
        "/run/lab-vpn/psk": f"{connection.gateway_side.psk.reveal()}\n",
        "/run/lab-vpn/chap-secrets": f'"{account.user}" * "{account.secret.reveal()}" *\n',
    }


def test_what_a_proxy_is_told(tmp_path: Path) -> None:
    topology = model(tmp_path, "[my-proxy]", "own-proxy")
    (proxy,) = topology.proxies
    assert proxy.account is not None

    assert own_listeners.wanted(topology, "proxy-1") == (Listener("tcp", "192.168.10.21", 3128),)
    assert own_proxy.environment(topology, "proxy-1") == {
        "LAB_CLIENTS": "192.168.10.0/24",
        "LAB_DESTINATIONS": "129.42.56.189,129.42.60.189,129.42.54.189",
        "LAB_PROXY_USER": proxy.account.user,
        "LAB_PROXY_PASSWORD_FILE": "/run/lab-proxy/password",
    }
    password = proxy.account.password.reveal()
    assert own_proxy.files(topology, "proxy-1") == {"/run/lab-proxy/password": f"{password}\n"}
    plain = replace(topology, proxies=(replace(proxy, account=None),))
    assert own_proxy.files(plain, "proxy-1") == {}
    assert "LAB_PROXY_USER" not in own_proxy.environment(plain, "proxy-1")


@pytest.mark.parametrize(
    ("name", "node", "refused"),
    [
        ("own-gateway", "vpn1", {"no-common-proposal", "pap-only-peer", "pool-empty"}),
        (
            "own-proxy",
            "proxy-1",
            {"proxy-down", "proxy-busy", "proxy-refuses-connect"},
        ),
    ],
)
def test_faults_of_the_far_end(name: str, node: str, refused: set[str], tmp_path: Path) -> None:
    topology = model(tmp_path, "[mine]", name)
    plain = replace(topology, own_programs=())
    ours = {fault.name for fault in faults.applicable(plain)}

    assert ours - {fault.name for fault in faults.applicable(topology)} == refused
    for fault in sorted(refused):
        with pytest.raises(
            UsageError, match=f"{fault} is put in by the lab's own program on {node}"
        ):
            faults.apply(fault, topology)


def test_a_server_that_users_enter_listens_where_they_enter_it() -> None:
    plain = resolve(load.load("user-target"), b"seed")
    (target,) = plain.user_targets
    twice = replace(
        plain, user_targets=(target, replace(target, name="again"), replace(target, port=21))
    )

    assert own_listeners.wanted(twice, "files") == (
        Listener("tcp", "203.0.113.20", 22),
        Listener("tcp", "203.0.113.20", 21),
    )
