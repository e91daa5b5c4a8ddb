"""What a charon says: to whoever asks it to begin, and in its log. The one place that reads its sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from lab.record.cause import CharonCause, IkeCause

# The most telling first; the rest of charon's talk is on progress, or follows from these.
_TELLING = (
    # Of two ends with different keys neither can read what the other encrypts, and each falls
    # silent: this is all that is ever said of a wrong PSK.
    (r"could not decrypt payloads", IkeCause.undecryptable),
    (r"IKE version 1 not supported", IkeCause.no_ikev1),
    (r"received (\w+) error notify", IkeCause.refused),
    (
        r"(.*(?:does not match to|no shared key found|no (?:IKE|peer) config|no proposal|"
        r"unable to (?:install|resolve|add)).*)",
        IkeCause.misfit,
    ),
    (r"giving up after (\d+) retransmits", IkeCause.silent),
)

_COMPLAINTS = {
    CharonCause.unreadable: (
        r"could not decrypt payloads|decryption failed|PAYLOAD_MALFORMED|PLD_MAL"
        r"|message parsing failed"
    ),
    CharonCause.unknown_identity: (
        r"no peer config found|none allows pre-shared key|AUTHENTICATION_FAILED|AUTH_FAILED"
        r"|INVALID_ID_INFORMATION|no shared key found"
    ),
    CharonCause.unwanted_identity: r"does not match to",
    CharonCause.no_proposal: (
        r"NO_PROPOSAL_CHOSEN|NO_PROP|no (?:matching |acceptable )?proposal found"
    ),
    # Asked to begin, and asked by a peer.
    CharonCause.unsupported: r"IKE version 1 not supported|received unsupported IKE version 1",
}


def find_cause(said: Iterable[str], complaint: str) -> tuple[IkeCause, str]:
    """Why an attempt failed, and charon's own word for it; the last resort is its verdict."""
    lines = list(said)
    for pattern, cause in _TELLING:
        for line in lines:
            if found := re.search(pattern, line):
                return cause, found[1] if found.re.groups else ""
    return IkeCause.other, complaint


def find_complaints(log: str) -> Iterator[tuple[CharonCause, float]]:
    """What a log complains of, and when it first did (seconds since 1970, which begin each line)."""
    for cause, pattern in _COMPLAINTS.items():
        if found := re.search(rf"^(\d+\.\d+) .*?(?:{pattern})", log, re.MULTILINE):
            yield cause, float(found[1])
