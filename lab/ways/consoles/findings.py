"""The requirements that a way home by other consoles is judged by."""

from __future__ import annotations

from lab.verify.finding import checks_in
from lab.ways.consoles import brokering, forwarded, ports, secured

CHECKS = checks_in(secured, forwarded, brokering, ports)

WAY_HOME = frozenset[str]()
"""What is judged by the lab's own records of a way that it brings up, or by what must then be there."""

ALWAYS = frozenset[str]()
"""What is judged also in a run in which another way was used."""

AT_END = frozenset({"P-17", "M-03", "M-04", "F-17"})
"""What is judged by trials after the calls home, and so only if this kind of way was in use by then."""
