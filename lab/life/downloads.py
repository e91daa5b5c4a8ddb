"""What went by HTTP in clear, and what came back (OUT-32, OUT-33, OUT-41, OUT-42, OUT-45, E-23, R-05,
P-19).
"""

from __future__ import annotations

from lab.life.chronicle import HTTP_PORT, Chronicle, WireCall
from lab.names import count
from lab.verify.finding import Check, Finding

CONFIGURATION, FIX = "/service/configuration", "/service/fixes/"
UPDATES = "/service/updates"
FETCHING = ("GET", "HEAD")
SOON_S = 3600.0
TURN_S = 600.0
"""So long after a call that nobody answered the next server may be asked."""
ASKED_S = 60.0
"""On a connection something is asked for within this time."""


def check_out_32(life: Chronicle) -> Finding:
    """By HTTP a configuration is asked for when HTTPS does not lead to it, and nothing else but fixes."""
    check = Check(
        "OUT-32", "HTTP is a backup for the configuration alone, when HTTPS does not lead there"
    )
    others = [e for e in life.clear if not e.target.startswith((CONFIGURATION, FIX))]
    check.want(not others, f"{count(len(others), 'request')} for something else by HTTP")
    fixes = [each for each in life.clear if each.target.startswith(FIX)]
    spared = {(each.address, round(each.time)) for each in fixes}
    tries = [c for c in life.calls if c.port == HTTP_PORT]
    tries = [c for c in tries if not _of_fix(spared, c.address, c.time)]
    tries = [c for c in tries if not _for_fix(life, c)]
    tries = [c for c in tries if not (life.tested_at(c.time) and not _asked(life, c))]
    failed = [c.time for c in life.calls if c.port != HTTP_PORT and not c.answered]
    broken = [e.time for e in life.of("configuration") if e.encrypted and not e.served]
    causeless = [c for c in tries if not any(0 <= c.time - t <= SOON_S for t in (*failed, *broken))]
    check.want(
        not causeless, f"{count(len(causeless), 'call')} by HTTP, though HTTPS had not failed"
    )
    if not tries:
        return check.not_tested("the agent never needed HTTP for the configuration")
    return check.finding(f"{count(len(tries), 'call')} by HTTP, each after HTTPS had failed")


def check_out_33(life: Chronicle) -> Finding:
    """Nothing is uploaded in clear."""
    check = Check("OUT-33", "data never goes by HTTP in clear")
    _forbid_uploads(check, life)
    blocked = [c for c in life.calls if any(o.at(c.time) for o in life.outages("port"))]
    if not life.clear and not blocked and not any(c.port == HTTP_PORT for c in life.calls):
        return check.not_tested("the agent never called while HTTPS was closed, nor by HTTP")
    return check.finding(f"{count(len(life.clear), 'request')} by HTTP, none with a body")


def check_r_05(life: Chronicle) -> Finding:
    """While HTTPS is closed, the configuration comes by HTTP. An agent may do without that."""
    check = Check("R-05", "the configuration comes by HTTP while HTTPS is closed")
    got = [e for e in life.of("configuration") if e.served and not e.encrypted]
    closed = [e for e in got if any(o.at(e.time) for o in life.outages("port", "server"))]
    for outage in life.outages("port"):
        tries = [
            call
            for call in life.calls
            if call.port == HTTP_PORT and call.answered and outage.at(call.time)
            if not life.tested_at(call.time) or _asked(life, call)
        ]
        came = [e for e in life.of("configuration", "fix") if e.served and outage.at(e.time)]
        lost = [c for c in tries if not any(_is_of(e.address, e.time, c) for e in came)]
        check.want(
            not lost,
            f"{count(len(lost), 'call')} by HTTP answered while HTTPS was closed, and nothing came of it",
        )
    if not list(life.outages("port")):
        return check.not_tested("HTTPS was never closed")
    if not closed:
        return check.not_tested("no configuration came by HTTP while HTTPS was closed")
    return check.finding(f"{count(len(closed), 'configuration')} by HTTP while HTTPS was closed")


def check_p_19(life: Chronicle) -> Finding:
    """Port 80 is for downloads."""
    check = Check("P-19", "HTTPS to IBM; by HTTP from IBM, downloads only")
    _forbid_uploads(check, life)
    if not life.clear:
        return check.not_tested("nothing went by HTTP")
    return check.finding(f"{count(len(life.clear), 'request')} by HTTP, all of them downloads")


def check_out_41(life: Chronicle) -> Finding:
    """Fixes come by HTTP, and anonymously."""
    check = Check("OUT-41", "a fix comes by HTTP on port 80, without a log-in")
    fixes = [each for each in life.of("fix") if each.served]
    asked = [each for each in life.clear if each.target.startswith(FIX)]
    logged = [each for each in asked if each.logged_in]
    check.want(not logged, f"an ID and a password in clear, {count(len(logged), 'time')}")
    if not fixes:
        return check.not_tested("the agent fetched no fix")
    shut = [c for c in life.calls if c.port == HTTP_PORT and _for_fix(life, c)]
    if shut and not asked:
        return check.not_tested("port 80 did not answer, and the fix came by HTTPS")
    check.want(asked, "the fixes came by HTTPS alone")
    return check.finding(f"{count(len(fixes), 'fix', 'fixes')}, anonymously")


def check_out_42(life: Chronicle) -> Finding:
    """First enrolled, then served."""
    check = Check("OUT-42", "a system is enrolled before it asks for a fix")
    asked = life.of("fix", "fixes")
    if not asked:
        return check.not_tested("the agent asked for no fix")
    early = [each for each in asked if not life.enrolled or each.time < life.enrolled]
    check.want(not early, f"{count(len(early), 'request')} for a fix before the enrolment")
    return check.finding(f"{count(len(asked), 'request')}, all after the enrolment")


def check_e_23(life: Chronicle) -> Finding:
    """Updates of the agent and of its tools come by TLS, in contrast to fixes (OUT-41)."""
    check = Check("E-23", "updates of the agent and of its tools come by TLS alone")
    clear = [each for each in life.clear if each.target.startswith(UPDATES)]
    check.want(not clear, f"{count(len(clear), 'request')} for updates by HTTP in clear")
    got = [each for each in life.of("update") if each.served and each.encrypted]
    if not got:
        return check.not_tested("the agent fetched no update")
    return check.finding(f"{count(len(got), 'update')}, by TLS")


def check_out_45(life: Chronicle) -> Finding:
    """What IBM gives comes on connections that the agent has opened."""
    check = Check(
        "OUT-45", "what IBM gives comes on the agent's own connections; nobody calls back"
    )
    check.want(not life.inbound, f"{count(len(life.inbound), 'connection')} to the agent's host")
    got = [e for e in life.of("configuration", "access-key", "fix", "fixes") if e.served]
    if not got:
        return check.not_tested("the agent fetched nothing")
    return check.finding(f"{count(len(got), 'download')}, and no connection to the agent's host")


def _forbid_uploads(check: Check, life: Chronicle) -> None:
    bodies = [e for e in life.clear if e.method not in FETCHING or e.body_bytes]
    check.want(not bodies, f"{count(len(bodies), 'request')} with data by HTTP in clear")
    refused = [e for e in life.asked if e.port == HTTP_PORT and e.method not in ("", *FETCHING)]
    check.want(not refused, f"{count(len(refused), 'request')} with data at port 80")


def _asked(life: Chronicle, call: WireCall) -> bool:
    """Whether anything was asked in clear on a connection; a test of connections asks for nothing."""
    return any(_is_of(each.address, each.time, call) for each in life.clear)


def _is_of(address: str, moment: float, call: WireCall) -> bool:
    return address == call.address and 0 <= moment - call.time <= ASKED_S


def _for_fix(life: Chronicle, call: WireCall) -> bool:
    """Whether a call that nobody answered was for a fix, which then came by TLS."""
    later = (e.time - call.time for e in life.of("fix") if e.served and e.encrypted)
    return not call.answered and any(0 <= wait <= TURN_S for wait in later)


def _of_fix(spared: set[tuple[str, int]], address: str, moment: float) -> bool:
    return any(address == place and abs(moment - time) <= 60 for place, time in spared)
