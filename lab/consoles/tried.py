"""What consoles are tried with at TCP port 9920, and what an answer in clear says. No effects.

The lab tries them after the calls home (``lab.ways.consoles.trials``); judging looks for that on the wires.
"""

from __future__ import annotations

from lab.agent.inter_console import ADH, DHE

RSA, DIFFIE_HELLMAN, ANONYMOUS = "RSA", "DHE", "ADH"
OFFERS: dict[str, tuple[str, ...]] = {
    RSA: (
        "AES256-SHA256",
        "AES128-SHA256",
        "AES256-GCM-SHA384",
        "AES128-GCM-SHA256",
        "AES256-SHA",
        "AES128-SHA",
    ),
    DIFFIE_HELLMAN: (*DHE.split(":"),),
    ANONYMOUS: (*ADH.split(":"),),
}
"""What a client offers by TLS 1.2, by name."""


def offers(*, anonymous: bool) -> tuple[str, ...]:
    """The names of the offers that a console is tried with."""
    return RSA, ANONYMOUS if anonymous else DIFFIE_HELLMAN


def status_of(answer: bytes) -> int:
    """The status of an answer by HTTP in clear; 0 if it is none (RFC 9112 4)."""
    words = answer.partition(b"\r\n")[0].split(b" ", 2)
    is_http = len(words) >= 2 and words[0].startswith(b"HTTP/") and words[1].isdigit()
    return int(words[1]) if is_http else 0
