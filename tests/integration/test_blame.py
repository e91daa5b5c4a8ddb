"""Who is to blame when a run does not succeed: a lab that broke is not reported as a path that failed.

Each lab here is a copy of the real one with one defect in it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.labs import DEADLINE_S, ROOT

pytestmark = pytest.mark.kernel

DEFECTS = {
    "charon ends": ("tunnels/ipsec.py", 'PROGRAM = "/bin/false"'),
    "no charon": ("tunnels/ipsec.py", 'PROGRAM = "/usr/sbin/no-such-charon"'),
    "charon refuses": (
        "tunnels/ipsec.py",
        "render = render_connection\n"
        "def render_connection(connection, *others):\n"
        "    settings = render(connection, *others)\n"
        "    settings[connection.name]['proposals'] = ['nonsense']\n"
        "    return settings",
    ),
    "VICI hangs up": (
        "tunnels/ipsec.py",
        "load = Charon.ready\n"
        "def ready(self):\n"
        "    load(self)\n"
        "    self._socket.shutdown(2)\n"
        "Charon.ready = ready",
    ),
    "gateway's charon dies": (
        "lab/ways/vpn/bring_up.py",
        "original = Vpn._open\n"
        "def open_to_the_dead(self, connection, *others):\n"
        "    self._charons[connection.gateway]._daemon.signal(11)\n"
        "    return original(self, connection, *others)\n"
        "Vpn._open = open_to_the_dead",
    ),
    "gateway's xl2tpd dies": (
        "lab/ways/vpn/bring_up.py",
        "original = Vpn._open\n"
        "def open_and_kill(self, *which):\n"
        "    sessions = original(self, *which)\n"
        "    next(iter(self._lnss.values())).daemon.signal(11)\n"
        "    return sessions\n"
        "Vpn._open = open_and_kill",
    ),
    "gateway's pppd dies": (
        "lab/ways/vpn/bring_up.py",
        "original = Vpn._open\n"
        "def open_and_kill(self, *which):\n"
        "    sessions = original(self, *which)\n"
        "    xl2tpd = next(iter(self._lnss.values())).daemon.pid\n"
        "    import os, pathlib\n"
        "    for stat in pathlib.Path('/proc').glob('[0-9]*/stat'):\n"
        "        if stat.read_text().rpartition(')')[2].split()[1] == str(xl2tpd):\n"
        "            os.kill(int(stat.parent.name), 11)\n"
        "    return sessions\n"
        "Vpn._open = open_and_kill",
    ),
    "lig's pppd dies": (
        "tunnels/lig.py",
        "take = Bank._take\n"
        "def take_and_kill(self, facts, pppd, notice):\n"
        "    take(self, facts, pppd, notice)\n"
        "    if not notice.asks:\n"
        # While pppd writes that down, its handler of signals would wait for syslog's lock for ever.
        "        pppd.expect_line('ip-up started', 5.0)\n"
        "        pppd.signal(11)\n"
        "Bank._take = take_and_kill",
    ),
    "servers": (
        "lab/ibm/server.py",
        "def accept_nobody(*_):\n    pass\nServer._accept = accept_nobody",
    ),
    "agent": (
        "lab/agent/heartbeat.py",
        "def heartbeat(*_, **__):\n    raise RuntimeError('a defect')",
    ),
    "pump": (
        "lab/telephony/equipment.py",
        "def hear(self, station, now):\n    raise RuntimeError('a defect')\nEquipment._hear = hear",
    ),
    "pump in mid-call": (
        "lab/telephony/equipment.py",
        "hear = Equipment._hear\n"
        "def hear_little(self, station, now):\n"
        "    if station.carried > 5000:\n"
        "        raise RuntimeError('a defect')\n"
        "    hear(self, station, now)\n"
        "Equipment._hear = hear_little",
    ),
    "gateway": (
        "tunnels/lig.py",
        "def carry(*_):\n    raise RuntimeError('a defect')\nBank._carry = carry",
    ),
}
TALK = ("--", "sh", "-c", "ping -c 10 -s 1400 $LAB_PROBE; exit 0")
"""A command that carries more over the telephone than the pump bears, and does not care."""


class Broken:
    """A lab with a defect."""

    def __init__(self, checkout: Path) -> None:
        self._checkout = checkout

    def lab(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "lab", *words],
            env={**os.environ, "PYTHONPATH": os.fspath(self._checkout)},
            cwd=self._checkout,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def run(self, *words: str) -> tuple[int, str, dict[str, Any]]:
        """Exit status, what was said, and the verdict."""
        done = self.lab("run", "--out", "run", *words)
        return (
            done.returncode,
            done.stderr,
            json.loads((self._checkout / "run/verdict.json").read_text()),
        )


@pytest.fixture
def broken(request: pytest.FixtureRequest, tmp_path: Path) -> Broken:
    for folder in ("lab", "tunnels", "topologies"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    file, code = DEFECTS[request.param]
    with (tmp_path / file).open("a") as source:
        source.write(f"\n{code}\n")
    return Broken(tmp_path)


def with_defects(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("broken", names, indirect=True)


SCENARIO: tuple[str, ...] = ()
each_way_of_running = pytest.mark.parametrize(
    "command", [SCENARIO, TALK], ids=["scenario", "command"]
)


@with_defects("charon ends", "charon refuses", "VICI hangs up")
@each_way_of_running
def test_a_charon_that_broke_is_the_labs_fault(broken: Broken, command: tuple[str, ...]) -> None:
    status, said, verdict = broken.run("vpn-nat", *command)

    assert status == 4, said
    assert "\nlab: charon: " in said
    assert "Traceback" not in said
    assert verdict["verdict"] == "error"
    assert verdict["diagnosis"].startswith("the run broke off: charon: ")


@with_defects("gateway's charon dies", "gateway's xl2tpd dies", "gateway's pppd dies")
def test_a_daemon_of_a_gateway_that_dies_by_itself_is_the_labs_fault(broken: Broken) -> None:
    status, said, verdict = broken.run("vpn-nat")

    assert status == 4, said
    ends = r"(charon: ended by SIGABRT|xl2tpd: ended \S+ \S+.*|pppd: ended with exit status 127.*)"
    assert re.search(rf"^lab: vpn1's {ends}\n    \| ", said, re.MULTILINE)
    assert verdict["verdict"] == "error"
    assert verdict["diagnosis"].startswith("the run broke off: vpn1's ")


@with_defects("lig's pppd dies")
def test_a_pppd_of_atts_gateway_that_dies_by_itself_is_the_labs_fault(broken: Broken) -> None:
    status, said, _ = broken.run("dial")

    assert status == 4, said
    assert re.search(
        r"^lab: lig's pppd-lig-1: ended with exit status 127\n    \| ", said, re.MULTILINE
    )


@with_defects("servers")
def test_servers_that_accept_nobody_are_the_labs_fault(broken: Broken) -> None:
    status, said, _ = broken.run("direct")

    assert status == 4, said
    assert "\nlab: sdc: the servers accept no connections any more\n" in said


@with_defects("no charon")
@each_way_of_running
def test_a_charon_that_is_not_there_is_this_machines_fault(
    broken: Broken, command: tuple[str, ...]
) -> None:
    status, said, verdict = broken.run("vpn-nat", *command)

    assert status == 3, said
    assert "\nlab: there is no program /usr/sbin/no-such-charon\n" in said
    assert verdict["verdict"] == "error"


@with_defects("pump", "pump in mid-call", "gateway")
@each_way_of_running
def test_a_telephone_that_broke_is_the_labs_fault(broken: Broken, command: tuple[str, ...]) -> None:
    status, said, verdict = broken.run("dial", *command)

    assert status == 4, said
    assert re.search(r"^lab: .* broke: RuntimeError\('a defect'\)$", said, re.MULTILINE)
    assert said.count("    | RuntimeError: a defect\n") == 1
    assert verdict["verdict"] == "error"
    assert "broke: RuntimeError('a defect')" in verdict["diagnosis"]


@with_defects("agent")
def test_an_agent_that_broke_is_the_labs_fault(broken: Broken) -> None:
    """The reference agent is the lab's own: only what it answers says anything of the path."""
    status, said, verdict = broken.run("direct")

    assert status == 4, said
    assert "\nlab: hmc's agent: ended with exit status 1 and no answer\n" in said
    assert "    | RuntimeError: a defect\n" in said
    assert verdict["verdict"] == "error"


@with_defects("charon ends")
def test_of_several_paths_the_broken_lab_counts_most(broken: Broken) -> None:
    done = broken.lab("verify", "direct", "vpn-nat")

    assert done.returncode == 4
    assert [line.split()[:2] for line in done.stdout.splitlines() if "held" in line] == [
        ["direct", "pass"],
        ["vpn-nat", "error"],
    ]


@pytest.mark.parametrize(
    ("broken", "status", "said"),
    [
        ("charon ends", 4, "the lab did not come up: lab: charon: ended with exit status 1"),
        ("no charon", 3, "the lab did not come up: lab: there is no program /usr/sbin/no-such"),
    ],
    indirect=["broken"],
)
def test_a_lab_that_is_to_be_left_up_tells_the_same(broken: Broken, status: int, said: str) -> None:
    done = broken.lab("up", "vpn-nat")

    assert done.returncode == status, done.stderr
    assert said in done.stderr


@with_defects("charon ends")
def test_a_path_that_fails_is_not_the_labs_fault(broken: Broken) -> None:
    """What else is broken in a lab has no part in a path that has no use for it."""
    assert broken.run("direct", "--fault", "small-mtu")[0] == 1
    assert broken.lab("up", "dial", "--fault", "modem-dead").returncode == 1
