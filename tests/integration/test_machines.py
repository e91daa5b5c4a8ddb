"""A node is a machine of its own: its interfaces, its name, its devices, its /etc, its users."""

from __future__ import annotations

import grp
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from lab.linux import furnishing
from tests.integration.labs import ROOT, SYSTEM_PYTHON, Ran, Runs

pytestmark = pytest.mark.kernel

DATA = ROOT / "tests" / "data" / "nodes"
MACHINE = (
    "dial", "--no-path", "--", SYSTEM_PYTHON, os.fspath(DATA / "machine.py"),
)  # fmt: skip
"""No way home is up, and so no daemon of the lab's own runs on the HMC."""

FOLDERS = ("/etc/ppp", "/etc/xl2tpd", "/etc/swanctl", "/etc/strongswan.d")
OF_THE_LAB = {"/etc/ppp/chap-secrets", "/etc/ppp/pap-secrets", "/etc/ppp/options"}

DAEMONS = """
ls -d /etc/ppp/*
test -d /sys/class/net/ppp0
"""
OWN_CHARON = """
charon-systemd >/dev/null 2>&1 &
until swanctl --stats >/dev/null 2>&1; do sleep 0.1; done
cat >/etc/swanctl/swanctl.conf <<END
connections { ibm { version = 1
  proposals = 3des-md5-modp1024
  remote_addrs = 129.42.160.16
  local { auth = psk }
  remote { auth = psk } } }
END
swanctl --load-all && swanctl --list-conns
kill $!
wait $!
echo "ended $?"
"""
PLANS = {
    "machine": MACHINE,
    "daemons": ("vpn-nat", "--", "sh", "-c", DAEMONS),
    "charon": ("vpn-nat", "--no-path", "--", "sh", "-c", OWN_CHARON),
}


@pytest.fixture(scope="module", autouse=True)
def started(runs: Runs) -> None:
    runs.start(PLANS.values())


def facts(ran: Ran) -> dict[str, Any]:
    assert ran.status == 0, ran.told
    return dict(json.loads(ran.stdout))


@pytest.fixture
def found(runs: Runs) -> dict[str, Any]:
    return facts(runs.get(*MACHINE))


def test_sysfs_shows_the_nodes_interfaces(found: dict[str, Any], runs: Runs) -> None:
    assert found["links"] == found["interfaces"] == ["lan", "lo"]
    planned = runs.get(*MACHINE).topology.node("hmc")
    assert found["mac"] == next(i.mac for i in planned.interfaces if i.name == "lan")


def test_the_nodes_name_is_the_full_one_and_leads_to_its_address(found: dict[str, Any]) -> None:
    assert found["hostname -f"] == found["fqdn"] == "hmc.customer.test"
    assert found["hostname -i"] == found["address"] == "192.168.10.10"


def test_everybody_may_note_which_port_is_in_use(found: dict[str, Any]) -> None:
    assert found["lock"] == [0, 0, "1777"]
    assert found["lock as nobody"] == 0


def test_a_modem_is_a_serial_port_by_whatever_name_it_is_looked_for(found: dict[str, Any]) -> None:
    dialout = grp.getgrnam("dialout").gr_gid
    names = ("modem", "modem0", "ttyS0", "ttyUSB0")
    assert found["ports"] == {f"/dev/{name}": [0, dialout, "660"] for name in names}
    assert found["answers"] == {"/dev/ttyS0": "OK", "/dev/ttyUSB0": "OK"}
    # Root is of the group: programs that give up root's other rights get at the port.
    assert dialout in found["groups"]
    assert found["port as nobody"] != 0


def test_a_nodes_devices_are_not_the_guests(found: dict[str, Any]) -> None:
    """There ttyS0 is the lab's own line to the host."""
    assert {"null", "tty", "ptmx", "pts", "shm", "log"} <= set(found["dev"])
    assert not {"tty1", "ttyS1", "kmsg"} & set(found["dev"])


def test_users_other_than_root_may_ping(found: dict[str, Any]) -> None:
    assert "1 received" in found["ping as nobody"]


def test_etc_starts_from_what_packages_ship(found: dict[str, Any]) -> None:
    here = {os.fspath(p) for folder in FOLDERS for p in Path(folder).rglob("*") if p.is_file()}
    hidden = {path for path in here if any(map(Path(path).is_relative_to, furnishing.SECRETS))}
    assert here - hidden, "there is something to be seen"
    shown = {path for path in here - hidden if os.access(path, os.R_OK)}
    assert set(found["etc"]) == shown | OF_THE_LAB
    assert found["unreadable"] == []


def test_a_nodes_etc_is_its_own(found: dict[str, Any]) -> None:
    assert found["resolv.conf"].endswith("# of this node\n")
    assert found["secrets"].count("\n") == 1, "what the lab knows, and nothing of this machine's"
    assert found["replaced secrets"].endswith("# of this node\n")
    assert found["new peer"] == "noauth"
    assert "# of this node" not in Path("/etc/resolv.conf").read_text()


def test_scripts_of_packages_are_not_for_the_labs_own_daemons(runs: Runs) -> None:
    ran = runs.get(*PLANS["daemons"])
    assert ran.status == 0, ran.told
    assert ran.verdict["verdict"] == "pass"
    there = {path for path in furnishing.HOOKS if Path(path).exists()}
    assert there, "the package ppp has such scripts"
    assert not there & set(ran.stdout.splitlines()), ran.stdout
    folders = {os.fspath(path) for path in Path("/etc/ppp").glob("ip*.d")}
    assert folders <= set(ran.stdout.splitlines()), "the rest is there"


def test_a_charon_of_ones_own_has_its_plugins_and_loads_connections(runs: Runs) -> None:
    ran = runs.get(*PLANS["charon"])
    assert "loaded connection 'ibm'" in ran.stdout, ran.told
    assert "ibm: IKEv1" in ran.stdout
    assert "ended 0" in ran.stdout


@pytest.mark.skipif(
    shutil.which("wvdialconf") is None, reason="needs wvdialconf, of the package wvdial"
)
def test_wvdialconf_finds_the_modem(runs: Runs) -> None:
    ran = runs.get("dial", "--no-path", "--", "wvdialconf", "/tmp/wvdial.conf")
    assert "Found a modem on /dev/ttyS0." in ran.stdout + ran.stderr, ran.told


@pytest.mark.skipif(shutil.which("cu") is None, reason="needs the program cu, of the package cu")
def test_cu_gets_lock_and_port(runs: Runs) -> None:
    ran = runs.get("dial", "--no-path", "--", sys.executable, os.fspath(DATA / "cu.py"))
    assert ran.status == 0, ran.told
