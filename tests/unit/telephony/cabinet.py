"""The equipment at work without a lab: ports in a folder of the test, programs that are file descriptors.

Its clock is the real one, and what takes seconds at a real exchange takes none here.
"""

from __future__ import annotations

import contextlib
import os
import select
import termios
import tty
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from lab.linux.nodes import Node
from lab.telephony import call_control, exchange
from lab.telephony.equipment import Equipment, start_equipment
from lab.topology.telephone import CallRule, ModemFault, ModemLine, ResultTable, Telephone
from lab.wait import wait_until

DEADLINE_S = 60.0
FAST_BIT_S = 1_000_000
_CFLAG = 2


class HereNode:
    """A node whose calls are made at once, here; its /dev is whatever the paths say."""

    away = False
    """Its thread attends a command: nobody may wait for it."""

    def call(self, function: Callable[..., Any], *args: Any, **named: Any) -> Any:
        assert not self.away
        return function(*args, **named)

    def furnish(self) -> None:
        pass


class Terminal:
    """A program with a port open: raw, and without CLOCAL only if it is told so."""

    def __init__(self, path: Path, *, clocal: bool = True) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        tty.setraw(self.fd, termios.TCSANOW)
        attributes = termios.tcgetattr(self.fd)
        if clocal:
            attributes[_CFLAG] |= termios.CLOCAL
        else:
            attributes[_CFLAG] &= ~termios.CLOCAL
        termios.tcsetattr(self.fd, termios.TCSANOW, attributes)
        self.seen = b""
        """What came and was not expected yet."""

    def say(self, data: bytes) -> None:
        os.write(self.fd, data)

    def until(self, expected: bytes) -> bytes:
        """What came up to and with this."""
        while expected not in self.seen:
            ready, _, _ = select.select([self.fd], [], [], DEADLINE_S)
            assert ready, f"{expected!r} did not come, but {self.seen!r}"
            data = os.read(self.fd, 1 << 16)
            assert data, "the port was taken away"
            self.seen += data
        before, _, self.seen = self.seen.partition(expected)
        return before + expected

    def ask(self, command: str, answer: bytes = b"\r\nOK\r\n") -> None:
        self.say(f"{command}\r".encode())
        self.until(answer)

    def silent(self, seconds: float = 0.15) -> bool:
        """Whether nothing comes for so long, and nothing is there."""
        ready, _, _ = select.select([self.fd], [], [], seconds)
        return not ready and not self.seen

    def hung_up(self) -> bool:
        """Whether the port is taken away within the deadline."""
        look = select.poll()
        look.register(self.fd, 0)
        return bool(look.poll(DEADLINE_S * 1000))

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Cabinet:
    """Equipment whose line of the name ``a`` has the number 1000, ``b`` 1001 and so on."""

    def __init__(self, folder: Path, equipment: Equipment) -> None:
        self.folder = folder
        self.equipment = equipment
        self._terminals: list[Terminal] = []

    def open(self, name: str, *, clocal: bool = True) -> Terminal:
        terminal = Terminal(self.folder / name, clocal=clocal)
        self._terminals.append(terminal)
        return terminal

    def connected(self, *, clocal: bool = True) -> tuple[Terminal, Terminal]:
        """A call from a to b, both in data state."""
        caller, called = self.open("a", clocal=clocal), self.open("b", clocal=clocal)
        called.ask("ATE0S0=1S12=5")
        caller.ask("ATE0S12=5")
        caller.say(b"ATDT1001\r")
        for end in (caller, called):
            end.until(b"CONNECT ")
            end.until(b"\r\n")
        return caller, called

    @property
    def dialogue(self) -> str:
        return (self.folder / "wire" / "pstn.txt").read_text()

    def close_all(self, name: str) -> None:
        """Close a port, and wait until what was said to it is done."""
        for terminal in self._terminals:
            if terminal.path.name == name:
                terminal.close()
        port = self.equipment._stations[name].port
        wait_until(
            f"{name} is idle",
            lambda: not (port.openers or port.left),
            DEADLINE_S,
            seen=lambda: (
                f"{port.openers} {port.left} {self.equipment.broke.error!r} {self.dialogue}"
            ),
        )

    def wait_for_note(self, text: str) -> None:
        wait_until(f"{text!r} in the dialogue", lambda: text in self.dialogue, DEADLINE_S)

    def close(self) -> None:
        for terminal in self._terminals:
            terminal.close()


@contextlib.contextmanager
def cabinet(
    folder: Path,
    patch: pytest.MonkeyPatch,
    *,
    names: str = "ab",
    rate_bit_s: int = FAST_BIT_S,
    delay_s: float = 0.0,
    table: ResultTable = ResultTable.hayes,
    rules: tuple[CallRule, ...] = (),
    broken: tuple[tuple[str, ModemFault], ...] = (),
) -> Iterator[Cabinet]:
    patch.setattr(call_control, "TRAINING_S", 0.02)
    patch.setattr(exchange, "DIAL_TONE_S", (0.0, 0.01))
    patch.setattr(exchange, "SETUP_S", 0.0)
    lines = tuple(
        ModemLine(
            name=name,
            node=f"node-{name}",
            device=os.fspath(folder / name),
            number=str(1000 + number),
            rate_bit_s=rate_bit_s,
            delay_s=delay_s,
        )
        for number, name in enumerate(names)
    )
    telephone = Telephone(node="pstn", lines=lines, result_table=table, rules=rules, broken=broken)
    nodes = {line.node: HereNode() for line in lines}
    with start_equipment(telephone, cast(Mapping[str, Node], nodes), folder / "wire") as equipment:
        for node in nodes.values():
            node.away = True
        made = Cabinet(folder, equipment)
        try:
            yield made
        finally:
            made.close()
