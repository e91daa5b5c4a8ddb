"""What befell remote service by Internet, in words: who did not come to the relay, whose code was refused."""

from __future__ import annotations

from collections.abc import Callable

from lab.names import all_of
from lab.relay.events import CodeNotTaken, LedIn, LedOut, RelayTried, WaitedAtRelay
from lab.relay.frames import Refusal
from lab.topology.model import RemoteService
from lab.verify.case import Case
from lab.verify.remote_service import enabled
from lab.verify.symptom import Diagnosis


def find(case: Case, service: RemoteService) -> Diagnosis | None:
    """The first of them, in the order of a session; None if nothing befell it."""
    return next((found for ask in SYMPTOMS if (found := ask(case, service))), None)


def _not_at_relay(case: Case, service: RemoteService) -> Diagnosis | None:
    """An end whose every attempt failed."""
    tries = case.told(RelayTried)
    for end in dict.fromkeys(event.source for event in tries):
        own = [event for event in tries if event.source == end]
        if any(not event.problem for event in own):
            continue
        ports = all_of([str(port) for port in dict.fromkeys(event.port for event in own)])
        last = own[-1]
        whom = f"{service.relay} ({last.address})"
        if all(event.phase == "connect" for event in own):
            return Diagnosis(
                "relay-unreachable",
                f"{end} does not come to {whom} by TCP {ports}: {last.problem}",
                "the customer's firewall has to let the HMC out to the relay",
            )
        return Diagnosis(
            "relay-silent",
            f"{whom} takes connections of {end} on TCP {ports} and gets no further than {last.phase}: "
            f"{last.problem}",
            "ask IBM whether the relay works, and whether something on the way speaks in its place",
        )
    return None


def _not_enabled(case: Case, service: RemoteService) -> Diagnosis | None:
    waits = case.told(WaitedAtRelay)
    if enabled(case) or not waits:
        return None
    return Diagnosis(
        "inbound-not-enabled",
        f"remote service of {service.console} is off: nobody has entered a code on its panel, and the "
        f"representative waited at {service.relay} in vain",
        "the customer has to enter the representative's code on the panel, in time",
    )


def _code_refused(case: Case, service: RemoteService) -> Diagnosis | None:
    """Where no session came about: a used code that is tried once more is nothing to speak of."""
    refusals = case.told(CodeNotTaken)
    if not refusals or case.told(LedIn):
        return None
    reason = Refusal[refusals[0].reason.replace("-", "_")]
    return Diagnosis(
        refusals[0].reason,
        f"{service.relay} did not take the code that was entered on {service.console}: {reason.words}",
        "get a new code from the representative, and enter it within five minutes",
    )


def _cut_off(case: Case, service: RemoteService) -> Diagnosis | None:
    for event in case.told(LedOut):
        if event.reason == "cut-off":
            where = f"{service.console} to {service.relay}"
            return Diagnosis(
                "session-cut-off",
                f"the connection of {where} was cut off in a session: {event.words}",
                f"look at the way from {where}",
            )
    return None


SYMPTOMS: tuple[Callable[[Case, RemoteService], Diagnosis | None], ...] = (
    _not_at_relay,
    _not_enabled,
    _code_refused,
    _cut_off,
)
