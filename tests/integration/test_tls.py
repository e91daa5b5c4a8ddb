"""The findings on the servers' TLS and on uploads by FTPS, with tshark, openssl and curl as judges."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from lab.ibm.events import TlsTried
from lab.verify.handshakes import handshakes, key_of, tls_trials
from lab.wire import hello
from lab.wire.suites import name_of
from tests.integration.labs import ROOT, Ran, Runs
from tests.oracle import Row, as_captured, tshark

pytestmark = pytest.mark.kernel

HELLOS = r"""
server=eccgw01.boulder.ibm.com
for options in "-tls1 -cipher AES256-SHA:AES128-SHA:@SECLEVEL=0" \
    "-tls1_2 -cipher AES128-SHA:AES128-SHA256:AES128-GCM-SHA256:@SECLEVEL=0" \
    "-tls1_2 -cipher AES128-SHA:AES256-SHA:AES128-GCM-SHA256:AES256-GCM-SHA384:@SECLEVEL=0" \
    "-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"
do
    openssl s_client -connect $server:443 -CAfile "$LAB_CA_FILE" $options </dev/null 2>/dev/null |
        sed -nE 's/^New, .* Cipher is (.*)/\1/p; s/^Server public key is ([0-9]+) bit/\1/p' | tr '\n' ' '
    echo
done
"""
AS_OPENSSL = "TLS 1.0", "AES-128 with RSA", "RSA", "today"
"""The lab's offers that are openssl's there, in that order."""
UPLOAD = b"diag" * 5_000
UPLOADS = f"""
head -c {len(UPLOAD)} /dev/zero | tr '\\0' 'x' >"$LAB_RUN_DIR/snap"
curl -sS -m 60 --ssl-reqd --cacert "$LAB_CA_FILE" -T "$LAB_RUN_DIR/snap" ftp://me:x@testcase.boulder.ibm.com/toibm/
"""
IN_CLEAR = "curl -sS -m 60 -T /etc/hostname ftp://me:x@testcase.boulder.ibm.com/toibm/ || true"
OLD_LISTS = r"""
for options in "--tlsv1.2 --ciphers ECDHE-RSA-AES256-GCM-SHA384" "--ciphers AES256-GCM-SHA384" \
    "--ciphers ECDHE-ECDSA-AES256-GCM-SHA384" "--tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0" \
    "--tls-max 1.0 --ciphers DEFAULT@SECLEVEL=0"
do
    curl -sS -m 20 -o /dev/null --tls-max 1.2 --cacert "$LAB_CA_FILE" $options "$LAB_SERVER" 2>&1
    echo "exit status $?"
done
"""
PLANS = (
    ("upload",),
    ("upload", "--", "sh", "-c", HELLOS),
    ("upload", "--", "sh", "-c", UPLOADS),
    ("upload", "--", "sh", "-c", IN_CLEAR),
    ("direct-snat", "--", "sh", "-c", OLD_LISTS),
    ("vpn-nat", "--", "sh", "-c", OLD_LISTS),
)


@pytest.fixture(scope="module", autouse=True)
def started(runs: Runs) -> None:
    runs.start(PLANS)


def variant(folder: Path, name: str, *changes: tuple[str, str]) -> str:
    text = (ROOT / "topologies" / f"{name}.yaml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "variant.yaml"
    path.write_text(text)
    return os.fspath(path)


def test_the_lab_judges_its_own_run(runs: Runs) -> None:
    ran = runs.get(*PLANS[0])
    assert ran.status == 0, ran.told
    assert {name: found["verdict"] for name, found in ran.findings.items()} == dict.fromkeys(
        ran.topology.expect, "pass"
    )
    assert "RSA of 1024 bits at 18 servers" in ran.findings["P-13"]["seen"]
    assert "beside that, for clients of today (the lab's choice)" in ran.findings["P-13"]["seen"]
    assert "AES256-GCM-SHA384 at 18 servers" in ran.findings["P-14"]["seen"]
    assert "1 file of 10000 bytes" in ran.findings["OUT-43"]["seen"]


def seen_by_tshark(ran: Ran, kind: int, *fields: str) -> dict[tuple[str, str], Row]:
    """The fields of each handshake message of a kind, by the server's address and the client's port."""
    ends = ("ip.dst", "tcp.srcport") if kind == 1 else ("ip.src", "tcp.dstport")
    no_upload = "!(ip.addr == 170.225.15.31)"
    # tshark takes some client's ports for another protocol's, where it does not know the server's.
    known = [word for port in (19285, 11111) for word in ("-d", f"tcp.port=={port},tls")]
    rows = tshark(
        as_captured(ran.run_dir / "wire" / "dmz.pcapng"),
        (*ends, *fields),
        *known,
        "-Y", f"tls.handshake.type == {kind} && {no_upload}",
    )  # fmt: skip
    return {(server, port): tuple(rest) for server, port, *rest in rows}


def test_tshark_agrees_on_every_hello(runs: Runs) -> None:
    ran = runs.get(*PLANS[0])
    ours = [*handshakes(ran.case)]
    assert len(ours) > 140
    by_port = {(each.server.address, str(each.client_port)): each for each in ours}

    offers = seen_by_tshark(
        ran, 1, "tls.handshake.ciphersuite", "tls.handshake.extensions_server_name"
    )
    assert {
        end: (f"0x{each.offer.suites[0]:04x}", each.offer.server_name)
        for end, each in by_port.items()
        if each.offer is not None
    } == offers
    choices = seen_by_tshark(ran, 2, "tls.handshake.ciphersuite")
    assert {
        end: (f"0x{each.choice.suite:04x}",) for end, each in by_port.items() if each.choice.suite
    } == choices
    sizes = seen_by_tshark(ran, 11, "x509af.subjectPublicKey")
    certified = {end: each for end, each in by_port.items() if each.choice.certificates}
    assert set(certified) == set(sizes)


def test_tshark_agrees_on_every_alert(runs: Runs) -> None:
    ran = runs.get(*PLANS[0])
    rows = tshark(
        as_captured(ran.run_dir / "wire" / "dmz.pcapng"),
        ("ip.src", "tcp.dstport", "tls.alert_message.desc"),
        "-Y", "tls.alert_message.level == 2 && !tls.handshake",
    )  # fmt: skip
    ours = {
        (each.server.address, str(each.client_port)): str(each.choice.alert)
        for each in handshakes(ran.case)
        if each.choice.alert
    }
    assert len(ours) > 60
    assert {(server, port): alert for server, port, alert in rows} == ours


def test_openssl_agrees_on_what_the_server_takes(runs: Runs) -> None:
    ran, asked = runs.get(*PLANS[0]), runs.get(*PLANS[1])
    said = [line.split() for line in asked.stdout.splitlines()[:4]]
    server = next(s for s in ran.topology.servers if s.name == "eccgw01.boulder.ibm.com")
    place = f"{server.address}:{server.port}"
    trials = {t.offer: t for t in tls_trials(ran.case) if t.place == place}

    for offer, answer in zip(AS_OPENSSL, said, strict=True):
        choice = trials[offer].choice
        if not choice.suite:
            assert answer == ["(NONE)"], (offer, answer)
            continue
        bits = key_of(choice.certificates[0])[1]
        assert answer == [name_of(choice.suite), str(bits)], (offer, answer)


def test_2007_to_the_letter_is_judged(runs: Runs, tmp_path: Path) -> None:
    """RC4 cannot be had here, so P-14 is not counted as passed; and today's agent does not get home."""
    path = variant(
        tmp_path, "upload", ("hmc-2017-traditional", "hmc-2007"), ("OUT-43, ", ""),
        ("role: sdc }", "role: sdc, literal_tls: true }"),
    )  # fmt: skip
    ran = runs.get(path)

    assert ran.status == 1
    assert ran.findings["P-13"]["verdict"] == "pass", ran.told
    assert "nothing is there for clients of today" in ran.findings["P-13"]["seen"]
    assert ran.findings["P-14"]["verdict"] == "not-applicable"
    assert "cannot be had here: RC4-SHA, RC4-MD5 (OpenSSL" in ran.findings["P-14"]["seen"]
    assert "it speaks TLSv1 only" in ran.verdict["diagnosis"]


def test_nist_to_the_letter_is_judged(runs: Runs, tmp_path: Path) -> None:
    path = variant(tmp_path, "direct", ("role: sdc }", "role: sdc, literal_tls: true }"))
    ran = runs.get(path)

    assert ran.status == 0, ran.told
    for requirement in ("P-13", "P-16"):
        assert ran.findings[requirement]["verdict"] == "pass"
        assert "an RSA key of 2048 bits" in ran.findings[requirement]["seen"]


def test_the_agent_of_a_run_is_not_taken_for_a_trial(runs: Runs) -> None:
    """And the trials are nobody whom the servers saw call home (OUT-03)."""
    ran = runs.get(*PLANS[0])
    tried = [e for e in ran.case.events if isinstance(e, TlsTried)]
    assert len(tried) == 18
    assert "the server saw 198.51.100.2" in ran.findings["OUT-03"]["seen"]
    versions = {hello.VERSIONS[t.choice.version] for t in tls_trials(ran.case) if t.choice.version}
    assert versions == {"TLSv1", "TLSv1.1", "TLSv1.2"}


def test_curl_uploads_through_the_firewall(runs: Runs) -> None:
    """OUT-43: by the ports that are opened for it, and no other."""
    ran = runs.get(*PLANS[2])
    assert ran.status == 0, ran.told
    assert ran.findings["OUT-43"]["verdict"] == "pass"
    (stored,) = [entry for entry in ran.record.ledger if entry.method == "STOR"]
    assert stored.body_sha256 == hashlib.sha256(b"x" * len(UPLOAD)).hexdigest()
    counted = ran.record.counters["firewall"]
    assert (counted["allow-OUT-43-1"], counted["allow-OUT-43-2"]) == (1, 1)


def test_a_user_in_clear_is_an_objection(runs: Runs) -> None:
    ran = runs.get(*PLANS[3])
    assert ran.failed == {"OUT-43"}
    assert "hmc says USER in clear, before any TLS" in ran.findings["OUT-43"]["seen"]


@pytest.mark.parametrize(
    ("plan", "old"),
    [
        pytest.param(PLANS[4], 35, id="NIST 800-131A: no TLS before 1.2"),
        pytest.param(PLANS[5], 0, id="2007: TLS 1.0 with RSA-1024"),
    ],
)
def test_clients_with_lists_of_rsa_suites_get_through(
    runs: Runs, plan: tuple[str, ...], old: int
) -> None:
    """At curl's own level of security, up to TLS 1.2; and with TLS 1.1 and 1.0 where the profile has them."""
    ran = runs.get(*plan)
    got = [line for line in ran.stdout.splitlines() if line.startswith("exit status")]
    assert got == [f"exit status {status}" for status in (0, 0, 0, old, old)]
    taken = [name_of(shake.choice.suite) for shake in handshakes(ran.case)][:3]
    if plan[0] == "direct-snat":
        assert taken == [
            "ECDHE-RSA-AES256-GCM-SHA384", "AES256-GCM-SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384",
        ]  # fmt: skip
