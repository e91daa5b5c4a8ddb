"""Whether something takes the place of what does not answer: the next connection (R-01), another address of a
name (R-09), the address to which DNS leads (R-10). By the agent's own wire.
"""

from __future__ import annotations

from lab.life.chronicle import DAY_S, HTTPS_PORT, Chronicle, Happening, WireCall
from lab.names import all_of, count
from lab.verify.finding import Check, Finding

TURN_S = 600.0
"""Within this time of a failure the next connection is tried: the one before may be tried more than once."""
TIMEOUT_S = 150.0
"""Within this time another address is called: a kernel gives up a SYN after 127 s (tcp_syn_retries 6)."""
HEALED_S = 3600.0
"""So long an agent may go on with what it was told of a name before; the lab's servers say 60 s."""


def check_r_01(life: Chronicle) -> Finding:
    """When one connection fails, the next one in the configured order is tried."""
    check = Check("R-01", "when a connection fails, the next one in the configured order is tried")
    if len(life.connections) < 2:
        return check.not_tested("the agent has no two connections, direct or by a proxy")
    told, longest = [], 0.0
    for outage in life.outages("way", "proxy"):
        rank = next((n for n, c in enumerate(life.connections) if c.name == outage.subject), None)
        if rank is None or rank + 1 == len(life.connections):
            continue
        lost = [
            call
            for call in life.calls
            if life.rank(call) == rank and call.failed and _counts(life, outage, call, TURN_S)
        ]
        following = life.connections[rank + 1]
        turns = [_after(life, call, rank + 1) for call in lost]
        missed = [c for c, turn in zip(lost, turns, strict=True) if turn is None]
        if missed:
            check.object(
                f"{_day(life, missed[0])} {outage.subject} did not serve, and {following.name} was not tried "
                f"within {TURN_S / 60:.0f} minutes"
            )
        if lost:
            longest = max([longest, *(turn for turn in turns if turn is not None)])
            told.append(f"{following.name} in the place of {outage.subject}")
    if not told:
        return check.not_tested("no connection was closed while the agent called by it")
    return check.finding(f"{all_of(list(dict.fromkeys(told)))}, within {longest:.0f} s")


def _after(life: Chronicle, lost: WireCall, rank: int) -> float | None:
    """How long after a call that failed the next connection was tried; None if it was not in time."""
    waits = [c.time - lost.time for c in life.calls if life.rank(c) == rank]
    return min((wait for wait in waits if 0 <= wait <= TURN_S), default=None)


def check_r_09(life: Chronicle) -> Finding:
    """Single addresses of a name may be down."""
    check = Check(
        "R-09", "when one address of a name does not answer, another one of the same name is called"
    )
    told, longest = [], 0.0
    for outage in life.outages("server"):
        if any(each.time < outage.until for each in life.having("relocate")):
            continue
        for name, addresses in life.endpoints.items():
            shut = {*addresses} & {*outage.addresses}
            if not shut or shut == {*addresses}:
                continue
            bound = TIMEOUT_S * len(shut)
            lost = [
                call
                for call in life.calls
                if call.address in shut
                and call.port == HTTPS_PORT
                and not call.answered
                and _counts(life, outage, call, bound)
            ]
            others = [
                c.time
                for c in life.calls
                if c.address in {*addresses} - shut and c.port == HTTPS_PORT and c.answered
            ]
            waits = [min((t - c.time for t in others if t >= c.time), default=bound) for c in lost]
            if late := [c for c, wait in zip(lost, waits, strict=True) if wait >= bound]:
                check.object(
                    f"{_day(life, late[0])} {late[0].address} did not answer, and no other address of {name} "
                    f"was reached within {bound:.0f} s"
                )
            if lost:
                longest = max(longest, *waits)
                told.append(f"{name} without {all_of(sorted(shut))}")
    if not told:
        return check.not_tested("no single address of a name was silent when the agent called it")
    return check.finding(
        f"{'; '.join(dict.fromkeys(told))}: another address was reached within {longest:.0f} s"
    )


def check_r_10(life: Chronicle) -> Finding:
    """DNS is the healing mechanism."""
    check = Check(
        "R-10",
        "once a name leads to other addresses, these are called, and the former ones are not",
    )
    moves = life.having("relocate")
    if not moves:
        return check.not_tested("no server left its address in this life")
    told = []
    for move in moves:
        later = [
            c
            for c in life.calls
            if c.time > move.time + HEALED_S and c.port == HTTPS_PORT and not life.is_dark(c.time)
        ]
        former = [c for c in later if c.address in move.addresses]
        new = [c for c in later if c.address in move.led_to]
        if former:
            check.object(
                f"{count(len(former), 'call')} to {all_of(sorted({c.address for c in former}))}, which "
                f"{move.subject} had left, from {_day(life, former[0])} on"
            )
        check.want(
            not new or any(c.answered for c in new), f"{all_of([*move.led_to])} did not answer"
        )
        if new:
            there = all_of(sorted({c.address for c in new}))
            told.append(f"{count(len(new), 'call')} to {there}, none to the former addresses")
    if not told:
        return check.not_tested(
            "the agent called no server by its own way after the servers had moved"
        )
    return check.finding("; ".join(told))


def _counts(life: Chronicle, outage: Happening, call: WireCall, bound_s: float) -> bool:
    """Whether an outage is to blame for a call, and nothing else was wrong until the time for the next one
    was over: another outage, a kill, the end of either; nor was it a test, which goes everywhere."""
    until = call.time + bound_s
    others = [each for each in life.hindrances if each is not outage]
    disturbed = any(
        each.time <= until and each.until >= call.time for each in (*others, *life.having("kill"))
    )
    ends = min(outage.until, life.ended)
    in_time = outage.time <= call.time and until <= ends
    return in_time and not disturbed and not life.tested_at(call.time)


def _day(life: Chronicle, call: WireCall) -> str:
    return f"day {(call.time - life.began) / DAY_S:.1f}"
