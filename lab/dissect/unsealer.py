"""ESP opened by the SAs of a run: each packet once, on however many wires it is seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from lab.errors import LabBroke
from lab.wire import esp
from lab.wire.esp import Key, Opened, Sealed

MOST_KEPT = 20_000
"""Packets that are kept opened, for the next wire that has them: some 30 MB."""


class Unsealer:
    """Opens what is sealed. NAT changes headers around ESP, and nothing in it."""

    def __init__(
        self, keys: Mapping[int, list[Key]], known: Iterable[tuple[Sealed, Opened]] = ()
    ) -> None:
        """``known``: what was opened before."""
        self._keys = dict(keys)
        self._known = {sealed.data: opened for sealed, opened in known}

    @classmethod
    def read(cls, run_dir: Path) -> Unsealer:
        """By the keys of a run directory; without keys nothing is opened."""
        return cls(esp.load_keys(run_dir / "keys" / "esp.json"))

    def __call__(self, sealed: Sealed) -> Opened:
        opened = self._known.get(sealed.data)
        if opened is None:
            try:
                opened = esp.open_sealed(sealed, self._keys)
            except (LabBroke, ValueError):
                # An algorithm without a reader, or a key that does not fit it: the packet stays closed.
                opened = Opened(None, False, 0, None)
            if len(self._known) < MOST_KEPT:
                self._known[sealed.data] = opened
        return opened
