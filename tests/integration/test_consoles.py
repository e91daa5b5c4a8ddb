"""Consoles that discover each other: what tshark sees, what dies, and what wild datagrams do."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.integration.labs import Runs, changed
from tests.oracle import tshark

pytestmark = pytest.mark.kernel

NAME, BOXES, SERVERS = "consoles", "consoles-ds8000", "consoles-failover"
JUDGED = {
    NAME: {"M-01", "M-02", "M-03", "M-05", "P-17"},
    BOXES: {"M-01", "M-09"},
    SERVERS: {"M-01", "M-02", "M-03", "M-05", "M-06", "M-07", "M-08", "P-17", "R-03"},
}
FIELDS = "ip.src", "ip.dst", "eth.dst", "udp.srcport", "data.data"


@pytest.fixture(scope="module", autouse=True)
def started(runs: Runs) -> None:
    runs.start([(NAME,), (BOXES,), (SERVERS,)])


@pytest.mark.parametrize("name", JUDGED)
def test_all_of_it_holds(name: str, runs: Runs) -> None:
    ran = runs.get(name)

    assert (ran.status, ran.failed) == (0, set()), ran.told
    judged = {n for n, f in ran.findings.items() if f["verdict"] == "pass"}
    assert judged >= JUDGED[name]


def test_tshark_sees_a_broadcast_of_each_card_and_no_malformed_json(runs: Runs) -> None:
    ran = runs.get(NAME)
    broadcasts = set()
    for capture in sorted((ran.run_dir / "wire").glob("*.pcapng")):
        for source, target, mac, port, said in tshark(capture, FIELDS, "-Y", "udp.dstport == 9900"):
            hello = json.loads(bytes.fromhex(said))
            assert (hello["callhome-console"], port) == (1, "9900")
            if mac == "ff:ff:ff:ff:ff:ff":
                broadcasts.add((capture.stem, hello["name"], source, target))
    assert broadcasts == {
        ("lan-a", "hmc-a", "192.168.10.10", "192.168.10.255"),
        ("svc-a", "hmc-a", "192.168.128.1", "192.168.128.255"),
        ("lan-a", "hmc-b", "192.168.10.11", "192.168.10.255"),
        ("lan-b", "hmc-c", "192.168.20.10", "192.168.20.255"),
        ("svc-b", "hmc-c", "192.168.129.1", "192.168.129.255"),
    }


SPEAKS = """
import json, os, socket
mine = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
mine.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
mine.bind(("192.168.10.50", 9900))
ears = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ears.bind(("192.168.10.255", 9900))
def say(**fields):
    said = {"callhome-console": 1, "name": "mine", "hold": 300} | fields
    mine.sendto(json.dumps(said).encode(), ("192.168.10.255", 9900))
say(ask=True)
heard = {json.loads(mine.recv(2000))["name"] for _ in range(2)}
assert heard == {"hmc-a", "hmc-b"}, heard
for _ in range(500):
    mine.sendto(os.urandom(200), ("192.168.10.255", 9900))
mine.settimeout(10)
heard = set()
while heard != {"hmc-a", "hmc-b"}:
    say(ask=True)  # Again, if there was no room for it among the noise.
    try:
        heard = {json.loads(mine.recv(2000))["name"] for _ in range(2)}
    except TimeoutError:
        pass
heard = 0
while heard < 3:
    heard += ears.recvfrom(2000)[1][0] == "192.168.10.10"
"""


def test_a_console_of_ones_own_is_known_answered_and_gone_when_it_is_silent(
    runs: Runs, tmp_path: Path
) -> None:
    """By the format of docs/consoles.md alone; noise beside it changes nothing.

    It says nothing more, and listens until hmc-a has broadcast three times again: each 300 seconds.
    """
    script = tmp_path / "speaks.py"
    script.write_text(SPEAKS)
    name = changed(
        tmp_path,
        NAME,
        ("  cec-1:    { role: cec }", "  mine:     { role: host }\n  cec-1:    { role: cec }"),
        ("hmc-b: 192.168.10.11,", "hmc-b: 192.168.10.11, mine: 192.168.10.50,"),
        to="mine",
    )
    ran = runs.get(name, "--node", "mine", "--", "python3", str(script))

    assert ran.status == 0, ran.told
    assert ran.failed == set()
    told: list[tuple[str, str, float]] = [
        (e["kind"], e["source"], e.get("silent_s", 0.0))
        for e in ran.events
        if e.get("console") == "mine"
    ]
    found, lost = told[:2], told[2:]
    assert {(kind, source) for kind, source, _ in found} == {
        ("console-discovered", "hmc-a"),
        ("console-discovered", "hmc-b"),
    }
    assert {(kind, source) for kind, source, _ in lost} == {
        ("console-lost", "hmc-a"),
        ("console-lost", "hmc-b"),
    }
    assert all(300 <= silent < 301 for _, _, silent in lost)
    assert "hmc-a broadcast on lan-a 4, svc-a 4" in ran.findings["M-01"]["seen"]
    assert not [e for e in ran.events if e["kind"] == "console-lost" and e["console"] != "mine"]


def test_consoles_apart_that_manage_nothing_together_are_not_asked_to_know_each_other(
    runs: Runs, tmp_path: Path
) -> None:
    name = changed(
        tmp_path,
        NAME,
        ("hmc-c: { manages: [cec-1] }", "hmc-c: {}"),
        ("  hmc-c: [others]\n", ""),
        to="apart",
    )
    ran = runs.get(name)

    assert ran.findings["M-02"]["verdict"] == "not-applicable"
    assert (
        "no two consoles on different links manage the same system" in ran.findings["M-02"]["seen"]
    )
    assert ran.status == 0, ran.told


HELLO = "tls.handshake.type"
SHOWN = "ip.src", "ip.dst", HELLO, "tls.handshake.ciphersuite", "tls.alert_message.desc"


def test_tshark_sees_diffie_hellman_in_each_handshake_and_rsa_refused(runs: Runs) -> None:
    """P-17: ServerHellos of DHE-RSA-AES256-GCM-SHA384 with a ServerKeyExchange, or the alert 40 alone."""
    ran = runs.get(SERVERS)
    flights = [
        (source, kinds.split(","), suite, alert)
        for source, _, kinds, suite, alert in tshark(
            ran.run_dir / "wire" / "lan-b.pcapng", SHOWN, "-d", "tcp.port==9920,tls", "-Y",
            "tcp.srcport == 9920 && (tls.handshake.type == 2 || tls.alert_message.desc == 40)",
        )
    ]  # fmt: skip
    taken = [flight for flight in flights if "2" in flight[1]]
    refused = [flight for flight in flights if flight[3] == "40"]

    assert {suite for _, _, suite, _ in taken} == {"0x009f"}
    assert {source for source, *_ in taken} == {"192.168.10.10", "192.168.10.11"}
    exchanges = tshark(
        ran.run_dir / "wire" / "lan-b.pcapng", SHOWN, "-d", "tcp.port==9920,tls",
        "-Y", "tcp.srcport == 9920 && tls.handshake.type == 12",
    )  # fmt: skip
    assert len(exchanges) == len(taken)
    assert sorted(source for source, *_ in refused) == ["192.168.10.10", "192.168.10.11"]
    assert {kinds[0] for _, kinds, _, _ in refused} == {""}, "no ServerHello"


OFFERS = """
ask() { echo | openssl s_client -connect 192.168.10.10:9920 -CAfile "$LAB_CA_FILE" -tls1_2 "$@" 2>&1; }
echo "DHE: $(ask -cipher DHE-RSA-AES256-GCM-SHA384 -verify_return_error | grep -E 'Cipher +:|Temp Key')"
echo "kRSA: $(ask -cipher kRSA:@SECLEVEL=0 | grep -E 'alert|Cipher +:')"
echo "AES256-SHA256: $(ask -cipher AES256-SHA256 | grep -E 'alert|Cipher +:')"
echo "clear: $(curl -s -o /dev/null -w '%{http_code}' -X PUT --data '{}' http://192.168.10.10:9920/requests/k)"
"""


def test_openssl_gets_diffie_hellman_alone_and_curl_nothing_in_clear(runs: Runs) -> None:
    """P-17, M-03, by others' clients on a console's host."""
    ran = runs.get(NAME, "--node", "hmc-b", "--", "sh", "-c", OFFERS)

    assert ran.status == 0, ran.told
    told = dict(re.findall(r"^([A-Za-z0-9-]+): (.*(?:\n .*)*)", ran.stdout, re.MULTILINE))
    assert "DHE-RSA-AES256-GCM-SHA384" in told["DHE"], ran.stdout
    assert "DH, 2048 bits" in told["DHE"]
    for offer in ("kRSA", "AES256-SHA256"):
        assert "handshake failure" in told[offer]
    assert told["clear"] == "400"
    assert not [e for e in ran.events if e["kind"] == "request-taken"]


def test_a_console_of_2007_has_anonymous_suites(runs: Runs, tmp_path: Path) -> None:
    """P-17: ADH, where no console has a certificate."""
    old = ("profile: hmc-2017-simplified", "profile: hmc-2007")
    ran = runs.get(changed(tmp_path, NAME, old, to="old"))

    assert ran.status == 0, ran.told
    assert "by ADH-AES256-SHA256" in ran.findings["P-17"]["seen"]


def test_servers_of_two_levels_are_warned_of(runs: Runs, tmp_path: Path) -> None:
    """M-08."""
    line = "hmc-b: { manages: [cec-1], call_home_server: true, level: V8R8.7.0 }"
    name = changed(tmp_path, SERVERS, (line, line.replace("8.7", "8.6")), to="levels")
    ran = runs.get(name)

    assert ran.status == 0, ran.told
    told = "hmc-c warns of several levels: hmc-a V8R8.7.0 and hmc-b V8R8.6.0"
    assert ran.findings["M-08"]["seen"] == told


def test_each_server_sends_its_share_and_takes_over(runs: Runs) -> None:
    """M-06, M-07: five requests, of which one fails at hmc-a and is sent by hmc-b."""
    ran = runs.get(SERVERS)
    sent = [e for e in ran.events if e["kind"] == "request-delivered"]
    failed = [e for e in ran.events if e["kind"] == "request-failed"]

    assert {e["console"] for e in sent} == {"hmc-a", "hmc-b"}
    assert len(sent) == len({e["key"] for e in sent}) == 5
    assert [(e["console"], e["key"]) for e in failed] == [("hmc-a", sent[-1]["key"])]
    keys = [entry.key for entry in ran.record.ledger if entry.key]
    assert sorted(keys) == sorted(e["key"] for e in sent)


SERVER_FIRST = "  hmc-a: [internet]\n  hmc-b: [others]\n  hmc-c: [others]\n"
SERVER_LAST = "  hmc-b: [others]\n  hmc-c: [others]\n  hmc-a: [internet]\n"


def test_what_stops_a_servers_own_calls_is_told_also_of_those_that_it_sends(
    runs: Runs, tmp_path: Path
) -> None:
    """The diagnosis does not depend on which agent the file names first."""
    name = changed(tmp_path, NAME, (SERVER_FIRST, SERVER_LAST), to="server-last")
    ran = runs.get(name, "--fault", "blocked-443")

    told = ran.verdict["diagnosis"]
    assert told.startswith("TCP 443 of hmc-a is lost at firewall")
    assert "; so hmc-a did not send hmc-b's request either; let TCP 443" in told
