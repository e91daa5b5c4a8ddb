"""How much memory a user may ask for."""

from __future__ import annotations

import pytest

from lab.errors import UsageError
from lab.machine import memory

HERE = 8 << 30


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "here", lambda: HERE)


@pytest.mark.parametrize(
    ("text", "mib"),
    [("4G", 4096), ("512M", 512), ("1.5G", 1536), ("256MiB", 256), ("8GB", 8192), ("1GiB", 1024)],
)
def test_sizes(text: str, mib: int) -> None:
    assert memory.parse(text) == mib << 20


@pytest.mark.parametrize("text", ["4", "4g", "-1G", "G", "4 G", "4T", "4Gbit"])
def test_what_is_no_size_is_said_to_be_none(text: str) -> None:
    with pytest.raises(UsageError, match=r"--memory takes a size such as 512M or 4G") as caught:
        memory.parse(text)
    assert caught.value.hint == "--memory 4G"


def test_too_little() -> None:
    with pytest.raises(UsageError, match=r"--memory 255M is too little: a lab needs 256M"):
        memory.parse("255M")


def test_more_than_the_machine_has() -> None:
    assert memory.parse("8G") == HERE
    with pytest.raises(
        UsageError, match=r"--lab-memory 8193M is more than this machine has: 8192M"
    ):
        memory.parse("8193M", option="--lab-memory")


def test_a_native_lab_has_the_machines_memory() -> None:
    memory.check_engine(0, "native")
    memory.check_engine(HERE, "uml")
    with pytest.raises(UsageError, match=r"--memory is for the lab's own kernel"):
        memory.check_engine(HERE, "native")


def test_a_lab_of_many_nodes_needs_more_than_the_least() -> None:
    """Tried with 204 nodes: 416 MiB are enough, and with 256 the kernel ends the lab's own processes."""
    for_204 = memory.needed(204)

    assert memory.LEAST == memory.needed(1) == memory.needed(50) < for_204 <= 416 << 20
    assert memory.for_nodes(0, 204) == 0
    assert memory.for_nodes(416 << 20, 204) == 416 << 20
    assert memory.for_nodes(0, 5000) == memory.needed(5000) > memory.DEFAULT
    with pytest.raises(
        UsageError, match=r"--memory 256M is too little: a lab of 204 nodes needs 410M"
    ) as caught:
        memory.for_nodes(256 << 20, 204)
    assert "leave the option out for 2048M" in caught.value.hint
