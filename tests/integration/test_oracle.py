"""tshark, capinfos and tcpdump read the captures of true runs, and tshark reads what we read."""

from __future__ import annotations

import subprocess

import pytest

from lab.topology import load
from tests import oracle
from tests.integration.labs import Runs

pytestmark = pytest.mark.kernel

NAMES = "vpn", "vpn-nat", "pass-through-vpn", "direct"
WIRES = [(name, segment) for name in NAMES for segment in load.load(name).links]


@pytest.fixture(scope="module", autouse=True)
def started(runs: Runs) -> None:
    runs.start((name,) for name in dict.fromkeys(name for name, _ in WIRES))


@pytest.mark.parametrize(("name", "segment"), WIRES)
def test_tshark_agrees_on_every_wire(runs: Runs, name: str, segment: str) -> None:
    ran = runs.get(name)
    keys = ran.run_dir / "keys" / "esp.json"
    outside = keys.exists() and segment in ("lan", "fw-inet", "dmz")
    capture = ran.run_dir / "wire" / f"{segment}.pcapng"

    assert oracle.differences(capture, keys if outside else None) == []
    assert len(ran.case.frames(segment)) > 0 or segment == "svc"


@pytest.mark.parametrize(("name", "segment"), WIRES)
def test_capinfos_and_tcpdump_read_every_wire(runs: Runs, name: str, segment: str) -> None:
    ran = runs.get(name)
    capture = str(ran.run_dir / "wire" / f"{segment}.pcapng")
    frames = ran.case.frames(segment)

    table = _output("capinfos", "-T", "-r", "-c", capture).split("\t")
    assert int(table[1]) == len(frames)
    lines = _output("tcpdump", "-nn", "-t", "-q", "-r", capture).splitlines()
    assert len([line for line in lines if not line.startswith(("\t", " "))]) == len(frames)


@pytest.mark.parametrize("name", ["vpn", "vpn-nat"])
def test_captures_begin_before_the_first_packet_and_end_after_the_last(
    runs: Runs, name: str
) -> None:
    """The first packet is IKE's first, the last is of its end: nothing is missed at either end."""
    case = runs.get(name).case
    ike = case.ike_on("lan")

    assert not any(ike[0].message.responder_cookie)
    assert [s.message.exchange for s in ike[-2:]] == [5, 5]
    first, last = case.frames("lan")[0], case.frames("lan")[-1]
    assert case.record.started <= first.time
    assert last.time <= case.record.ended


def _output(*argv: str) -> str:
    done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout
