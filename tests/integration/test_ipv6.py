"""Agents and tools of others by IPv6, small links on the way, and who is called first."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from lab import codec
from lab.record.record import Record
from lab.run.run import Run
from lab.topology import load
from lab.wire import decode
from lab.wire.decode import ICMPV6, Packet
from tests.integration.labs import SYSTEM_PYTHON, Ran, Runs, lab

pytestmark = pytest.mark.kernel

IPV6_IN_PPP = 0x57
"""RFC 5072 2."""
SERVER = "2620:0:6c0:200:129:42:56:189"
CODE = "-o /dev/null -w '%{http_code}\\n'"
URLLIB = """
import os, ssl, urllib.request
context = ssl.create_default_context(cafile=os.environ["LAB_CA_FILE"])
print(urllib.request.urlopen(os.environ["LAB_SERVER"], context=context).status)
"""
CLIENTS = f"""
curl -sS --cacert "$LAB_CA_FILE" {CODE} "$LAB_SERVER"
curl -sS -6 --cacert "$LAB_CA_FILE" {CODE} "https://[{SERVER}]:443"
{SYSTEM_PYTHON} -c '{URLLIB}'
ping -6 -q -c 2 "$LAB_PROBE" | grep -c ' 0% packet loss'
! curl -sS -4 -m 5 --cacert "$LAB_CA_FILE" "$LAB_SERVER" 2>/dev/null
"""
TRACE = f"""
import socket
for limit in (1, 2, 3):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as asker:
        asker.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, limit)
        asker.sendto(b"x", ("{SERVER}", 33434 + limit))
"""
CLIENTS_PLAN = ("direct-ipv6", "--", "bash", "-c", CLIENTS)
TRACE_PLAN = ("direct-ipv6", "--", SYSTEM_PYTHON, "-c", TRACE)
FORMER = ("https://[2620:0:6c0:200:129:42:56:189]", "https://[2620:0:6c2:200:129:42:60:189]")
FORMER_PLAN = (
    *("dual-stack", "--node", "internet", "--", "bash", "-c"),
    "".join(f"! curl -sSk -m 5 {url} 2>/dev/null || exit 1\n" for url in FORMER),
)


@pytest.fixture(scope="module", autouse=True)
def started(runs: Runs) -> None:
    runs.start([CLIENTS_PLAN, TRACE_PLAN, FORMER_PLAN])


def test_others_clients_go_by_ipv6_unchanged(runs: Runs) -> None:
    """By name and by address; IPv4 has no name to go to."""
    ran = runs.get(*CLIENTS_PLAN)

    assert ran.status == 0, ran.told
    assert ran.stdout.split()[:4] == ["200", "200", "200", "1"]
    assert ran.failed == set()
    assert "diagnosis" not in ran.verdict
    # Lookups of names, too: no packet of the run is of IPv4.
    assert {packet.version for _, packet in ran.case.all_packets()} == {6}
    assert {p.source for _, p in ran.case.lookups if p.destination_port == 53} == {
        *("2001:db8:10::10", "2001:db8:51::2")
    }


def test_what_looks_for_the_way_is_judged_as_by_ipv4(runs: Runs) -> None:
    """Datagrams with small hop limits (RFC 4443 3.3): the firewall lets none out, and says no more."""
    ran = runs.get(*TRACE_PLAN)

    assert ran.status == 0, ran.told
    assert ran.failed == set()
    assert "diagnosis" not in ran.verdict


def test_the_former_addresses_do_not_answer(runs: Runs) -> None:
    """A-09: not even on the Internet itself."""
    ran = runs.get(*FORMER_PLAN)

    assert ran.status == 0, ran.told


def other(tmp_path: Path, name: str, *changes: tuple[str, str]) -> Path:
    """A topology of the lab's own with changes."""
    text = (load.folder() / f"{name}.yaml").read_text(encoding="utf-8")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after, 1)
    path = tmp_path / "other.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def run(path: Path, *more: str) -> Ran:
    out = path.parent / "run"
    done = lab("run", f"{path}", "--quiet", "--out", f"{out}", *more)
    return Ran(done.returncode, done.stdout, done.stderr, 0.0, out)


def too_big(found: Iterable[tuple[object, Packet]]) -> list[Packet]:
    """Packet too big (RFC 4443 3.2)."""
    return [p for _, p in found if p.protocol == ICMPV6 and p.payload[:1] == b"\x02"]


PING = ("--", "sh", "-c", "ping -6 -q -s 1400 -c 3 $LAB_PROBE")


@pytest.mark.parametrize(
    ("link", "teller", "command"),
    [("fw-inet", "2001:db8:10::1", ()), ("dmz", "2001:db8:51::1", PING)],
)
def test_a_small_link_is_told_to_the_host(
    link: str, teller: str, command: tuple[str, ...], tmp_path: Path
) -> None:
    """RFC 4890 4.3.1: the firewall lets it pass, its own and the Internet's; of fragments, too."""
    place = {"fw-inet": "2001:db8:51::/64\n", "dmz": "2001:db8:2::/64\n"}[link]
    path = other(tmp_path, "direct-ipv6", (place, f"{place}    mtu: 1280\n"))
    ran = run(path, *command)

    assert ran.status == 0, ran.told
    assert ran.failed == set()
    told = too_big(ran.case.packets("lan"))
    assert {(packet.source, packet.destination) for packet in told} == {(teller, "2001:db8:10::10")}
    # As they are on the wire: a case puts fragments together.
    carried = [f.ip for f in decode.read(ran.run_dir / "wire" / f"{link}.pcapng") if f.ip]
    assert max(packet.length for packet in carried) <= 1280
    assert any(packet.more_fragments for packet in carried) is bool(command)


@pytest.mark.parametrize(
    ("families", "first"), [("[ipv6, ipv4]", 6), ("[ipv4, ipv6]", 4), ("[ipv4]", 4)]
)
def test_the_preferred_version_goes_first(families: str, first: int, tmp_path: Path) -> None:
    """OUT-08: by itself each program would take IPv6."""
    path = other(tmp_path, "dual-stack", ("[ipv6, ipv4]", families))

    ran = run(path)

    assert ran.status == 0, ran.told
    assert ran.failed == set()
    syns = [packet.version for _, packet in ran.case.leaving if packet.is_bare_syn]
    assert syns == [first, 10 - first][: families.count("ip")]
    told = [event["family"] for event in ran.events if event["kind"] == "called-by-one"]
    assert told == [f"IPv{version}" for version in syns[1:]]


def test_others_clients_prefer_what_the_way_prefers(tmp_path: Path) -> None:
    path = other(tmp_path, "dual-stack", ("[ipv6, ipv4]", "[ipv4, ipv6]"))
    curl = f"curl -sS --cacert $LAB_CA_FILE {CODE.replace('http_code', 'remote_ip')} $LAB_SERVER"

    ran = run(path, "--", "sh", "-c", curl)

    assert ran.status == 0, ran.told
    assert ran.stdout.split()[0] == "192.148.6.11"


@pytest.mark.parametrize("name", ["vpn-nat", "dial", "proxy", "direct-snat"])
def test_ways_by_ipv4_are_as_they_are_beside_ipv6(name: str, tmp_path: Path) -> None:
    """Every link has it, and nobody calls home by it; nothing of it is in a tunnel or on a telephone line."""
    text = (load.folder() / f"{name}.yaml").read_text(encoding="utf-8")
    subnets = re.findall(r"^    subnet: .*\n", text, re.MULTILINE)
    changes = [(s, f"{s}    subnet6: 2001:db8:{n}::/64\n") for n, s in enumerate(subnets, 1)]
    ran = run(other(tmp_path, name, *changes))

    assert ran.status == 0, ran.told
    assert ran.failed == set()
    assert any(i.address6 for i in ran.topology.node("firewall").interfaces)
    assert {packet.version for _, packet in ran.case.leaving if packet.is_bare_syn} <= {4}
    in_ppp = {item.ppp.protocol for item in ran.case.insides if item.ppp}
    by_telephone = {item.ppp.protocol for item in ran.case.carried if item.ppp}
    assert IPV6_IN_PPP not in in_ppp | by_telephone


def test_where_ipv6_is_routed_nowhere_the_agent_goes_on_at_once(tmp_path: Path) -> None:
    """The Internet says so (RFC 4443 3.1), and the firewall lets that pass: nobody waits for a time-out."""
    prepared = Run.prepare("dual-stack", out=tmp_path / "run")
    servers = {
        endpoint.address for endpoint in prepared.topology.endpoints if ":" in endpoint.address
    }
    nodes = (
        replace(
            n, routes=tuple(r for r in n.routes if r.destination.partition("/")[0] not in servers)
        )
        for n in prepared.topology.nodes
    )
    prepared.topology = replace(prepared.topology, nodes=tuple(nodes), fault="no-route")
    prepared.carry_out(quiet=True)
    outcome = prepared.judge()

    assert outcome.exit_status == 0
    assert "IPv6 of aix is lost at internet: 1 packet" in outcome.diagnosis
    assert outcome.diagnosis.partition(";")[2].startswith(" aix came home by IPv4")
    record = codec.load(Record, (tmp_path / "run" / "record.json").read_text())
    (call,) = record.calls
    assert call.ended - call.started < 5


def test_without_a_firewall_ibms_name_server_is_asked_by_ipv6(tmp_path: Path) -> None:
    """OUT-06."""
    text = (load.folder() / "direct-ipv6.yaml").read_text(encoding="utf-8")
    text = re.sub(r"(?ms)^  fw-inet:.*?(?=^  dmz:)", "", text)
    text = re.sub(r"(?m)^  (cec|firewall): .*\n", "", text)
    text = re.sub(r"(?ms)^  svc:.*?(?=^  lan:)", "", text)
    text = text.replace("firewall: 192.168.10.1", "internet: 192.168.10.1")
    text = text.replace("OUT-04, OUT-06, F-03", "OUT-06").replace("192.168.10.", "203.0.113.")
    path = tmp_path / "other.yaml"
    path.write_text(text, encoding="utf-8")

    ran = run(path)

    assert ran.status == 0, ran.told
    assert ran.failed == set()
    asked = {(p.source, p.destination) for _, p in ran.case.lookups if p.destination_port == 53}
    assert asked == {("2001:db8:10::10", "2001:db8::54")}


def test_an_address_of_ones_own_is_the_nodes(tmp_path: Path) -> None:
    nodes = "nodes: { hmc: 192.168.10.10, firewall: 192.168.10.1 }"
    own = '    nodes6: { hmc: "2001:db8:10::abcd" }'
    ran = run(other(tmp_path, "direct-ipv6", (nodes, f"{nodes}\n{own}")))

    assert ran.status == 0, ran.told
    assert ran.failed == set()
    assert {packet.source for _, packet in ran.case.leaving} == {"2001:db8:10::abcd"}


def test_a_generation_without_ipv6_sends_nothing(tmp_path: Path) -> None:
    """OUT-07: it is refused when the file is read, so no run is begun."""
    path = other(
        tmp_path, "direct-ipv6", ("profile: hmc-2017-simplified", "profile: esa-linux-7.1.5")
    )

    ran = run(path)

    assert ran.status == 2, ran.told
    assert "esa-linux-7.1.5 has no IPv6: S0 does not fully support IPv6 (OUT-07" in ran.stderr
    assert "write families: [ipv4]" in ran.stderr
    assert not ran.run_dir.exists()


@pytest.mark.parametrize("families", ["ipv6", "ipv6, ipv4"])
def test_errands_are_done_by_the_versions_of_their_way(families: str, tmp_path: Path) -> None:
    """OUT-37, OUT-41, OUT-42: the fix comes by HTTP of the same version."""
    path = other(
        tmp_path,
        "simplified",
        ("192.168.10.0/24\n", "192.168.10.0/24\n    subnet6: 2001:db8:10::/64\n"),
        ("198.51.100.0/24\n", "198.51.100.0/24\n    subnet6: 2001:db8:51::/64\n"),
        ("192.0.2.0/24\n", "192.0.2.0/24\n    subnet6: 2001:db8:2::/64\n"),
        ("kind: direct\n", f"kind: direct\n    families: [{families}]\n"),
        ("expect: [", f"expect: [{'OUT-08' if ',' in families else 'OUT-06'}, "),
    )

    ran = run(path)

    assert ran.status == 0, ran.told
    assert {found["verdict"] for found in ran.findings.values()} == {"pass"}
    done = {
        (call.attempts[0].address.count(":") > 0, a.errand)
        for call in ran.record.calls
        for a in call.attempts
    }
    kinds = {errand.kind for errand in ran.topology.errands}
    assert done == {(family == "ipv6", kind) for family in families.split(", ") for kind in kinds}
    assert {p.version for _, p in ran.case.leaving if p.destination_port == 80} == {
        int(family[-1]) for family in families.split(", ")
    }
