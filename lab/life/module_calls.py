"""In which order the agent asks the ports of its management module (E-04, R-06), by the wire between them."""

from __future__ import annotations

from collections.abc import Iterator

from lab.life.chronicle import DAY_S, OF_MODULE, Chronicle, Happening, ModuleCall
from lab.names import count
from lab.topology.management import HTTP_PORT, HTTPS_PORT
from lab.verify.finding import Check, Finding

FRESH_S = 3600.0
"""So long an agent may go on at 5988 before it asks 5989 again, and so soon it has to turn to 5988."""


def check_e_04(life: Chronicle) -> Finding:
    """HTTPS first, each time; HTTP when HTTPS is not available."""
    check = Check(
        "E-04",
        f"the management module is asked by HTTPS at port {HTTPS_PORT} first, and by HTTP at {HTTP_PORT} "
        f"only after {HTTPS_PORT} has refused or stayed silent",
    )
    if not life.module_calls:
        return check.not_tested("the agent asked no management module")
    strange = sorted({c.port for c in life.module_calls} - {HTTPS_PORT, HTTP_PORT})
    check.want(not strange, f"connections to {', '.join(map(str, strange))}, which no paper has")
    bare = [c for c in _of(life, HTTPS_PORT) if c.asked and not c.tls]
    check.want(not bare, f"what goes to {HTTPS_PORT} is no TLS, {count(len(bare), 'time')}")
    secure, clear = _of(life, HTTPS_PORT), _of(life, HTTP_PORT)
    early = [(call, why) for call in clear if (why := _why_too_early(life, call))]
    if early:
        (first, why), *others = early
        more = f", and {len(others)} more too early" if others else ""
        check.object(f"{_day(life, first.time)} a connection to {HTTP_PORT}, and {why}{more}")
    lost = sum(not call.served for call in secure)
    first_asked = (
        f"{count(len(secure), 'connection')} to {HTTPS_PORT}, {lost or 'none'} without an answer"
    )
    return check.finding(f"{first_asked}; {len(clear) or 'none'} to {HTTP_PORT}")


def check_r_06(life: Chronicle) -> Finding:
    """5988 takes the place of 5989 for as long as that is not available."""
    check = Check(
        "R-06",
        f"{HTTP_PORT} of the management module is asked while {HTTPS_PORT} is not available, and nothing is "
        f"said to it while {HTTPS_PORT} answers",
    )
    clear = _of(life, HTTP_PORT)
    said = [m for call in clear for m in (call.time, call.last) if _had_answered(life, m)]
    if said:
        check.object(
            f"{_day(life, said[0])} something is said to {HTTP_PORT}, and {HTTPS_PORT} had answered"
        )
    told = []
    for since, until in _stretches(life):
        there = [c for c in clear if since <= c.time < until]
        if there:
            told.append(f"{HTTP_PORT} was asked {there[0].time - since:.3f} s later")
        elif until - since > FRESH_S and not _ends(life, since):
            check.object(
                f"{_day(life, since)} {HTTPS_PORT} was not available, and {HTTP_PORT} was not asked within "
                "an hour"
            )
    back = [_judge_return(check, life, outage) for outage in life.outages(OF_MODULE)]
    if not _of(life, HTTPS_PORT):
        return check.not_tested(f"{HTTPS_PORT} of no management module was asked")
    if not told:
        return check.not_tested(f"{HTTPS_PORT} of the management module answered whenever asked")
    returned = next((text for text in back if text), f"{HTTPS_PORT} was not asked afterwards")
    return check.finding(f"{HTTPS_PORT} was not available, and {'; '.join(told)}; {returned}")


def _judge_return(check: Check, life: Chronicle, outage: Happening) -> str:
    """After an outage of 5989 the agent comes back to that port."""
    if outage.subject.rpartition("/")[2] != str(HTTPS_PORT):
        return ""
    later = [c for c in life.module_calls if c.time >= outage.until]
    asked = [c for c in later if c.port == HTTPS_PORT]
    missed = [c for c in later if c.port == HTTP_PORT and c.time > outage.until + FRESH_S]
    first = asked[0].time if asked else life.ended
    if any(c.time < first for c in missed):
        check.object(
            f"{HTTPS_PORT} was back on {_day(life, outage.until)}, and {HTTP_PORT} alone was asked"
        )
    if not asked:
        return ""
    return f"{HTTPS_PORT} was asked again on {_day(life, first)}"


def _of(life: Chronicle, port: int) -> list[ModuleCall]:
    return [call for call in life.module_calls if call.port == port]


def _last_before(life: Chronicle, moment: float) -> ModuleCall | None:
    """The connection to 5989 by which the agent knew last."""
    before = [c for c in _of(life, HTTPS_PORT) if c.time <= moment]
    return max(before, key=lambda call: call.time, default=None)


def _had_answered(life: Chronicle, moment: float) -> bool:
    known = _last_before(life, moment)
    return known is not None and 0.0 < known.served <= moment


def _why_too_early(life: Chronicle, call: ModuleCall) -> str:
    """Why a connection to 5988 should not have been; empty if it may be."""
    last = _last_before(life, call.time)
    if last is None:
        return f"{HTTPS_PORT} had not been asked"
    if last.served and last.served <= call.time:
        return f"{HTTPS_PORT} had answered"
    if not 0.0 < last.unavailable <= call.time:
        return f"{HTTPS_PORT} had not refused {call.time - last.time:.3f} s after it was asked"
    if call.time - last.time > FRESH_S:
        return f"{HTTPS_PORT} had not been asked for {(call.time - last.time) / 3600:.1f} h"
    return ""


def _stretches(life: Chronicle) -> Iterator[tuple[float, float]]:
    """From the moment when the agent could know that 5989 is not available until 5989 answers again."""
    since = 0.0
    for call in sorted(_of(life, HTTPS_PORT), key=lambda each: each.time):
        if call.unavailable and not call.served:
            since = since or call.unavailable
        elif call.served and since:
            yield since, call.served
            since = 0.0
    if since:
        yield since, life.ended


def _ends(life: Chronicle, since: float) -> bool:
    """Whether the agent was killed before the hour was over."""
    return any(since <= kill.time <= since + FRESH_S for kill in life.having("kill"))


def _day(life: Chronicle, moment: float) -> str:
    return f"day {(moment - life.began) / DAY_S:.1f}"
