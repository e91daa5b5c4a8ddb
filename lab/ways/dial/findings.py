"""The requirements that a way home by telephone is judged by."""

from __future__ import annotations

from lab.verify.finding import checks_in
from lab.ways.dial import account, authorized, dialling, fence, incoming

CHECKS = checks_in(dialling, account, fence, authorized, incoming)

WAY_HOME = frozenset({"OUT-23", "OUT-25", "OUT-26", "P-11", "P-12", "P-20", "R-08"})
"""What is judged by the lab's own records of a way that it brings up, or by what must then be there."""

ALWAYS = frozenset({"OUT-24"})
"""What is judged also in a run in which another way was used."""

AT_END = frozenset({"P-20", *(name for name in CHECKS if name.startswith("L-"))})
"""What is judged by trials after the calls home, and so only if this kind of way was in use by then."""
