"""Runs of the command ``lab`` for tests: each run once, two at a time, and what it left, to be read.

Tests see a run as a user does: exit status, both outputs, run directory. No assertions here.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

from lab import codec
from lab.record.record import EspSa, Record
from lab.record.story import EVENTS
from lab.secret import Secret, find
from lab.topology.model import Topology
from lab.verify.case import Case
from lab.ways.vpn.plan import connections
from tests.integration.warm import Warm

ROOT = Path(__file__).parents[2]
DEADLINE_S = 300.0
"""Against what hangs: however slow or busy a machine is, what is in order ends before."""
AT_ONCE = 2
_WARM = Warm()
SYSTEM_PYTHON = "/usr/bin/python3"
"""For commands in a lab: what comes first in the PATH may be a script that looks for a Python."""


@dataclass(frozen=True)
class Ran:
    """A run of ``lab``, from its outside."""

    status: int
    stdout: str
    stderr: str
    wall_s: float
    run_dir: Path

    @cached_property
    def verdict(self) -> dict[str, Any]:
        return dict(json.loads((self.run_dir / "verdict.json").read_text()))

    @cached_property
    def findings(self) -> dict[str, dict[str, Any]]:
        return {finding["requirement"]: finding for finding in self.verdict["findings"]}

    @cached_property
    def failed(self) -> set[str]:
        return {name for name, found in self.findings.items() if found["verdict"] == "fail"}

    @cached_property
    def record(self) -> Record:
        return codec.load(Record, (self.run_dir / "record.json").read_text())

    @cached_property
    def topology(self) -> Topology:
        return codec.load(Topology, (self.run_dir / "keys" / "model.json").read_text())

    @cached_property
    def case(self) -> Case:
        """The captures, read and decrypted."""
        return Case(self.topology, self.record, self.run_dir)

    def client_sas(self, client: str) -> list[EspSa]:
        """A client's outgoing SAs, in the order of their making."""
        mine = (sa for sa in self.record.esp if sa.node == client and sa.destination in self.ends)
        return sorted(mine, key=lambda sa: sa.added)

    @cached_property
    def ends(self) -> set[str]:
        return {connection.gateway_address for connection in connections(self.topology)}

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.run_dir / EVENTS).read_text().splitlines()]

    @cached_property
    def secrets(self) -> set[str]:
        """Every secret of the run: of the model, the SAs, TLS sessions, and the servers' private keys."""
        found = {hidden.reveal() for _, hidden in find(self.topology, Secret)}
        keys = self.run_dir / "keys"
        pem = "".join(path.read_text() for path in keys.glob("*.pem"))
        private = re.findall(r"BEGIN [A-Z ]*PRIVATE KEY-----\n(.*?)-----END", pem, re.DOTALL)
        found |= {line for key in private for line in key.split("\n") if len(line) > 20}
        esp = self.run_dir / "keys" / "esp.json"
        for sa in json.loads(esp.read_text()) if esp.exists() else ():
            found |= {sa[name].removeprefix("0x") for name in ("encryption_key", "integrity_key")}
        sessions = keys / "tls.keylog"
        lines = sessions.read_text().splitlines() if sessions.exists() else ()
        return found | {line.split()[2] for line in lines if not line.startswith("#")}

    @cached_property
    def told(self) -> str:
        """Both outputs with the status: what to show when a test fails."""
        return f"exit status {self.status}\n{self.stdout}\n{self.stderr}"


def lab(*argv: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command as a user would, from this checkout."""
    env = {**os.environ, "PYTHONPATH": os.fspath(ROOT)}
    return _WARM.lab(*argv, cwd=cwd or Path.cwd(), env=env, timeout=DEADLINE_S)


def changed(folder: Path, given: str, *changes: tuple[str, str], to: str = "") -> str:
    """A topology with something else in its file; the new file, in a folder.

    ``given`` is one of the lab's own, or a file; ``to`` names the new one. Raises ValueError if what is to be
    changed is not there once.
    """
    own = ROOT / "topologies" / f"{given}.yaml"
    text = (own if own.exists() else Path(given)).read_text()
    for old, new in changes:
        if text.count(old) != 1:
            raise ValueError(f"{given} has {old!r} {text.count(old)} times")
        text = text.replace(old, new)
    path = folder / f"{to or given}.yaml"
    path.write_text(text)
    return os.fspath(path)


class Runs:
    """``lab run`` with given arguments, made when first asked for and then kept.

    ``folder`` may be shared by several processes of pytest: each run is made by the one that asks first,
    and the others wait for it. ``ahead`` says whether runs are begun before they are asked for: that keeps
    both processors busy where pytest is one process.
    """

    def __init__(self, folder: Path, *, ahead: bool) -> None:
        self._folder = folder
        self._ahead = ahead
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._made: dict[str, Future[Ran]] = {}

    def __enter__(self) -> Runs:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def start(self, plans: Iterable[tuple[str, ...]]) -> None:
        """Begin with runs that will be asked for."""
        for plan in plans if self._ahead else ():
            self._begin(plan)

    def get(self, *plan: str) -> Ran:
        """The run of ``lab run PLAN``; what stands behind ``--`` is a command."""
        return self._begin(plan).result()

    def _begin(self, plan: tuple[str, ...]) -> Future[Ran]:
        name = _name(plan)
        if name not in self._made:
            self._made[name] = self._pool.submit(self._find_or_make, self._folder / name, plan)
        return self._made[name]

    def _find_or_make(self, place: Path, plan: tuple[str, ...]) -> Ran:
        place.mkdir(exist_ok=True)
        # Released when its holder ends, however that ends.
        with (place / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            told = place / "ran.json"
            if not told.exists():
                made = self._run(place, plan)
                told.with_suffix(".part").write_text(json.dumps(made))
                told.with_suffix(".part").replace(told)
            return Ran(**json.loads(told.read_text()), run_dir=place / "run")

    def _run(self, place: Path, plan: tuple[str, ...]) -> dict[str, Any]:
        # One that was killed has left something there, and a run directory must be empty.
        shutil.rmtree(place / "run", ignore_errors=True)
        started = time.monotonic()
        done = lab("run", "--out", os.fspath(place / "run"), *plan, cwd=self._folder)
        wall_s = time.monotonic() - started
        return {
            "status": done.returncode,
            "stdout": done.stdout,
            "stderr": done.stderr,
            "wall_s": wall_s,
        }


def _name(plan: tuple[str, ...]) -> str:
    """The same for the same run: a topology's file counts by its name and content, wherever it is."""
    words = [
        [Path(word).name, Path(word).read_text()] if word.endswith(".yaml") else word
        for word in plan
    ]
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()[:16]


def variant(name: str, line: str, folder: Path, label: str) -> str:
    """A bundled topology with one more line in its path, as a file of its own."""
    text = (ROOT / "topologies" / f"{name}.yaml").read_text()
    gateways = "gateways: [vpn1, vpn2]"
    assert gateways in text
    path = folder / f"{label}.yaml"
    path.write_text(text.replace(gateways, f"{gateways}, {line}" if line else gateways))
    return os.fspath(path)
