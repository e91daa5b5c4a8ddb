"""Targets that users enter at agents (OUT-44): outside of the list by their flag alone, on every way home.

Where a packet has to leave that no rule asks for, the firewall has rules of the user's own, which open all.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.integration.labs import ROOT, SYSTEM_PYTHON, Ran, Runs, changed
from tests.oracle import tshark

pytestmark = pytest.mark.kernel

NAME, TARGET, NEIGHBOUR = "user-target", "203.0.113.20", "203.0.113.1"
SENDS = """
import os, socket, sys
address, _, port = sys.argv[1].partition(":")
with socket.create_connection((address, int(port)), 10) as made:
    made.sendall(bytes(5000))
    made.shutdown(socket.SHUT_WR)
    assert made.recv(1) == b""
"""
GREETS = """
import os, socketserver
class Greeting(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 mine\\r\\n")
        print("said:", self.rfile.readline(), flush=True)
address, _, port = os.environ["LAB_LISTEN"].partition(":")
socketserver.ThreadingTCPServer((address, int(port)), Greeting).serve_forever()
"""
OPEN = """
table inet filter {
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		iifname "lan" oifname "fw-inet" accept
	}
}
table ip nat {
	chain postrouting {
		type nat hook postrouting priority srcnat;
		oifname "fw-inet" masquerade
	}
}
"""
UNLISTED = {"g1", "g4", "OUT-01", "F-03"}
"""What fails where a connection leaves that nobody has entered."""
ELSEWHERE = "vpn-nat", "dial", "proxy", "direct-cgnat", "dual-stack", "failover"
"""Other ways home, beside which agents offload by their default route."""


def command(script: Path, *words: str) -> tuple[str, ...]:
    """A program of the user's that offloads data to ``ADDRESS:PORT``."""
    script.write_text(SENDS)
    return ("--", SYSTEM_PYTHON, str(script), *words)


def with_open_firewall(folder: Path, *changes: tuple[str, str], to: str) -> str:
    (folder / "open.nft").write_text(OPEN)
    own = ("{ role: firewall, snat: true }", "{ role: firewall, snat: true, rules: open.nft }")
    return changed(folder, NAME, own, *changes, to=to)


UNFLAGGED = (
    ("files:    { role: user-target }", "files:    { role: host }"),
    ("  offload: { from: hmc, to: files, port: 22 }\n", ""),
    ("user_targets:  ", "#"),
)
"""The same lab, and nobody has entered anything."""


def beside(name: str, folder: Path) -> str:
    """One of the lab's own topologies, with a target that its first agent's user has entered."""
    text = (ROOT / "topologies" / f"{name}.yaml").read_text()
    found = re.search(r"^agents:\n  ([\w-]+):", text, re.MULTILINE)
    assert found
    link = "{ subnet: 198.19.7.0/24, rate: 1Gbit, nodes: { internet: , files: 198.19.7.20 } }"
    entered = f"{{ offload: {{ from: {found[1]}, to: files, port: 22 }} }}"
    for old, new in (
        ("nodes:\n", "nodes:\n  files: { role: user-target }\n"),
        ("links:\n", f"links:\n  colo: {link}\n"),
        ("\nexpect:", f"\nuser_targets: {entered}\nexpect:"),
    ):
        text = text.replace(old, new, 1)
    text = re.sub(r"expect:\s*\[", "expect: [OUT-44, ", text)
    path = folder / f"{name}-offload.yaml"
    path.write_text(text)
    return str(path)


@pytest.fixture(scope="module", autouse=True)
def started(runs: Runs) -> None:
    runs.start([(NAME,)])


def test_the_flagged_target_is_reached_and_tshark_sees_nothing_else_leave_for_it(
    runs: Runs,
) -> None:
    ran = runs.get(NAME)

    assert (ran.status, ran.failed) == (0, set()), ran.told
    assert ran.findings["OUT-44"]["verdict"] == "pass"
    fields = "tcp.dstport", "tcp.flags.syn", "tcp.flags.ack"
    wire = ran.run_dir / "wire"
    left = tshark(wire / "fw-inet.pcapng", fields, "-Y", f"ip.dst == {TARGET}")
    assert {port for port, _, _ in left} == {"22"}
    opened = [row for row in left if row[1] in ("1", "True") and row[2] in ("0", "False")]
    assert len(opened) == 1
    inside = tshark(wire / "lan.pcapng", fields, "-Y", f"ip.dst == {TARGET}")
    assert {port for port, _, _ in inside} == {"22", "23"}
    assert f"in {len(left)} packets to what is in no list" in ran.findings["OUT-44"]["seen"]


def test_a_command_of_ones_own_offloads_to_what_was_entered(runs: Runs, tmp_path: Path) -> None:
    """By LAB_USER_TARGETS, as the README says; nothing that it does is held against it."""
    script = tmp_path / "sends.py"
    _, python, program = command(script)
    where = f'exec {python} {program} "${{LAB_USER_TARGETS#offload=}}"'
    ran = runs.get(NAME, "--", "sh", "-c", where)

    assert (ran.status, ran.failed) == (0, set()), ran.told
    assert ran.findings["OUT-44"]["seen"].startswith("1 connection to offload (203.0.113.20:22)")
    (taken,) = (event for event in ran.events if event["kind"] == "data-taken")
    assert (taken["taken"], taken["whole"], taken["peer"]) == (5000, True, "198.51.100.2")


def test_a_command_that_calls_another_port_there_does_not_get_out(
    runs: Runs, tmp_path: Path
) -> None:
    ran = runs.get(NAME, *command(tmp_path / "sends.py", f"{TARGET}:2222"))

    assert ran.status == 1
    assert ran.failed == set()
    assert f"{TARGET} by TCP 2222, which none of its rules names" in ran.verdict["diagnosis"]


@pytest.mark.parametrize(
    ("where", "failed"),
    [
        (f"{TARGET}:22", set()),
        (f"{TARGET}:2222", UNLISTED | {"OUT-44"}),
        (f"{NEIGHBOUR}:22", UNLISTED),
    ],
)
def test_behind_a_firewall_that_opens_all_only_the_flag_tells(
    where: str, failed: set[str], runs: Runs, tmp_path: Path
) -> None:
    """The same address at another port, and the same port at another address, are as unlisted as ever."""
    name = with_open_firewall(tmp_path, to="open")
    ran = runs.get(name, *command(tmp_path / "sends.py", where))

    assert ran.failed == failed, ran.told
    assert (ran.findings["OUT-44"]["verdict"] == "pass") == (not failed)


def test_what_nobody_has_entered_fails_the_list(runs: Runs, tmp_path: Path) -> None:
    """The same packets as above, to the same server: without the key they are held against the agent."""
    name = with_open_firewall(tmp_path, *UNFLAGGED, to="unflagged")
    ran = runs.get(name, *command(tmp_path / "sends.py", f"{NEIGHBOUR}:22"))
    assert ran.failed == UNLISTED

    ran = runs.get(name, *command(tmp_path / "sends.py", f"{TARGET}:22"))
    assert ran.failed == UNLISTED
    assert f"a packet leaves for {TARGET}, which is not listed" in ran.findings["g1"]["seen"]
    assert ran.findings["OUT-44"]["verdict"] == "not-applicable"


def test_the_labs_trial_shows_a_firewall_that_opens_more_than_was_entered(
    runs: Runs, tmp_path: Path
) -> None:
    ran = runs.get(with_open_firewall(tmp_path, to="open"))

    assert ran.status == 1
    assert ran.failed >= {"OUT-44", "g1"}
    said = "hmc gets out to 203.0.113.20:23, which nobody has entered"
    assert said in ran.findings["OUT-44"]["seen"]


def test_another_host_behind_the_same_nat_is_no_agent_of_the_users(
    runs: Runs, tmp_path: Path
) -> None:
    """NAT gives both one address; whose connection it is, the wire behind the firewall tells."""
    name = with_open_firewall(
        tmp_path,
        ("  hmc:      { role: hmc }\n", "  hmc:      { role: hmc }\n  other:    { role: host }\n"),
        ("hmc: 192.168.10.10, firewall", "hmc: 192.168.10.10, other: 192.168.10.11, firewall"),
        to="two",
    )
    words = command(tmp_path / "sends.py", f"{TARGET}:22")
    ran = runs.get(name, "--node", "other", *words)

    assert ran.status == 0, ran.told
    assert ran.failed == {"OUT-01", "OUT-02", "OUT-44", "OUT-46", "g1", "g4"}


def test_a_server_of_ones_own_speaks_a_protocol_of_ones_own(runs: Runs, tmp_path: Path) -> None:
    """The lab's trial connects to it, and says nothing that it could misunderstand."""
    (tmp_path / "greets.py").write_text(GREETS)
    old, new = (
        "{ role: user-target }",
        f"{{ role: user-target, run: [{SYSTEM_PYTHON}, greets.py] }}",
    )
    name = changed(tmp_path, NAME, (old, new), to="greets")
    ran = runs.get(name)
    assert (ran.status, ran.failed) == (0, set()), ran.told
    assert ran.findings["OUT-44"]["verdict"] == "pass"
    log = Path("logs") / "files" / "python3.log"
    assert (ran.run_dir / log).read_text() == "said: b''\n"

    asks = f"exec 3<>/dev/tcp/{TARGET}/22; read -r line <&3; echo $line; echo hello >&3; cat <&3"
    ran = runs.get(name, "--", "bash", "-c", asks)
    assert (ran.status, ran.failed) == (0, set()), ran.told
    assert ran.stdout.startswith("220 mine")
    assert (ran.run_dir / log).read_text() == "said: b'hello\\n'\n"


@pytest.mark.parametrize("name", ELSEWHERE)
def test_beside_every_way_home_it_is_left_out_and_nothing_else_is(
    name: str, runs: Runs, tmp_path: Path
) -> None:
    ran = runs.get(beside(name, tmp_path))

    assert ran.failed == set(), ran.told
    assert ran.findings["OUT-44"]["verdict"] == "pass"


def test_without_its_rule_the_diagnosis_names_the_target(runs: Runs) -> None:
    ran: Ran = runs.get(NAME, "--fault", "user-target-shut")

    assert (ran.status, ran.failed) == (1, {"OUT-44"})
    said = "hmc offloads to offload (203.0.113.20:22), and firewall lets nothing of that out"
    assert ran.verdict["diagnosis"].startswith(said)
    assert "open TCP 22 to 203.0.113.20 for hmc (192.168.10.10)" in ran.verdict["diagnosis"]


def test_a_server_that_is_gone_is_told_from_a_firewall(runs: Runs, tmp_path: Path) -> None:
    """By who lost it: the SYNs leave, and nothing comes back."""
    colo = "  colo:                                      # where the customer's server stands\n"
    lossy = "    loss: 99.99%\n    subnet: 203.0.113.0/24\n"
    name = changed(
        tmp_path, NAME, (f"{colo}    subnet: 203.0.113.0/24\n", f"{colo}{lossy}"), to="gone"
    )
    ran = runs.get(name)

    assert (ran.status, ran.failed) == (1, {"OUT-44"})
    assert "and files does not answer" in ran.verdict["diagnosis"]
