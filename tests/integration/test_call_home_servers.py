"""Call-home servers: any way of theirs serves, one of a user's own serves, and each request is one ticket."""

from __future__ import annotations

import json
import os
import random
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.labs import ROOT, Runs, changed
from tests.integration.users import User

pytestmark = pytest.mark.kernel

OF_SERVERS = "M-01", "M-03", "M-04", "M-05", "P-17", "F-17"
BY = {"proxy": "OUT-09", "vpn-nat": "P-02", "dial": "OUT-23"}
"""A topology to what is judged of its agent's way, which carries hmc-b's requests, too."""


CONSOLES = """\
consoles:
  hmc: { call_home_server: true }
  hmc-b: {}"""


def served(folder: Path, name: str) -> str:
    """A topology with a console beside its agent, which calls home for that console."""
    text = (ROOT / "topologies" / f"{name}.yaml").read_text()
    for pattern, put in (
        (r"(?=\n\nlinks:\n)", "\n  hmc-b: { role: hmc }"),
        (r"(?<=hmc: 192.168.10.10, )", "hmc-b: 192.168.10.77, "),
        (r"(?<=\nways:\n)", "  others: { kind: consoles }\n"),
        (
            r"(?=\n\nexpect:)",
            "\n  hmc-b: [others]\n\nconsoles:\n  hmc: { call_home_server: true }\n  hmc-b: {}",
        ),
        (r"(?<=\nexpect:)(?P<space>\s+)\[", rf"\g<space>[{', '.join(OF_SERVERS)}, "),
    ):
        text, times = re.subn(pattern, put, text)
        assert times == 1, (name, pattern)
    path = folder / f"{name}-served.yaml"
    path.write_text(text)
    return os.fspath(path)


@pytest.mark.parametrize("name", BY)
def test_whatever_way_a_server_has_leads_home(name: str, runs: Runs, tmp_path: Path) -> None:
    """M-05: by a proxy, by the VPN and by modem."""
    ran = runs.get(served(tmp_path, name))

    assert (ran.status, ran.failed) == (0, set()), ran.told
    held = {n for n, f in ran.findings.items() if f["verdict"] == "pass"}
    assert held >= {*OF_SERVERS, BY[name]}
    assert "requests of hmc-b sent by hmc;" in ran.findings["M-05"]["seen"]


OWN = f"""
import json, os, re, socket, ssl, threading, urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

mine = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
mine.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
mine.bind(("192.168.10.50", 9900))
said = {{"callhome-console": 1, "name": "mine", "hold": 900, "call-home-server": True, "ask": True}}
said["addresses"] = ["192.168.10.50"]

class Requests(BaseHTTPRequestHandler):
    def do_PUT(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = '"%s"' % self.path.removeprefix("/requests/")
        sent = urllib.request.Request(
            os.environ["LAB_SERVER"] + asked["path"], asked["content"].encode(),
            {{"Idempotency-Key": key}}, method="POST")
        trusted = ssl.create_default_context(cafile=os.environ["LAB_CA_FILE"])
        answer = urllib.request.urlopen(sent, context=trusted).read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

keys = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
keys.maximum_version = ssl.TLSVersion.TLSv1_2
keys.set_ciphers("DHE-RSA-AES256-GCM-SHA384")
keys.load_dh_params("{ROOT}/lab/data/ffdhe2048.pem")
keys.load_cert_chain(os.environ["LAB_RUN_DIR"] + "/keys/inter-console.pem")
served = HTTPServer(("192.168.10.50", 9920), Requests)
served.socket = keys.wrap_socket(served.socket, server_side=True)
mine.sendto(json.dumps(said).encode(), ("192.168.10.255", 9900))
mine.recv(2000)
print("stands", flush=True)
served.serve_forever()
"""

ASK = """curl -sS --tls-max 1.2 --cacert $LAB_CA_FILE -X PUT -H 'Content-Type: application/json' \
--data '{"callhome-request": 1, "path": "/heartbeat", "content": "{\\"system\\": \\"7042-CR9*2100001\\"}", \
"forwarded": false}' $LAB_CONSOLE/requests/k-1"""


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User.settle(tmp_path / "home")


def test_a_console_of_ones_own_is_a_call_home_server_and_a_client(
    user: User, tmp_path: Path
) -> None:
    """By the format of docs/consoles.md alone: Python's http.server, and curl in the place of an agent."""
    name = changed(
        tmp_path,
        "consoles",
        ("  cec-1:    { role: cec }", "  mine:     { role: hmc }\n  cec-1:    { role: cec }"),
        ("hmc-b: 192.168.10.11,", "hmc-b: 192.168.10.11, mine: 192.168.10.50,"),
        ("  hmc-a: [internet]\n", "  hmc-a: [internet]\n  mine: [internet]\n"),
        to="own-server",
    )
    script = tmp_path / "own.py"
    script.write_text(OWN)
    script.chmod(0o644)
    with user.standing(name, "--no-path", "--out", "out"):
        assert user.lab("path", "up").returncode == 0
        waits = "until grep -q stands $LAB_SHARED_DIR/mine.log; do sleep 0.1; done"
        start = f"(python3 {script} >$LAB_SHARED_DIR/mine.log 2>&1 &); {waits}"
        done = user.lab("exec", "mine", "--", "sh", "-c", start)
        assert done.returncode == 0, done.stderr
        # The broker gives each server one request, hmc-a first.
        for number in (1, 2):
            done = user.lab("exec", "hmc-b", "--", "sh", "-c", ASK.replace("k-1", f"k-{number}"))
            assert b"transaction" in done.stdout, done.stdout + done.stderr
        user.lab("down")
    events = [
        json.loads(line) for line in (user.home / "out" / "events.jsonl").read_text().splitlines()
    ]
    delivered = {e["key"]: e["console"] for e in events if e["kind"] == "request-delivered"}
    assert delivered == {"k-1": "hmc-a", "k-2": "mine"}


def test_whatever_servers_come_and_go_each_request_is_one_ticket(
    user: User, tmp_path: Path
) -> None:
    """M-07, R-03: ways of the servers go down and come up at random, and the agent asks until it is told."""
    drawn = random.Random(15)
    name = changed(tmp_path, "consoles-failover", to="coming-and-going")
    down: set[str] = set()
    with user.standing(name, "--out", "out"):
        for _ in range(20):
            for server in ("hmc-a", "hmc-b"):
                if drawn.random() < 0.5:
                    verb = "up" if server in down else "down"
                    done = user.lab("path", verb, "internet", "--agent", server)
                    assert done.returncode == 0, done.stderr
                    down ^= {server}
            done = user.lab("exec", "hmc-c", "--", "python3", "-m", "lab.agent", "--json")
            answer = json.loads(done.stdout)
            assert answer["acknowledged"] is (down != {"hmc-a", "hmc-b"}), done.stderr
        user.lab("down")
    record = json.loads((user.home / "out" / "record.json").read_text())
    tickets = Counter(e["key"] for e in record["ledger"] if e.get("key") and not e.get("again"))
    events = [
        json.loads(line) for line in (user.home / "out" / "events.jsonl").read_text().splitlines()
    ]
    asked = {e["key"] for e in events if e["kind"] == "request-delivered"}
    assert {*tickets} == asked
    assert {*tickets.values()} == {1}
    tried = Counter((e["key"], e["console"]) for e in events if e["kind"] == "request-forwarded")
    assert {*tried.values()} == {1}, "each server once at most"
