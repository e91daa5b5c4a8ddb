"""What can be wrong with remote service: with the panel, the representative, the lock-down, the line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lab.topology.model import RemoteService, Topology
from lab.topology.service import MOST_TRIES, Inbound
from lab.topology.telephone import CallRule, Outcome
from lab.ways.fault import Fault, Need

DROPS_AFTER_S = 240.0
"""Lab time, when the representative's work is done."""


def by_modem(topology: Topology) -> bool:
    return topology.service is not None and topology.service.by is Inbound.modem


def by_terminal(topology: Topology) -> bool:
    return topology.service is not None and topology.service.by is Inbound.terminal


def at_terminal(topology: Topology) -> bool:
    """By modem, or in a session by VPN (I-23)."""
    service = topology.service
    has_one = service is not None and service.terminal_account is not None
    return by_terminal(topology) or (by_vpn(topology) and has_one)


def by_vpn(topology: Topology) -> bool:
    return topology.service is not None and topology.service.by is Inbound.vpn


def by_internet(topology: Topology) -> bool:
    return topology.service is not None and topology.service.by is Inbound.internet


def lets_in(topology: Topology) -> bool:
    return topology.service is not None and bool(topology.service.by)


MODEM = Need("remote service by modem", by_modem)
TERMINAL = Need("remote service at a DS8000's terminal", at_terminal)
TRIES = Need(
    "remote service by modem, or at a DS8000's terminal",
    lambda t: by_modem(t) or at_terminal(t),
)
PPP = Need("remote service by modem or VPN", lambda t: by_modem(t) or by_vpn(t))
RELAY = Need("remote service by Internet", by_internet)
LET_IN = Need("remote service in which a session is let in", lets_in)


def _service(**fields: Any) -> Callable[[Topology], Topology]:
    def change(topology: Topology) -> Topology:
        assert isinstance(topology.service, RemoteService), "it applies only there"
        return replace(topology, service=replace(topology.service, **fields))

    return change


def _drop_line(topology: Topology) -> Topology:
    """The first call of IBM's server that is connected is cut off; else the scenario cuts the Internet."""
    telephone, service = topology.telephone, topology.service
    assert service is not None, "it applies only there"
    if telephone is None:
        return _service(stays_on=True)(topology)
    rules = tuple(
        CallRule(
            outcome=Outcome.line_drops,
            caller=line.name,
            number=service.number,
            times=2,
            after_s=DROPS_AFTER_S,
        )
        for line in topology.lines_of(service.dialer)
    )
    telephone = replace(telephone, rules=(*rules, *telephone.rules))
    return _service(stays_on=True)(replace(topology, telephone=telephone))


FAULTS = (
    Fault(
        "inbound-not-enabled",
        "the representative calls, and nobody has enabled remote service",
        LET_IN,
        _service(never_enabled=True),
    ),
    Fault(
        "expired-token",
        "the representative's authorization has expired before the representative calls",
        LET_IN,
        _service(expired_token=True),
    ),
    Fault(
        "wrong-ppp-address",
        "the representative first takes another PPP address for the right one",
        MODEM,
        _service(wrong_tries=1),
        survives=True,
    ),
    Fault(
        "third-wrong-try",
        "the representative takes three other PPP addresses for the right one, or mistypes three times",
        TRIES,
        _service(wrong_tries=MOST_TRIES),
    ),
    Fault(
        "late-lockdown",
        "the lock-down comes when packets of the session can come already",
        PPP,
        _service(late_lockdown=True),
    ),
    Fault(
        "lockdown-forgets-udp",
        "the lock-down looks at TCP only",
        MODEM,
        _service(lockdown_forgets_udp=True),
    ),
    Fault(
        "replayed-response",
        "in the second session the representative types the response of the first, and knows no other",
        TERMINAL,
        _service(replays=True),
    ),
    Fault(
        "stale-session",
        "the line is cut, and the representative has not hung up",
        LET_IN,
        _drop_line,
        survives=True,
    ),
    Fault(
        "relay-silent",
        "IBM's relay takes the HMC's connections, and says nothing",
        RELAY,
        _service(relay_silent=True),
    ),
    Fault(
        "expired-code",
        "the customer enters the relay's code when it has expired",
        RELAY,
        _service(late_code=True),
    ),
)
