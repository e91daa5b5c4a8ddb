"""`ps`, `top`, `vmstat` and `uptime` in a node say what they say on any machine."""

from __future__ import annotations

import json
import time

import pytest

from tests.integration.labs import SYSTEM_PYTHON, Ran, Runs

pytestmark = pytest.mark.kernel

ASKED = (
    "ps aux",
    "ps -ef",
    "ps -eo pid,lstart,args",
    "vmstat",
    "top -b -n 1",
    "uptime",
    "uptime -s",
    "free",
    "w",
)
LAB_TIME_S = 7200
# A program with a long command line runs beside them, two hours after the start of the lab.
AGENT = f"""
import json, subprocess, sys, time
time.sleep({LAB_TIME_S})
with subprocess.Popen(["sleep", "1000", *["0"] * 40]) as beside:
    told = {{}}
    for line in {ASKED!r}:
        done = subprocess.run(line.split(), capture_output=True, text=True)
        told[line] = done.returncode, done.stdout, done.stderr
    told["now"] = 0, str(time.time()), ""
    print(json.dumps(told))
    beside.kill()
"""


@pytest.fixture(scope="module")
def ran(runs: Runs) -> Ran:
    ran = runs.get("direct", "--", SYSTEM_PYTHON, "-c", AGENT)
    assert ran.status == 0, ran.told
    return ran


def _said(ran: Ran, line: str) -> str:
    status, out, errors = json.loads(ran.stdout)[line]
    assert (status, errors) == (0, ""), line
    return str(out)


@pytest.mark.parametrize("line", ASKED)
def test_no_tool_complains(ran: Ran, line: str) -> None:
    assert _said(ran, line)


@pytest.mark.parametrize("line", ["ps aux", "ps -ef"])
def test_lines_are_whole(ran: Ran, line: str) -> None:
    assert "sleep 1000" + " 0" * 40 in _said(ran, line)


def test_a_process_began_when_it_did(ran: Ran) -> None:
    """Which needs the time of the boot: virtual time passes for that, too."""
    now = float(_said(ran, "now"))
    line = next(
        row for row in _said(ran, "ps -eo pid,lstart,args").splitlines() if "sleep 1000" in row
    )
    began = time.mktime(time.strptime(" ".join(line.split()[1:6])))
    assert abs(now - began) < 5


def test_how_long_the_lab_is_up(ran: Ran) -> None:
    now = float(_said(ran, "now"))
    up_since = time.mktime(time.strptime(_said(ran, "uptime -s").strip(), "%Y-%m-%d %H:%M:%S"))
    assert LAB_TIME_S - 1 <= now - up_since < LAB_TIME_S + 60
    assert "up  2:0" in _said(ran, "uptime")


def test_shares_of_the_processor(ran: Ran) -> None:
    head = _said(ran, "top -b -n 1")
    assert "%Cpu(s):" in head
    assert "?" not in next(row for row in head.splitlines() if "sleep" in row).split()[8:10]
    assert len(_said(ran, "vmstat").splitlines()[-1].split()) == len(
        _said(ran, "vmstat").splitlines()[1].split()
    )
