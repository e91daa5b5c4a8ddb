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
