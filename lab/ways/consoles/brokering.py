"""Findings on several call-home servers: M-06, M-07 with R-03, and M-08."""

from __future__ import annotations

from collections import Counter
from math import inf

from lab.consoles.events import ConsoleDiscovered, ConsoleLost, LevelsDiffer
from lab.names import all_of, count
from lab.topology.consoles import INTER_CONSOLE_PORT as PORT
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.ways.consoles import connections
from lab.ways.consoles.forwarded import NO_REQUEST, ForwardedRequest, requests

ONE_SERVER = "no console that had a request sent knew two call-home servers"


def check_m_06(case: Case) -> Finding:
    """Of several call-home servers one is picked for each request."""
    check = Check(
        "M-06",
        "where a console knows several call-home servers, each request is sent by exactly one of them, and "
        "over as many requests as there are servers, or more, each server is asked for some that "
        "did not fail",
    )
    if not requests(case):
        return check.not_tested(NO_REQUEST)
    told, few = [], []
    for client, servers in _choosers(case).items():
        own = [request for request in requests(case) if request.source == client]
        sent = [request for request in own if request.delivered]
        for request in sent:
            _judge_one_sender(case, check, request)
        # A request that failed has been given to several: what the next one is given says nothing then.
        smooth = [request for request in own if not request.failed]
        if len(smooth) < len(servers):
            that = " that did not fail" if len(smooth) < len(own) else ""
            few.append(
                f"{client} had {count(len(smooth), 'request')}{that} for {len(servers)} servers"
            )
            continue
        picked = {request.forwarded[0].console for request in smooth}
        for server in servers:
            if server not in picked:
                check.object(f"{client} picked {server} for none of {len(smooth)} requests")
        by = Counter(request.delivered[0].console for request in sent)
        shares = all_of([f"{by[server]} by {server}" for server in servers])
        told.append(f"{count(len(sent), 'request')} of {client}, each by one server: {shares}")
    if not told:
        return check.not_tested("; ".join(few) or ONE_SERVER)
    return check.finding("; ".join(told))


def _judge_one_sender(case: Case, check: Check, request: ForwardedRequest) -> None:
    """Whether one server alone sent a request, and others only if one before them had failed."""
    whose = f"a request of {request.source}"
    shown = []
    for forwarded in request.forwarded:
        found = request.connections(case, forwarded.console)
        shown += [frame for each in found for frame in each.frames[:1]]
        if len(found) > 1:
            check.object(f"{forwarded.console} was called {len(found)} times for {whose}", shown)
    if not request.connections(case, request.delivered[0].console):
        check.object(
            f"{request.delivered[0].console} sent {whose} without a connection to TCP {PORT}"
        )
    if len(request.forwarded) - len(request.failed) != 1 or len(request.delivered) != 1:
        asked = all_of([each.console for each in request.forwarded])
        check.object(f"{whose} was sent by more than one server of {asked}", shown)
    check.show(shown)


def check_m_07(case: Case) -> Finding:
    """A request that fails at a call-home server is retried at the remaining ones."""
    return _judge_retries(case, "M-07")


def check_r_03(case: Case) -> Finding:
    """The same, among the requirements of redundancy."""
    return _judge_retries(case, "R-03")


def _judge_retries(case: Case, requirement: str) -> Finding:
    check = Check(
        requirement,
        "a request that fails at a call-home server goes to the remaining ones, to each once at most, until "
        "one sends it; IBM has exactly one ticket for the request, and answers as before if it comes again",
    )
    if not requests(case):
        return check.not_tested(NO_REQUEST)
    choosers = _choosers(case)
    failed = [r for r in requests(case) if r.failed and r.source in choosers]
    for request in failed:
        _judge_retried(case, check, request)
    if not choosers:
        return check.not_tested(ONE_SERVER)
    if not failed:
        return check.not_tested("no request failed at a call-home server")
    told = []
    for request in failed:
        tried = all_of([each.console for each in request.failed])
        if request.delivered:
            again = len(request.acknowledged(case)) - len(request.tickets(case))
            twice = f" for what came {again + 1} times" if again else ""
            ticket = "one ticket" if not case.why_no_ledger else case.why_no_ledger
            end = f"{request.delivered[0].console} sent it, and IBM has {ticket}{twice}"
        else:
            end = "no server was left"
        told.append(f"a request of {request.source} failed at {tried}; {end}")
    return check.finding("; ".join(dict.fromkeys(told)))


def _judge_retried(case: Case, check: Check, request: ForwardedRequest) -> None:
    whose = f"a request of {request.source}"
    asked = Counter(each.console for each in request.forwarded)
    shown = []
    for server, times in asked.items():
        found = request.connections(case, server)
        shown += [frame for each in found for frame in each.frames[:1]]
        if max(times, len(found)) > 1:
            check.object(f"{whose} went to {server} {max(times, len(found))} times", shown)
    if not request.delivered:
        for server in _known(case, request.source, request.ended):
            if server not in asked:
                check.object(f"{whose} failed, and {server} was not asked")
    elif not request.connections(case, request.delivered[0].console):
        check.object(
            f"{request.delivered[0].console} was not called for {whose} that failed elsewhere"
        )
    check.show(shown)
    transactions = {each.transaction for each in request.delivered}
    if len(transactions) > 1:
        check.object(f"{whose} has several transactions: {all_of(sorted(transactions))}")
    if case.why_no_ledger:
        return
    tickets = len(request.tickets(case))
    if tickets > 1 or (request.delivered and not tickets):
        check.object(f"IBM has {count(tickets, 'ticket')} for {whose}")


def check_m_08(case: Case) -> Finding:
    """Call-home servers should be of one level; if they are not, that is told, and no more."""
    check = Check(
        "M-08",
        "a console that knows call-home servers of several levels warns of that, and has its requests sent "
        "all the same; of servers of one level nobody warns",
    )
    told = []
    for client, servers in _choosers(case).items():
        levels = _levels(case, client, servers)
        warnings = [event for event in case.told(LevelsDiffer) if event.source == client]
        frames = [connections.told(case)[client, server][-1].frame for server in levels]
        check.show(frames)
        words = all_of([f"{server} {level}" for server, level in levels.items()])
        if len(levels) < 2:
            continue
        if len({*levels.values()}) > 1 and not warnings:
            check.object(f"{client} does not warn of several levels: {words}", frames)
        if len({*levels.values()}) == 1 and warnings:
            check.object(f"{client} warns of several levels, and hears of one: {words}", frames)
        warned = f"{client} warns of several levels" if warnings else f"{client} knows one level"
        told.append(f"{warned}: {words}")
    if not told:
        return check.not_tested(f"{ONE_SERVER}, with their levels")
    return check.finding("; ".join(told))


def _levels(case: Case, client: str, servers: list[str]) -> dict[str, str]:
    """What a console heard last of the servers' levels, as the wires show it; of those that tell any."""
    told = connections.told(case)
    found = {server: told[client, server] for server in servers}
    return {server: heard[-1].level for server, heard in found.items() if heard and heard[-1].level}


def _choosers(case: Case) -> dict[str, list[str]]:
    """The consoles that had requests sent, and the call-home servers that each knew, if these are several."""
    clients = dict.fromkeys(request.source for request in requests(case))
    known = {client: _known(case, client) for client in clients}
    return {client: servers for client, servers in known.items() if len(servers) > 1}


def _known(case: Case, client: str, at: float = inf) -> list[str]:
    """The call-home servers that a console had discovered by a time, and not lost; by default, ever."""
    serving = [console.node for console in case.topology.consoles if console.serves]
    found = {e.console for e in case.told(ConsoleDiscovered) if e.source == client and e.time <= at}
    if at < inf:
        found -= {e.console for e in case.told(ConsoleLost) if e.source == client and e.time <= at}
    return [name for name in serving if name in found]
