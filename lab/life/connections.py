"""What an agent's tests of its connections came to (E-13, F-12, F-13), by the wires.

What the agent says of its paths is compared with what its own wire has.
"""

from __future__ import annotations

from lab.life.chronicle import (
    DAY_S,
    TEST_S,
    Chronicle,
    ConnectionTest,
    Happening,
    PathResult,
    WireCall,
)
from lab.names import all_of, count
from lab.verify.finding import Check, Finding

NOBODY = "nobody had the agent test its connections"


def check_e_13(life: Chronicle) -> Finding:
    """There is a test, and what it says of each path is so."""
    check = Check("E-13", "a test of the connections says of each path whether it leads to IBM")
    if not life.tests:
        return check.not_tested(NOBODY)
    told = [each for each in _tests(life) if each.told]
    paths = [result for each in told for result in each.results]
    for test in told:
        calls = _calls(life, test)
        for result in test.results:
            if result.way in life.direct and result.address:
                _compare(check, life, test, result, calls.get(result.address, []))
    if not told:
        return check.not_tested("the agent wrote no result of a test")
    if not paths:
        return check.not_tested("the result of the test names no path")
    failed = sum(not result.reached for result in paths)
    return check.finding(
        f"{count(len(told), 'test')}: {count(len(paths), 'path')}, {failed} of them shut"
    )


def _compare(
    check: Check,
    life: Chronicle,
    test: ConnectionTest,
    result: PathResult,
    calls: list[WireCall],
) -> None:
    """One path against the wire. TLS may fail where TCP does not, so shut is wrong only if nothing was."""
    path = f"{result.address} by the way {result.way}"
    when = f"on day {(test.time - life.began) / DAY_S:.1f}"
    if not calls:
        check.object(f"{when} the test tells of {path}, which was not called")
    elif result.reached and not any(call.answered for call in calls):
        check.object(f"{when} the test says that {path} was reached, and it did not answer")
    elif not result.reached and all(call.answered for call in calls):
        quiet = not any(_concerns(o, test, result.address) for o in life.hindrances)
        check.want(not quiet, f"{when} the test says that {path} is shut, and it answered")


def check_f_12(life: Chronicle) -> Finding:
    """The test asks every address, not one that answers alone."""
    check = Check("F-12", "the test of connections asks all addresses of IBM's servers")
    if not life.tests:
        return check.not_tested(NOBODY)
    if not life.direct:
        return check.not_tested("no way of the agent's is its own way over the Internet")
    whole, most = 0, 0
    for test in _tests(life):
        asked = {*_calls(life, test)} & {*test.addresses}
        missing = sorted({*test.addresses} - asked)
        whole += not missing
        most = max(most, len(asked))
        if missing and test.told:
            check.object(f"{len(missing)} of {len(test.addresses)} not asked: {all_of(missing)}")
    if not whole:
        return check.not_tested(
            f"the agent wrote no result of a test, and called {count(most, 'address', 'addresses')}"
        )
    (addresses, *_) = (test.addresses for test in life.tests)
    return check.finding(f"{count(whole, 'test')}, each of all {len(addresses)} addresses")


def check_f_13(life: Chronicle) -> Finding:
    """With one of the two gateways shut calls home work, and the test tells of the other one."""
    check = Check(
        "F-13",
        "with one of the servers for registration and bulk data shut calls home work, and the test says that "
        "redundancy is lost",
    )
    group = {*life.stand_ins}
    told = []
    for outage in life.outages("server"):
        shut = group & {*outage.addresses}
        if not shut or shut == group:
            continue
        others = group - shut
        served = [e for e in life.service if e.served and e.address in others and outage.at(e.time)]
        lost = [c for c in life.calls if c.address in shut and outage.at(c.time) and not c.answered]
        if not served and not lost:
            continue
        names = all_of(sorted(shut))
        check.want(served, f"with {names} shut nothing was served at {all_of(sorted(others))}")
        said = _said_of(check, life, outage, shut)
        told.append(
            f"redundancy was lost while {names} was shut; {all_of(sorted(others))} served "
            f"{count(len(served), 'request')}, and {said}"
        )
    if not told:
        return check.not_tested(
            "none of these servers alone was shut when the agent called" if group else
            "the agent has no two servers of this kind"
        )  # fmt: skip
    return check.finding("; ".join(told))


def _said_of(check: Check, life: Chronicle, outage: Happening, shut: set[str]) -> str:
    """What tests that began and ended in an outage say of the addresses that are shut."""
    during = [
        each
        for each in _tests(life)
        if each.told and outage.at(each.time) and outage.at(each.time + TEST_S)
    ]
    for test in during:
        passed = {r.address for r in test.results if r.reached and r.way in life.direct} & shut
        failed = {r.address for r in test.results if not r.reached}
        check.want(not passed, f"the test says that {all_of(sorted(passed))} was reached")
        silent = shut - failed - passed
        check.want(not silent, f"the test does not say that {all_of(sorted(silent))} is shut")
    return "the test said so" if during else "no test was made then"


def _tests(life: Chronicle) -> list[ConnectionTest]:
    """Those at whose time the agent ran."""
    kills = life.having("kill")
    return [t for t in life.tests if not any(k.at(t.time) for k in kills)]


def _calls(life: Chronicle, test: ConnectionTest) -> dict[str, list[WireCall]]:
    """By address: the calls of the agent's host while a test may have been under way."""
    found: dict[str, list[WireCall]] = {}
    for call in life.calls:
        if test.time <= call.time <= test.time + TEST_S and not call.proxied:
            found.setdefault(call.address, []).append(call)
    return found


def _concerns(outage: Happening, test: ConnectionTest, address: str) -> bool:
    """Whether an outage may have shut an address while a test was under way."""
    of_others = outage.kind_of == "server" and address not in outage.addresses
    return not of_others and outage.time <= test.time + TEST_S and test.time <= outage.until
