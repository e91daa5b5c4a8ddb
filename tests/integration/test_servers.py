"""IBM's servers as other programs see them: curl, openssl, nmap, Python's urllib, and tshark on the wire."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest

from lab.record.record import Transaction
from lab.topology.servers import Speaks
from tests.integration.labs import ROOT, Ran, Runs
from tests.oracle import tshark

pytestmark = pytest.mark.kernel

STUBS = ROOT / "tests" / "data" / "stubs"
ACME = STUBS / "acme.yaml"
UPLOAD = b"snap" * 50_000
SUITES = {
    "0x1302": "TLS_AES_256_GCM_SHA384",
    "0xc02c": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "0x0035": "AES256-SHA",
}

# All that the servers are asked, in one script; what each program says goes to a file of its own.
VISIT = r"""
cd "$LAB_RUN_DIR"
python3 - <<'EOF'
import json, os
model = json.load(open("keys/model.json"))
urls = {"https": "https://{name}:{port}/", "http": "http://{name}:{port}/"}
with open("urls", "w") as file:
    for server in model["servers"]:
        if server["speaks"] in urls:
            pin = "--resolve {name}:{port}:{address}".format(**server).split()
            print(*pin, urls[server["speaks"]].format(**server), file=file)
with open("addresses", "w") as file:
    print(*sorted({server["address"] for server in model["servers"]}), file=file)
with open("upload", "wb") as file:
    file.write(b"snap" * 50_000)
EOF
while read -r resolve pin url; do
    curl -sS -m 30 -o /dev/null -w "%{http_code} $pin\n" --cacert "$LAB_CA_FILE" $resolve $pin $url
done <urls >visited 2>&1
nmap -n -Pn -sT -T5 --max-retries 1 -p 20-22,79-81,442-444,990,11110-11112,19284-19286,65024 -oG scan \
    $(cat addresses) >nmap.log 2>&1
ftp=ftp://customer:a-password@testcase.boulder.ibm.com/toibm/aix/
curl -sS -m 60 --ssl-reqd --cacert "$LAB_CA_FILE" -T upload $ftp >ftps 2>&1; echo $? >ftps.status
curl -sS -m 60 -T upload $ftp >ftp 2>&1; echo $? >ftp.status
curl -sS -m 30 --data-binary @upload -o /dev/null -w '%{http_code} %{size_upload}' \
    http://download3.boulder.ibm.com/x >post 2>&1
for options in -tls1_3 -tls1_2 "-tls1_2 -cipher RSA@SECLEVEL=0" "-tls1 -cipher RSA@SECLEVEL=0" \
    "-tls1_2 -cipher RSA+AES128@SECLEVEL=0"
do
    openssl s_client -connect eccgw01.boulder.ibm.com:443 -verify_return_error -CAfile "$LAB_CA_FILE" \
        $options </dev/null >s_client 2>&1
    echo "$? $options: $(grep -oE 'Cipher is \S+|Server public key is [0-9]+' s_client | tr '\n' ' ')"
done >openssl
"""

ACME_AGENT = r"""
cd "$LAB_RUN_DIR"
host=https://eccgw01.boulder.ibm.com
curl -sS -m 60 --cacert "$LAB_CA_FILE" -i -w '\n%{time_total}' --json '{"text": "broken"}' \
    "$host/api/v2/customers/7/tickets?urgent=1" >curl
curl -sS -m 60 --cacert "$LAB_CA_FILE" -X PUT -d x https://www.ecurep.ibm.com/upload/0123abcd >cut 2>&1
echo $? >cut.status
python3 - <<'EOF'
import json, os, ssl, urllib.request
trusted = ssl.create_default_context(cafile=os.environ["LAB_CA_FILE"])
def ask(path, data=None):
    request = urllib.request.Request("https://www-945.ibm.com" + path, data)
    with urllib.request.urlopen(request, context=trusted, timeout=60) as answer:
        return answer.status, answer.read()
with open("urllib", "w") as file:
    json.dump([ask("/api/v2/x/tickets", b"{}")[1].decode(), ask("/api/v2/firmware")[1].hex(),
               ask("/other", b"abc")[1].decode()], file)
EOF
"""


def visited(runs: Runs) -> Ran:
    ran = runs.get(os.fspath(ACME), "--quiet", "--", "sh", "-c", VISIT)
    assert ran.status == 0, ran.told
    return ran


def told(ran: Ran, name: str) -> str:
    return (ran.run_dir / name).read_text()


def ledger(ran: Ran) -> list[Transaction]:
    return ran.record.ledger


def test_every_listed_server_answers_as_itself(runs: Runs) -> None:
    ran = visited(runs)

    listed = [s for s in ran.topology.servers if s.speaks is not Speaks.ftps]
    assert Counter(line.split()[0] for line in told(ran, "visited").splitlines()) == {"200": 34}
    for server in listed:
        found = [
            e
            for e in ledger(ran)
            if (e.server_ip, e.server_port) == (server.address, server.port) and e.target == "/"
        ]
        assert [(e.status, e.server, e.rows) for e in found] == [(200, server.name, server.rows)]
        assert bool(found[0].tls_version) == (server.speaks is Speaks.https)


def test_what_is_not_listed_is_closed(runs: Runs) -> None:
    ran = visited(runs)
    listed: dict[str, set[int]] = {}
    for server in ran.topology.servers:
        listed.setdefault(server.address, set()).add(server.port)

    scanned = re.findall(r"^Host: (\S+) .*Ports: (.*?)(?:\t|$)", told(ran, "scan"), re.MULTILINE)
    assert {address for address, _ in scanned} == set(listed)
    assert len(listed) == 34
    for address, ports in scanned:
        states = {int(p.split("/")[0]): p.split("/")[1] for p in ports.split(", ")}
        assert {port for port, state in states.items() if state == "open"} == listed[address]
        assert {state for state in states.values() if state != "open"} <= {"closed"}
        ignored = re.search(
            rf"^Host: {re.escape(address)} .*Ignored State: (\w+)", told(ran, "scan"), re.M
        )
        assert len(states) == 17 or (ignored and ignored[1] == "closed")


def test_an_upload_by_ftps_is_in_the_ledger_and_nowhere_else(runs: Runs) -> None:
    """OUT-43."""
    ran = visited(runs)

    assert (told(ran, "ftps.status"), told(ran, "ftps")) == ("0\n", "")
    (upload,) = [e for e in ledger(ran) if e.method == "STOR"]
    assert (upload.kind, upload.status, upload.target) == ("upload", 226, "/toibm/aix/upload")
    assert upload.body_sha256 == hashlib.sha256(UPLOAD).hexdigest()
    assert upload.rows == ("A-30",)
    assert upload.tls_version == "TLSv1.3"
    # curl 7.88 says "Access denied" (67) where USER is refused.
    assert told(ran, "ftp.status") == "67\n"
    (refused,) = [e for e in ledger(ran) if e.method == "USER"]
    assert (refused.status, refused.tls_version, refused.target) == (550, "", "")
    kept = [
        p
        for p in ran.run_dir.rglob("*")
        if p.is_file() and p.name not in ("upload", "frames.spool")
    ]
    assert not [p.name for p in kept if p.suffix != ".pcapng" and UPLOAD[:64] in p.read_bytes()]
    assert not [p.name for p in kept if b"a-password" in p.read_bytes()]


def test_nothing_is_uploaded_in_clear(runs: Runs) -> None:
    """OUT-33, P-19: refused by the head, before much of the body can have come."""
    ran = visited(runs)

    assert told(ran, "post").startswith("403 ")
    (entry,) = [e for e in ledger(ran) if e.method == "POST" and e.server_port == 80]
    assert (entry.kind, entry.status, entry.body_bytes) == ("refused", 403, 0)


def test_openssl_agrees_with_the_profile(runs: Runs) -> None:
    """P-13, P-14: RSA-1024 and AES-256 for whoever asks as a client of 2017, and not less.

    Nobody here can ask for RC4: this machine's openssl(1) has none, either.
    """
    ran = visited(runs)

    assert told(ran, "openssl").splitlines() == [
        "0 -tls1_3: Cipher is TLS_AES_256_GCM_SHA384 Server public key is 256 ",
        "0 -tls1_2: Cipher is ECDHE-ECDSA-AES256-GCM-SHA384 Server public key is 256 ",
        "0 -tls1_2 -cipher RSA@SECLEVEL=0: Cipher is AES256-GCM-SHA384 Server public key is 1024 ",
        "0 -tls1 -cipher RSA@SECLEVEL=0: Cipher is AES256-SHA Server public key is 1024 ",
        "1 -tls1_2 -cipher RSA+AES128@SECLEVEL=0: Cipher is (NONE) ",
    ]


def negotiated(ran: Ran) -> dict[tuple[str, int], str]:
    """By tshark: the suite that each server chose, by its address and the client's port."""
    rows = tshark(
        ran.run_dir / "wire" / "lan.pcapng",
        ("ip.src", "tcp.dstport", "tls.handshake.ciphersuite"),
        "-Y", "tls.handshake.type == 2",
    )  # fmt: skip
    return {(address, int(port)): suite for address, port, suite in rows}


def test_tshark_agrees_with_the_ledger(runs: Runs) -> None:
    ran = visited(runs)
    seen = negotiated(ran)

    https = [e for e in ledger(ran) if e.tls_version and e.server_port == 443]
    assert len(https) > 15
    for entry in https:
        suite = seen[entry.server_ip, entry.peer_port].lower()
        assert SUITES.get(suite, entry.cipher) == entry.cipher
    assert {SUITES[s.lower()] for s in seen.values() if s.lower() in SUITES} == set(SUITES.values())


def test_a_foreign_agent_finds_its_interface(runs: Runs) -> None:
    ran = runs.get(os.fspath(ACME), "--quiet", "--", "sh", "-c", ACME_AGENT)
    assert ran.status == 0, ran.told

    head, _, rest = told(ran, "curl").replace("\r", "").partition("\n\n")
    body, _, seconds = rest.partition("\n")
    assert head.splitlines()[0] == "HTTP/1.1 201 Created"
    assert "Location: /api/v2/tickets/4711" in head.splitlines()
    assert json.loads(body) == {"ticket": 4711}
    assert 2.0 <= float(seconds) < 2.5  # the lab's time: no real clock could be trusted so far
    assert told(ran, "cut.status") == "18\n"  # curl(1): only a part was transferred
    ticket, firmware, other = json.loads(told(ran, "urllib"))
    assert json.loads(ticket) == {"ticket": 4711}
    assert bytes.fromhex(firmware) == (STUBS / "firmware.bin").read_bytes()
    assert json.loads(other)["bytes_received"] == 3
    assert [(e.kind, e.stub) for e in ledger(ran)] == [
        ("stub", "acme-stubs.yaml:1"),
        ("stub", "acme-stubs.yaml:7"),
        ("stub", "acme-stubs.yaml:1"),
        ("stub", "acme-stubs.yaml:12"),
        ("upload", ""),
    ]


def other_profile(folder: Path, profile: str, sdc: str) -> str:
    text = ACME.read_text().replace("hmc-2017-traditional", profile)
    assert "sdc:      { role: sdc, stubs: ./acme-stubs.yaml }" in text
    path = folder / "other.yaml"
    path.write_text(text.replace("{ role: sdc, stubs: ./acme-stubs.yaml }", sdc))
    return os.fspath(path)


DISABLED = r"""
for address in 192.148.6.11 129.42.56.189 129.42.60.189 129.42.18.70 129.42.19.70 129.42.21.70; do
    curl -sS -m 20 -o /dev/null -w '%{http_code}\n' --cacert "$LAB_CA_FILE" https://$address/ 2>/dev/null
done
curl -sS -m 20 http://192.148.6.11/ 2>/dev/null; echo $?
getent ahostsv4 esupport.ibm.com | cut -d' ' -f1 | sort -u
"""


def test_what_is_disabled_does_not_answer(runs: Runs, tmp_path: Path) -> None:
    """A-08 to A-10, and X-20: port 80 is closed in 2025."""
    path = other_profile(tmp_path, "esa-aix-2025", "{ role: sdc }")
    ran = runs.get(path, "--quiet", "--", "sh", "-c", DISABLED)

    assert ran.stdout.split() == ["200", *["000"] * 5, "7", "192.148.6.11"], ran.told
    assert [entry.server_ip for entry in ledger(ran)] == ["192.148.6.11"]
    assert [entry.rows for entry in ledger(ran)] == [("A-08",)]


LITERAL = r"""
connect="openssl s_client -verify_return_error -CAfile $LAB_CA_FILE -connect sas-1.sdc.test:443"
for options in "" -tls1_2 "-tls1 -cipher RSA@SECLEVEL=0" "-tls1 -cipher RSA+AES128@SECLEVEL=0"; do
    $connect $options </dev/null >"$LAB_RUN_DIR/said" 2>&1
    echo "$options: $(grep -oE 'Cipher is \S+|key is [0-9]+' "$LAB_RUN_DIR/said" | tr '\n' ' ')"
done
curl -sS -m 20 --cacert "$LAB_CA_FILE" https://sas-1.sdc.test/ 2>/dev/null; echo $?
"""


def test_2007_to_the_letter(runs: Runs, tmp_path: Path) -> None:
    """P-13, P-14: what OpenSSL cannot do is told, and not made up."""
    path = other_profile(tmp_path, "hmc-2007", "{ role: sdc, literal_tls: true }")
    ran = runs.get(path, "--quiet", "--", "sh", "-c", LITERAL)

    *openssl, curl = ran.stdout.splitlines()
    assert "Cipher is AES256-SHA key is 1024" in openssl[2], ran.told
    assert not [
        line for at, line in enumerate(openssl) if at != 2 and "AES" in line.partition(":")[2]
    ]
    assert curl != "0"
    (event,) = [event for event in ran.events if event["kind"] == "tls-not-offered"]
    assert (event["plan"], event["suites"]) == ("tls-2007", "RC4-SHA, RC4-MD5")
    chosen = set(negotiated(ran).values())
    assert chosen == {"0x0035"}
    assert {e.cipher for e in ledger(ran) if e.kind == "no-request"} == {"AES256-SHA"}
