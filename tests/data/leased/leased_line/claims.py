"""What is claimed about it."""

from __future__ import annotations

from lab.topology.claim import Claim

CLAIMS = {"LL-01": Claim("Each carrier has one line.", "the carrier")}
