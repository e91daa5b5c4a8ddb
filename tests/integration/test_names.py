"""Names are told by real name servers, to whom they are to be told and to nobody else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.wire import dns
from tests.integration.labs import SYSTEM_PYTHON, Ran, Runs
from tests.oracle import tshark

pytestmark = pytest.mark.kernel

ASK = r"""
cat /etc/resolv.conf
getent ahostsv4 esupport.ibm.com | sed -n 's/ *STREAM.*//p'
getent hosts nosuch.ibm.com; echo $?
getent hosts example.com; echo $?
"""


@pytest.fixture(scope="module")
def asked(runs: Runs) -> Ran:
    return runs.get("direct", "--quiet", "--", "sh", "-c", ASK)


def test_a_node_asks_its_resolver_and_is_told_in_the_order_of_the_tables(asked: Ran) -> None:
    assert asked.stdout.splitlines() == [
        "nameserver 203.0.113.1",
        "129.42.56.189",
        "129.42.60.189",
        "129.42.54.189",
        "2",
        "2",
    ], asked.told


def test_tshark_reads_the_same_lookups(asked: Ran) -> None:
    fields = ("dns.id", "dns.qry.name", "dns.qry.type", "dns.flags.rcode", "dns.a")
    answers = tshark(asked.run_dir / "wire" / "lan.pcapng", fields, "-Y", "dns.flags.response == 1")
    read = [each for each in dns.read(asked.case.packets("lan")) if each.answered]

    kinds = {"1": "A", "28": "AAAA"}
    theirs = sorted(
        (name, kinds[kind], int(code), address) for _, name, kind, code, address in answers
    )
    ours = sorted((e.name, e.kind, e.code, next(iter(e.addresses), "")) for e in read)
    assert ours == theirs
    assert {e.name for e in read} == {"esupport.ibm.com", "nosuch.ibm.com", "example.com"}


def test_nothing_of_a_name_leaves_but_by_the_resolver(asked: Ran) -> None:
    """What was asked twice is asked once outside, as the resolver keeps it."""
    outside = dns.read(asked.case.packets("fw-inet"))

    assert {(e.client, e.server) for e in outside} == {("198.51.100.2", "198.18.0.54")}
    assert len([e for e in outside if (e.name, e.kind) == ("esupport.ibm.com", "A")]) == 1


ASK_IBM = r"""
import socket, struct, sys
labels = b"".join(bytes([len(p)]) + p.encode() for p in "esupport.ibm.com".split("."))
question = struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!xHH", 1, 1)
for server in sys.argv[1:]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(5)
        asking.sendto(question, (server, 53))
        try:
            print(server, struct.unpack("!H", asking.recv(512)[6:8])[0])
        except OSError as error:
            print(server, "no answer")
with socket.create_connection((sys.argv[1], 53), 5) as asking:
    asking.sendall(struct.pack("!H", len(question)) + question)
    print("TCP", struct.unpack("!H", asking.recv(512)[8:10])[0])
"""


def test_only_the_resolver_may_ask_ibms_server(runs: Runs) -> None:
    argv = ("--quiet", "--", SYSTEM_PYTHON, "-c", ASK_IBM, "203.0.113.1", "198.18.0.54")
    ran = runs.get("direct", *argv)

    assert ran.stdout.splitlines() == ["203.0.113.1 3", "198.18.0.54 no answer", "TCP 3"], ran.told


def by_hosts(folder: Path) -> str:
    text = Path("topologies/direct.yaml").read_text()
    path = folder / "by-hosts.yaml"
    path.write_text(text.replace("profile:", "names: hosts\nprofile:"))
    return os.fspath(path)


def test_hosts_tables_do_in_the_place_of_name_servers(runs: Runs, tmp_path: Path) -> None:
    script = "cat /etc/resolv.conf; getent ahostsv4 esupport.ibm.com | grep -c STREAM"
    path = by_hosts(tmp_path)

    asked = runs.get(path, "--quiet", "--", "sh", "-c", script)
    assert asked.stdout.split() == ["3"], asked.told
    assert not asked.case.lookups
    ran = runs.get(path)
    assert ran.status == 0, ran.told


def test_a_command_that_fails_for_a_name_is_told_so(runs: Runs) -> None:
    ran = runs.get("direct", "--", "curl", "-sS", "https://nosuch.ibm.com/")

    assert ran.status == 6, ran.told  # curl(1): could not resolve host
    assert "nosuch.ibm.com is not known: 203.0.113.1 says" in " ".join(ran.told.split())


def test_a_machine_without_names_of_ibm_asks_nobody(runs: Runs) -> None:
    """An agent behind a proxy leaves names to it: F-10 would not hold otherwise."""
    ran = runs.get(
        "proxy", "--quiet", "--", "sh", "-c", "cat /etc/resolv.conf; getent hosts x.test"
    )

    assert (ran.status, ran.stdout) == (2, ""), ran.told


def test_servers_move_and_the_firewall_follows(runs: Runs) -> None:
    """R-10, F-05, V-02."""
    followed = runs.get("direct-names")
    pinned = runs.get("direct-names", "--fault", "addresses-pinned")

    assert (followed.status, pinned.status) == (0, 1), followed.told + pinned.told
    assert [e.server_ip for e in followed.record.ledger] == ["129.42.56.189", "192.148.6.11"]
    assert [e.server_ip for e in pinned.record.ledger] == ["129.42.56.189"]
    assert {"F-05", "R-10"} <= pinned.failed
    syns = tshark(
        followed.run_dir / "wire" / "fw-inet.pcapng",
        ("ip.dst",),
        "-Y",
        "tcp.flags.syn == 1 && tcp.flags.ack == 0",
    )
    assert [row[0] for row in syns if not row[0].startswith("203.")] == [
        "129.42.56.189",
        "192.148.6.11",
    ]


def test_who_asks_nobody_is_told_that_names_are_opened(runs: Runs) -> None:
    """F-05: an address of a listed name stays closed until the resolver has told it."""
    far = "129.42.60.189"
    words = ("curl", "-sS", "-m", "8", "--resolve", f"esupport.ibm.com:443:{far}")
    ran = runs.get("direct-names", "--", *words, "https://esupport.ibm.com/")

    assert ran.status == 28, ran.told  # curl(1): operation timeout
    said = " ".join(ran.told.split())
    assert f"hmc calls {far}, and nobody asked for esupport.ibm.com" in said
    assert "have hmc look esupport.ibm.com up at firewall" in said


@pytest.mark.parametrize(
    ("name", "judged"),
    [
        ("ds8000", {"OUT-05", "F-13", "F-14"}),
        ("direct-region", {"F-04", "F-15"}),
        ("dual-stack", {"OUT-08"}),
    ],
)
def test_a_firewall_that_opens_names_is_judged_as_one_that_opens_addresses(
    name: str, judged: set[str], runs: Runs, tmp_path: Path
) -> None:
    """F-05: an address is open when the resolver has told it, of either version of IP."""
    text = Path(f"topologies/{name}.yaml").read_text()
    wall = "role: firewall, snat: true"
    assert wall in text
    path = tmp_path / f"{name}.yaml"
    path.write_text(text.replace(wall, f"{wall}, opens: names"))

    ran = runs.get(os.fspath(path))

    assert ran.status == 0, ran.told
    held = {each for each, found in ran.findings.items() if found["verdict"] == "pass"}
    assert judged <= held, ran.told
