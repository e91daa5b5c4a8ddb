"""By what it is judged."""

from __future__ import annotations

from lab.verify.finding import Check
from lab.verify.step import Step


def check_ll_01(case):
    check = Check("LL-01", "the server sees one address")
    peers = {entry.peer_ip for entry in case.record.ledger}
    check.need(Step.connection, peers, "the server saw nobody")
    if len(peers) > 1:
        check.object(f"the server saw {len(peers)} addresses")
    return check.finding(f"the server saw {' and '.join(peers)}")


CHECKS = {"LL-01": check_ll_01}
WAY_HOME = frozenset(CHECKS)
ALWAYS = frozenset()
AT_END = frozenset()
