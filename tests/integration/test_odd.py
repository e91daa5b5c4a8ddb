"""Odd but right things that people do in a lab: none of them may fail a finding.

The table is ``tests/data/odd/right.tsv``; all that it has for one topology is done in one lab, one thing
after the other. Where that fails a finding, each thing is done alone, so that the failure names it.
"""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path

import pytest

from tests.integration.labs import ROOT, Ran, Runs
from tests.integration.users import User

pytestmark = pytest.mark.kernel

ODD = ROOT / "tests" / "data" / "odd"
TABLE = ODD / "right.tsv"
FEWEST = 60
OWN_RULES = """
flush ruleset
table inet mine {
  set ibm { type ipv4_addr; elements = { 129.42.56.189, 129.42.60.189, 129.42.54.189 } }
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    iifname "lan" oifname "fw-inet" %s ct state new accept
  }
  chain post { type nat hook postrouting priority 100; oifname "fw-inet" masquerade; }
}
"""
RIGHT_RULE, OPEN_RULE = "ip daddr @ibm tcp dport 443", "meta l4proto { tcp, udp }"
CALL = 'curl -sS -m 10 --cacert "$LAB_CA_FILE" "$LAB_SERVER"'
STRAY = "curl -sS -m 3 http://129.42.56.189/; true"


def _rows() -> list[dict[str, str]]:
    with TABLE.open() as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def _topologies() -> list[str]:
    return sorted({name for row in _rows() for name in row["topologies"].split()})


def _things(topology: str) -> list[str]:
    return [row["thing"] for row in _rows() if topology in row["topologies"].split()]


def _plan(topology: str, *only: str) -> tuple[str, ...]:
    inside = (sys.executable, os.fspath(ODD / "inside.py"), os.fspath(TABLE), topology)
    return (topology, "--quiet", "--", *inside, *only)


def _done(ran: Ran) -> dict[str, tuple[float, float]]:
    """What was done, and from when until when."""
    with (ran.run_dir / "done.tsv").open() as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return {thing: (float(began), float(ended)) for thing, began, ended in rows}


@pytest.fixture(scope="module", autouse=True)
def _begun(runs: Runs) -> None:
    runs.start(map(_plan, _topologies()))


def test_the_table_has_enough_things_each_once() -> None:
    things = [row["thing"] for row in _rows()]

    assert len(things) >= FEWEST
    assert sorted(things) == sorted({*things})


@pytest.mark.parametrize("topology", _topologies())
def test_what_people_do_fails_no_finding(topology: str, runs: Runs) -> None:
    ran = runs.get(*_plan(topology))

    assert ran.status == 0, ran.told
    done = _done(ran)
    assert [*done] == _things(topology)
    assert not _silent(ran, done), "these sent nothing, so they prove nothing"
    assert not ran.failed, _culprits(topology, ran, runs)
    assert ran.verdict["verdict"] == "pass"


def _silent(ran: Ran, done: dict[str, tuple[float, float]]) -> list[str]:
    times = [frame.time for frames in ran.case.wire.values() for frame in frames]
    times += [item.frame.time for item in ran.case.all_carried]
    return [
        thing
        for thing, (began, ended) in done.items()
        if not any(began <= t <= ended for t in times)
    ]


def _culprits(topology: str, together: Ran, runs: Runs) -> str:
    """Which things fail a finding when they are done alone; and what failed when all were done together."""
    told = [
        f"{thing}: {name} says {found['seen']}"
        for thing in _things(topology)
        for ran in [runs.get(*_plan(topology, thing))]
        for name, found in ran.findings.items()
        if name in ran.failed
    ]
    every = [f"{name} says {together.findings[name]['seen']}" for name in sorted(together.failed)]
    return "\n".join([*(told or ["no thing alone fails a finding"]), "all together:", *every])


@pytest.mark.parametrize(
    ("rule", "command", "wrong"),
    [
        (RIGHT_RULE, CALL, set()),
        (RIGHT_RULE, f"{CALL}; {STRAY}", set()),
        (OPEN_RULE, CALL, set()),
        (OPEN_RULE, f"{CALL}; {STRAY}", {"F-03", "OUT-01", "g4"}),
    ],
    ids=["right", "right, and tried", "open", "open, and used"],
)
def test_rules_of_ones_own_are_judged_by_what_passes(
    rule: str, command: str, wrong: set[str], tmp_path: Path
) -> None:
    with User.visiting(tmp_path) as user:
        up = user.lab("up", "direct-snat", "--out", str(tmp_path / "out"))
        assert up.returncode == 0, up.stderr
        rules = (OWN_RULES % rule).encode()
        loaded = user.lab("exec", "firewall", "--", "nft", "-f", "-", input=rules)
        called = user.lab("exec", "hmc", "--", "sh", "-c", command)
        down = user.lab("down", "direct-snat")

    assert (loaded.returncode, called.returncode) == (0, 0), loaded.stderr + called.stderr
    ran = Ran(down.returncode, down.stdout.decode(), down.stderr.decode(), 0.0, tmp_path / "out")
    assert ran.failed == wrong, ran.told
    assert wrong or "the wires alone tell what passed" in ran.findings["F-03"]["seen"]
