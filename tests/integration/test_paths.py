"""Every bundled topology, as a user runs it: the verdict, the run directory, and no secret outside it."""

from __future__ import annotations

import base64
import json
import os
import re
from pathlib import Path
from urllib.parse import quote

import pytest

from lab.linux import configuration, firewall
from lab.report.html import REPORT
from lab.topology import load
from lab.topology.family import Family
from lab.topology.model import Role, Topology
from lab.ways.vpn.plan import connections, plans
from tests.integration.labs import SYSTEM_PYTHON, Ran, Runs, lab

pytestmark = pytest.mark.kernel

TOPOLOGIES = tuple(name for name in load.names() if name != "fleet")
"""But for the one with 200 agents, which ``test_fleet`` runs with fewer of them."""
WRITTEN = {name: load.load(name) for name in TOPOLOGIES}
VPNS = tuple(name for name in TOPOLOGIES if name.startswith("vpn"))
WITHOUT_DAEMONS = tuple(
    name
    for name, topology in WRITTEN.items()
    if {way.kind for way in topology.ways.values()} <= {"direct", "consoles"}
)
VERDICT_KEYS = {
    "topology", "profile", "engine", "clock", "started", "wall_s", "lab_s", "verdict", "findings",
}  # fmt: skip
PUBLIC = {"ca.pem", "configuration.pub"}
DAEMONS = {"charon", "xl2tpd", "pppd"}
ARTEFACTS = {
    "verdict.json",
    "record.json",
    "events.jsonl",
    "timeline.jsonl",
    REPORT,
    "ledger.jsonl",
}
MOST_REPORT_BYTES = 2_000_000
HEXADECIMAL = re.compile("(?:[0-9a-fA-F]{2})+")
BASE64 = re.compile("[A-Za-z0-9+/_-]{16,}")

# What a stranger's agent would do: read the environment, ping, and call home by curl or any other
# client of HTTPS. The process list is taken while the path is up.
FOREIGN_AGENT = """
import json, os, pathlib, ssl, subprocess, sys, urllib.request
ping = subprocess.run(["ping", "-c", "1", os.environ["LAB_PROBE"]], stdout=subprocess.DEVNULL)
url = os.environ["LAB_SERVER"] + "/foreign"
context = ssl.create_default_context(cafile=os.environ["LAB_CA_FILE"])
with urllib.request.urlopen(url, b"what a stranger says", context=context, timeout=60) as answer:
    status = answer.status
processes = []
for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
    try:
        processes.append(path.read_bytes().replace(b"\\0", b" ").decode("ascii", "replace"))
    except ProcessLookupError:
        pass
names = ("LAB_TOPOLOGY", "LAB_NODE", "LAB_CA_FILE", "LAB_PROBE", "LAB_SERVER")
json.dump({
    "environment": {name: os.environ.get(name) for name in names},
    "ping": ping.returncode, "status": status, "processes": processes, "host": os.uname().nodename,
}, sys.stdout)
"""


def lent(topology: Topology) -> set[str]:
    """The agents whose VPN a partition lends."""
    return {agent for plan in plans(topology) if plan.partition for agent in plan.agents}


COMMAND = ("--", SYSTEM_PYTHON, "-c", FOREIGN_AGENT)
AN_INBOUND_LIFE = "service-vpn"
"""A command is about the way home: of the topologies that let a session in, one is enough."""
FOREIGN = tuple(
    name
    for name, topology in WRITTEN.items()
    if not any(each.by for each in topology.service.values()) or name == AN_INBOUND_LIFE
)


@pytest.fixture(scope="module", autouse=True)
def started(runs: Runs) -> None:
    runs.start([(name,) for name in TOPOLOGIES])
    runs.start([(name, *COMMAND) for name in FOREIGN])


@pytest.fixture(params=TOPOLOGIES)
def ran(request: pytest.FixtureRequest, runs: Runs) -> Ran:
    return runs.get(request.param)


@pytest.fixture(params=FOREIGN)
def foreign(request: pytest.FixtureRequest, runs: Runs) -> Ran:
    return runs.get(request.param, *COMMAND)


def test_every_path_holds(ran: Ran) -> None:
    assert ran.status == 0, ran.told
    assert ran.verdict["verdict"] == "pass"
    assert ran.failed == set()
    assert list(ran.findings) == list(ran.topology.expect)
    assert not ran.record.leftovers


def test_every_verdict_has_the_shape_of_the_contract(ran: Ran) -> None:
    verdict = ran.verdict

    # Of the path whose first number is nobody's on purpose, that is told.
    told = {"diagnosis"} if ran.topology.name == "dial-two-hmcs" else set()
    assert set(verdict) == VERDICT_KEYS | told
    assert (verdict["topology"], verdict["profile"]) == (ran.topology.name, ran.topology.profile)
    assert (verdict["engine"], verdict["clock"]) == ("uml", "virtual")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", verdict["started"])
    assert 0 < verdict["wall_s"] < ran.wall_s
    assert verdict["lab_s"] > 0
    for finding in verdict["findings"]:
        assert set(finding) == {"requirement", "expected", "seen", "verdict", "evidence"}
        assert finding["verdict"] in ("pass", "not-applicable")
        assert finding["expected"]
        assert finding["seen"]
        for evidence in finding["evidence"]:
            assert set(evidence) == {"segment", "frames"}
            by_telephone = evidence["segment"] == "pstn"
            seen = ran.case.all_carried if by_telephone else ran.case.frames(evidence["segment"])
            assert all(1 <= number <= len(seen) for number in evidence["frames"])


def test_every_run_directory_is_complete(ran: Ran) -> None:
    captures = {path.name for path in (ran.run_dir / "wire").iterdir()}
    telephone = {"pstn.pcapng", "pstn.txt"} if ran.topology.telephone else set()
    assert captures == telephone | {f"{s.name}.pcapng" for s in ran.topology.segments}
    assert ran.case.outside_frames

    logs = ran.run_dir / "logs"
    assert (logs / "sdc" / "ledger.jsonl").read_text().count("\n") == len(ran.record.ledger) > 0
    for agent in ran.topology.agents:
        assert (logs / agent / "agent.log").exists()
    for node in {n for c in connections(ran.topology) for n in (c.client, c.gateway)}:
        written = {path.stem.partition("-")[0] for path in (logs / node).glob("*.log")}
        idle = ran.topology.node(node).role.value == "vpn-gateway" and node == "vpn2"
        expected = DAEMONS - {"pppd"} if idle else DAEMONS
        if ran.topology.node(node).role is Role.i5:
            expected = {"charon"}  # L2TP is the partition's own, and PPP is not its business.
        assert written >= expected, node
        assert (ran.run_dir / configuration.FOLDER / node / "strongswan.conf").exists()
    for planned in ran.topology.nodes:
        if rules := firewall.render(ran.topology, planned.name):
            kept = ran.run_dir / configuration.FOLDER / planned.name / "rules.nft"
            assert kept.read_text() == rules
    for agent in lent(ran.topology):
        written = {path.stem.partition("-")[0] for path in (logs / agent).glob("*.log")}
        assert written & DAEMONS == {"xl2tpd", "pppd"}, agent


def test_what_is_secret_is_its_owners_alone(ran: Ran) -> None:
    keys = ran.run_dir / "keys"

    folders = [keys, *(path for path in keys.rglob("*") if path.is_dir())]
    assert {path.stat().st_mode & 0o777 for path in folders} == {0o700}
    files = [path for path in keys.rglob("*") if path.is_file()]
    modes = {os.fspath(path.relative_to(keys)): path.stat().st_mode & 0o777 for path in files}
    assert {name for name, mode in modes.items() if mode != 0o600} <= PUBLIC
    assert {"ca.pem", "model.json", "sdc.pem"} <= set(modes)


def test_no_secret_is_told(ran: Ran, runs: Runs) -> None:
    name = ran.topology.name
    for run in (ran, *([runs.get(name, *COMMAND)] if name in FOREIGN else [])):
        hidden = run.secrets
        assert len(hidden) >= (6 if connections(run.topology) else 1)
        told = [
            path
            for path in run.run_dir.rglob("*")
            if path.is_file() and _is_told(path, run.run_dir)
        ]
        assert {path.name for path in told} >= ARTEFACTS
        texts = {os.fspath(path): path.read_text(errors="replace") for path in told}
        texts |= {"standard output": run.stdout, "standard error": run.stderr}
        for place, text in texts.items():
            assert not _secrets_in(text, hidden), place


def _is_told(path: Path, run_dir: Path) -> bool:
    """Whether a file is for everybody: captures hold what was on the wires, keys/ is the owner's."""
    return (
        path.suffix not in (".pcapng", ".sqlite") and path.relative_to(run_dir).parts[0] != "keys"
    )


def _secrets_in(text: str, hidden: set[str]) -> set[str]:
    """Those that are there as they are, in hexadecimal of either case, percent-encoded, or in base64."""
    low = text.lower()
    found = {s for s in hidden if s in text or s.lower() in low or s.encode().hex() in low}
    found |= {s for s in hidden if quote(s, safe="") in text}
    raw = {
        s: [s.encode(), *([bytes.fromhex(s)] if HEXADECIMAL.fullmatch(s) else [])] for s in hidden
    }
    for digits in BASE64.findall(text):
        for begin in range(4):
            own = digits[begin:]
            own = own[:-1] if len(own) % 4 == 1 else own + "=" * (-len(own) % 4)
            plain = base64.b64decode(own, "-_" if {*own} & {*"-_"} else None)
            found |= {s for s, forms in raw.items() if any(form in plain for form in forms)}
    return found


def test_the_search_for_secrets_finds_each_form() -> None:
    hidden = {"hunter2-of-the-lab/+", "00ff10aa55cc77bb66dd22ee99884411"}
    for each in hidden:
        for form in (
            each,
            each.encode().hex().upper(),
            quote(each, safe=""),
            base64.b64encode(f"user:{each}".encode()).decode(),
            base64.urlsafe_b64encode(f"us:{each}".encode()).decode(),
        ):
            assert _secrets_in(f"said {form}, and more", hidden) == {each}, form
    assert _secrets_in(
        base64.b64encode(bytes.fromhex("00ff10aa55cc77bb66dd22ee99884411")).decode(), hidden
    )
    assert not _secrets_in("nothing", hidden)


def test_every_path_leaves_a_whole_report(ran: Ran) -> None:
    page = (ran.run_dir / REPORT).read_text()
    assert len(page.encode()) < MOST_REPORT_BYTES
    assert "Not all of this run can be shown" not in page
    assert all(f'id="finding-{name}"' in page for name in ran.findings)
    for way in {way for trial in ran.record.tries for way in [trial.way]}:
        assert f" by {way}</h3>" in page
    assert not re.search(r"(?:src|href)=\"(?!#)", page)


def test_a_foreign_agent_is_told_what_it_needs(foreign: Ran) -> None:
    assert foreign.status == 0, foreign.told
    said = json.loads(foreign.stdout)
    topology = foreign.topology

    assert (said["ping"], said["status"]) == (0, 200)
    assert said["host"] == topology.agents[0]
    environment = said["environment"]
    assert environment["LAB_TOPOLOGY"] == topology.name
    assert environment["LAB_NODE"] == topology.agents[0]
    assert environment["LAB_PROBE"] == topology.probe
    assert environment["LAB_SERVER"] == f"https://{topology.endpoints[0].name}"
    assert Path(environment["LAB_CA_FILE"]).name == "ca.pem"


def addresses_outside(topology: Topology) -> set[str]:
    """By which IBM sees who calls without PPP; by IPv6, if it is there, as it goes first."""
    wall, last = topology.firewall, topology.routers[-1:]
    if Family.ipv6 in topology.ways[0].ip_families:
        return {topology.node(topology.agents[0]).uplink.ip6}
    if last and last[0].snat:
        return {topology.node(last[0].node).interface(last[0].outside).ip}
    if wall is not None and wall.snat:
        return {topology.node(wall.node).interface(wall.outside).ip}
    if topology.proxies:
        return {topology.node(proxy.node).uplink.ip for proxy in topology.proxies}
    return {topology.node(topology.agents[0]).uplink.ip}


def test_a_foreign_agent_is_in_the_ledger(foreign: Ran) -> None:
    (entry,) = foreign.record.ledger

    assert (entry.kind, entry.status) == ("upload", 200)
    assert entry.detail == "POST /foreign"
    # Through a proxy it is the proxy that takes one of the name's addresses.
    addresses = [endpoint.address for endpoint in foreign.topology.endpoints]
    assert entry.server_ip in (addresses if foreign.topology.proxies else addresses[:1])
    own = {session.local_ip for session in foreign.record.ppp}
    assert entry.peer_ip in (own or addresses_outside(foreign.topology))


@pytest.mark.parametrize("foreign", [n for n in FOREIGN if n not in WITHOUT_DAEMONS], indirect=True)
def test_a_foreign_agent_sees_the_daemons_of_its_node_and_no_others(foreign: Ran) -> None:
    """So that the absence of secrets from the process list says something."""
    processes = " ".join(json.loads(foreign.stdout)["processes"])

    expected = set() if foreign.topology.proxies else {"pppd"}
    if connections(foreign.topology):
        expected = DAEMONS
    # IKE is the partition's.
    elsewheres = {"charon"} if lent(foreign.topology) else set()
    for daemon in expected - elsewheres:
        assert daemon in processes
    for elsewhere in ("squid", "dnsmasq", *elsewheres):
        assert elsewhere not in processes


def test_a_foreign_agents_run_is_judged(foreign: Ran) -> None:
    # Python before 3.12 asks a proxy by HTTP/1.0 (tests/integration/test_proxy.py has it alone).
    minded = {"OUT-10"} if foreign.topology.proxies else set()
    assert foreign.failed <= minded, foreign.told
    assert foreign.verdict["verdict"] == ("fail" if foreign.failed else "pass")
    assert foreign.findings["g6"]["verdict"] == "pass"


@pytest.mark.parametrize("name", VPNS)
def test_the_path_is_put_to_the_test_from_ibms_side(runs: Runs, name: str) -> None:
    """OUT-02, OUT-22: what the scenario tries, and the record of it."""
    record = runs.get(name).record

    for agent in runs.get(name).topology.agents:
        (trial,) = (t for t in record.trials if t.source == agent)
        assert (trial.connected, trial.sessions_open) == (False, True)
        assert trial.dropped > 0
        assert trial.counted_on_uplink == 0
    inner = {session.local_ip for session in record.ppp}
    tried = {(probe.address, probe.destination) for probe in record.probes}
    assert inner <= {destination for _, destination in tried}
    assert len(tried) > len(inner)
    assert not any(probe.answered for probe in record.probes)


@pytest.mark.parametrize("name", ["direct", "vpn"])
def test_the_second_network_is_tried_from_the_uplink(runs: Runs, name: str) -> None:
    """OUT-04, where there is a second network."""
    (probe,) = (p for p in runs.get(name).record.forward_probes if not p.outward)

    assert probe.destination == "192.168.128.10"
    assert not probe.forwarded
    assert runs.get(name).findings["OUT-04"]["verdict"] == "pass"


def test_two_hmcs_behind_one_address_both_call_home(runs: Runs) -> None:
    ran = runs.get("vpn-two-hmcs")

    inner = {session.client: session.local_ip for session in ran.record.ppp}
    assert sorted(inner) == ["hmc", "hmc-b"]
    assert inner["hmc"] != inner["hmc-b"]
    beats = [entry.peer_ip for entry in ran.record.ledger if entry.kind == "heartbeat"]
    assert sorted(beats) == sorted(inner.values())
    assert len({entry.system for entry in ran.record.ledger}) == 2
    sources = {packet.source for _, packet in ran.case.leaving}
    assert sources == {ran.case.public_address}


def test_verify_gives_one_verdict_each_and_the_worst_status(tmp_path: Path) -> None:
    good = lab("verify", "direct", "direct-snat", "--out", os.fspath(tmp_path / "good"))
    assert good.returncode == 0, good.stderr
    assert [line.split()[:2] for line in good.stdout.splitlines()] == [
        ["direct", "pass"],
        ["direct-snat", "pass"],
    ]

    text = (load.folder() / "direct.yaml").read_text()
    broken = tmp_path / "broken.yaml"
    # Nothing of the firewall's rules holds where there is SNAT and the file asks for none of it.
    broken.write_text(text.replace("expect: [OUT-01,", "expect: [OUT-20,"))
    bad = lab("verify", os.fspath(broken), "direct", "--json", "--out", os.fspath(tmp_path / "bad"))
    assert bad.returncode == 1, bad.stderr
    verdicts = json.loads(bad.stdout)
    assert [(v["topology"], v["verdict"]) for v in verdicts] == [
        ("broken", "fail"),
        ("direct", "pass"),
    ]
