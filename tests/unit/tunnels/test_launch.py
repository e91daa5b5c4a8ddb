"""What a charon is started with: the installed one as it is, or the lab's own in its place."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from lab import charon
from lab.charon import CharonStatus
from lab.linux.nodes import Node
from lab.record.event import Event
from lab.record.record import Record
from lab.ways.vpn.plan import connections
from tests.unit.verify.stage import topology
from tunnels import ipsec
from tunnels.ipsec import Charon

OWN = Path("/cache/charon/aa")


class Recorder:
    """A node that only writes down what is asked of it."""

    name = "hmc"

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = self.log_dir = run_dir
        self.asked: list[object] = []
        self.env: dict[str, str] = {}

    def call(self, function: Callable[..., Any], *args: object) -> None:
        self.asked.append((function, *args))

    def write(self, path: str, text: str, mode: int = 0o600) -> None:
        self.asked.append(path)

    def spawn(self, argv: Sequence[str], *, name: str, env: Mapping[str, str]) -> None:
        self.asked.append(tuple(argv))
        self.env = dict(env)


@pytest.mark.parametrize("own", [None, OWN])
def test_the_labs_own_charon_is_put_in_place_before_it_starts(
    own: Path | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charon, "status", lambda: CharonStatus(Path("/x"), own, ""))
    monkeypatch.setattr(ipsec, "listening", lambda *_: contextlib.nullcontext())
    node = Recorder(tmp_path)
    mine = tuple(c for c in connections(topology("vpn")) if c.client == "hmc")
    told: list[Event] = []

    Charon(cast(Node, node), mine, Record(), told.append).launch()

    assert node.asked[-1] == ("/usr/sbin/charon-systemd",)
    assert ((charon.cover, OWN) in node.asked) is (own is not None)
    # Its OpenSSL lies beside its own libraries, where no linker looks.
    assert node.env.get("LD_LIBRARY_PATH") == ("/usr/lib/ipsec" if own else None)
