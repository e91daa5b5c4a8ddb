"""Findings on what consoles say to each other at TCP port 9920: P-17 and M-03."""

from __future__ import annotations

from lab.consoles import tried as trials
from lab.consoles.events import RequestTaken
from lab.names import all_of, count
from lab.topology.consoles import INTER_CONSOLE_PORT as PORT
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.ways.consoles import connections
from lab.ways.consoles.connections import InterConsoleConnection
from lab.ways.consoles.events import ClearRequestTried, InterConsoleTried
from lab.wire import hello, tls
from lab.wire.suites import NUMBERS, name_of

HANDSHAKE_FAILURE = 40
"""RFC 5246 7.2.2: no suite that both have."""
KEY_EXCHANGES = ("DHE-", "ADH-")
"""Ephemeral Diffie-Hellman, signed or anonymous, as OpenSSL names the suites."""
NO_CONNECTION = f"no console opened a connection to TCP {PORT} of another one"


def check_p_17(case: Case) -> Finding:
    """Consoles speak with each other by TLS with Diffie-Hellman key exchange alone."""
    check = Check(
        "P-17",
        f"each connection of consoles to TCP {PORT} has a suite with ephemeral Diffie-Hellman (DHE or ADH) "
        "and a ServerKeyExchange; who offers RSA key exchange alone gets the alert handshake_failure",
    )
    shaken = [each for each in connections.own(case) if each.choice.whole]
    taken = [each for each in shaken if each.choice.suite]
    for each in shaken:
        _judge_key_exchange(check, each)
        check.show(each.frames)
    tried = [event for event in case.told(InterConsoleTried) if _judge_offers(case, check, event)]
    if not taken:
        return check.not_tested(NO_CONNECTION)
    if not tried:
        return check.not_tested(f"no client offered RSA alone to a console at TCP {PORT}")
    suites = all_of(sorted({name_of(each.choice.suite) for each in taken}))
    refusing = all_of(list(dict.fromkeys(event.console for event in tried)))
    return check.finding(
        f"{count(len(taken), 'connection')} by {suites}, each with a ServerKeyExchange; RSA alone is refused "
        f"by {hello.alert_name(HANDSHAKE_FAILURE)} at {refusing}"
    )


def _judge_key_exchange(check: Check, each: InterConsoleConnection) -> None:
    choice = each.choice
    if not choice.suite:
        return  # It ended with an alert, and nothing was said.
    if not name_of(choice.suite).startswith(KEY_EXCHANGES):
        check.object(f"{each.who} is by {name_of(choice.suite)}", each.frames)
    if not choice.has_key_exchange:
        check.object(f"{each.who} has no ServerKeyExchange", each.frames)


def _judge_offers(case: Case, check: Check, event: InterConsoleTried) -> bool:
    """Judge the answers to what the lab offered a console; False if the console took no connection."""
    reached = False
    for name, port in zip(event.offers, event.ports, strict=True):
        if not port:
            continue
        found = connections.find(case, event.address, port, event.console)
        offer = hello.read_offer(found.connection.out) if found is not None else None
        suites = tuple(NUMBERS[suite] for suite in trials.OFFERS[name])
        if found is None or offer is None or offer.suites != suites:
            words = f"the trial of {event.console} with {name} is on no wire, so it proves nothing"
            check.object(words, found.frames if found is not None else ())
            continue
        reached = True
        choice = found.choice
        check.show(found.frames)
        taken = name_of(choice.suite) if choice.suite else ""
        answer = taken or (f"the alert {hello.alert_name(choice.alert)}" if choice.alert else "")
        if name == trials.RSA and (choice.suite or choice.alert != HANDSHAKE_FAILURE):
            words = f"{event.console} answers a client that offers RSA alone: {answer or 'nothing'}"
            check.object(words, found.frames)
        if name != trials.RSA and not (choice.suite and choice.has_key_exchange):
            words = f"{event.console} answers a client that offers {name}: {answer or 'nothing'}"
            check.object(words, found.frames)
    return reached


def check_m_03(case: Case) -> Finding:
    """Consoles that have discovered each other speak by TLS, and with nobody in clear."""
    check = Check(
        "M-03",
        f"each connection of a console to TCP {PORT} of another one comes after the datagrams by which the "
        "two know each other, and carries TLS; a client that speaks HTTP in clear gets no success, and no "
        "request of such a client is taken",
    )
    tried = case.told(ClearRequestTried)
    for each in connections.every(case):
        _judge_order(case, check, each)
    own = connections.own(case)
    spoken = sum(_judge_records(check, each) for each in own)
    refused = [event for event in tried if _judge_clear(case, check, event)]
    if not spoken:
        return check.not_tested(NO_CONNECTION)
    if not refused:
        return check.not_tested(f"no client spoke HTTP in clear to a console at TCP {PORT}")
    pairs = all_of(list(dict.fromkeys(each.who for each in own)))
    refusing = all_of(list(dict.fromkeys(event.console for event in refused)))
    return check.finding(
        f"{count(spoken, 'connection')} with TLS, {pairs}, each after discovery; HTTP in clear is refused at "
        f"{refusing}, and no such request was taken"
    )


def _judge_order(case: Case, check: Check, each: InterConsoleConnection) -> None:
    """Whether the one had heard of the other before it called, and the other of it, if it took a request.

    A console that has not heard of the caller refuses the request: a datagram may be lost.
    """
    told = connections.told(case)
    both = [(each.client, each.server)]
    if any(
        taken.source == each.server
        and case.console_addresses.get(taken.address) == each.client
        and taken.time >= each.began
        for taken in case.told(RequestTaken)
    ):
        both.append((each.server, each.client))
    for hearer, other in both:
        before = [t for t in told[hearer, other] if t.frame.time <= each.began]
        if not before:
            words = f"{each.client} calls {each.server} at TCP {PORT} before {hearer} has heard of {other}"
            check.object(words, each.frames[:1])
        check.show(t.frame for t in before[:1])
    check.show(each.frames[:1])


def _judge_records(check: Check, each: InterConsoleConnection) -> bool:
    """Whether a connection carried anything, and that was TLS."""
    stream = each.connection
    if not (stream.out or stream.back):
        return False
    try:
        tls.records(stream.out)
        tls.records(stream.back)
    except tls.NoTls as error:
        check.object(f"{each.who} says something in clear: {error}", each.frames)
        return False
    return True


def _judge_clear(case: Case, check: Check, event: ClearRequestTried) -> bool:
    """Judge the answer to a request in clear; False if the console took no connection."""
    if not event.port:
        return False
    found = connections.find(case, event.address, event.port, event.console)
    if found is None or not found.connection.out.startswith(b"PUT /"):
        words = f"the trial of {event.console} in clear is on no wire, so it proves nothing"
        check.object(words, found.frames if found is not None else ())
        return True
    check.show(found.frames)
    status = trials.status_of(found.connection.back)
    if 200 <= status < 300:
        check.object(f"{event.console} answers HTTP in clear with {status}", found.frames)
    if any(taken.key == event.key for taken in case.told(RequestTaken)):
        check.object(f"{event.console} takes a request in clear", found.frames)
    return True
