"""The timeline of true runs, and what a run tells on the terminal when a way does not come up."""

from __future__ import annotations

import re

import pytest

from lab import cli
from lab.report import timeline
from lab.report.kept import KeptRun
from lab.secret import Secret, find
from tests.integration.labs import Runs

pytestmark = pytest.mark.kernel

KINDS = {
    "direct": {"event", "packet", "ledger", "finding"},
    "vpn-nat": {"event", "packet", "log", "ledger", "finding"},
    "dial": {"event", "packet", "at", "log", "ledger", "finding"},
}


@pytest.mark.parametrize("topology", KINDS)
def test_a_run_leaves_a_timeline_of_all_that_happened(runs: Runs, topology: str) -> None:
    ran = runs.get(topology)
    found = timeline.read(ran.run_dir)
    times = [each["time"] for each in found]
    assert times == sorted(times)
    assert {each["kind"] for each in found} == KINDS[topology]
    # By one clock: nothing is before the lab stood, or after it was gone.
    assert ran.record.started - 1 < times[0]
    assert times[-1] < ran.record.ended + 1
    assert KeptRun.read(ran.run_dir).problems == ()

    frames = {(f.segment, f.number): f.time for own in ran.case.wire.values() for f in own}
    for each in found:
        if each["kind"] == "packet" and each["segment"] != "pstn":
            at = frames[each["segment"], each["frame"]]
            assert at == pytest.approx(each["time"], abs=1e-5)

    text = (ran.run_dir / timeline.TIMELINE).read_text()
    assert [where for where, secret in find(ran.topology, Secret) if secret.reveal() in text] == []


BROUGHT_BY = {
    ("hmc", "Connection established"): "SCCRP",
    ("vpn1", "Connection established"): "SCCCN",
    ("hmc", "Call established"): "ICRP",
    ("vpn1", "Call established"): "ICCN",
    ("vpn1", "control_finish: Connection closed to 192.168.10.10, serial"): "CDN",
    ("vpn1", "control_finish: Connection closed to 192.168.10.10, port"): "StopCCN",
}
"""What xl2tpd tells at a node, and the message from the other end without which it cannot."""


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_what_xl2tpd_tells_stands_after_the_packet_that_brings_it(runs: Runs, clock: str) -> None:
    ran = runs.get("vpn-nat", *(("--clock", clock) if clock != "virtual" else ()))
    assert ran.status == 0, ran.told
    found = timeline.read(ran.run_dir)
    frames = {(f.segment, f.number): f.time for own in ran.case.wire.values() for f in own}
    for (node, words), message in BROUGHT_BY.items():
        ((at, told),) = [
            (at, each)
            for at, each in enumerate(found)
            if each.get("program") == "xl2tpd"
            and each["source"] == node
            and each["text"].startswith(words)
        ]
        ((before, packet),) = [
            (at, each)
            for at, each in enumerate(found)
            if each["kind"] == "packet" and each["text"].startswith(f"{message} ")
        ]
        assert before < at, (told, packet)
        # Not only where the packet was first seen: on the last wire before the node, too.
        seen = [(packet["segment"], packet["frame"]), *map(tuple, packet.get("also", ()))]
        arrived = max(round(frames[each], 6) for each in seen)
        assert arrived <= told["time"], (told, packet)

    # By the kernel's clock, not by when the lab came to read it: before the packets that follow from it.
    tunnel = next(
        at for at, e in enumerate(found) if e["text"].startswith("Connection established")
    )
    session = next(at for at, e in enumerate(found) if e["text"].startswith("ICRQ "))
    assert tunnel < session


def test_syslog_has_what_pppd_of_a_gateway_tells_with_the_time(runs: Runs) -> None:
    """pppd.log has no times: no milestone may be in it alone."""
    ran = runs.get("vpn-nat")
    logs = ran.run_dir / "logs"
    for node, name in (("vpn1", "pppd.log"), ("hmc", "pppd-0.log")):
        told = [
            " ".join(each["text"].split())
            for each in timeline.read(ran.run_dir)
            if (each["source"], each.get("program")) == (node, "pppd")
        ]
        lines = [" ".join(line.split()) for line in (logs / node / name).read_text().splitlines()]
        own = [line for line in lines if TELLING.search(line)]
        assert [line for line in told if TELLING.search(line)] == own
        assert len(own) > 4


TELLING = re.compile(
    r"^Connect: |^(local|remote) IP address |^Terminating |^Connection terminated|^CHAP authentication"
)


def test_names_that_lead_nowhere_are_in_the_timeline_and_the_report(runs: Runs) -> None:
    ran = runs.get("vpn-nat", "--fault", "dns-silent")
    found = [e for e in timeline.read(ran.run_dir) if e.get("program") == "dnsmasq"]
    names = [each["text"].split()[1] for each in found]
    assert {each["source"] for each in found} == {"firewall"}
    assert all(each["text"].endswith(" to 203.0.113.54: no answer") for each in found)
    # Each name was asked for many times.
    assert len(names) == len({*names}) > 1
    page = (ran.run_dir / "report.html").read_text()
    assert found[0]["text"] in page
    good = timeline.read(runs.get("vpn-nat").run_dir)
    assert [each for each in good if each.get("program") == "dnsmasq"] == []


def test_the_terminal_tells_what_broke_first_and_all_if_asked(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = runs.get("vpn-nat", "--fault", "wrong-psk")
    told = " ".join(ran.stdout.split())
    places = [
        told.index(words)
        for words in ("diagnosis: ", "P-01 fail ", "13 more follow from this: ", "14 failed")
    ]
    assert places == sorted(places)
    assert re.findall(r"^(\S+) +fail ", ran.stdout, re.MULTILINE) == ["P-01"]

    every = runs.get("vpn-nat", "--fault", "wrong-psk", "--all")
    assert {*re.findall(r"^(\S+) +fail ", every.stdout, re.MULTILINE)} == every.failed
    assert len(every.failed) == 14
    assert "more follow" not in every.stdout

    assert cli.main(["requirements", str(ran.run_dir), str(runs.get("vpn-nat").run_dir)]) == 0
    assert re.search(r"^P-01 +proven ", capsys.readouterr().out, re.MULTILINE)
