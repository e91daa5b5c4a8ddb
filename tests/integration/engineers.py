"""Somebody with a topology of the own, in which a node runs a program of the own. No assertions here."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.integration.labs import ROOT, SYSTEM_PYTHON
from tests.integration.users import User

DATA = ROOT / "tests" / "data" / "topologies"


class Engineer:
    """Has an example of ``tests/data/topologies`` in a folder: ``own-server.yaml`` and ``my-server.py``."""

    def __init__(self, folder: Path, topology: str, program: str) -> None:
        self.user = User.settle(folder / "home")
        self.topology = topology
        self._program = program
        for name in (topology, program):
            shutil.copy(DATA / name, self.user.home)
        text = (self.user.home / topology).read_text()
        (self.user.home / topology).write_text(text.replace("[python3,", f"[{SYSTEM_PYTHON},"))

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.user.home / name
        text = path.read_text()
        if old not in text:
            raise ValueError(f"{name} has no {old}")
        path.write_text(text.replace(old, new))

    def runs(self, *words: str) -> None:
        """Have the node run something else."""
        interpreter = SYSTEM_PYTHON if self._program.endswith(".py") else "sh"
        self.edit(self.topology, f"[{interpreter}, {self._program}]", json.dumps([*words]))

    def run(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        return self.user.lab("run", self.topology, "--out", "out", *words)

    @property
    def out(self) -> Path:
        return self.user.home / "out"

    @property
    def verdict(self) -> dict[str, Any]:
        return dict(json.loads((self.out / "verdict.json").read_text()))

    @property
    def findings(self) -> dict[str, tuple[str, str]]:
        found = self.verdict["findings"]
        return {f["requirement"]: (f["verdict"], f["seen"]) for f in found}

    @property
    def failed(self) -> dict[str, str]:
        return {name: seen for name, (verdict, seen) in self.findings.items() if verdict == "fail"}

    @property
    def ended(self) -> list[str]:
        """The programs of which the story tells that they ended."""
        events = (self.out / "events.jsonl").read_text().splitlines()
        return [json.loads(event)["program"] for event in events if '"daemon-ended"' in event]
