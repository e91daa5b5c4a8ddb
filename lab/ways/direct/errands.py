"""Findings on errands, whichever servers do them: OUT-32, OUT-33, OUT-38, OUT-41, OUT-42."""

from __future__ import annotations

import hashlib

from lab.names import all_of, count
from lab.record.call_event import CallHomeTried
from lab.record.errand_event import undone_text
from lab.topology.errand_kinds import DOWNLOADS, PATHS, ErrandKind
from lab.verify.case import Case
from lab.verify.errands import ErrandCarriage, ErrandsSeen, HttpRequestSeen, Place
from lab.verify.finding import Check, Finding

HTTP = 80
REFUSED = 403
"""With which a server answers a system that has not enrolled."""
NO_ERRANDS = "the agents do no errands in this topology"
FIX = f"{PATHS}{ErrandKind.fix}/"
CONFIGURATION = f"{PATHS}{ErrandKind.configuration}"


def check_out_32(case: Case) -> Finding:
    """HTTP is a backup for configurations only."""
    check = Check(
        "OUT-32",
        f"a configuration comes by HTTPS; at port {HTTP} it is asked for only when servers were asked by "
        "HTTPS before and did not give it, and no other errand but a fix is",
    )
    seen = ErrandsSeen(case)
    secure = seen.places(ErrandKind.configuration)
    by_tls = [
        one
        for one in seen.carriages
        if ErrandKind.configuration in one.kinds and one.acknowledged and one.place in secure
    ]
    backups = [
        (one, request)
        for one, requests in seen.in_clear
        for request in requests
        if request.target.startswith(PATHS) and not request.target.startswith(FIX)
    ]
    for one, request in backups:
        if request.target.partition("?")[0] != CONFIGURATION:
            check.object(f"{request.target} is asked for at {one.where} in clear", one.frames)
        elif one.place not in seen.backups(ErrandKind.configuration):
            check.object(f"{one.where} is not for configurations", one.frames)
        elif any(other.began < one.began for other in by_tls):
            check.object(
                f"a configuration is asked for at {one.where}, and HTTPS gave one", one.frames
            )
        else:
            before = [p for f, p in case.packets(*case.uplinks) if f.time < one.began]
            asked = {(p.destination, p.destination_port) for p in before if p.is_bare_syn}
            where = f"a configuration is asked for at {one.where}"
            check.want(asked & secure, f"{where}, and nobody was asked by HTTPS", one.frames)
    check.show(frame for one in (*by_tls[:2], *(b for b, _ in backups)) for frame in one.frames)
    if case.why_no_ledger:
        return check.not_tested(case.why_no_ledger)
    if not by_tls and not backups:
        return check.not_tested("no configuration came in this run")
    return check.finding(
        f"{count(len(by_tls), 'configuration')} by HTTPS, and {len(backups)} by HTTP when HTTPS gave none"
    )


def check_out_33(case: Case) -> Finding:
    """Data is never uploaded over HTTP."""
    check = Check(
        "OUT-33",
        f"every request that leaves for port {HTTP} is a GET or a HEAD without a body; data that HTTPS does "
        "not take is kept, and not sent",
    )
    seen = ErrandsSeen(case)
    asked = [(one, request) for one, requests in seen.in_clear for request in requests]
    for one, request in asked:
        if request.method not in ("GET", "HEAD"):
            what = request.method or "something that is no HTTP"
            check.object(f"{what} goes to {one.where} in clear", one.connection.frames)
        if request.body_bytes:
            size = count(request.body_bytes, "byte")
            check.object(f"a body of {size} goes to {one.where} in clear", one.connection.frames)
    for tried in seen.tried:
        if tried.cause is None and tried.server.startswith("http:") and _is_data(tried.errand):
            check.object(f"the {tried.errand} was taken by {tried.server}")
    kept = _judge_kept(case, check)
    unfetched = _unfetched(case)
    check.show(frame for one, _ in asked for frame in one.frames)
    if not asked and not kept:
        return check.not_tested(f"nothing went to port {HTTP}, and nothing was kept")
    told = f"; {undone_text(kept, unfetched)}" if kept or unfetched else ""
    return check.finding(f"{count(len(asked), 'request')} to port {HTTP}, none with a body{told}")


def _is_data(errand: str) -> bool:
    return errand not in DOWNLOADS


def _judge_kept(case: Case, check: Check) -> list[str]:
    """Errands that carry data and that no server took by TLS: the agent must say that it keeps them."""
    kept: dict[str, None] = {}
    for call in case.record.calls:
        done = {a.errand for a in call.attempts if a.cause is None}
        for errand in case.topology.errands_of(call.way):
            if not _is_data(errand.kind) or errand.kind in done:
                continue
            kept[str(errand.kind)] = None
            if errand.kind not in call.unsent:
                check.object(f"{call.agent} did not say that it keeps the {errand.kind}")
    return list(kept)


def _unfetched(case: Case) -> list[str]:
    """Downloads that no server gave in some call home."""
    found: dict[str, None] = {}
    for call in case.record.calls:
        done = {a.errand for a in call.attempts if a.cause is None}
        missing = {str(e.kind) for e in case.topology.errands_of(call.way)} - done
        found |= dict.fromkeys(sorted(missing & DOWNLOADS))
    return list(found)


def check_out_38(case: Case) -> Finding:
    """Each type of transaction has servers of its own."""
    seen = ErrandsSeen(case)
    check = Check(
        "OUT-38",
        "each errand goes to every address and port that the tables list for it, and to no other",
    )
    kinds = {str(errand.kind) for errand in case.topology.errands}
    listed = set[Place]().union(*(seen.places(k) | seen.backups(k) for k in kinds))
    found: dict[str, set[Place]] = {kind: set() for kind in sorted(kinds)}
    for one in seen.carriages:
        if one.place not in listed and one.place[0] not in case.ftps:
            check.object(f"a connection goes to {one.where}, where no errand is done", one.frames)
        for kind in one.kinds:
            if one.place not in seen.places(kind) | seen.backups(kind):
                check.object(f"the {kind} goes to {one.where}, which is not for it", one.frames)
            elif one.answered:
                found.setdefault(kind, set()).add(one.place)
                check.show(one.frames[:1])
    if not kinds or case.why_no_ledger:
        return check.not_tested(case.why_no_ledger if kinds else NO_ERRANDS)
    everywhere = any(not trial.row for trial in case.record.errand_trials)
    for kind, places in found.items() if everywhere else ():
        for address, port in sorted(seen.places(kind) - places):
            check.object(f"no {kind} went to {address}:{port}, which is listed for it")
    if not everywhere:
        return check.not_tested("the servers were not all tried in this run")
    told = ", ".join(f"{kind} to {len(places)}" for kind, places in found.items())
    return check.finding(f"places by errand: {told}; none at a place of another errand alone")


def check_out_41(case: Case) -> Finding:
    """Fixes come by HTTP, without a log-in, and are checked by a digest that came by TLS."""
    check = Check(
        "OUT-41",
        f"a fix is asked for by GET at port {HTTP} without Authorization, and what comes has the SHA-256 "
        "that a server gave by TLS",
    )
    seen = ErrandsSeen(case)
    promised = {e.promised for e in case.record.ledger if e.promised and e.tls_version}
    fixes = _fixes(seen)
    came = 0
    for one, request in fixes:
        if request.method != "GET":
            check.object(f"a fix is asked for by {request.method} at {one.where}", one.frames)
        for field in ("authorization", "proxy-authorization", "cookie"):
            if field in request.head.fields:
                check.object(f"the request at {one.where} has the field {field}", one.frames)
        if request.status != 200:
            continue
        came += 1
        digest = hashlib.sha256(request.content).hexdigest()
        if not _may_be_promised(case, digest, promised):
            what = f"the fix from {one.where} has the SHA-256 {digest[:16]}..."
            check.object(f"{what}, which no server gave by TLS", one.connection.frames)
    for tried in seen.tried:
        if tried.errand == ErrandKind.fix:
            _judge_attempt(case, check, tried, promised)
    check.show(frame for one, _ in fixes for frame in one.frames)
    if not came or case.why_no_ledger:
        return check.not_tested(case.why_no_ledger or "no fix came in this run")
    return check.finding(
        f"{count(came, 'fix', 'fixes')} by HTTP from "
        f"{count(len({one.place for one, _ in fixes}), 'address', 'addresses')}, without a log-in, each with "
        "the SHA-256 that was promised by TLS"
    )


def _may_be_promised(case: Case, digest: str, promised: set[str]) -> bool:
    """Whether a server gave a digest by TLS, as far as anybody can know."""
    return digest in promised or bool(case.why_no_ledger)


def _judge_attempt(case: Case, check: Check, tried: CallHomeTried, promised: set[str]) -> None:
    """What the lab's own agent says of a fix."""
    if tried.server.startswith("https:"):
        check.object(f"a fix was asked for at {tried.server}")
    if tried.cause is None and not _may_be_promised(case, tried.sha256, promised):
        check.object(f"{tried.source} took a fix whose SHA-256 no server gave by TLS")


def _fixes(seen: ErrandsSeen) -> list[tuple[ErrandCarriage, HttpRequestSeen]]:
    return [
        (one, request)
        for one, requests in seen.in_clear
        for request in requests
        if request.target.startswith(FIX)
    ]


def _judge_order(check: Check, fix: ErrandCarriage, done: list[ErrandCarriage]) -> None:
    """Whether a system had enrolled when a fix was asked for, and the very one that got the fix."""
    if not done:
        check.object(f"a fix is asked for at {fix.where}, and nobody has enrolled", fix.frames)
        return
    got = {entry.system for entry in fix.entries if entry.status == 200}
    enrolled: dict[str, float] = {}
    for one in done:
        for entry in one.entries:
            enrolled.setdefault(entry.system, one.answered_until)
    for system in sorted(got - enrolled.keys()):
        check.object(
            f"{fix.where} gave a fix to {system or 'nobody'}, who has not enrolled", fix.frames
        )
    times = [enrolled[system] for system in got if system in enrolled] or [min(enrolled.values())]
    if fix.began < max(times):
        late = max(times) - fix.began
        check.object(
            f"a fix is asked for at {fix.where}, {late:.3f} s before the enrolment was acknowledged",
            fix.frames,
        )


def check_out_42(case: Case) -> Finding:
    """A system is enrolled before it asks for a download."""
    check = Check(
        "OUT-42",
        "before an agent gets its first fix, a server that is listed for enrolments has acknowledged its "
        "enrolment; who is not enrolled asks for none, or is refused",
    )
    seen = ErrandsSeen(case)
    where = seen.places(ErrandKind.enrolment)
    enrolments = [one for one in seen.carriages if ErrandKind.enrolment in one.kinds]
    done = [one for one in enrolments if one.acknowledged and one.place in where]
    asked = _fixes(seen)
    refused = [one for one, request in asked if request.status == REFUSED]
    fixes = [one for one, request in asked if request.status != REFUSED]
    if case.why_no_ledger:
        check.show(frame for one in (*refused[:1], *fixes[:1]) for frame in one.frames)
        return check.not_tested(case.why_no_ledger)
    for fix in fixes:
        _judge_order(check, fix, done)
    check.show(frame for one in (*done[:1], *refused[:1], *fixes[:1]) for frame in one.frames)
    tried = [a for a in seen.tried if a.errand == ErrandKind.enrolment]
    told = f"; {count(len(refused), 'request')} without an enrolment refused" if refused else ""
    if not fixes and not done and (refused or tried):
        return check.finding(f"no enrolment was acknowledged, and nobody got a fix{told}")
    if not fixes:
        return check.not_tested("nobody asked for a fix in this run")
    names = all_of(sorted({e.server for one in done for e in one.entries}))
    wait = min(fix.began for fix in fixes) - min((one.answered_until for one in done), default=0.0)
    return check.finding(
        f"{names} acknowledged the enrolment; {count(len(fixes), 'request')} for a fix, the first of them "
        f"{wait:.3f} s later{told}"
    )
