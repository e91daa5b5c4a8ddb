"""The agent's pages, as an administrator's browser saw them (E-01 to E-03)."""

from __future__ import annotations

from collections.abc import Iterator

from lab.life.chronicle import Chronicle, PageVisit
from lab.names import all_of, count
from lab.verify.finding import Check, Finding

DEFAULT_PORT = 5024


def check_e_01(life: Chronicle) -> Finding:
    """The pages are at the port of the activation, and at no other."""
    port = life.web_port or DEFAULT_PORT
    check = Check("E-01", f"the pages are at https://HOST:{port}/esa")
    for visit in life.visits:
        if visit.default_open:
            check.object(f"port {DEFAULT_PORT} is open, and the port of the activation is {port}")
    if why := _unseen(life):
        return check.not_tested(why)
    return check.finding(f"port {port} was open, {count(len(_reached(life)), 'time')}")


def check_e_02(life: Chronicle) -> Finding:
    """By TLS, and not in clear."""
    check = Check("E-02", "the pages come by HTTPS alone: a request in clear is refused")
    if why := _unseen(life):
        return check.not_tested(why)
    served = [v for v in _reached(life) if 200 <= v.clear_status < 300]
    check.want(not served, f"{count(len(served), 'request')} in clear answered with a page")
    bare = [visit.detail for visit in _reached(life) if not visit.tls]
    check.want(not bare, f"there was no TLS: {all_of(sorted({*bare}))}")
    versions = sorted({visit.tls for visit in _reached(life)})
    statuses = sorted({v.clear_status for v in _reached(life)})
    told = all_of([f"status {status}" if status else "nothing" for status in statuses])
    return check.finding(f"{all_of(versions)}; a request in clear got {told}")


def check_e_03(life: Chronicle) -> Finding:
    """PAM is asked at each log-in, and what it denies is denied."""
    check = Check("E-03", "each log-in asks PAM, service login, and what PAM denies is denied")
    if why := _unseen(life):
        return check.not_tested(why)
    for objection in _objections(life):
        check.object(objection)
    asking = [visit for visit in _reached(life) if visit.asks]
    if not asking:
        whys = all_of(sorted({visit.detail for visit in _reached(life)}))
        return check.not_tested(f"the lab's browser could not log in: {whys}")
    asked = sum(v.asked_at_guess + v.asked_at_log_in for v in asking)
    return check.finding(
        f"{count(2 * len(asking), 'log-in')}, PAM was asked {count(asked, 'time')}; a wrong password was "
        "denied, and the right one let in"
    )


def _objections(life: Chronicle) -> Iterator[str]:
    for visit in _reached(life):
        if visit.open_to_all:
            yield "the pages are open to anybody"
        if not visit.asks:
            continue
        if visit.guessed:
            yield "a wrong password let somebody in"
        if not visit.asked_at_guess or not visit.asked_at_log_in:
            yield "PAM was not asked at a log-in"
        elif not visit.let_in:
            yield "who PAM lets in was not let in"


def _reached(life: Chronicle) -> list[PageVisit]:
    return [visit for visit in life.visits if visit.reached]


def _unseen(life: Chronicle) -> str:
    """Why nobody saw a page; empty if somebody did."""
    if not life.web_port:
        return "the agent was not to serve pages"
    if not life.visits:
        return "nobody looked at the agent's pages"
    return "" if _reached(life) else f"the agent serves no pages: {life.visits[0].detail}"
