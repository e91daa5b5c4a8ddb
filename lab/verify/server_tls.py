"""Findings on the TLS of IBM's servers: P-13 to P-16.

The evidence is what servers' wires have in clear: each ClientHello and what the server answers.
Certificates are in clear up to TLS 1.2 only, so the trials offer no more than that. The model's plan of a
server says which claims are about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from lab.ibm.events import TlsNotOffered
from lab.ibm.tls_trials import OFFERS
from lab.names import all_of, count
from lab.topology.servers import TlsPlan
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.verify.handshakes import Handshake, TlsTrial, own_handshakes, tls_trials, unreached
from lab.wire import hello
from lab.wire.suites import NUMBERS, name_of

TLS_1_0, TLS_1_2 = 0x0301, 0x0303
SMALL_KEY = "RSA", 1024
LEAST_BITS = {"RSA": 2048, "DSA": 2048, "EC": 224}
"""NIST SP 800-131A, 2011, section 3: since 2014."""
OLD_VERSIONS = "TLS 1.0", "TLS 1.1"
WEAK_SUITES = "RC4", "3DES", "MD5"
NO_TRIAL = "the servers' TLS was not tried in this run"

Concerns = Callable[[TlsPlan], bool]


@dataclass(frozen=True, slots=True)
class _Tried:
    """The trials of the servers that a claim is about."""

    trials: list[TlsTrial]
    servers: list[str]

    def of(self, *offers: str) -> list[TlsTrial]:
        return [trial for trial in self.trials if trial.offer in offers]


def _is_of(*requirements: str) -> Concerns:
    return lambda plan: bool({*requirements} & {*plan.requirement.split(", ")})


_keeps_nist = _is_of("P-16")


def check_p_13(case: Case) -> Finding:
    """RSA-1024 in the older papers, and no less than RSA-2048 where NIST 800-131A holds."""
    check = Check(
        "P-13",
        "a server of the older papers proves itself with RSA of 1024 bits to whoever offers RSA; one that "
        "keeps to NIST 800-131A shows no key of RSA below 2048 bits",
    )
    tried = _tried(case, check, _is_of("P-13", "P-16"))
    old = [trial for trial in tried.of("RSA") if not _keeps_nist(trial.plan)]
    for trial in old:
        if trial.key != SMALL_KEY:
            shown = _key_text(trial.key) or _refusal(trial)
            check.object(f"{trial.place} shows {shown}, not an RSA key of 1024 bits", trial.frames)
    new = [trial for trial in tried.trials if _keeps_nist(trial.plan)]
    _object_to_small_keys(check, new)
    check.show(frame for trial in tried.of("RSA") for frame in trial.frames)
    if not tried.trials:
        return check.not_tested(_why_untried(case))
    told = [f"RSA of 1024 bits at {_servers(old)}"] if old else []
    if new:
        told.append(f"{_keys(new)} at {_servers(new)}, under NIST 800-131A")
    return check.finding("; ".join([*told, _todays(tried), _of_calls(case)]))


def check_p_14(case: Case) -> Finding:
    """The bulk cipher: RC4-128 or AES-256 in 2007, AES-256 in 2017."""
    check = Check(
        "P-14",
        "of what clients of the papers' time offer, each server takes AES-256, and in 2007 also RC4-128; it "
        "refuses AES-128 with RSA, 3DES, and in 2017 RC4",
    )
    tried = _tried(case, check, _is_of("P-14"))
    lacking = _lacking(case)
    for trial in tried.of("RSA"):
        if "AES256" not in name_of(trial.choice.suite):
            check.object(f"{trial.place} takes {_taken(trial)}, not AES-256", trial.frames)
    _object_to_taken(check, tried.of("3DES", "AES-128 with RSA"))
    with_rc4 = [trial for trial in tried.of("RC4") if _has_rc4(trial.plan)]
    _object_to_taken(check, [trial for trial in tried.of("RC4") if trial not in with_rc4])
    for trial in with_rc4:
        if not trial.choice.suite and not lacking.get(trial.plan.name):
            check.object(f"{trial.place} does not take RC4", trial.frames)
    for shake in _calls(case):
        if shake.plan is not None and shake.choice.suite and not _is_of_plan(shake):
            words = f"{shake.place} takes {name_of(shake.choice.suite)}, which is not of its plan"
            check.object(words, shake.frames)
    check.show(frame for trial in tried.of("RSA") for frame in trial.frames)
    if not tried.trials:
        return check.not_tested(_why_untried(case))
    taken = sorted({name_of(trial.choice.suite) for trial in tried.of("RSA")})
    told = f"{all_of(taken)} at {_servers(tried.trials)}; {_todays(tried)}; {_of_calls(case)}"
    missing = [lacking[trial.plan.name] for trial in with_rc4 if lacking.get(trial.plan.name)]
    if missing:
        return check.not_tested(
            f"{told}; what the paper names beside it cannot be had here: {missing[0]}"
        )
    return check.finding(told)


def check_p_15(case: Case) -> Finding:
    """Electronic Service Agent: TLS 1.0 on Linux and Windows, TLS without a number on AIX."""
    check = Check(
        "P-15",
        "the servers of Electronic Service Agent for Linux and Windows take a client that knows no more than "
        "TLS 1.0; those of 2025 take TLS 1.2 and later only",
    )
    tried = _tried(case, check, _is_of("P-15"))
    for trial in tried.of(*OLD_VERSIONS):
        if _keeps_nist(trial.plan):
            _object_to_taken(check, [trial])
        elif trial.offer == "TLS 1.0" and trial.choice.version != TLS_1_0:
            check.object(f"{trial.place} does not take TLS 1.0: {_refusal(trial)}", trial.frames)
    for shake in _calls(case):
        if (
            shake.plan is not None
            and _keeps_nist(shake.plan)
            and 0 < shake.choice.version < TLS_1_2
        ):
            words = f"a call home to {shake.place} is by {hello.VERSIONS[shake.choice.version]}"
            check.object(words, shake.frames)
    check.show(frame for trial in tried.of(*OLD_VERSIONS) for frame in trial.frames)
    if not tried.trials:
        return check.not_tested(_why_untried(case))
    taken = [trial for trial in tried.of("TLS 1.0") if trial.choice.suite]
    told = f"TLS 1.0 is {'taken' if taken else 'refused'} at {_servers(tried.trials)}"
    return check.finding(f"{told}; {_todays(tried)}; {_of_calls(case)}")


def check_p_16(case: Case) -> Finding:
    """NIST 800-131A: no TLS below 1.2, no RSA below 2048, no RC4, no 3DES, no MD5."""
    check = Check(
        "P-16",
        "a server that keeps to NIST 800-131A refuses, by an alert, TLS 1.0, TLS 1.1, RC4, 3DES and MD5, and "
        "shows no key of RSA below 2048 bits",
    )
    tried = _tried(case, check, _keeps_nist)
    refused = tried.of(*OLD_VERSIONS, *WEAK_SUITES)
    _object_to_taken(check, refused)
    _object_to_small_keys(check, tried.trials)
    check.show(frame for trial in refused for frame in trial.frames)
    if not tried.trials:
        return check.not_tested(_why_untried(case))
    alerts = sorted({hello.alert_name(trial.choice.alert) for trial in refused})
    return check.finding(
        f"{all_of([*OLD_VERSIONS, *WEAK_SUITES])} refused by {all_of(alerts)} at {_servers(tried.trials)}; "
        f"{_keys(tried.trials)}; {_of_calls(case)}"
    )


def _tried(case: Case, check: Check, concerns: Concerns) -> _Tried:
    """The trials that a claim is about; one that is not on the wire as it was made is an objection."""
    if case.why_no_ledger:
        return _Tried([], [])
    trials = [trial for trial in tls_trials(case) if concerns(trial.plan)]
    for trial in trials:
        version, suites = OFFERS[trial.offer]
        wanted = version, tuple(NUMBERS[suite] for suite in suites)
        offer = trial.shake.offer if trial.shake is not None else None
        if offer is None or (offer.highest, offer.suites) != wanted:
            words = (
                f"the trial of {trial.place} with {trial.offer} is on no wire, so it proves nothing"
            )
            check.object(words, trial.frames)
    return _Tried(trials, sorted({trial.place for trial in trials}))


def _object_to_taken(check: Check, trials: Iterable[TlsTrial]) -> None:
    """Object to servers that take an offer, or say nothing to it."""
    trials = [*trials]
    _object_alike(check, [t for t in trials if t.choice.suite], lambda t: f"{t.offer}: {_taken(t)}")
    silent = [t for t in trials if not t.choice.suite and not t.choice.alert]
    _object_alike(check, silent, lambda t: t.offer, ("says nothing to", "say nothing to"))


def _object_to_small_keys(check: Check, trials: Iterable[TlsTrial]) -> None:
    small = [t for t in trials if 0 < t.key[1] < LEAST_BITS.get(t.key[0], LEAST_BITS["RSA"])]
    _object_alike(check, small, lambda t: f"{t.offer} with {_key_text(t.key)}")


def _object_alike(
    check: Check,
    trials: list[TlsTrial],
    what: Callable[[TlsTrial], str],
    verbs: tuple[str, str] = ("takes", "take"),
) -> None:
    """One objection for all servers that answer alike; ``verbs`` are of one server and of several."""
    for words in dict.fromkeys(map(what, trials)):
        alike = [trial for trial in trials if what(trial) == words]
        verb = verbs[len({trial.place for trial in alike}) > 1]
        check.object(f"{_servers(alike)} {verb} {words}", [f for t in alike for f in t.frames])


def _lacking(case: Case) -> dict[str, str]:
    """What this machine's OpenSSL does not have of each plan, and which OpenSSL that is."""
    return {e.plan: f"{e.suites} ({e.library})" for e in case.told(TlsNotOffered)}


def _calls(case: Case) -> list[Handshake]:
    """The handshakes at the servers that are no trials, as far as a server has answered."""
    return [shake for shake in own_handshakes(case) if shake.choice.version]


def _of_calls(case: Case) -> str:
    """What the calls home negotiated, and which servers could not be tried."""
    silent = sorted(unreached(case))
    told_silent = f"; {all_of(silent)} did not answer the trials" if silent else ""
    found = [(hello.VERSIONS[c.choice.version], name_of(c.choice.suite)) for c in _calls(case)]
    told = [f"{found.count(pair)} by {' '.join(pair)}" for pair in dict.fromkeys(found)]
    sealed = any(version == "TLSv1.3" for version, _ in found)
    words = f"{count(len(found), 'session')} of clients"
    told_text = f": {all_of(told)}" if told else ""
    return words + told_text + (", which encrypts the certificate" if sealed else "") + told_silent


def _todays(tried: _Tried) -> str:
    """Whether clients of today find what they want beside what the paper says (``literal_tls``)."""
    beside = [trial for trial in tried.of("today") if trial.choice.suite]
    if not beside:
        return "nothing is there for clients of today"
    return (
        f"beside that, for clients of today (the lab's choice), {name_of(beside[0].choice.suite)} and "
        + (_keys(beside))
    )


def _has_rc4(plan: TlsPlan) -> bool:
    return any("RC4" in suite for suite in plan.suites)


def _is_of_plan(shake: Handshake) -> bool:
    name = name_of(shake.choice.suite)
    assert shake.plan is not None, "asked for"
    return name.startswith("TLS_") or name in shake.plan.suites


def _taken(trial: TlsTrial) -> str:
    if not trial.choice.suite:
        return f"nothing ({_refusal(trial)})"
    return f"{name_of(trial.choice.suite)} by {hello.VERSIONS.get(trial.choice.version, 'no TLS')}"


def _refusal(trial: TlsTrial) -> str:
    alert = trial.choice.alert
    return f"the alert {hello.alert_name(alert)}" if alert else "no answer"


def _key_text(key: tuple[str, int]) -> str:
    kind, bits = key
    return f"{'a' if kind == 'DSA' else 'an'} {kind} key of {bits} bits" if bits else ""


def _keys(trials: Iterable[TlsTrial]) -> str:
    shown = sorted({_key_text(trial.key) for trial in trials} - {""})
    return " or ".join(shown) or "no key"


def _servers(trials: Iterable[TlsTrial]) -> str:
    places = sorted({trial.place for trial in trials})
    return places[0] if len(places) == 1 else count(len(places), "server")


def _why_untried(case: Case) -> str:
    if case.why_no_ledger:
        return f"the TLS is not that of IBM's servers: {case.why_no_ledger}"
    tried: Iterator[TlsTrial] = iter(tls_trials(case))
    return "no server here is of the papers that say it" if next(tried, None) else NO_TRIAL
