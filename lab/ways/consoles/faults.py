"""What can be wrong with a way home by other consoles."""

from __future__ import annotations

from lab.ways.fault import Fault

FAULTS: tuple[Fault, ...] = ()
