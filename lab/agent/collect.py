"""What is sent to IBM, by generation: the reasons for connecting (E-24) and the data files (E-11, E-22).

Both are the papers' tables, in ``lab/data/agent``. A file is read only if a table names it: whatever else
lies beside it is the customer's, and is never opened. Where the machine gives no file, a reference is sent.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lab.agent.heartbeat import configuration
from lab.agent.settings import Monitored
from lab.errors import UsageError

DATA = Path(__file__).resolve().parents[1] / "data" / "agent"
COMMANDS = {"hmc.eed": ("lshmc -V", "lssysconn -r all")}
"""Files that are made of the outputs of commands (E-22)."""
FILE_BYTES = 64 << 20
"""What IBM's side takes of a file; the rest of a larger one is not sent."""
TEXT_CHARACTERS = 1 << 20
"""The same of a file in an inventory or in performance data."""
_OPEN = {
    "{dump}": r"[0-9A-Fa-f]{1,16}",
    "{stamp}": r"[0-9]{14}",
}


@dataclass(frozen=True, slots=True)
class ReasonToConnect:
    """One of a generation's reasons."""

    name: str
    kind: str
    """What is sent or asked: heartbeat, inventory, performance, problem, data, fix, update or access-key."""
    words: str
    at: str
    """Paper and section."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """One row of a generation's table of files."""

    pattern: str
    reasons: tuple[str, ...]
    words: str
    at: str

    def regex(self, machine: Monitored) -> re.Pattern[str]:
        """The names that it may have, for a machine."""
        text = re.escape(self.pattern)
        for key, value in machine.as_dict().items():
            text = text.replace(re.escape(f"{{{key}}}"), re.escape(value))
        for key, value in _OPEN.items():
            text = text.replace(re.escape(key), value)
        return re.compile(text)

    @property
    def fixed(self) -> bool:
        """Whether a machine has one file of it, of a name that is known."""
        return not any(key in self.pattern for key in _OPEN)

    def name(self, machine: Monitored) -> str:
        """Of a ``fixed`` one."""
        return self.pattern.format(**machine.as_dict())


def reasons(generation: str) -> dict[str, ReasonToConnect]:
    """A generation's reasons for connecting, by name, in the paper's order."""
    return {
        name: ReasonToConnect(name, kind, words, at)
        for own, name, kind, words, at in _rows("reasons.tsv")
        if own == generation
    }


def files(generation: str) -> list[DataFile]:
    """A generation's table of data files, in the paper's order."""
    return [
        DataFile(pattern, tuple(given.split()), words, at)
        for own, pattern, given, words, at in _rows("files.tsv")
        if own == generation
    ]


def reason_for(generation: str, name: str, kind: str = "") -> ReasonToConnect:
    """One of a generation's reasons; UsageError if it has none of that name (and kind)."""
    known = reasons(generation)
    found = known.get(name)
    if found is None or (kind and found.kind != kind):
        fitting = [each.name for each in known.values() if not kind or each.kind == kind]
        raise UsageError(
            f"{generation} does not connect for {name!r}" + (f" with a {kind}" if kind else ""),
            hint=f"its reasons: {', '.join(fitting) or ', '.join(known)}",
        )
    return found


class Collector:
    """Collects a machine's files."""

    def __init__(self, generation: str, folder: Path | None) -> None:
        """``folder`` has the machine's files and outputs of commands; None: the reference ones are sent."""
        self._generation = generation
        self._folder = folder

    def texts(self, machine: Monitored, reason: str) -> dict[str, str]:
        """The files that are sent for a reason, as text; bytes that are no UTF-8 are replaced."""
        return {
            name: content.decode(errors="replace")[:TEXT_CHARACTERS]
            for name, content in self.all(machine, reason)
        }

    def all(self, machine: Monitored, reason: str) -> Iterator[tuple[str, bytes]]:
        """Name and content of each file that is sent for a reason, in the paper's order; empty ones are not.

        Raises UsageError for a file that is there and cannot be read.
        """
        for row in files(self._generation):
            if reason not in row.reasons:
                continue
            if row.fixed:
                name = row.name(machine)
                own = self._made_of_commands(name, machine) if name in COMMANDS else None
                content = own if own is not None else self._read(name)
                content = content if content is not None else reference(row, machine)
                if content:
                    yield name, content
            else:
                yield from self._matching(row.regex(machine))

    def may_send(self, machine: Monitored, name: str) -> bool:
        """Whether the generation's table has a file of that name."""
        return any(row.regex(machine).fullmatch(name) for row in files(self._generation))

    def _matching(self, regex: re.Pattern[str]) -> Iterator[tuple[str, bytes]]:
        if self._folder is None or not self._folder.is_dir():
            return
        for name in sorted(path.name for path in self._folder.iterdir()):
            if regex.fullmatch(name) and (content := self._read(name)):
                yield name, content

    def _made_of_commands(self, name: str, machine: Monitored) -> bytes | None:
        """A file from the outputs of its commands: each is in a file with the command's name."""
        outputs = []
        for command in COMMANDS[name]:
            output = self._read(command.partition(" ")[0])
            if output is None:
                return None
            outputs.append(f"$ {command}\n".encode() + output.rstrip(b"\n") + b"\n")
        return b"".join(outputs)

    def _read(self, name: str) -> bytes | None:
        """A file of the machine's folder; None if there is none, or if it is a link to somewhere else."""
        if self._folder is None:
            return None
        path = self._folder / name
        try:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return None
            raise UsageError(
                f"the machine's file {path} cannot be read: {error.strerror}",
                hint="give the agent the right to read it, or set machine_files to another folder",
            ) from error
        with os.fdopen(file, "rb") as opened:
            if not path.is_file():
                return None
            return opened.read(FILE_BYTES)


def reference(row: DataFile, machine: Monitored) -> bytes:
    """What stands for a file of a machine that has none: machine data only, the same for the same machine."""
    if row.pattern == "hmc.eed":
        return configuration(machine.name).encode()
    lines = [
        f"{row.name(machine)}: {row.words} ({row.at})",
        f"machine type {machine.type}, model {machine.model}, serial {machine.serial}",
        "reference file of the lab's agent",
    ]
    return "".join(f"{line}\n" for line in lines).encode()


@cache
def _rows(table: str) -> tuple[tuple[str, ...], ...]:
    lines = (DATA / table).read_text(encoding="utf-8").splitlines()
    return tuple(tuple(line.split("\t")) for line in lines if line and not line.startswith("#"))
