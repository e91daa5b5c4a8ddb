"""The ledger: entries come back as they were, and trouble with the file is loud."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.ibm.ledger import Ledger, read
from lab.record.record import Transaction


def transaction(number: int) -> Transaction:
    return Transaction(
        time=1.5,
        kind="heartbeat",
        system=f"7042-CR9*{number}",
        peer_ip="192.168.10.10",
        peer_port=number,
        server_ip="129.42.26.224",
        server_port=443,
        tls_version="TLSv1.3",
        cipher="TLS_AES_256_GCM_SHA384",
        sni="eccgw01.boulder.ibm.com",
        status=200,
        bytes_in=6000,
        detail='"quoted"\nä',
    )


def test_what_was_entered_is_read_back_at_once(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "ledger.jsonl"

    with Ledger(path) as ledger:
        ledger.add(transaction(1))
        ledger.add(transaction(2))
        assert read(path) == ledger.transactions == (transaction(1), transaction(2))


def test_many_threads_enter_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"

    with Ledger(path) as ledger:

        def add_fifty(start: int) -> None:
            for number in range(start, start + 50):
                ledger.add(transaction(number))

        threads = [threading.Thread(target=add_fifty, args=(start,)) for start in range(0, 400, 50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sorted(each.peer_port for each in read(path)) == list(range(400))


def test_a_line_that_a_kill_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    with Ledger(path) as ledger:
        ledger.add(transaction(1))
    path.write_text(path.read_text() * 2 + '{"time": 1.5, "ki')

    assert read(path) == (transaction(1), transaction(1))


@pytest.mark.parametrize("line", ["{}", "[]", "null", "{broken", '{"unknown": 1}'])
def test_a_line_that_is_no_transaction_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "ledger.jsonl"
    with Ledger(path) as ledger:
        ledger.add(transaction(1))
    path.write_text(path.read_text() + line + "\n")

    with pytest.raises(LabError, match=r"ledger\.jsonl, line 2 is no transaction"):
        read(path)


def test_a_ledger_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"cannot read the ledger .*none\.jsonl: No such file"):
        read(tmp_path / "none.jsonl")


def test_a_full_disk_keeps_the_entries_and_is_told_at_the_end() -> None:
    ledger = Ledger(Path("/dev/full"))

    ledger.__enter__()
    ledger.add(transaction(1))
    ledger.add(transaction(2))

    with pytest.raises(LabError, match="cannot write the ledger /dev/full: No space left"):
        ledger.__exit__(None, None, None)
    assert ledger.transactions == (transaction(1), transaction(2))


def test_a_full_disk_does_not_hide_what_broke_first() -> None:
    ledger = Ledger(Path("/dev/full")).__enter__()
    ledger.add(transaction(1))
    trouble = KeyError("the first trouble")

    ledger.__exit__(KeyError, trouble, None)  # raises nothing of its own
