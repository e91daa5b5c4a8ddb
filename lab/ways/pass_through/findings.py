"""The requirements that the way to a partition of i5/OS is judged by."""

from __future__ import annotations

from lab.verify.finding import checks_in
from lab.ways.pass_through import multi_hop, remote_modem

CHECKS = checks_in(multi_hop, remote_modem)

WAY_HOME = frozenset(CHECKS)
"""What is judged by the lab's own records of a way that it brings up, or by what must then be there."""

ALWAYS = frozenset[str]()
"""What is judged also in a run in which another way was used."""

AT_END = frozenset[str]()
"""What is judged by trials after the calls home, and so only if this kind of way was in use by then."""

CARRIED = {
    **dict.fromkeys(checks_in(multi_hop), "vpn"),
    **dict.fromkeys(checks_in(remote_modem), "dial"),
}
"""The kind of the ways over it that a requirement is about."""
