"""The requirements that a way home through proxies is judged by."""

from __future__ import annotations

from lab.verify.finding import checks_in
from lab.ways.proxy import papers, shared, turns

CHECKS = checks_in(papers, shared, turns)

WAY_HOME = frozenset({"F-10"})
"""What is judged by the lab's own records of a way that it brings up, or by what must then be there."""

ALWAYS = frozenset[str]()
"""What is judged also in a run in which another way was used."""

AT_END = frozenset({"OUT-12", "OUT-16", "OUT-17", "F-10"})
"""What is judged by trials after the calls home, and so only if this kind of way was in use by then."""
