"""Symptoms of TLS between an agent and IBM's servers, as the servers' own wires show it."""

from __future__ import annotations

from lab.names import all_of
from lab.verify.handshakes import Handshake, own_handshakes, tls_trials
from lab.verify.symptom import Diagnosis, Trail
from lab.wire import hello

PROTOCOL_VERSION = 70
"""The alert (RFC 8446 6.2)."""


def find_old_tls(trail: Trail) -> Diagnosis | None:
    """The server breaks the handshake off: it speaks none of the versions that the agent offers."""
    broken = [s for s in own_handshakes(trail.case) if s.choice.alert == PROTOCOL_VERSION]
    if not broken or broken[0].offer is None:
        return None
    offered = all_of([hello.VERSIONS[version] for version in sorted(broken[0].offer.versions)])
    return Diagnosis(
        "old-tls",
        f"{trail.client} and {broken[0].place} have no version of TLS in common: {trail.client} offers "
        f"{offered}, and the server ends the handshake with the alert protocol_version"
        f"{_spoken(trail, broken[0])}",
        "have the server speak TLSv1.2 or later; to let the agent speak less breaks NIST 800-131A"
        if broken[0].offer.highest >= hello.TLS_1_2
        else f"have {trail.client} offer TLSv1.2 or later, as NIST 800-131A asks",
    )


def _spoken(trail: Trail, broken: Handshake) -> str:
    """What the lab's own trials found the server to speak."""
    chosen = {t.choice.version for t in tls_trials(trail.case) if t.place == broken.place} - {0}
    spoken = all_of([hello.VERSIONS.get(version, f"{version:#06x}") for version in sorted(chosen)])
    return f"; tried from IBM's side, it speaks {spoken} only" if chosen else ""
