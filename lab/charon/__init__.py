"""Which charon the lab runs: the installed one, or one of its own that still knows IKEv1.

``fetcher`` gets one of its own. It is imported only where that is asked for: every lab imports this.
"""

from __future__ import annotations

from lab.charon.store import CharonStatus, cover, status

__all__ = ["CharonStatus", "cover", "status"]
