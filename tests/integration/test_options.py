"""What the drivers can do beside the papers' first reading: each on a topology file of a user's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.topology import load
from lab.ways.vpn.plan import clients
from lab.ways.vpn.spec import VpnSpec
from lab.wire.l2tp import ControlType
from tests.integration.labs import SYSTEM_PYTHON, Ran, Runs, variant

pytestmark = pytest.mark.kernel

TRANSPORT = "ipsec: { encapsulation: transport }"
SHA1 = "ipsec: { integrity: sha1 }"
THREE_SESSIONS = "l2tp: { layout: sessions, sessions: 3 }"
THREE_TUNNELS = "l2tp: { layout: tunnels, sessions: 3 }"

VARIANTS = {
    "transport": ("vpn", TRANSPORT),
    "transport-nat": ("vpn-nat", TRANSPORT),
    "transport-two": ("vpn-two-hmcs", TRANSPORT),
    "sha1": ("vpn", SHA1),
    "three-sessions": ("vpn-nat", THREE_SESSIONS),
    "three-tunnels": ("vpn-nat", THREE_TUNNELS),
}

# UDP 1701 in clear: to the gateway that has no SA, from the HMC itself; and from the Internet.
CLEAR_OUT = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    try:
        sender.sendto(b"in clear", ("207.25.252.196", 1701))
    except PermissionError:
        pass
"""
CLEAR_IN = """
import socket, sys
for address in sys.argv[1:]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"in clear", (address, 1701))
"""
FROM_HMC = ("vpn", "--", SYSTEM_PYTHON, "-c", CLEAR_OUT)
FROM_INTERNET = (
    "vpn-nat", "--node", "internet", "--", SYSTEM_PYTHON, "-c", CLEAR_IN, "129.42.160.16",
)  # fmt: skip
FROM_CEC = ("vpn", "--node", "cec", "--", SYSTEM_PYTHON, "-c", CLEAR_IN, "192.168.128.1")
"""From the HMC's own second network: the customer's firewall lets nothing of the kind come so far."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("variants")
    return {label: variant(name, line, folder, label) for label, (name, line) in VARIANTS.items()}


@pytest.fixture(scope="module", autouse=True)
def started(runs: Runs, files: dict[str, str]) -> None:
    runs.start([*((file,) for file in files.values()), FROM_HMC, FROM_INTERNET, FROM_CEC])


@pytest.fixture
def ran(request: pytest.FixtureRequest, runs: Runs, files: dict[str, str]) -> Ran:
    return runs.get(files[request.param])


def of(*labels: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("ran", labels, indirect=True)


@of("transport", "transport-nat")
def test_transport_mode_works_and_is_not_what_the_papers_say(ran: Ran) -> None:
    """X-03: the call gets home, and P-02 fails, as the papers ask for tunnel mode."""
    assert ran.status == 1, ran.told
    assert ran.failed == {"P-02"}
    assert {sa.mode for sa in ran.record.esp} == {"transport"}
    assert [attempt.esp_mode for attempt in ran.record.ike] == ["TRANSPORT"]
    assert [entry.kind for entry in ran.record.ledger] == ["heartbeat"]
    assert {sighting.opened.next_header for sighting in ran.case.esp} == {17}


@of("transport", "transport-nat")
def test_transport_mode_leaves_ppp_twenty_bytes_more(ran: Ran, runs: Runs) -> None:
    """T1-13: there is no inner IP header to carry."""
    tunnel = runs.get("vpn-nat" if ran.topology.firewall and ran.topology.firewall.snat else "vpn")

    (session,), (other,) = ran.record.ppp, tunnel.record.ppp
    assert session.mtu == clients(ran.topology)[0].mtu
    assert session.mtu - other.mtu >= 20


@of("transport-two")
def test_in_transport_mode_two_hmcs_behind_one_address_collide(ran: Ran) -> None:
    """X-03: for the gateway both are one address and port 1701, and the newer SA takes it all."""
    assert ran.status == 1
    assert ran.failed == {"P-02"}
    first, second = ran.topology.agents
    lost = [call for call in ran.record.calls if not call.succeeded]
    assert [call.agent for call in lost] == [first]
    # Another gateway is another address: there the first gets through.
    assert ran.record.gateway_in_use == {first: "vpn2", second: "vpn1"}
    assert sorted(entry.kind for entry in ran.record.ledger) == ["heartbeat", "heartbeat"]
    assert (
        f"what vpn1 (129.42.160.16) sends to {first} goes to {second}" in ran.verdict["diagnosis"]
    )


@of("sha1")
def test_sha1_has_a_key_of_20_bytes(ran: Ran) -> None:
    """X-01: the other reading of "160-bit MD5"."""
    assert ran.status == 0, ran.told
    assert "20 bytes of key" in ran.findings["P-05"]["seen"]
    found = {(sa.integrity, sa.integrity_key_bits, sa.integrity_icv_bits) for sa in ran.record.esp}
    assert found == {("hmac(sha1)", 160, 96)}
    assert {attempt.esp_integrity for attempt in ran.record.ike} == {"HMAC_SHA1_96"}
    assert ran.case.esp
    assert all(sighting.opened.icv_good for sighting in ran.case.esp)


@of("three-sessions", "three-tunnels")
def test_three_sessions_in_one_tunnel_or_in_three(ran: Ran) -> None:
    """X-08: what is counted on the wire is SCCRQ and ICRQ."""
    assert ran.status == 0, ran.told
    tunnels = 1 if ran.topology.name == "three-sessions" else 3

    assert len(ran.case.control(ControlType.SCCRQ)) == tunnels
    assert len(ran.case.control(ControlType.ICRQ)) == 3
    assert len({tunnel.local_id for tunnel in ran.record.l2tp}) == tunnels
    assert sorted(session.interface for session in ran.record.ppp) == ["ppp0", "ppp1", "ppp2"]
    assert len({session.local_ip for session in ran.record.ppp}) == 3


@pytest.mark.parametrize(
    ("plan", "node", "counter"),
    [
        (FROM_HMC, "hmc", "l2tp-in-clear-out"),
        (FROM_INTERNET, "vpn1", "l2tp-in-clear-in"),
        (FROM_CEC, "hmc", "l2tp-in-clear-in"),
    ],
    ids=["out of the HMC", "into the gateway", "into the HMC"],
)
def test_l2tp_in_clear_is_refused_and_counted(
    runs: Runs, plan: tuple[str, ...], node: str, counter: str
) -> None:
    """P-07: at both ends, in both directions."""
    ran = runs.get(*plan)

    assert ran.status == 0, ran.told
    assert ran.record.counters[node][counter] == 1
    others = [
        count
        for name, counters in ran.record.counters.items()
        for label, count in counters.items()
        if label.startswith("l2tp-in-clear") and (name, label) != (node, counter)
    ]
    assert not any(others)
    assert ran.findings["P-07"]["verdict"] == "fail"
    assert f"{node} refused 1 packet of UDP 1701" in ran.findings["P-07"]["seen"]


def test_every_bundled_vpn_has_a_variant_here() -> None:
    specs = {name: load.load(name) for name in load.names()}
    # Those of remote service have variants of their own (test_service_vpn).
    calling = {name: spec for name, spec in specs.items() if not spec.service}
    vpns = {name for name, spec in calling.items() if spec.ways_of_kind(VpnSpec) == spec.ways}

    assert {name for name, _ in VARIANTS.values()} == vpns


def test_a_variant_differs_by_its_line_only(files: dict[str, str], tmp_path: Path) -> None:
    plain = variant("vpn-nat", "", tmp_path, "plain")

    modes = [
        load.load(file).ways_of_kind(VpnSpec)["vpn"].ipsec.encapsulation
        for file in (files["transport-nat"], plain)
    ]
    assert modes == ["transport", "tunnel"]
