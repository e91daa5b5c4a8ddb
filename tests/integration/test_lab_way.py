"""``lab-way``: programs in nodes bring their host's way home up and down, in a run or a standing lab."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab.inside import way_tool
from tests.integration.users import User

pytestmark = pytest.mark.kernel

SHELL = """
say() { echo "$* = $(lab-way "$@" 2>&1; echo $?)" | tr '\\n' '|'; echo; }
call() { curl -sS -m 20 --cacert "$LAB_CA_FILE" "$LAB_SERVER" >/dev/null 2>&1 && echo home || echo lost; }
"""


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User.settle(tmp_path / "home")


def ran(
    user: User, *words: str, script: str
) -> tuple[list[str], subprocess.CompletedProcess[bytes]]:
    """What a shell in a node printed, by lines."""
    done = user.lab(*words, "--", "sh", "-c", SHELL + script)
    return done.stdout.decode().splitlines(), done


def findings(user: User) -> dict[str, dict[str, Any]]:
    verdict = json.loads((user.home / "out" / "verdict.json").read_text())
    return {each["requirement"]: each for each in verdict["findings"]}


def test_vpn_then_modem_by_an_agent_in_a_run(user: User) -> None:
    lines, done = ran(
        user, "run", "failover", "--no-path", "--out", "out", script="""
        call
        say up vpn; call
        say up; say up modem
        say down vpn; call
        say down
        say up modem; call
        say down
        """,
    )  # fmt: skip
    assert lines == [
        "lost",
        "up vpn = hmc: vpn is up|0|",
        "home",
        "up = hmc: vpn is up already|0|",
        "up modem = lab-way: hmc has its way home by vpn|  hint: first: lab-way down vpn|1|",
        "down vpn = hmc: vpn is down|0|",
        "lost",
        "down = the way home is down already|0|",
        "up modem = hmc: modem is up|0|",
        "home",
        "down = hmc: modem is down|0|",
    ]
    assert done.returncode == 0, done.stderr
    found = findings(user)
    assert not [each for each in found.values() if each["verdict"] == "fail"]
    assert found["OUT-23"]["verdict"] == found["P-08"]["verdict"] == "pass", "both ways were used"


def test_a_way_that_does_not_come_says_why(user: User) -> None:
    lines, _ = ran(
        user, "run", "failover", "--fault", "gateways-silent", "--no-path", "--out", "out",
        script="say up vpn; say up modem; call",
    )  # fmt: skip
    assert lines[0].startswith("up vpn = lab-way: hmc has no way home by VPN: vpn1:"), lines
    assert "vpn2: the other end does not answer" in lines[0]
    assert lines[0].endswith("|1|")
    assert lines[1:] == ["up modem = hmc: modem is up|0|", "home"]


def test_what_a_way_changes_is_no_doing_of_the_agents(user: User) -> None:
    """A call names name servers to its host; an agent that fails afterwards has not put them there."""
    _, done = ran(user, "run", "failover", "--out", "out", script="""
        lab-way down; lab-way up modem; cat /etc/resolv.conf; exit 3
        """)  # fmt: skip
    assert done.returncode == 3
    assert done.stdout.count(b"nameserver") == 2, done.stdout
    assert b"is not as the lab made it" not in done.stderr


def test_what_an_agent_changes_beside_a_way_is_told(user: User) -> None:
    _, done = ran(user, "run", "failover", "--out", "out", script="""
        lab-way down; lab-way up modem; echo nameserver 192.0.2.99 >/etc/resolv.conf; exit 3
        """)  # fmt: skip
    assert b"hmc is not as the lab made it: /etc/resolv.conf names 192.0.2.99" in done.stderr


def test_orders_that_make_no_sense(user: User) -> None:
    lines, _ = ran(
        user,
        "run",
        "failover",
        "--no-path",
        "--out",
        "out",
        script="say up modm; say on; say up a b",
    )
    assert lines[0] == (
        "up modm = lab-way: there is no way home 'modm'|  hint: did you mean modem?|2|"
    )
    assert [line.partition("WAY")[0] for line in lines[1:]] == [
        "on = usage: lab-way up [",
        "up a b = usage: lab-way up [",
    ]
    assert all(line.endswith("|2|") for line in lines)


def test_in_a_lab_that_stands(user: User) -> None:
    """Any user may ask, whatever starts a program has it on the PATH, and only agents' hosts have ways."""
    with user.standing("failover", "--no-path", "--out", "out"):
        done = user.lab("exec", "--user", "nobody", "hmc", "--", "lab-way", "up", "vpn")
        assert (done.returncode, done.stdout) == (0, b"hmc: vpn is up\n"), done.stderr
        lines, _ = ran(user, "exec", "hmc", script="call; say down")
        assert lines == ["home", "down = hmc: vpn is down|0|"]
        lines, _ = ran(user, "exec", "firewall", script="say up")
        assert lines == [
            "up = lab-way: there is no host of an agent 'firewall'|  hint: known: hmc|2|"
        ]


def test_a_program_outside_of_a_lab_is_told() -> None:
    done = subprocess.run(
        [sys.executable, "-IS", os.fspath(way_tool.__file__), "up"],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == b"lab-way: nobody takes orders here: this is no node of a lab\n"
