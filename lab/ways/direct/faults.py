"""What can be wrong with a way home over the Internet: nothing that is not wrong with the Internet."""

from __future__ import annotations

from lab.ways.fault import Fault

FAULTS: tuple[Fault, ...] = ()
