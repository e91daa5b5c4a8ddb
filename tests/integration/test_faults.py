"""Every fault on every path that it applies to: the exit status, and what the lab makes of it by itself."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest

from lab.topology import load, resolve
from lab.topology.errand_kinds import DOWNLOADS
from lab.ways import (
    console_faults,
    event_faults,
    faults,
    module_faults,
    service_faults,
    target_faults,
)
from lab.ways.consoles import faults as by_consoles_faults
from lab.ways.dial.plan import dialers
from lab.ways.pass_through import faults as pass_through_faults
from lab.ways.proxy import faults as proxy_faults
from lab.ways.vpn.plan import connections, plans
from tests.integration.labs import Ran, Runs, lab

pytestmark = pytest.mark.kernel

TELLING = {
    "back-end-down": "behind it is silent",
    "blocked-443": "to whatever server: ",
    "expired-certificate": "ends the handshake with the alert certificate_expired",
    "unknown-authority": "does not know the authority that signed the certificate of",
    "tls-inspection": "is broken open between",
    "server-resets": "breaks connections off: it takes",
    "server-503": "(Service Unavailable)",
    "slow-server": "is slow: it took the request",
    "ursf-blocked": "A-31 must be open for it",
    "wrong-psk": "different pre-shared keys",
    "wrong-identity": "nobody.callhome-lab.invalid",
    "no-common-proposal": "NO-PROPOSAL-CHOSEN",
    "drop-udp-500": "UDP 500 (IKE) from ",
    "drop-udp-4500": "UDP 4500 (NAT traversal) from hmc",
    "drop-esp": "ESP (protocol 50) from ",
    "vpn1-silent": "does not pass them on; vpn2 took over",
    "gateways-silent": "vpn2 (207.25.252.196) is silent",
    "gateway-dies": "ceased to answer in mid-session",
    "wrong-chap-secret": "different secrets",
    "pap-only-peer": "PAP (C023) only",
    "pool-empty": "no address left",
    "fence-without-vpn": "AT&T's fence keeps hmc from vpn2",
    "tampered-esp": "1 ESP packet altered by internet",
    "replayed-esp": "1 ESP packet sent a second time by internet",
    "small-mtu": "vanish at internet",
    "i5-silent": "20) is silent: 6 L2TP packets of hmc",
    "udp-1701-one-way": "UDP 1701 goes one way",
    "i5-vpn-refused": "does not let i5 (203.0.113.20) establish the VPN",
    "i5-line-busy": "the modem of i5 is in use",
    "i5-dies": "20) died in mid-session",
    "no-dialtone": "heard no dial tone",
    "busy": "18005550100 is busy",
    "no-answer": "18005550100 rings, and nobody takes the call",
    "unobtainable": "18005550100 is out of service",
    "voice": "a person takes the calls",
    "training-fails": "do not agree on how to go on",
    "slow-training": "the line is slow",
    "line-drops": "cut off in mid-session",
    "noise": "the line is noisy",
    "lines-taken": "all lines of 18005550100",
    "wrong-pap-password": "the user id or the password",
    "pap-refused": "hmc refuses PAP",
    "chap-only-peer": "CHAP (C223) only",
    "dns-silent": "is silent, so no name is told",
    "lcp-echo-lost": "answers no LCP echo",
    "modem-dead": "/dev/modem0 is dead",
    "modem-unplugged": "was unplugged in the middle of call 1",
    "modem-garbage": "sends what is no result code",
    "inbound-not-enabled": "remote service of hmc is off",
    "wrong-ppp-address": "and took a later one",
    "third-wrong-try": "3 wrong tries",
    "late-lockdown": "before the lock-down stood",
    "lockdown-forgets-udp": "in a session hmc answers on UDP",
    "stale-session": "cut off in a session",
    "expired-token": "the authorization has expired",
    "replayed-response": "denied the response to an earlier challenge",
    "address-moved": "which none of its rules names",
    "ipv6-broken": "IPv6 of",
    "old-tls-only": "have no version of TLS in common",
    "server-down": ":443 is silent: ",
    "dns-no-aaaa": "has no IPv6 address",
    "dns-wrong-answer": "which is not listed: so",
    "addresses-pinned": "leads to 192.148.6.11 now",
    "primary-down": "was silent for a time",
    "address-blocked": "the front end is left with fewer addresses",
    "eccgw-blocked": "registration and bulk data have lost their redundancy",
    "config-server-blocked": "the configuration servers have lost their redundancy",
    "network-down": "was cut off: ",
    "broadcast-blocked": "to UDP 9900 came by",
    "user-target-shut": "lets nothing of that out",
    "events-blocked": "does not reach TCP 443 of hmc-a",
    "port-9920-blocked": "and TCP 9920 there does not answer",
    "server-dies-mid-request": "'s request, and has sent nothing for",
    "two-answers": "had not waited, and",
    "wrong-level": "knows call-home servers of several levels",
    "split-subnet": "so neither hears the other",
    "proxy-down": "refuses TCP: it answers the SYN",
    "proxy-silent": "SYNs, and nothing came back",
    "proxy-busy": "is busy: it answers CONNECT",
    "proxy-refuses-connect": "refuses CONNECT",
    "proxy-inspects": "breaks TLS open",
    "proxy-wrong-password": "does not take the user or the password",
    "relay-silent": "gets no further than TLS",
    "expired-code": "the code has expired",
    "imm-https-off": "the user and the password went in clear",
    "imm-silent": "answers neither at 5989 nor at 5988",
    "imm-notice-lost": "does not take the notices of the management module",
}
"""What the diagnosis must say; no fault's phrase may stand in another's diagnosis."""

FAULTS = {fault.name: fault for fault in reversed(faults.known())}
WITH_FAULTS = "vpn", "vpn-nat", "vpn-dial", "direct", "direct-ipv6", "ds8000", "dial", "proxy"
WITH_ERRANDS = "simplified", "traditional", "ursf", "esa-linux"
SERVICE = tuple(fault.name for fault in service_faults.FAULTS)
OF_MODULES = tuple(fault.name for fault in module_faults.FAULTS)
OF_CONSOLES = tuple(fault.name for fault in console_faults.FAULTS)
OF_TARGETS = tuple(fault.name for fault in target_faults.FAULTS)
OF_EVENTS = tuple(fault.name for fault in event_faults.FAULTS)
BY_CONSOLES = tuple(fault.name for fault in by_consoles_faults.FAULTS)
SERVED = "service-modem", "service-vpn", "service-ds8000", "service-aos"


def applicable(name: str) -> list[str]:
    topology = resolve.resolve(load.load(name), b"faults")
    return [fault.name for fault in faults.applicable(topology)]


OF_PARTITION = tuple(fault.name for fault in pass_through_faults.FAULTS)
LENT = (
    *("wrong-psk", "no-common-proposal", "drop-udp-500", "drop-esp", "vpn1-silent", "gateway-dies"),
    *("gateways-silent", "wrong-chap-secret", "pool-empty", "small-mtu"),
)
"""What comes out otherwise where a partition lends the VPN: told of the partition, or of the HMC."""
BY_TWO = "line-drops", "slow-training", "wrong-pap-password"
"""What is tried with two HMCs, too: in mid-session, on the line, before PPP is up."""
OF_PROXIES = tuple(fault.name for fault in proxy_faults.FAULTS)
"""Another proxy takes over, if there is one."""
AT_TERMINAL = "third-wrong-try", "replayed-response", "late-lockdown"
"""What comes out otherwise where a session by VPN has a log-in at a terminal."""
BEHIND_TWO_NATS = "dns-silent", "server-down", "small-mtu", "tls-inspection", "blocked-443"
"""At a name server, a server, the Internet, the firewall: what is told from answers to another address."""
AFTER_A_CALL = "addresses-pinned"
"""It befalls the second call home, after IBM's servers have moved."""
FAULTY = [
    *((name, fault) for name in WITH_FAULTS for fault in applicable(name)),
    *(("pass-through-vpn", fault) for fault in (*OF_PARTITION, *LENT) if fault != "i5-line-busy"),
    *(("pass-through-modem", fault) for fault in applicable("pass-through-modem")),
    *(("dial-two-hmcs", fault) for fault in BY_TWO),
    *(("proxy-failover", fault) for fault in applicable("proxy-failover") if fault in OF_PROXIES),
    *(("direct-cgnat", fault) for fault in BEHIND_TWO_NATS),
    ("proxy-auth", "proxy-wrong-password"),
    ("esa-aix", "address-moved"),
    ("direct-names", AFTER_A_CALL),
    ("dual-stack", "ipv6-broken"),
    ("dual-stack", "dns-no-aaaa"),
    ("direct-ranges", "address-blocked"),
    *((name, fault) for name in WITH_ERRANDS for fault in applicable(name)),
    *(("service-ds8000-vpn", fault) for fault in AT_TERMINAL),
    ("service-vpn-pass-through", "stale-session"),
    ("service-vpn-dial", "late-lockdown"),
    *(("esa-imm", fault) for fault in OF_MODULES),
    *((name, fault) for name in ("consoles", "consoles-ds8000") for fault in OF_CONSOLES),
    *(("user-target", fault) for fault in OF_TARGETS),
    *(("events-manager", fault) for fault in OF_EVENTS),
    *(("consoles", fault) for fault in ("port-9920-blocked", "split-subnet")),
    *(("consoles-failover", fault) for fault in BY_CONSOLES),
    *((name, fault) for name in SERVED for fault in applicable(name) if fault in SERVICE),
]
OF_SOME = {
    ("consoles", "broadcast-blocked"): 0,
    ("consoles", "split-subnet"): 0,
    ("consoles", "port-9920-blocked"): 1,
    ("consoles-failover", "port-9920-blocked"): 2,
    ("consoles-failover", "split-subnet"): 3,
}
"""How many agents come home where a fault befalls consoles: those who need none, and all where another
console stands in. Where an agent has no way that comes up, nobody calls."""
NO_CALL = [
    *(
        ("vpn-dial", f)
        for f in ("no-dialtone", "no-answer", "unobtainable", "voice", "lines-taken")
    ),
    *(("vpn-dial", f) for f in ("wrong-pap-password", "pap-refused", "chap-only-peer")),
    *(("vpn-dial", f) for f in ("modem-dead", "modem-garbage")),
]
"""Without a call there is no IKE."""
CAUSES = {
    ("vpn", "wrong-psk"): {"undecryptable", "unreadable", "no-ike"},
    ("vpn", "wrong-identity"): {"refused", "unknown-identity", "no-ike"},
    ("vpn", "drop-udp-500"): {"silent", "no-ike"},
    ("vpn", "gateway-dies"): {"unreached", "terminated"},
    ("vpn", "wrong-chap-secret"): {"not-accepted", "no-session"},
    ("vpn", "pool-empty"): {"call-ended"},
    ("dial", "busy"): {"busy", "no-carrier", "terminated"},
    ("dial", "wrong-pap-password"): {"not-accepted", "no-ppp", "no-carrier"},
    ("dial", "modem-dead"): {"modem-silent"},
    ("dial", "modem-garbage"): {"modem-garbage"},
    ("dial", "modem-unplugged"): {"timed-out", "unresolved", "hangup", "port-shut"},
    ("dial", "noise"): {"terminated"},
}
"""All that the events of a run say."""
TAKEOVERS = [pair for pair in FAULTY if pair[1] in ("vpn1-silent", "gateway-dies")]


@pytest.fixture(scope="module", autouse=True)
def started(request: pytest.FixtureRequest, runs: Runs) -> None:
    """Begin with all that the chosen tests need."""
    chosen = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    runs.start(plan(*params["faulty"]) for params in chosen if "faulty" in params)


def plan(name: str, fault: str) -> tuple[str, ...]:
    return (name, "--fault", fault)


@pytest.fixture
def faulty(request: pytest.FixtureRequest, runs: Runs) -> Ran:
    return runs.get(*plan(*request.param))


def diagnosis(ran: Ran) -> str:
    return str(ran.verdict["diagnosis"])


each = pytest.mark.parametrize("faulty", FAULTY, indirect=True, ids="-".join)


@each
def test_the_exit_status_says_whether_the_call_home_got_through(faulty: Ran) -> None:
    fault = FAULTS[faulty.topology.fault]

    survives = fault.survives or fault.backed_up(faulty.topology)
    assert faulty.status == (0 if survives else 1), faulty.told
    assert faulty.verdict["verdict"] == ("pass" if survives else "fail")
    assert faulty.verdict["fault"] == fault.name
    heartbeats = [entry for entry in faulty.record.ledger if entry.kind == "heartbeat"]
    # Remote service and a management module are tried when all agents have called home, and whether
    # consoles know each other, or what users have entered is reached, has nothing to do with that.
    later = (*SERVICE, *OF_MODULES, *OF_CONSOLES, *OF_TARGETS, *OF_EVENTS, AFTER_A_CALL)
    came_home = survives or fault.name in later
    came_home = came_home and not faulty.topology.errands
    agents = len(faulty.topology.agents) if came_home else 0
    agents = OF_SOME.get((faulty.topology.name, fault.name), agents)
    assert len({entry.system for entry in heartbeats}) == agents
    # Where a fault passes, all call again.
    again = any(rule.passing for rule in faulty.topology.drops)
    assert again or len([entry for entry in heartbeats if not entry.again]) == agents


@each
def test_what_is_not_done_is_kept_and_said(faulty: Ran) -> None:
    """OUT-33: an errand without an acknowledgement is one that the agent says to keep; of a download it
    says that it was not fetched."""
    for call in faulty.record.calls:
        done = {attempt.errand for attempt in call.attempts if attempt.cause is None}
        asked = {e.kind for e in faulty.topology.errands_of(call.way)}
        undone = asked - done
        assert ({*call.unsent}, {*call.unfetched}) == (undone - DOWNLOADS, undone & DOWNLOADS)
        assert call.succeeded == (not undone) or not asked


@each
def test_the_diagnosis_tells_the_fault_from_all_others(faulty: Ran) -> None:
    fault = faulty.topology.fault
    said = diagnosis(faulty)

    assert {name for name, phrase in TELLING.items() if phrase in said} == {fault}
    assert said in " ".join(faulty.stdout.split())
    if faulty.failed:
        assert said in faulty.findings[faulty.verdict["broke_first"]]["seen"]


@each
def test_nothing_is_left_over_and_nothing_leaks(faulty: Ran) -> None:
    """g1 to g6 hold whatever befalls a path."""
    assert not {name for name in faulty.failed if name.startswith("g")}
    assert faulty.findings["g6"]["verdict"] == "pass"
    assert faulty.record.leftovers == []


NO_IKE = "i5-silent", "udp-1701-one-way"


@pytest.mark.parametrize("faulty", [("pass-through-vpn", f) for f in NO_IKE], indirect=True)
def test_without_udp_1701_both_ways_the_partition_begins_no_ike(faulty: Ran) -> None:
    """OUT-28: not a packet, of IKE or of anything else, leaves for the gateways."""
    assert [*faulty.record.ike, *faulty.record.ike_failed] == []
    assert not [p for _, p in faulty.case.leaving if p.destination in faulty.case.gateways]


@pytest.mark.parametrize(
    "faulty",
    [p for p in FAULTY if "vpn" in p[0] and p[1] not in NO_IKE and p not in NO_CALL],
    indirect=True,
    ids="-".join,
)
def test_no_reason_is_a_heap_of_log_lines(faulty: Ran) -> None:
    assert faulty.record.ike or faulty.record.ike_failed
    for attempt in faulty.record.ike_failed:
        assert attempt.why
        assert ";" not in attempt.why
        assert not re.search(r"\[\w+\]|CHILD_SA|\n", attempt.why)


@pytest.mark.parametrize(("faulty", "causes"), CAUSES.items(), indirect=["faulty"])
def test_what_failed_has_a_typed_cause(faulty: Ran, causes: set[str]) -> None:
    record = faulty.record
    tried = [attempt for call in record.calls for attempt in call.attempts]
    entries: tuple[Any, ...] = (
        *record.ike_failed,
        *record.modems,
        *record.dialled,
        *record.ppp,
        *tried,
    )
    told = {(event["kind"], event["cause"]) for event in faulty.events if event.get("cause")}

    assert {cause for _, cause in told} == causes
    only_told = {"charon-complained", "gateway-failed"}
    assert {entry.cause for entry in entries if entry.cause} == {
        cause for kind, cause in told if kind not in only_told
    }


@pytest.mark.parametrize("faulty", TAKEOVERS, indirect=True, ids="-".join)
def test_the_second_gateway_takes_over_from_the_first_and_not_beside_it(faulty: Ran) -> None:
    """R-07: nothing goes to the first gateway once the second is asked."""
    first, second = plans(faulty.topology)[0].gateways
    address = {
        connection.gateway: connection.gateway_address
        for connection in connections(faulty.topology)
    }
    case = faulty.case
    sent = [(frame, packet) for frame, packet in case.departing if not case.is_trial(packet)]
    times = {
        gateway: [f.time for f, p in sent if p.destination == ip] for gateway, ip in address.items()
    }

    assert faulty.record.gateway_in_use == {"hmc": second}
    assert max(times[first]) < min(times[second])
    assert faulty.findings["R-07"]["verdict"] == "pass"
    lig = faulty.topology.lig
    # A VPN in a call has PPP with AT&T's gateway below it.
    below = {lig.node} if lig is not None else set()
    opened = {session.gateway for session in faulty.record.ppp if session.opened}
    assert opened - below <= {first, second}
    tries: list[Any] = [*faulty.record.ike, *faulty.record.ike_failed]
    asked = [attempt.gateway for attempt in sorted(tries, key=lambda each: each.time)]
    # A partition that is called again begins with the first: it does not know why the HMC calls.
    lent = plans(faulty.topology)[0].partition and faulty.topology.fault == "gateway-dies"
    assert asked == ([first, first, second] if lent else [first, second])


FIRST, SECOND = "18005550100", "18005550199"
TWICE_ROUND = [FIRST, SECOND, FIRST, SECOND]
DIALLED = {
    "no-dialtone": ([FIRST], ["NO DIALTONE"]),
    "busy": ([FIRST, SECOND, FIRST], ["BUSY", "NO CARRIER", "CONNECT 33600"]),
    "training-fails": ([FIRST, SECOND, FIRST], ["NO CARRIER", "NO CARRIER", "CONNECT 33600"]),
    "line-drops": ([FIRST, FIRST], ["CONNECT 33600", "CONNECT 33600"]),
    "slow-training": ([FIRST], ["CONNECT 2400"]),
    "no-answer": (TWICE_ROUND, ["NO ANSWER", "NO CARRIER"] * 2),
    "pool-empty": (TWICE_ROUND, ["NO ANSWER", "NO CARRIER"] * 2),
    "lines-taken": (TWICE_ROUND, ["BUSY", "NO CARRIER"] * 2),
    "voice": (TWICE_ROUND, ["NO CARRIER"] * 4),
    "unobtainable": (TWICE_ROUND, ["NO CARRIER"] * 4),
    "wrong-pap-password": (TWICE_ROUND, ["CONNECT 33600", "NO CARRIER"] * 2),
    "modem-unplugged": ([FIRST, FIRST], ["CONNECT 33600", ""]),
    "modem-dead": ([], []),
    "modem-garbage": ([], []),
}
"""The numbers that are dialled (OUT-25), and what the modem says to each; the second is nobody's."""


@pytest.mark.parametrize("faulty", [("dial", f) for f in DIALLED], indirect=True, ids="-".join)
def test_the_next_number_is_dialled_and_then_the_list_again(faulty: Ran) -> None:
    numbers, results = DIALLED[faulty.topology.fault]
    attempts = faulty.record.dialled[: len(numbers)]
    later = faulty.record.dialled[len(numbers) :]

    assert [attempt.number for attempt in attempts] == numbers
    assert [attempt.result for attempt in attempts] == results
    # Once it has called home, the lab calls again to put the gateway to the test.
    assert all(call.number == FIRST and call.result == results[-1] for call in later)
    assert not later or FAULTS[faulty.topology.fault].survives
    pause_s = dialers(faulty.topology)[0].redial_pause_s
    for before, after in pairwise(attempts):
        assert after.started - before.time >= pause_s - 0.01
    for attempt in attempts:
        assert "\n" not in attempt.why
        assert ";" not in attempt.why, "one reason, not all that pppd said"


@pytest.mark.parametrize("name", WITH_FAULTS)
def test_the_command_lists_the_faults_and_their_outcome(name: str) -> None:
    lines = [line.split()[:2] for line in lab("faults", name).stdout.splitlines()]

    outcomes = {True: "survives", False: "fails"}
    assert lines == [[f, outcomes[FAULTS[f].survives]] for f in applicable(name)]


def test_every_fault_has_its_telling_phrase() -> None:
    assert set(TELLING) == set(FAULTS)
    assert {fault for _, fault in FAULTY} == set(FAULTS)


def test_a_fault_that_does_not_apply_is_refused_with_those_that_do() -> None:
    done = lab("run", "direct", "--fault", "drop-esp")

    assert done.returncode == 2
    assert "drop-esp does not apply to direct" in done.stderr
    assert "lab faults direct" in done.stderr


BLACK_HOLED = 28, 35
"""curl timed out; with OpenSSL 3.5, whose hello is the first that is too big, the server ends it."""
OWN_AGENT = ("--", "sh", "-c", "curl -sSm 90 --cacert $LAB_CA_FILE $LAB_SERVER")


@pytest.mark.parametrize(
    ("name", "fault", "statuses", "said"),
    [
        ("vpn", "small-mtu", BLACK_HOLED, "vanish at internet"),
        ("direct", "small-mtu", BLACK_HOLED, "vanish at internet"),
        ("dial", "dns-silent", (6,), "the name server 203.0.113.53 is silent"),
    ],
)
def test_an_agent_of_ones_own_that_fails_is_told_why(
    runs: Runs, name: str, fault: str, statuses: tuple[int, ...], said: str
) -> None:
    ran = runs.get(name, "--fault", fault, *OWN_AGENT)
    assert ran.status in statuses
    assert "diagnosis: " in ran.stderr
    assert said in ran.verdict["diagnosis"]


@pytest.mark.parametrize("name", ["vpn", "direct-snat", "dial"])
def test_of_a_path_that_holds_no_reason_is_made_up(runs: Runs, name: str) -> None:
    ran = runs.get(name, "--", "false")
    assert ran.status == 1
    assert "diagnosis" not in ran.stderr
    assert re.search(rf"^{name}: pass, \d+ held, 0 failed", ran.stderr, re.MULTILINE)


def test_what_befalls_the_labs_own_agent_needs_it(runs: Runs) -> None:
    ran = runs.get("vpn", "--fault", "gateway-dies", "--", "true")
    assert ran.status == 2
    assert "lab run vpn --fault gateway-dies, without a command" in ran.stderr
    assert not ran.run_dir.exists()
