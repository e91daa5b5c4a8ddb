"""Agents and tools of others behind the customer's proxies, and ways that stand in for proxies."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lab.ways.proxy.events import Proxied
from tests.integration.labs import ROOT, SYSTEM_PYTHON, Runs, changed, lab

pytestmark = pytest.mark.kernel

URLLIB = """
import os, ssl, urllib.request
context = ssl.create_default_context(cafile=os.environ["LAB_CA_FILE"])
print(urllib.request.urlopen(os.environ["LAB_SERVER"] + "/urllib", context=context).status)
"""
CODE = "-o /dev/null -w '%{http_code}\\n'"
SET_UP = """
login=${LAB_PROXIES#http://}; login=${login%@*}; proxy=${LAB_PROXIES#*@}
export PASSWORD="${login#*:}"
alone() { env -u https_proxy -u HTTPS_PROXY "$@"; }
"""
CLIENTS = f"""{SET_UP}
curl -sS --cacert "$LAB_CA_FILE" {CODE} "$LAB_SERVER/curl"
alone curl -sS --cacert "$LAB_CA_FILE" {CODE} --proxy "http://$proxy" --proxy-user "$login" "$LAB_SERVER/told"
alone curl -sS --cacert "$LAB_CA_FILE" {CODE} --proxy "http://$proxy" --proxy-user "$login" --proxy-anyauth \\
    "$LAB_SERVER/asked"
"""
OPENSSL = """
server=esupport.ibm.com
echo | openssl s_client -proxy "${LAB_PROXIES#http://}" -connect $server:443 -servername $server \\
    -CAfile "$LAB_CA_FILE" 2>/dev/null | grep -c 'Verify return code: 0'
"""
REFUSED = f"""{SET_UP}
curl -sS {CODE.replace("code", "connect")} https://esupport.ibm.com:444/
alone curl -sS {CODE.replace("code", "connect")} --proxy "http://$proxy" "$LAB_SERVER"
alone curl -sS -m 5 {CODE} --connect-to ::129.42.56.189: "$LAB_SERVER"
curl -sS {CODE} --proxy "http://$proxy" http://esupport.ibm.com/
:
"""
SERVED_PLAN = ("proxy-auth", "--", "bash", "-c", CLIENTS)
REFUSED_PLAN = ("proxy-auth", "--", "bash", "-c", REFUSED)


@pytest.fixture(scope="module", autouse=True)
def started(runs: Runs) -> None:
    runs.start([SERVED_PLAN, REFUSED_PLAN])


def test_others_clients_take_the_proxy_unchanged(runs: Runs) -> None:
    """curl, by the environment and by options."""
    ran = runs.get(*SERVED_PLAN)
    assert ran.status == 0, ran.told
    assert ran.stdout.split() == ["200", "200", "200"]
    assert ran.failed == set(), ran.told
    served = [entry.detail for entry in ran.record.ledger if entry.status == 200]
    assert served == ["GET /curl", "GET /told", "GET /asked"]
    # The last was asked for a log-in on the connection on which it then logged in.
    assert "asked for 1 time, and 3 tunnels made" in ran.findings["OUT-11"]["seen"]


def test_what_is_refused_is_judged(runs: Runs) -> None:
    """Another port, no log-in, no proxy at all, and a request in clear, which the judge minds."""
    ran = runs.get(*REFUSED_PLAN)
    assert ran.stdout.split()[:4] == ["403", "407", "000", "403"]
    assert ran.failed == {"OUT-09", "OUT-10"}, ran.told
    assert "hmc sends to 129.42.56.189 without a proxy" in ran.findings["OUT-09"]["seen"]
    assert "hmc says GET to proxy-1" in ran.findings["OUT-10"]["seen"]
    assert not ran.record.ledger


INSPECTED = """
for trusted in inspector-ca.pem ca.pem; do
    curl -sS --cacert "$LAB_RUN_DIR/keys/$trusted" -o /dev/null -w '%{http_code}\\n' \\
        -d something "$LAB_SERVER"
done
:
"""


def test_a_proxy_that_is_trusted_reads_along_and_is_found_out(runs: Runs) -> None:
    """OUT-09: by the ClientHello, which is not the one that the server gets."""
    ran = runs.get("proxy", "--fault", "proxy-inspects", "--", "sh", "-c", INSPECTED)
    assert ran.stdout.split()[:2] == ["200", "000"], ran.told
    assert ran.failed == {"OUT-09"}, ran.told
    assert "proxy-1 reads what hmc says to esupport.ibm.com:443" in ran.findings["OUT-09"]["seen"]
    told = [event for event in ran.events if event["kind"] == Proxied.kind()]
    nothing, read = sorted(event["content_bytes"] for event in told)
    assert nothing == 0
    assert read > len("something")
    assert [entry.body_bytes for entry in ran.record.ledger] == [len("something")]


def test_nothing_of_a_call_home_is_read_by_a_proxy_that_is_not_trusted(runs: Runs) -> None:
    """T2-01: no content, no server asked, no fallback."""
    ran = runs.get("proxy", "--fault", "proxy-inspects")
    assert ran.status == 1
    told = [event for event in ran.events if event["kind"] == Proxied.kind()]
    assert [(event["server"], event["content_bytes"]) for event in told] == [("", 0), ("", 0)]
    assert ran.case.leaving == []
    assert not [entry for entry in ran.case.ledger if entry.kind == "heartbeat"]
    causes = [attempt.cause for call in ran.record.calls for attempt in call.attempts]
    assert causes == ["certificate", "certificate"]


def test_a_listed_name_that_leads_elsewhere_is_refused(runs: Runs) -> None:
    """OUT-17, by squid's own resolution: tried once, as it makes no difference whose request it is."""
    ran = runs.get("service-proxy")
    assert ran.status == 0, ran.told
    misled = [e for e in ran.events if e["kind"] == "connect-tried" and e["resolved"]]
    assert [(e["source"], e["status"], e["resolved"]) for e in misled] == [
        ("esa", 403, "198.18.0.1"),
    ]
    assert "eccgw01.boulder.ibm.com:443 (at 198.18.0.1)" in ran.findings["OUT-17"]["seen"]
    assert not [p for _, p in ran.case.all_packets() if "198.18.0.1" in (p.source, p.destination)]


SYSTEM_VERSION = subprocess.run([SYSTEM_PYTHON, "-V"], capture_output=True, text=True).stdout
OLD_PYTHON = tuple(map(int, SYSTEM_VERSION.split()[1].split(".")[:2])) < (3, 12)


@pytest.mark.parametrize(
    ("command", "said", "old"),
    [
        ((SYSTEM_PYTHON, "-c", URLLIB), "200", OLD_PYTHON),
        (("sh", "-c", OPENSSL), "1", True),
    ],
    ids=["Python", "openssl s_client"],
)
def test_who_asks_by_an_old_version_is_served_and_minded(
    tmp_path: Path, command: tuple[str, ...], said: str, old: bool
) -> None:
    """HTTP/1.0 without a Host, as OUT-10 does not want it."""
    out = tmp_path / "run"
    done = lab("run", "proxy", "--quiet", "--out", f"{out}", "--", *command)
    assert done.stdout.split()[:1] == [said], done.stdout + done.stderr
    findings = json.loads((out / "verdict.json").read_text())["findings"]
    failed = {found["requirement"] for found in findings if found["verdict"] == "fail"}
    assert failed == ({"OUT-10"} if old else set())


def test_the_proxys_own_log_agrees_with_what_was_judged(runs: Runs) -> None:
    ran = runs.get(*SERVED_PLAN)
    told = [event for event in ran.events if event["kind"] == Proxied.kind()]
    made = [event for event in told if event["status"] == 200]
    assert len(made) == 3
    assert {event["client"] for event in told} == {"192.168.10.10"}
    reached = {event["server"] for event in made}
    assert reached <= {endpoint.address for endpoint in ran.topology.endpoints}
    log = (ran.run_dir / "logs" / "proxy-1" / "access.log").read_text()
    assert log.count("\n") == len(told)
    assert f"{len(made)} tunnels" in ran.findings["OUT-09"]["seen"]
    denied = [event for event in runs.get(*REFUSED_PLAN).events if event["kind"] == Proxied.kind()]
    assert {event["status"] for event in denied} == {403, 407}
    assert not any(event["server"] for event in denied)


def test_a_run_that_asks_nothing_leaves_nothing(runs: Runs) -> None:
    """squid's log-in helper ends by itself, a moment after squid."""
    ran = runs.get("proxy-auth", "--", "true")
    assert ran.status == 0, ran.told
    assert (ran.failed, ran.record.leftovers) == (set(), [])
    assert "no proxy made a tunnel" in ran.findings["OUT-09"]["seen"]


def test_a_users_own_loop_over_the_proxies_is_judged(runs: Runs) -> None:
    """OUT-14 of an agent that asks the next proxy itself."""
    loop = (
        "for each in $(echo $LAB_PROXIES | tr , ' '); do "
        'curl -sS -o /dev/null -x $each --cacert "$LAB_CA_FILE" "$LAB_SERVER" && break; done'
    )
    ran = runs.get("proxy-failover", "--fault", "proxy-busy", "--", "sh", "-c", loop)
    assert ran.findings["OUT-14"]["verdict"] == "pass"
    assert ran.findings["OUT-14"]["seen"] == "hmc asked proxy-2 (503), then proxy-3 (200)"


@pytest.mark.skipif(not shutil.which("wget"), reason="needs wget: lab setup wget")
def test_wget_takes_the_proxy(tmp_path: Path) -> None:
    fetch = 'wget -q -O - --ca-certificate="$LAB_CA_FILE" "$LAB_SERVER"'
    done = lab("run", "proxy", "--quiet", "--out", f"{tmp_path}/run", "--", "sh", "-c", fetch)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "ready"


@pytest.fixture
def either_way(tmp_path: Path) -> str:
    """The proxy, and directly where it does not serve (OUT-15)."""
    text = (ROOT / "topologies" / "proxy.yaml").read_text()
    text = text.replace(
        "ways:\n  proxy: {", "ways:\n  direct: { kind: direct }\n  proxy: {"
    ).replace("hmc: [proxy]", "hmc: [proxy, direct]")
    text = text.replace("expect: [", "expect: [OUT-15, R-01, OUT-01, F-03, ")
    path = tmp_path / "either.yaml"
    path.write_text(text)
    return os.fspath(path)


def test_both_ways_are_put_to_the_test(either_way: str, runs: Runs) -> None:
    ran = runs.get(either_way)
    assert ran.status == 0, ran.told
    assert ran.failed == set()
    untested = {n for n, found in ran.findings.items() if found["verdict"] == "not-applicable"}
    assert untested == {"R-01", "F-10"}


def test_another_kind_of_way_takes_over(either_way: str, runs: Runs) -> None:
    ran = runs.get(either_way, "--fault", "proxy-silent")
    assert ran.status == 0, ran.told
    assert "hmc by direct, as proxy failed" in ran.findings["R-01"]["seen"]
    assert ran.findings["OUT-09"]["verdict"] == "not-applicable"
    assert {entry.peer_ip for entry in ran.case.ledger} == {"198.51.100.2"}


def test_what_befell_one_of_two_ways_of_a_kind_is_told_of_that_one(
    runs: Runs, tmp_path: Path
) -> None:
    ways = "one: { kind: proxy, proxies: [proxy-2] }\n  other: { kind: proxy, proxies: [proxy-3] }"
    own = changed(
        tmp_path, "proxy-failover",
        ("proxy: { kind: proxy, proxies: [~, proxy-2, proxy-3] }", ways),
        ("hmc: [proxy]", "hmc: [one, other]"),
    )  # fmt: skip

    ran = runs.get(own, "--fault", "old-tls-only")

    assert ran.status == 1
    said = ran.verdict["diagnosis"]
    assert said.startswith("by one: hmc and 129.42.56.189:443 have no version of TLS in common")
    assert said.count("have no version of TLS in common") == 1
    assert "; other, of the same kind, led nobody home either" in said
