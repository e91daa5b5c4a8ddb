"""What can be wrong with a way home by telephone: with calls, modems, PPP and AT&T's gateway.

Those of one call are over with it, and redialling must survive them (OUT-25). The others are there for
every call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lab.topology.model import PppAuth, Topology
from lab.topology.roles import TRAITS
from lab.topology.telephone import CallRule, Lig, ModemFault, ModemLine, Outcome
from lab.ways.dial.plan import Dialer, DialPlan, dialers
from lab.ways.fault import Fault, change_ways

SLOW_BIT_S = 2400
"""V.22bis, the slowest that IBM's own result codes name (T1-12)."""
DROP_AFTER_BYTES = 5000
"""PPP is up by then, and the agent's TLS handshake under way; a call home takes some 13 kB."""
BIT_ERROR_RATE = 4e-5
"""Every third frame of 1500 bytes is lost, and few that are short."""
ECHO_INTERVAL_S, ECHO_FAILURES = 1, 2
ECHO_BIT_S = 4800
"""So that the call is given up before the agent has begun with its request: what is under way by then
still gets through."""


NEEDS = "a path by modem"
NEEDS_LINE = "a path by modem, or a modem beside it"
NEEDS_LIG = "a path by modem, or a modem and AT&T's gateway beside it"


def has_modems(topology: Topology) -> bool:
    """Whether the way home is by telephone, and every agent's host has a modem (OUT-24)."""
    callers = dialers(topology)
    return bool(callers) and all(dialer.devices for dialer in callers)


def has_lines(topology: Topology) -> bool:
    """Whether somebody may call: the lab itself, or beside another path a program of the user's."""
    return has_modems(topology) if dialers(topology) else bool(_callers(topology))


def has_lig(topology: Topology) -> bool:
    """Whether they may call AT&T's gateway."""
    return has_lines(topology) and topology.lig is not None


def _change_lig(topology: Topology, change: Callable[[Lig], Lig]) -> Topology:
    assert topology.lig is not None, "check has seen it"
    return replace(topology, lig=change(topology.lig))


def _change_dialers(topology: Topology, change: Callable[[Dialer], Dialer]) -> Topology:
    return change_ways(
        topology, DialPlan, lambda way: replace(way, dialers=tuple(map(change, way.dialers)))
    )


def _callers(topology: Topology) -> tuple[ModemLine, ...]:
    """All lines of those who call: of the clients, or of every HMC where no client dials."""
    clients = {dialer.client for dialer in dialers(topology)}
    clients = clients or {n.name for n in topology.nodes if TRAITS[n.role].calls_home}
    lines = topology.telephone.lines if topology.telephone is not None else ()
    return tuple(line for line in lines if line.node in clients)


def _called(topology: Topology, line: ModemLine) -> str:
    """The number that faults are about: of those that a client dials, the gateway's; else any."""
    assert topology.telephone is not None, "check has seen it"
    numbers = next((d.numbers for d in dialers(topology) if d.client == line.node), ("",))
    answered = {x.number for x in topology.telephone.lines if x.node != line.node}
    return next((number for number in numbers if number in answered), numbers[0])


def _befall(rule: CallRule) -> Callable[[Topology], Topology]:
    """Something befalls the calls of each of a client's lines; with ``times``, as many of each."""

    def change(topology: Topology) -> Topology:
        telephone = topology.telephone
        assert telephone is not None, "check has seen it"
        # When dial tone is due, no number has been dialled yet.
        early = rule.outcome is Outcome.no_dialtone
        rules = (
            replace(rule, caller=line.name, number="" if early else _called(topology, line))
            for line in _callers(topology)
        )
        # Before the file's own rules, since the first that fits a call holds.
        return replace(topology, telephone=replace(telephone, rules=(*rules, *telephone.rules)))

    return change


def _break(fault: ModemFault) -> Callable[[Topology], Topology]:
    """Something is wrong with all modems of each client."""

    def change(topology: Topology) -> Topology:
        telephone = topology.telephone
        assert telephone is not None, "check has seen it"
        broken = tuple((line.name, fault) for line in _callers(topology))
        return replace(topology, telephone=replace(telephone, broken=(*telephone.broken, *broken)))

    return change


def _empty_pool(topology: Topology) -> Topology:
    return _change_lig(topology, lambda lig: replace(lig, ppp=replace(lig.ppp, pool=())))


def _wrong_password(topology: Topology) -> Topology:
    def change(dialer: Dialer) -> Dialer:
        account = dialer.account
        return replace(dialer, account=replace(account, secret=account.secret.altered()))

    return _change_dialers(topology, change)


def _refuse_pap(topology: Topology) -> Topology:
    return _change_dialers(topology, lambda d: replace(d, accept_auth=(PppAuth.chap,)))


def _demand_chap(topology: Topology) -> Topology:
    return _change_lig(topology, lambda lig: replace(lig, ppp=replace(lig.ppp, auth=PppAuth.chap)))


def _lose_echo(topology: Topology) -> Topology:
    slow = _befall(CallRule(outcome=Outcome.slow_training, rate_bit_s=ECHO_BIT_S))(topology)
    return _change_dialers(
        _change_lig(slow, lambda lig: replace(lig, echo_silent=True)),
        lambda dialer: replace(
            dialer, lcp_echo_interval_s=ECHO_INTERVAL_S, lcp_echo_failures=ECHO_FAILURES
        ),
    )


def _fault(
    name: str,
    summary: str,
    change: Callable[[Topology], Topology],
    *,
    survives: bool = False,
    needs: str = NEEDS_LINE,
) -> Fault:
    return Fault(
        name=name,
        summary=summary,
        needs=needs,
        applies=_APPLIES[needs],
        survives=survives,
        kind="dial",
        change=change,
    )


_APPLIES = {NEEDS: has_modems, NEEDS_LINE: has_lines, NEEDS_LIG: has_lig}


FAULTS: tuple[Fault, ...] = (
    _fault(
        "no-dialtone",
        "the HMC's telephone line has no dial tone",
        _befall(CallRule(outcome=Outcome.no_dialtone)),
    ),
    _fault(
        "busy",
        "the first call finds the number busy",
        _befall(CallRule(outcome=Outcome.busy, times=1)),
        survives=True,
    ),
    _fault(
        "no-answer",
        "the number rings, and nobody answers",
        _befall(CallRule(outcome=Outcome.no_answer)),
    ),
    _fault(
        "unobtainable",
        "the number is out of service",
        _befall(CallRule(outcome=Outcome.unobtainable)),
    ),
    _fault("voice", "a person answers the number", _befall(CallRule(outcome=Outcome.voice))),
    _fault(
        "training-fails",
        "the first call ends before the modems have agreed",
        _befall(CallRule(outcome=Outcome.training_fails, times=1)),
        survives=True,
    ),
    _fault(
        "slow-training",
        f"the modems agree on {SLOW_BIT_S} bit/s only",
        _befall(CallRule(outcome=Outcome.slow_training, rate_bit_s=SLOW_BIT_S)),
        survives=True,
    ),
    _fault(
        "line-drops",
        "the first call is cut off in mid-session",
        _befall(CallRule(outcome=Outcome.line_drops, times=1, after_bytes=DROP_AFTER_BYTES)),
        survives=True,
    ),
    _fault(
        "noise",
        f"{BIT_ERROR_RATE * 1e5:g} of 100,000 bits are flipped on the line",
        _befall(CallRule(outcome=Outcome.noise, bit_error_rate=BIT_ERROR_RATE)),
        survives=True,
    ),
    _fault(
        "lines-taken",
        "all lines of AT&T's gateway have a call",
        _befall(CallRule(outcome=Outcome.lines_taken)),
    ),
    _fault(
        "pool-empty",
        "AT&T's gateway has no address left to give",
        _empty_pool,
        needs=NEEDS_LIG,
    ),
    _fault("wrong-pap-password", "the HMC has a wrong PAP password", _wrong_password, needs=NEEDS),
    _fault("pap-refused", "the HMC's PPP refuses PAP", _refuse_pap, needs=NEEDS),
    _fault(
        "chap-only-peer",
        "the PPP of AT&T's gateway takes CHAP only",
        _demand_chap,
        needs=NEEDS_LIG,
    ),
    _fault(
        "dns-silent",
        "AT&T's name server does not answer",
        lambda topology: _change_lig(topology, lambda lig: replace(lig, dns_silent=True)),
        needs=NEEDS_LIG,
    ),
    _fault(
        "lcp-echo-lost",
        "AT&T's gateway answers no LCP echo, and the HMC asks often, on a slow line",
        _lose_echo,
        needs=NEEDS,
    ),
    _fault("modem-dead", "the HMC's modem answers nothing", _break(ModemFault.dead)),
    _fault(
        "modem-unplugged", "the HMC's modem is pulled out in mid-call", _break(ModemFault.unplugged)
    ),
    _fault("modem-garbage", "the HMC's modem sends what no modem says", _break(ModemFault.garbage)),
)
