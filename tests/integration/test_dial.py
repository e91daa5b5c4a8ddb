"""Calls in real runs: two at once, more callers than lines, an HMC without a modem, a silent modem."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab import codec
from lab.record.record import Record
from lab.run.run import Run
from lab.topology.model import Topology
from lab.ways.dial.plan import dialers
from tests.integration.labs import Runs
from tests.integration.users import User, end, read_until
from tests.oracle import tshark
from tests.unit.verify.changes import change_dialers

pytestmark = pytest.mark.kernel


def ran(
    name: str, out: Path, change: Callable[[Topology], Topology] = lambda topology: topology
) -> tuple[int, Record]:
    """The scenario of a topology that was changed; its exit status and what it left."""
    run = Run.prepare(name, out=out)
    run.topology = change(run.topology)
    status = run.carry_out(quiet=True)
    return status, codec.load(Record, (out / "record.json").read_text())


def without_lines(*names: str) -> Callable[[Topology], Topology]:
    def change(topology: Topology) -> Topology:
        telephone = topology.telephone
        assert telephone is not None
        lines = tuple(line for line in telephone.lines if line.name not in names)
        return replace(topology, telephone=replace(telephone, lines=lines))

    return change


def test_two_call_at_once(tmp_path: Path) -> None:
    """P-12: each has an address of its own, for as long as it calls."""
    status, record = ran("dial-two-hmcs", tmp_path / "run")
    assert status == 0, record.error
    assert {call.agent for call in record.calls if call.succeeded} == {"hmc", "hmc-b"}

    first, second = record.lig[:2]
    assert first.address != second.address
    assert first.interface != second.interface
    assert second.opened < first.closed, "they were up at the same time"


def test_one_line_is_not_enough_for_two(tmp_path: Path) -> None:
    """The second caller hears busy tone, by each number and each round, and the first is not disturbed."""
    status, record = ran("dial-two-hmcs", tmp_path / "run", without_lines("lig-2"))
    assert status == 1
    nobody, first, *others = record.dialled
    assert nobody.result == "NO CARRIER"
    assert first.result.startswith("CONNECT ")
    assert {(a.source, a.number, a.result) for a in others if a.number == first.number} == {
        ("hmc-b", first.number, "BUSY")
    }
    assert len(record.lig) == 1
    assert record.lig[0].opened


def test_no_modem_no_way_home(tmp_path: Path) -> None:
    """OUT-24: found out at boot, and not in the middle of a call."""

    def change(topology: Topology) -> Topology:
        changed = without_lines("hmc")(topology)
        return change_dialers(changed, lambda dialer: replace(dialer, devices=()))

    status, record = ran("dial", tmp_path / "run", change)
    assert status == 1
    assert "has no modem" in record.error
    assert record.dialled == []


def test_a_slow_call_takes_its_time(tmp_path: Path) -> None:
    """At 4,800 bit/s everything is slower in the lab, and nothing fails."""

    def change(topology: Topology) -> Topology:
        telephone = topology.telephone
        assert telephone is not None
        lines = tuple(replace(line, rate_bit_s=4800) for line in telephone.lines)
        return replace(topology, telephone=replace(telephone, lines=lines))

    status, record = ran("dial", tmp_path / "run", change)
    assert status == 0, record.error
    assert record.dialled[0].rate_bit_s == 4800


def test_tshark_reads_what_was_dialled(runs: Runs) -> None:
    """P-11, P-12 by another's eyes: PAP is demanded, the user is let in, an address asked for and given."""
    run = runs.get("dial")
    assert run.status == 0, run.told
    call = run.record.lig[0]
    account = dialers(run.topology)[0].account
    frames = run.run_dir / "wire" / "pstn.pcapng"

    def seen(field: str, where: str) -> set[str]:
        return {row[0] for row in tshark(frames, (field,), "-Y", where)}

    assert seen("lcp.opt.auth_protocol", "lcp && ppp.code == 2 && lcp.opt.auth_protocol") == {
        "0xc023"
    }
    assert seen("pap.peer_id", "pap.code == 1") == {account.user}
    assert seen("pap.password", "pap.code == 1") == {account.secret.reveal()}
    assert seen("pap.message", "pap.code == 2") == {"Login ok"}
    assert "0.0.0.0" in seen("ipcp.opt.ip_address", "ipcp && ppp.code == 1")
    assert seen("ipcp.opt.ip_address", "ipcp && ppp.code == 3") == {call.address}
    # What tries the fence may be malformed beyond its IP header.
    assert seen("frame.number", "_ws.malformed && !ip") == set()


def test_a_call_can_be_watched(tmp_path: Path) -> None:
    """``lab capture pstn``: what the exchange carries, live, as of any wire."""
    user = User.settle(tmp_path / "home")
    with user.standing("dial", "--out", "out"):
        watch = user.start("capture", "pstn")
        try:
            # Flag 0x7E is not kept: address, control, and the number of IPCP.
            read_until(watch, rb"\xff\x03\x80\x21")
            ping = ("exec", "hmc", "--", "sh", "-c", "ping -q -c 1 -p 7a6f6e6b $LAB_PROBE")
            assert user.lab(*ping).returncode == 0
            read_until(watch, b"zonkzonk")
        finally:
            end(watch)


def ways(user: User) -> bytes:
    (line,) = user.lab("status").stdout.splitlines()[1:]
    return line.strip()


def test_a_way_home_that_is_left_down_is_brought_up_by_hand(tmp_path: Path) -> None:
    """``--no-path``, and what ``lab status`` says before the call and during it (OUT-24)."""
    user = User.settle(tmp_path / "home")
    chat = "chat '' ATZ OK ATDT${LAB_NUMBERS%%,*} CONNECT '\\d\\c'"
    # Not as the leader of a session: it would have the port as its terminal, and end with its parent.
    script = f'pppd /dev/modem0 modem noauth user $LAB_USER updetach connect "{chat}"; exit $?'
    with user.standing("dial", "--no-path", "--out", "out"):
        assert ways(user) == b"hmc: modem /dev/modem0 on 15075550101, way home down (modem down)"
        dialled = user.lab("exec", "hmc", "--", "bash", "-c", script)
        assert dialled.returncode == 0, dialled.stderr
        assert ways(user) == (
            b"hmc: modem /dev/modem0 on 15075550101, "
            b"way home up, 203.0.113.130 on ppp0 to 203.0.113.129 (modem up)"
        )


def test_the_scenario_needs_its_path(tmp_path: Path) -> None:
    refused = User.settle(tmp_path / "home").lab("run", "dial", "--no-path", "--out", "out")
    assert refused.returncode == 2
    assert b"lab run dial --no-path -- COMMAND" in refused.stderr
    assert not (tmp_path / "home" / "out").exists()
