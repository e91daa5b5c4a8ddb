"""What a charon says: to whoever asks it to begin, and in its log. The one place that reads its sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

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
    CharonCause.other_key: r"MAC mismatched",
    CharonCause.no_peer: r"no matching peer config found|no alternative config found",
    CharonCause.other_selectors: r"no matching CHILD_SA config found|TS_UNACCEPTABLE|TS_UNACCEPT",
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


@dataclass(frozen=True, slots=True)
class Suite:
    """A proposal that was selected, in strongSwan's names: ``3DES_CBC``, ``HMAC_MD5_96``, ``MODP_1024``."""

    encryption: str = ""
    integrity: str = ""
    """That of the pseudo-random function where the cipher authenticates by itself."""
    dh_group: str = ""


@dataclass(frozen=True, slots=True)
class Agreement:
    """The first ESP SAs of an IKE SA, as the log of an end has them."""

    time: float
    connection: str
    spi: int
    """Of the SA that comes in here."""
    ike: Suite
    esp: Suite


_SELECTED = re.compile(r" <(?:[^|>]*\|)?(\d+)> selected proposal: (IKE|ESP):(\S+)")
_INSTALLED = re.compile(
    r"^(\d+\.\d+) .* <([^|>]+)\|(\d+)> (?:inbound )?CHILD_SA \S+ established with SPIs? ([0-9a-f]+)_i"
)
_GROUPS = ("MODP", "ECP", "CURVE")


def find_agreements(log: str) -> Iterator[Agreement]:
    """What an end agreed on with others, in the order of time; new keys later are no agreement."""
    selected: dict[tuple[str, str], Suite] = {}
    known = set()
    for line in log.splitlines():
        if found := _SELECTED.search(line):
            number, protocol, proposal = found.groups()
            selected[number, protocol] = _suite(proposal.split("/"))
        elif (found := _INSTALLED.search(line)) and found[3] not in known:
            known.add(found[3])
            ike, esp = (selected.get((found[3], protocol), Suite()) for protocol in ("IKE", "ESP"))
            yield Agreement(float(found[1]), found[2], int(found[4], 16), ike, esp)


def _suite(parts: list[str]) -> Suite:
    macs = [part for part in parts[1:] if not part.startswith((*_GROUPS, "NO_EXT", "EXT"))]
    group = next((part for part in parts if part.startswith(_GROUPS)), "")
    return Suite(parts[0], macs[0] if macs else "", group)
