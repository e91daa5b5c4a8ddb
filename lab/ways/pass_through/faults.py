"""What can be wrong with the way to a partition of i5/OS."""

from __future__ import annotations

from lab.ways.fault import Fault

FAULTS: tuple[Fault, ...] = ()
