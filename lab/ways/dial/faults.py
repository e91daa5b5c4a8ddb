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
from lab.ways.fault import Fault, Need, change_ways

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


def has_modems(topology: Topology) -> bool:
    """Whether the way home is by telephone, and every agent's host has a modem (OUT-24)."""
    callers = dialers(topology)
    return bool(callers) and all(dialer.devices for dialer in callers)


def has_lines(topology: Topology) -> bool:
    """Whether somebody may call: the lab itself, or beside another path a program of the user's."""
    if dialers(topology):
        return has_modems(topology)
    # Where IBM's people come in by the modem, nobody else has it.
    taken = topology.service is not None and bool(topology.service.by)
    return bool(_callers(topology)) and not taken


def has_lig(topology: Topology) -> bool:
    """Whether they may call AT&T's gateway."""
    return has_lines(topology) and topology.lig is not None


PATH = Need("a path by modem", has_modems, "dial")
LINE = Need("a path by modem, or a modem beside it", has_lines, "dial")
LIG = Need("a path by modem, or a modem and AT&T's gateway beside it", has_lig, "dial")


def _change_lig(topology: Topology, change: Callable[[Lig], Lig]) -> Topology:
    assert topology.lig is not None, "check has seen it"
    return replace(topology, lig=change(topology.lig))


def _change_dialers(topology: Topology, change: Callable[[Dialer], Dialer]) -> Topology:
    return change_ways(
        topology, DialPlan, lambda way: replace(way, dialers=tuple(map(change, way.dialers)))
    )


def _callers(topology: Topology) -> tuple[ModemLine, ...]:
    """All lines of whose modems call for clients, or of every HMC where no client dials."""
    nodes = {dialer.modem_node for dialer in dialers(topology)}
    nodes = nodes or {n.name for n in topology.nodes if TRAITS[n.role].guards_ppp}
    lines = topology.telephone.lines if topology.telephone is not None else ()
    return tuple(line for line in lines if line.node in nodes)


def _called(topology: Topology, line: ModemLine) -> str:
    """The number that faults are about: of those that a client dials, the gateway's; else any."""
    assert topology.telephone is not None, "check has seen it"
    numbers = next((d.numbers for d in dialers(topology) if d.modem_node == line.node), ("",))
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


_CALLS = {
    "the HMC's telephone line has no dial tone": CallRule(outcome=Outcome.no_dialtone),
    "the first call finds the number busy": CallRule(outcome=Outcome.busy, times=1),
    "the number rings, and nobody answers": CallRule(outcome=Outcome.no_answer),
    "the number is out of service": CallRule(outcome=Outcome.unobtainable),
    "a person answers the number": CallRule(outcome=Outcome.voice),
    "the first call ends before the modems have agreed": CallRule(
        outcome=Outcome.training_fails, times=1
    ),
    f"the modems agree on {SLOW_BIT_S} bit/s only": CallRule(
        outcome=Outcome.slow_training, rate_bit_s=SLOW_BIT_S
    ),
    "the first call is cut off in mid-session": CallRule(
        outcome=Outcome.line_drops, times=1, after_bytes=DROP_AFTER_BYTES
    ),
    f"{BIT_ERROR_RATE * 1e5:g} of 100,000 bits are flipped on the line": CallRule(
        outcome=Outcome.noise, bit_error_rate=BIT_ERROR_RATE
    ),
    "all lines of AT&T's gateway have a call": CallRule(outcome=Outcome.lines_taken),
}
"""What befalls calls, in words and as a rule; the fault has the outcome's name."""
_SURVIVED = {
    Outcome.busy,
    Outcome.training_fails,
    Outcome.slow_training,
    Outcome.line_drops,
    Outcome.noise,
}

FAULTS: tuple[Fault, ...] = (
    *(
        Fault(str(rule.outcome), summary, LINE, _befall(rule), survives=rule.outcome in _SURVIVED)
        for summary, rule in _CALLS.items()
    ),
    Fault("pool-empty", "AT&T's gateway has no address left to give", LIG, _empty_pool),
    Fault("wrong-pap-password", "the HMC has a wrong PAP password", PATH, _wrong_password),
    Fault("pap-refused", "the HMC's PPP refuses PAP", PATH, _refuse_pap),
    Fault("chap-only-peer", "the PPP of AT&T's gateway takes CHAP only", LIG, _demand_chap),
    Fault(
        "dns-silent",
        "AT&T's name server does not answer",
        LIG,
        lambda topology: _change_lig(topology, lambda lig: replace(lig, dns_silent=True)),
    ),
    Fault(
        "lcp-echo-lost",
        "AT&T's gateway answers no LCP echo, and the HMC asks often, on a slow line",
        PATH,
        _lose_echo,
    ),
    Fault("modem-dead", "the HMC's modem answers nothing", LINE, _break(ModemFault.dead)),
    Fault(
        "modem-unplugged",
        "the HMC's modem is pulled out in mid-call",
        LINE,
        _break(ModemFault.unplugged),
    ),
    Fault(
        "modem-garbage",
        "the HMC's modem sends what no modem says",
        LINE,
        _break(ModemFault.garbage),
    ),
)
