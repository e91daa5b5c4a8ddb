"""What befell remote service, in words: what did not come about, or a hole in the lock-down."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from lab.names import count
from lab.record.cause import PppCause
from lab.service.events import (
    SESSION,
    CalledIn,
    HostScanned,
    InboundDisabled,
    ServiceTried,
    SessionDown,
    SessionSought,
    WrongTry,
    spans,
)
from lab.service.server.tokens import Denial
from lab.telephony.events import LineDropped
from lab.topology.model import RemoteService
from lab.topology.service import MOST_TRIES, Inbound
from lab.verify import relay_symptoms, remote_terminal, terminal_calls
from lab.verify.case import Case
from lab.verify.remote_service import enabled
from lab.verify.service_access import CALLS, records
from lab.verify.service_sessions import passed
from lab.verify.symptom import Diagnosis


def find(case: Case) -> Diagnosis | None:
    """The first of them, in the order of a session; None if nothing befell it."""
    service = case.topology.service
    if service is not None and service.by is Inbound.internet:
        return _not_authorized(case, service) or relay_symptoms.find(case, service)
    tried = case.told(CalledIn, SessionSought)
    if service is None or not service.by or not tried:
        return None
    return next((found for ask in SYMPTOMS if (found := ask(case, service))), None)


def _ends(case: Case) -> set[str]:
    """Why nobody could come in any more, at the end of each enabling."""
    return {event.reason for event in case.told(InboundDisabled)}


def _no_modem(case: Case, service: RemoteService) -> Diagnosis | None:
    if "no-modem" not in _ends(case):
        return None
    return Diagnosis(
        "console-modem",
        f"nobody can be let in to {service.console}: its modem does not do what it is told",
        "look at the modem and its port",
    )


def _not_enabled(case: Case, service: RemoteService) -> Diagnosis | None:
    if enabled(case):
        return None
    if service.dialer:
        rang = count(len(case.service_calls), "time")
        seen = f"its telephone rang {rang}, and its modem took no call"
    else:
        seen = f"it has called no gateway, so {service.workplace} finds no session"
    return Diagnosis(
        "inbound-not-enabled",
        f"remote service of {service.console} is off: {seen}",
        "the customer has to let a session in on the panel",
    )


TURNED_AWAY = "not-authorized"


def turned_away(case: Case) -> list[str]:
    """The server at which every call of a console was refused while a session stood, so that nobody used it.

    What the records say must be so on the wires: no connection to a port that a session opens, and no answer.
    """
    service = case.topology.service
    since = min((event.time for event in enabled(case)), default=inf)
    calls = [r for r in records(case) if r.verb in CALLS and r.time >= since]
    if service is None or not calls or any(call.outcome != "refused" for call in calls):
        return []
    began = any((r.verb, r.reason) == ("session", "begun") for r in records(case))
    scanned = any(scan.state == SESSION for scan in case.told(HostScanned))
    used = (
        item
        for item in passed(case)
        if (item.data.source_port if item.of_console else item.data.destination_port)
        in service.ports
    )
    if began or scanned or case.told(ServiceTried) or any(used):
        return []
    return [service.workplace]


def _not_authorized(case: Case, service: RemoteService) -> Diagnosis | None:
    """The server refused the last one who wanted to get in, and no session has begun."""
    if any(r.reason == "begun" for r in records(case)):
        return None
    asked = [r for r in records(case) if r.verb in CALLS]
    if not asked or asked[-1].outcome != "refused":
        return None
    words = Denial(asked[-1].reason).words
    return Diagnosis(
        TURNED_AWAY,
        f"{service.workplace} refused {asked[-1].user}: {words}; nobody got to {service.console}",
        f"ask an officer for an authorization: lab-service authorize, at {service.workplace}",
    )


def _wrong_tries(case: Case, service: RemoteService) -> Diagnosis | None:
    if "wrong-tries" not in _ends(case):
        return None
    if service.terminal_account is not None:
        return _locked_out(case, service)
    tries = len(case.told(WrongTry))
    return Diagnosis(
        "wrong-tries",
        f"{service.console} hung up after {count(tries, 'wrong try', 'wrong tries')}, and lets nobody in: "
        "the representative's credentials are not those of the PPP address on its panel",
        "ask the customer for the PPP address, and to let a session in again",
    )


def _locked_out(case: Case, service: RemoteService) -> Diagnosis:
    """At a terminal, by what was typed on the line."""
    everything = terminal_calls.tries(case)
    wrong = [tried for tried in everything if not tried.let_in][-MOST_TRIES:]
    hung_up = f"{service.console} hung up after {count(len(wrong), 'wrong try', 'wrong tries')}"
    if wrong and all(remote_terminal.is_replay(tried, everything) for tried in wrong):
        return Diagnosis(
            "replayed-response",
            f"{service.console} denied the response to an earlier challenge {count(len(wrong), 'time')}, and "
            "lets nobody in: a response is good only once",
            "let the token answer the challenge on the screen, when the customer lets a session in again",
        )
    at = [tried for tried in wrong if tried.challenge]
    return Diagnosis(
        "wrong-tries",
        f"{hung_up}, and lets nobody in: {len(wrong) - len(at)} by user ID or password, {len(at)} by the "
        "response",
        "look at the account and the token, and ask the customer to let a session in again",
    )


def _late_lockdown(case: Case, service: RemoteService) -> Diagnosis | None:
    for event in case.told(ServiceTried):
        if event.host == service.console and event.port not in service.ports and event.answer:
            return Diagnosis(
                "late-lockdown",
                f"TCP {event.port} of {service.console} answered in a session, before the lock-down stood",
                "set the rules before the session's interface is up",
            )
    return None


def _hole(case: Case, service: RemoteService) -> Diagnosis | None:
    listed = spans(service.ports)
    for scan in case.told(HostScanned):
        if (scan.state, scan.target) != (SESSION, service.ppp_address):
            continue
        for protocol, answered in (("TCP", scan.tcp), ("UDP", scan.udp)):
            if answered != listed and service.console_allowed:
                return Diagnosis(
                    "lockdown-hole",
                    f"in a session {service.console} answers on {protocol} {answered or 'nowhere'}, and the "
                    f"list has {listed}",
                    f"look at what the lock-down says of {protocol}",
                )
    return None


def _line_dropped(case: Case, service: RemoteService) -> Diagnosis | None:
    cut = [call for call in case.service_calls if call.noted(LineDropped)]
    if not cut:
        return None
    farewell = "good-bye" if service.by is Inbound.terminal else "a word of PPP"
    return Diagnosis(
        "session-cut-off",
        f"the line was cut off in a session: {cut[0]} ended without {farewell}; {service.console} lets "
        "nobody in since",
        "look at the telephone line",
    )


def _wrong_try(case: Case, service: RemoteService) -> Diagnosis | None:
    tries = case.told(WrongTry)
    if not tries:
        return None
    return Diagnosis(
        "wrong-credentials",
        f"{service.console} refused {count(len(tries), 'try', 'tries')} of the representative to "
        "authenticate, and took a later one",
        "if the representative made no slip, find out who called",
    )


def _silent_peer(case: Case, service: RemoteService) -> Diagnosis | None:
    causes = [event.ended for event in case.told(SessionDown)]
    if not ("used" in _ends(case) and service.by is Inbound.vpn and PppCause.terminated in causes):
        return None
    return Diagnosis(
        "session-cut-off",
        f"the VPN was cut off in a session: the gateway fell silent, and {service.console} ended the session "
        "by itself; nobody is let in since",
        "look at the customer's access line, and at the gateway",
    )


SYMPTOMS: tuple[Callable[[Case, RemoteService], Diagnosis | None], ...] = (
    _no_modem,
    _not_authorized,
    _not_enabled,
    _wrong_tries,
    _late_lockdown,
    _hole,
    _line_dropped,
    _silent_peer,
    _wrong_try,
)
