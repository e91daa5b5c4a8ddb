"""What can be wrong with a way home by other consoles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Interface

from lab.topology.consoles import INTER_CONSOLE_PORT, Console, ConsoleCard, port_text
from lab.topology.model import Topology
from lab.ways.consoles.plan import plans
from lab.ways.fault import Fault, Need

SLOW_S = 310.0
"""Longer than a console waits for another one (``lab.agent.inter_console.FORWARD_S``)."""
LEVELS = "V8R8.7.0", "V8R8.6.0"


def _servers(topology: Topology) -> list[Console]:
    """The call-home servers, in the order in which a broker that has given no request takes them."""
    return sorted((c for c in topology.consoles if c.serves), key=lambda console: console.node)


def _change(
    topology: Topology, which: Callable[[Console], bool], change: Callable[[Console], Console]
) -> Topology:
    consoles = tuple(change(each) if which(each) else each for each in topology.consoles)
    return replace(topology, consoles=consoles)


def _is_first(topology: Topology) -> Callable[[Console], bool]:
    first = _servers(topology)[0].node
    return lambda console: console.node == first


def _block(topology: Topology) -> Topology:
    closed = (port_text("tcp", INTER_CONSOLE_PORT),)
    return _change(topology, lambda c: c.serves, lambda c: replace(c, closed=closed))


def _die(topology: Topology) -> Topology:
    return _change(topology, _is_first(topology), lambda c: replace(c, dies_busy=True))


def _answer_late(topology: Topology) -> Topology:
    return _change(topology, _is_first(topology), lambda c: replace(c, answers_after_s=SLOW_S))


def _age(topology: Topology) -> Topology:
    """The first call-home server has another level than all others."""
    new, old = LEVELS
    first = _is_first(topology)
    return _change(
        topology, lambda c: c.serves, lambda c: replace(c, level=old if first(c) else new)
    )


def _split(topology: Topology) -> Topology:
    """The first call-home server has a netmask that is a bit too long."""
    first = next(filter(_is_first(topology), topology.consoles))
    node = topology.node(first.node)
    plugs = tuple(
        replace(plug, address=str(_halved(plug.address)))
        if any(card.segment == plug.segment for card in first.cards)
        else plug
        for plug in node.interfaces
    )
    nodes = tuple(
        replace(each, interfaces=plugs) if each.name == node.name else each
        for each in topology.nodes
    )
    masks = {plug.segment: plug.address for plug in plugs}

    def split(card: ConsoleCard) -> ConsoleCard:
        network = IPv4Interface(masks[card.segment]).network
        return replace(card, broadcast=str(network.broadcast_address))

    changed = replace(topology, nodes=nodes)
    return _change(
        changed,
        lambda c: c.node == first.node,
        lambda c: replace(c, cards=tuple(map(split, c.cards))),
    )


def _halved(address: str) -> IPv4Interface:
    one = IPv4Interface(address)
    return IPv4Interface((one.ip, one.network.prefixlen + 1))


BY_CONSOLES = Need("a way home by other consoles", lambda t: bool(plans(t)), "consoles")
BY_SEVERAL = Need(
    "a way home by two other consoles or more",
    lambda t: bool(plans(t)) and len(_servers(t)) > 1,
    "consoles",
)

FAULTS = (
    Fault(
        "port-9920-blocked",
        "the firewalls of call-home servers let nothing in at TCP 9920",
        BY_CONSOLES,
        _block,
    ),
    Fault(
        "server-dies-mid-request",
        "a call-home server dies when IBM has a request, and before it says so",
        BY_SEVERAL,
        _die,
        survives=True,
    ),
    Fault(
        "two-answers",
        "a call-home server answers so late that another one has been asked: IBM hears twice",
        BY_SEVERAL,
        _answer_late,
        survives=True,
    ),
    Fault(
        "wrong-level",
        "the call-home servers are not of one level",
        BY_SEVERAL,
        _age,
        survives=True,
    ),
    Fault(
        "split-subnet",
        "the netmask of a call-home server is a bit too long",
        BY_CONSOLES,
        _split,
    ),
)
