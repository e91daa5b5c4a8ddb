"""What is sent: the papers' files and reasons, and nothing of a customer's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.agent import collect
from lab.agent.collect import Collector
from lab.agent.settings import GENERATIONS, Monitored
from lab.errors import UsageError

MACHINE = Monitored("8284", "22A", "21ABCDE")
CANARY = "customer's own: 4711"
NUMBER_OF_REASONS = {
    "hmc-2007": 7,
    "hmc-2017": 11,
    "ds8000-2017": 6,
    "esa-linux-7.1.5": 6,  # five of the list, and updates, of which another section tells
    "esa-aix-2025": 5,
    "esa-2008": 4,
}
KINDS = {"heartbeat", "inventory", "performance", "problem", "data", "fix", "update", "access-key"}


def test_every_generation_has_as_many_reasons_as_its_paper() -> None:
    """E-24: 11 in 2017, 7 in 2007."""
    got = {generation: len(collect.reasons(generation)) for generation in GENERATIONS}
    assert got == NUMBER_OF_REASONS
    for generation in GENERATIONS:
        assert {each.kind for each in collect.reasons(generation).values()} <= KINDS


def test_every_file_is_sent_for_a_reason_that_its_generation_has() -> None:
    for generation in GENERATIONS:
        known = collect.reasons(generation)
        assert collect.files(generation)
        for file in collect.files(generation):
            assert file.reasons
            assert {*file.reasons} <= {*known}, file.pattern
            assert file.at.startswith(("S0", "S1", "S2", "S3", "S4"))


def test_hmc_eed_has_the_outputs_of_both_commands(tmp_path: Path) -> None:
    """E-22."""
    (tmp_path / "lshmc").write_text("HMC Build level X\n")
    (tmp_path / "lssysconn").write_text("state=Connected\n")
    sent = Collector("hmc-2017", tmp_path).texts(MACHINE, "inventory")["hmc.eed"]
    assert sent == "$ lshmc -V\nHMC Build level X\n$ lssysconn -r all\nstate=Connected\n"

    reference = Collector("hmc-2017", None).texts(MACHINE, "inventory")["hmc.eed"]
    assert "lshmc -V" in reference
    assert "lssysconn -r all" in reference


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_customers_files_are_not_even_opened(generation: str, tmp_path: Path) -> None:
    """E-11: files beside the machine's, with names like the machine's, and links to a customer's file."""
    folder, elsewhere = tmp_path / "machine", tmp_path / "home"
    folder.mkdir()
    elsewhere.mkdir()
    (elsewhere / "orders.db").write_text(CANARY)
    fixed = [row.name(MACHINE) for row in collect.files(generation) if row.fixed]
    names = ["orders.db", "x.eed", "hmc.eed.bak", ".hmc.eed", "SYSDUMP", "7777-AAA_1.VPD.xml",
             "SYSDUMP.1234567.0A.20260101000000", "problems.xml~"]  # fmt: skip
    for name in {*names} - {*fixed}:
        (folder / name).write_text(CANARY)
        (folder / name).chmod(0)
    for name in fixed:
        (folder / name).symlink_to(elsewhere / "orders.db")

    collector = Collector(generation, folder)
    sent: dict[str, bytes] = {}
    for reason in collect.reasons(generation):
        sent |= dict(collector.all(MACHINE, reason))
    assert sent, "something is sent"
    assert all(CANARY.encode() not in content for content in sent.values())
    assert all(collector.may_send(MACHINE, name) for name in sent)
    assert not {*sent} & {*names} - {*fixed}


def test_the_machines_own_files_are_sent_and_dumps_by_their_names(tmp_path: Path) -> None:
    dump = "FSPDUMP.21ABCDE.0A000001.20261130063000"
    for name in (dump, "FSPDUMP.21ABCDE.0A000001.2026", "iqyylog.log"):
        (tmp_path / name).write_bytes(b"\xff" + name.encode())
    sent = dict(Collector("hmc-2017", tmp_path).all(MACHINE, "extended-error-data"))
    assert sent[dump] == b"\xff" + dump.encode()
    assert sent["iqyylog.log"] == b"\xffiqyylog.log"
    assert "FSPDUMP.21ABCDE.0A000001.2026" not in sent
    texts = Collector("hmc-2017", tmp_path).texts(MACHINE, "extended-error-data")
    assert texts["iqyylog.log"] == "\ufffdiqyylog.log"


def test_a_generation_has_its_own_reasons_only() -> None:
    collect.reason_for("hmc-2007", "repair-verify")
    with pytest.raises(UsageError, match="does not connect for 'access-key'") as refused:
        collect.reason_for("hmc-2007", "access-key")
    assert "heartbeat" in refused.value.hint
    with pytest.raises(UsageError, match="with a heartbeat"):
        collect.reason_for("hmc-2017", "performance", "heartbeat")


def test_a_file_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "actzuict.dat").write_text("x")

    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    # The tests' user may be root, whom no mode stops.
    collector = Collector("hmc-2017", tmp_path)
    collect.files("hmc-2017")
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(UsageError, match=r"actzuict\.dat cannot be read"):
        dict(collector.all(MACHINE, "extended-error-data"))
