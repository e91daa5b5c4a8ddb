"""A node has processes of its own: who ends programs by name there ends that node's, and is told of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab import kernel
from tests.integration.users import User

pytestmark = pytest.mark.kernel

DIAL_AGAIN = """
ps -e -o comm=
# As many a dialler does first, lest an old pppd be there.
pkill pppd || echo none was there
timeout 60 pppd /dev/modem0 115200 noauth nodetach lock modem crtscts noipdefault usepeerdns \\
    user "$LAB_USER" connect \\
    "chat -t 70 ABORT BUSY ABORT 'NO CARRIER' '' ATZ OK ATDT${LAB_NUMBERS%%,*} CONNECT ''" &
n=0; until ip -br address show ppp0 2>/dev/null | grep -q 203; do sleep 1; n=$((n+1)); test $n -lt 50; done
pkill pppd
wait
"""
"""A pppd of the user's own on the HMC, while AT&T's gateway has one, too."""
LINGERS = "setsid sh -c 'trap \"\" TERM HUP INT; while :; do sleep 1000; done' & sleep 1"
"""Leaves a program that has left its session and ignores what asks it to end."""
ENDED = {
    "poff": ("dial", "hmc", "poff -a", "hmc's pppd ended with exit status 5"),
    "charon": ("vpn-nat", "hmc", "pkill charon", "hmc's charon-systemd ended with exit status 0"),
    "pppd": ("vpn-nat", "hmc", "pkill -9 pppd", "hmc's pppd ended by SIGKILL"),
    "gateway": ("vpn-nat", "vpn1", "pkill -9 charon", "vpn1's charon-systemd ended by SIGKILL"),
    "squid": ("proxy", "proxy-1", "pkill -9 squid", "proxy-1's squid ended by SIGKILL"),
    "dnsmasq": (
        "direct-names",
        "firewall",
        "pkill -9 dnsmasq",
        "firewall's dnsmasq ended by SIGKILL",
    ),
}
"""What somebody types in which node of which topology, and what the run says of it."""


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> User:
    return User.settle(tmp_path_factory.mktemp("home"))


def verdict(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "verdict.json").read_text()))


def test_a_node_ends_its_own_programs_alone(user: User) -> None:
    words = ("run", "dial", "--no-path", "--out", "own", "--", "sh", "-c", DIAL_AGAIN)
    said = user.lab(*words).stdout.decode()
    assert "none was there" in said
    assert {"node-init", "sh", "ps"} <= set(said.split())
    assert not {"dnsmasq", "python3"} & set(said.split())
    assert "PAP authentication succeeded" in said
    # AT&T's pppd heard the hang-up, and nobody killed it.
    log = (user.home / "own" / "logs" / "lig" / "pppd-lig-1.log").read_text()
    assert "LCP terminated by peer" in log.partition("Terminating on signal")[0]
    assert verdict(user.home / "own")["verdict"] == "pass"
    assert "diagnosis" not in verdict(user.home / "own")


@pytest.mark.parametrize("case", ENDED)
def test_a_daemon_that_somebody_ends_is_told(user: User, case: str) -> None:
    """The lab has not broken: the end is an event, and the run is judged."""
    topology, node, command, sentence = ENDED[case]
    script = f"{command}; sleep 5; exit 3"
    done = user.lab("run", topology, "--node", node, "--out", case, "--", "sh", "-c", script)
    assert done.returncode == 3, done.stderr
    found = verdict(user.home / case)
    assert found["diagnosis"].startswith(f"{sentence}: the lab had started it")
    assert found["verdict"] == "pass", found
    assert (user.home / case / "events.jsonl").read_text().count('"daemon-ended"') == 1


def test_a_lingering_program_is_its_nodes_own(user: User) -> None:
    def shown(node: str) -> str:
        return user.lab("exec", node, "--", "ps", "-e", "-o", "args=").stdout.decode()

    with user.standing("direct", "--out", "lingers"):
        assert user.lab("exec", "hmc", "--", "sh", "-c", LINGERS).returncode == 0
        assert "sleep 1000" in shown("hmc")
        assert "sleep" not in shown("firewall")
        assert user.lab("exec", "firewall", "--", "pkill", "-9", "sleep").returncode == 1
        assert "sleep 1000" in shown("hmc")


def test_a_shell_is_process_1_where_there_is_no_compiler(user: User) -> None:
    """Nothing else differs."""
    first = ("run", "direct", "--quiet", "--", "/bin/ps", "-p", "1", "-o", "comm=")
    assert user.lab(*first).stdout == b"node-init\n"
    alone = {**user.env, "PATH": "/nowhere", "XDG_CACHE_HOME": str(user.home / "other")}
    done = user.lab(*first, env={**alone, "LAB_KERNEL": str(kernel.status().path)})
    assert done.stdout == b"sleep\n", done.stderr
