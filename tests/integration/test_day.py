"""A day of ``vpn-nat`` in virtual time: a ping a minute, new keys every half an hour, one session."""

from __future__ import annotations

from itertools import pairwise
from statistics import mean, pstdev

import pytest

from lab.ways.vpn.plan import connections
from lab.wire import ppp
from lab.wire.decode import ICMP
from lab.wire.l2tp import ControlType
from tests.integration.labs import Ran, Runs
from tests.oracle import tshark

pytestmark = pytest.mark.kernel

DAY_S = 86_400
PINGS = 1440
PLAN = ("vpn-nat", "--", "sh", "-c", f"ping -q -i 60 -c {PINGS} $LAB_PROBE; sleep 60")


@pytest.fixture(scope="module")
def day(runs: Runs) -> Ran:
    return runs.get(*PLAN)


@pytest.fixture(scope="module")
def intervals(day: Ran) -> list[float]:
    """Seconds between the client's keys."""
    return [b.added - a.added for a, b in pairwise(day.client_sas("hmc"))]


def test_no_ping_of_a_day_is_lost(day: Ran) -> None:
    assert day.status == 0, day.told
    assert f"{PINGS} packets transmitted, {PINGS} received, 0% packet loss" in day.stdout
    assert day.record.ended - day.record.started >= DAY_S
    echoes = [
        packet
        for item, packet in day.case.data("hmc")
        if packet.protocol == ICMP and item.ppp and item.ppp.protocol == ppp.IP
    ]
    assert len(echoes) == 2 * PINGS


def test_the_pings_are_a_minute_apart(day: Ran) -> None:
    """Each of them, from the first: ping(8) sends them in a heap while a kernel is younger than 1 s."""
    sent = [
        item.frame.time
        for item, packet in day.case.data("hmc")
        if packet.protocol == ICMP and item.outgoing
    ]

    assert len(sent) == PINGS
    assert all(59.9 < b - a < 61 for a, b in pairwise(sent))


def test_keys_change_at_random_times_around_half_an_hour(day: Ran, intervals: list[float]) -> None:
    """P-06, from the record and independently of the finding."""
    (connection,) = (c for c in connections(day.topology) if c.gateway == "vpn1")

    assert len(intervals) >= 40
    assert min(intervals) >= connection.rekey_min_s - 1
    assert max(intervals) <= connection.rekey_max_s + 5
    assert abs(mean(intervals) - 1800) < 60
    assert pstdev(intervals) > 30
    assert len({round(seconds) for seconds in intervals}) > len(intervals) / 2


def test_every_new_key_is_another(day: Ran) -> None:
    for node in ("hmc", "vpn1"):
        sas = [sa for sa in day.record.esp if sa.node == node]
        assert len({sa.spi for sa in sas}) == len(sas) >= 80
    used = {sighting.sealed.spi for sighting in day.case.esp}
    assert len(used) >= 80


def test_the_finding_judges_the_randomness(day: Ran, intervals: list[float]) -> None:
    finding = day.findings["P-06"]

    assert finding["verdict"] == "pass"
    assert f"{len(intervals)} rekeys" in finding["seen"]
    assert "standard deviation" in finding["seen"]
    assert day.failed == set()


def test_l2tp_and_ppp_are_one_session_all_day(day: Ran) -> None:
    (session,) = day.record.ppp
    (tunnel,) = day.record.l2tp

    assert len(day.case.control(ControlType.SCCRQ)) == len(day.case.control(ControlType.ICRQ)) == 1
    assert {tunnel.gateway, session.gateway} == {"vpn1"}
    towards = {
        (item.l2tp.tunnel_id, item.l2tp.session_id)
        for item in day.case.insides
        if item.l2tp and item.ppp and item.outgoing
    }
    assert len(towards) == 1
    assert {tunnel_id for tunnel_id, _ in towards} == {tunnel.remote_id}
    assert day.case.assigned("hmc") == {session.local_ip}


def test_a_day_leaves_nothing_and_little(day: Ran) -> None:
    assert day.record.leftovers == []
    sizes = [path.stat().st_size for path in (day.run_dir / "wire").iterdir()]
    assert max(sizes) < 10 << 20
    logs = [path.stat().st_size for path in day.run_dir.rglob("*.log")]
    assert max(logs) < 4 << 20


def test_a_day_passes_in_minutes_at_most(day: Ran) -> None:
    """At least a minute each second, however busy the machine is; ``make bench`` measures."""
    assert day.verdict["wall_s"] < day.verdict["lab_s"] / 60


def test_tshark_opens_the_esp_of_every_key(day: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run's folder for Wireshark has every SA of some fifty, and each opens its own packets."""
    monkeypatch.setenv("WIRESHARK_CONFIG_DIR", f"{day.run_dir}/keys/wireshark")
    rows = tshark(day.run_dir / "wire" / "fw-inet.pcapng", ("esp.spi", "l2tp.tunnel"))

    sealed = {int(spi, 16) for spi, _ in rows if spi}
    opened = {int(spi, 16) for spi, tunnel in rows if spi and tunnel}
    assert len(sealed) > 80
    assert opened == sealed
