"""The ledger: entries come back as they were, and trouble with the file is loud."""

from __future__ import annotations

import errno
import threading
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.errors import LabError
from lab.ibm.ledger import Ledger, open_ledger
from lab.record.record import Transaction
from tests.unit.ibm.sites import read

if TYPE_CHECKING:
    from typing_extensions import Buffer


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

    with open_ledger(path) as ledger:
        ledger.add(transaction(1))
        ledger.add(transaction(2))
        assert read(path) == ledger.transactions == (transaction(1), transaction(2))


def test_many_threads_enter_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"

    with open_ledger(path) as ledger:

        def add_fifty(start: int) -> None:
            for number in range(start, start + 50):
                ledger.add(transaction(number))

        threads = [threading.Thread(target=add_fifty, args=(start,)) for start in range(0, 400, 50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sorted(each.peer_port for each in read(path)) == list(range(400))


def test_a_full_disk_keeps_the_entries_and_is_told_at_the_end() -> None:
    with (  # noqa: PT012 - the ledger's end raises
        pytest.raises(LabError, match="cannot write the ledger /dev/full: No space left"),
        open_ledger(Path("/dev/full")) as ledger,
    ):
        ledger.add(transaction(1))
        ledger.add(transaction(2))

    assert ledger.transactions == (transaction(1), transaction(2))


class Disk(FileIO):
    """A file on a disk that has room for so many bytes."""

    room = 10

    def write(self, data: Buffer, /) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = super().write(bytes(data)[: self.room])
        self.room -= written
        return written


def test_what_found_no_room_is_written_when_there_is_some(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "ledger.jsonl", "wb")
    ledger = Ledger(disk)
    ledger.add(transaction(1))
    assert ledger.failure is not None
    disk.room = 1_000_000
    ledger.add(transaction(2))

    assert ledger.failure is None
    assert read(tmp_path / "ledger.jsonl") == (transaction(1), transaction(2))
    ledger.close()


def test_room_that_comes_at_the_end_is_enough(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "ledger.jsonl", "wb")
    ledger = Ledger(disk)
    ledger.add(transaction(1))
    disk.room = 1_000_000
    ledger.close()

    assert ledger.failure is None
    assert read(tmp_path / "ledger.jsonl") == (transaction(1),)


def test_a_full_disk_does_not_hide_what_broke_first() -> None:
    with (  # noqa: PT012 - the ledger's end raises nothing of its own
        pytest.raises(KeyError, match="the first trouble"),
        open_ledger(Path("/dev/full")) as ledger,
    ):
        ledger.add(transaction(1))
        raise KeyError("the first trouble")


def test_a_caller_who_comes_after_the_end_is_entered_in_memory(tmp_path: Path) -> None:
    with open_ledger(tmp_path / "ledger.jsonl") as ledger:
        pass
    ledger.add(transaction(1))

    assert ledger.transactions == (transaction(1),)
    assert read(tmp_path / "ledger.jsonl") == ()
