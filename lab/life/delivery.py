"""Whether everything arrived, once, and by which way (OUT-14, OUT-15, OUT-18, OUT-34, R-02)."""

from __future__ import annotations

from collections import Counter

from lab.life.chronicle import DAY_S, HTTPS_PORT, Chronicle, Happening, WireCall
from lab.names import count
from lab.verify.finding import Check, Finding

SOON_S = 3600.0
"""A call that fails has its reason so shortly before, and what takes its place comes so shortly after."""
LAST_DAY_S = DAY_S
"""What the hardware tells so shortly before the end may still be queued then."""


def check_out_14(life: Chronicle) -> Finding:
    """The next way is taken when the one before it does not work, and not otherwise."""
    check = Check("OUT-14", "ways are tried in their order: the next one when one is not available")
    proxied = [call for call in life.calls if call.proxied]
    failed = [call for call in life.calls if call.failed]
    others = [call for call in proxied if life.rank(call) != 0]
    causeless = [c for c in others if not _excused(life, c) and not _had_cause(life, failed, c)]
    check.want(
        not causeless, f"{count(len(causeless), 'call')} of a proxy, though no other way had failed"
    )
    if life.connections and not life.direct:
        past = [c for c in life.calls if not c.proxied and c.port == HTTPS_PORT]
        check.want(not past, f"{count(len(past), 'call')} past the proxies")
    if life.ways == 1 and len(life.connections) < 2 and not others:
        return check.not_tested("the agent has one way alone")
    tried = 0
    for outage in life.outages("way", "proxy"):
        lost = [c for c in failed if outage.at(c.time) and _concerns(life, outage, c)]
        if not lost or not _has_next(life, outage):
            continue
        tried += 1
        turned = [
            c
            for c in life.calls
            if lost[0].time <= c.time <= outage.until + SOON_S and not _concerns(life, outage, c)
        ]
        check.want(turned, f"no other way was tried while {outage.subject} was closed")
    if not tried:
        return check.not_tested(
            "no way was closed while the agent called, with another one after it"
        )
    return check.finding(
        f"{count(len(others), 'call')} by a later way than the first, each after one that failed"
    )


def _had_cause(life: Chronicle, failed: list[WireCall], call: WireCall) -> bool:
    """Whether a call of the connection before had failed; of any other one, where the order is not known."""
    rank = life.rank(call)
    before = [c for c in failed if life.rank(c) == rank - 1] if rank > 0 else failed
    return _near(before, call.time)


def _concerns(life: Chronicle, outage: Happening, call: WireCall) -> bool:
    """Whether a call is one of the connection that is out of service."""
    if not life.connections:
        return not call.proxied
    rank = life.rank(call)
    return rank >= 0 and life.connections[rank].name == outage.subject


def _has_next(life: Chronicle, outage: Happening) -> bool:
    return not life.connections or life.connections[-1].name != outage.subject


def check_out_15(life: Chronicle) -> Finding:
    """The direct way is the one by default."""
    check = Check("OUT-15", "the direct way comes first, whenever it is open")
    if not life.direct:
        return check.not_tested("no way of the agent's is its own way over the Internet")
    direct = [call for call in life.calls if not call.proxied and call.port == HTTPS_PORT]
    proxied = [call for call in life.calls if call.proxied]
    if not direct and not proxied:
        return check.not_tested("the agent called nobody")
    check.want(direct, "the direct way was never tried")
    if direct and proxied:
        first = min(call.time for call in life.calls)
        check.want(min(c.time for c in direct) == first, "the first call went by a proxy")
    needless = [call for call in proxied if not _excused(life, call)]
    check.want(
        not needless, f"{count(len(needless), 'call')} by a proxy while the direct way was open"
    )
    return check.finding(f"{count(len(direct), 'call')} direct, {len(proxied)} by a proxy")


def check_out_18(life: Chronicle) -> Finding:
    """What the machine tells is queued, and gets to IBM in an authenticated session."""
    check = Check(
        "OUT-18", "what is collected is queued until IBM has it, by TLS and authenticated"
    )
    if life.idle:
        return check.not_tested(life.idle)
    told = [each for each in life.failures if life.ended - each.time > LAST_DAY_S]
    told = [each for each in told if not life.is_dark(life.ended)]
    if not told:
        return check.not_tested("the machine told of nothing")
    if not life.problems:
        check.object(f"none of {count(len(told), 'problem')} arrived")
    stored = Counter(problem.text for problem in life.problems)
    missing = [each.subject for each in told if not stored[each.subject]]
    check.want(not missing, f"never arrived: {', '.join(missing)}")
    bare = [e for e in life.of("problem") if e.served and not (e.encrypted and e.identity)]
    check.want(not bare, f"{count(len(bare), 'problem')} came without TLS or an ID")
    arrived = len(told) - len(missing)
    return check.finding(f"{count(arrived, 'problem')} of {len(told)} told are with IBM")


def check_out_34(life: Chronicle) -> Finding:
    """What could not be sent is sent later, and once."""
    check = Check("OUT-34", "what was queued while nothing could be sent arrives afterwards, once")
    stored = Counter(problem.text for problem in life.problems)
    twice = [text for text, number in stored.items() if number > 1]
    check.want(
        not twice, f"{count(len(twice), 'problem')} arrived more than once: {', '.join(twice)}"
    )
    more = len(life.problems) - len(life.told)
    check.want(more <= 0, f"{len(life.problems)} problems arrived, and {len(life.told)} were told")
    if life.idle:
        return check.not_tested(life.idle)
    held = [each for each in life.failures if life.is_dark(each.time)]
    held = [each for each in held if life.ended - _light(life, each.time) > LAST_DAY_S]
    if not held:
        return check.not_tested("nothing happened while the agent could not call")
    late = 0.0
    for each in held:
        found = [p for p in life.problems if p.text == each.subject]
        if not found:
            check.object(f"{each.subject} never arrived")
        late = max([late, *(p.received - _light(life, each.time) for p in found)])
    return check.finding(
        f"{count(len(held), 'problem')} held back, each here once, at most {late:.0f} s after the outage"
    )


def check_r_02(life: Chronicle) -> Finding:
    """While one site is out of service, the other one is called."""
    check = Check("R-02", "when a site does not answer, the other one is called")
    tried, bound = 0, 0.0
    for outage in life.outages("server"):
        lost = [
            call
            for call in life.calls
            if call.address in outage.addresses and outage.at(call.time) and not call.answered
        ]
        if not lost:
            continue
        tried += 1
        later = [
            e.time - lost[0].time
            for e in life.service
            if e.served
            and e.address not in outage.addresses
            and lost[0].time < e.time < lost[0].time + SOON_S
        ]
        if not later:
            check.object(
                f"no other server was called within an hour, when {outage.subject} was silent"
            )
        else:
            bound = max(bound, later[0])
    if not tried:
        return check.not_tested("no server was silent when the agent called it")
    return check.finding(
        f"{count(tried, 'outage')}, the other site was called within {bound:.0f} s"
    )


def _light(life: Chronicle, moment: float) -> float:
    """When a dark time is over."""
    return next((b for a, b in life.dark if a <= moment < b), moment)


def _excused(life: Chronicle, call: WireCall) -> bool:
    """Whether something was out of service at the time of a call, or had just been; or it is a test's."""
    return life.tested_at(call.time) or any(_about(outage, call.time) for outage in life.hindrances)


def _about(outage: Happening, moment: float) -> bool:
    return outage.time <= moment <= outage.until + SOON_S


def _near(failed: list[WireCall], moment: float) -> bool:
    return any(0 <= moment - call.time <= SOON_S for call in failed)
