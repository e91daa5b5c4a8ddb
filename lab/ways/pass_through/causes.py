"""The causes for which a partition of i5/OS lends nothing; each kind over it says what stops then."""

from __future__ import annotations

from lab.verify.step import Causes

STOPS: Causes = {}
"""None: no agent comes home by it alone."""

TO_PARTITION = frozenset({"i5-silent", "udp-1701-one-way"})
"""No call from the agent's host to the partition comes about."""
