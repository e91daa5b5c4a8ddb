"""What IBM's servers tell, beside their ledger."""

from __future__ import annotations

from lab.names import count, place
from lab.record.event import Event, kinds_of

OFFERERS = {"today": "clients of today"}
"""Offers whose names say too little in a sentence."""


class TlsNotOffered(
    Event,
    topic="sdc",
    tells="{source} cannot offer {suites}, as {plan} asks ({asked_by}): {library}",
):
    """This machine's OpenSSL lacks suites that the servers of the profile had."""

    plan: str
    asked_by: str
    """Requirements: ``P-13, P-14``."""
    suites: str
    """OpenSSL's names, with commas."""
    library: str
    """``OpenSSL 3.0.19 has none of it``."""


class ServersMoved(
    Event,
    topic="sdc",
    tells="{name} leads to {new} from now on; {old} answer no more",
    recaps="{name} was led from {old} to {new}, with {ttl_s} s for what others remember",
):
    """The servers of a name have other addresses, and IBM's name server says so (R-10)."""

    name: str
    old: str
    """Addresses, with commas."""
    new: str
    ttl_s: int
    """How long others may go on with what they were told, in seconds."""


class TlsTried(Event, topic="probe", chance="address ports like others"):
    """What TLS one of the servers takes, tried from IBM's side after the calls home (P-13 to P-16).

    The source is the node that tries. The three tuples go together: one entry is one connection.
    """

    started: float
    address: str
    """From which it is tried."""
    destination: str
    port: int
    offers: tuple[str, ...]
    """By their names in ``lab.ibm.tls_trials``."""
    ports: tuple[int, ...]
    """The client's, by which the captures show the connection; 0 if none came about."""
    answers: tuple[str, ...]
    """The suite that the server chose, or its alert; empty if it said nothing."""
    like: str = ""
    """An earlier one that answers alike: ``129.42.56.189:443``. The story then passes over this one."""
    others: int = 0
    """How many servers answer like this one, if it is the first of them."""

    @property
    def recap(self) -> str:
        return f"{self.source} tried what TLS {self._where} takes"

    @property
    def turns(self) -> dict[str, str]:
        pairs = zip(self.offers, self.answers, strict=True)
        return {f"{self._where} answered the TLS offer {o} with": a or "nothing" for o, a in pairs}

    @property
    def _where(self) -> str:
        return place(self.destination, self.port)

    @property
    def sentence(self) -> str:
        if self.like:
            return ""
        pairs = zip(self.offers, self.answers, strict=True)
        took = [OFFERERS.get(offer, offer) for offer, answer in pairs if answer.isupper()]
        where = self._where
        if self.others:
            answer = "answers" if self.others == 1 else "answer"
            where += f" and of {count(self.others, 'other')} that {answer} alike"
        return (
            f"{self.source} tries the TLS of {where}: "
            f"the server takes {len(took) or 'none'} of {len(self.offers)} offers"
            + (f": {', '.join(took)}" if took else "")
        )


KINDS = kinds_of(__name__)
