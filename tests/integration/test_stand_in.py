"""A user's own console: a hardening script or a listener on the HMC, and the contract judged as before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.labs import SYSTEM_PYTHON, lab

pytestmark = pytest.mark.kernel

OPENS_A_PORT_MORE = """\
nft monitor new rules | grep -q -m 1 'ip lockdown .*dport 2300 '
nft insert rule ip lockdown dispatch tcp dport 2301 accept
sleep infinity
"""
"""A console that opens what is not listed, as soon as its doors are open."""


def failed(folder: Path) -> set[str]:
    verdict = json.loads((folder / "verdict.json").read_text())
    return {f["requirement"] for f in verdict["findings"] if f["verdict"] == "fail"}


def test_a_listener_keeps_its_port_and_is_judged(tmp_path: Path) -> None:
    """The representative's tool reaches it: it says nothing first, and what it says is not the lab's."""
    out = tmp_path / "out"
    listener = f"{SYSTEM_PYTHON} -m http.server 2300"
    command = ("--node", "hmc", "--", *listener.split())
    done = lab("run", "service-modem", "--out", f"{out}", *command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert failed(out) == set()
    assert "I-10    pass" in done.stdout


def test_a_console_that_opens_a_port_more_does_not_hold(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ("--", "bash", "-c", OPENS_A_PORT_MORE)
    done = lab("service", "service-modem", "--contract", "--out", f"{out}", *command)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAILS" in done.stdout
    assert "I-10" in failed(out)


def test_a_script_that_fails_ends_it(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ("--node", "hmc", "--", "sh", "-c", "exit 7")
    done = lab("run", "service-modem", "--out", f"{out}", *command)
    assert done.returncode == 7, done.stdout + done.stderr
    events = (out / "events.jsonl").read_text()
    assert "inbound-enabled" not in events


def test_a_command_elsewhere_is_no_console(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = lab("run", "service-modem", "--out", f"{out}", "--node", "console", "--", "true")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "host-scanned" not in (out / "events.jsonl").read_text()
