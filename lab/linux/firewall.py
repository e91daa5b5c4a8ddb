"""Packet rules: nftables text per node, from the model alone, and how it gets into the kernel.

Four things become rules here: the customer's default-deny firewall (F-03, F-06 to F-08), the guards against
L2TP in clear at the ends of a VPN (P-07), the HMC's own firewall, which a customer may fill at run time
(OUT-22), and what faults lose, alter or repeat on the way. Every rule that decides something has a named
counter. ``render`` is pure; addresses, ports and requirements come from the model and are never written here.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from lab.errors import KernelError
from lab.linux import (
    configuration,
    console_ports,
    inspection,
    l2tp_guard,
    matches,
    nft,
    own_rules,
    resolver,
    snat,
)
from lab.linux.nodes import Node
from lab.topology import model
from lab.topology.own_rules import find
from lab.topology.roles import TRAITS

TABLE = "lab"
MEDDLING_TABLE = "lab-meddling"

DROPPED_OUT = "dropped-out"
DROPPED_IN = "dropped-in"
DROPPED_OWN = "dropped-own"

LOST, LOST_IN_PASSING = ("lost", "lost-own"), ("lost-in-passing", "lost-own-in-passing")
"""The chains of what faults lose: of what a node passes on, and of what is for itself."""

NAT_T_PORT = 4500

ANYBODY = "0.0.0.0/0"
"""What a ``DropRule`` has where it does not name anybody."""

OWN_IN, OWN_OUT = "own-in", "own-out"
"""The chains of the HMC's own firewall: the customer's rules."""
SESSIONS = "sessions"
"""Interfaces to which the customer's rules do not apply: those of remote service (I-11)."""


@dataclass(slots=True)
class _Table:
    """A table under construction: its counters come first in the text, as rules refer to them."""

    family: str
    name: str
    counters: dict[str, str] = field(default_factory=dict)
    chains: list[str] = field(default_factory=list)

    def counter(self, name: str, comment: str = "") -> str:
        """Declare a counter and return the statement that counts with it."""
        name = identifier(name)
        self.counters.setdefault(name, comment)
        return f'counter name "{name}"'

    def told(self, name: str, ip: str) -> str:
        """Declare the set that the resolver fills with a name's addresses, and return the set's name."""
        own, kind = identifier(resolver.told_set(name, ip)), resolver.KINDS[ip]
        declaration = f"\tset {own} {{\n\t\ttype {kind}\n\t}}\n"
        if declaration not in self.chains:
            self.chains.append(declaration)
        return own

    def chain(self, name: str, base: str, rules: Iterable[str]) -> None:
        self.chains.append(chain(name, (base, *rules) if base else rules))

    def text(self) -> str:
        parts = [declared(self.counters)] if self.counters else []
        return f"table {self.family} {self.name} {{\n" + "\n".join([*parts, *self.chains]) + "}\n"


def declared(counters: Mapping[str, str]) -> str:
    """The declarations of counters: name to comment, which may be empty."""
    comments = {name: f'comment "{text}" ' if text else "" for name, text in counters.items()}
    return "".join(f"\tcounter {name} {{ {comment}}}\n" for name, comment in comments.items())


def chain(name: str, rules: Iterable[str]) -> str:
    """The declaration of a chain; of a base chain the first rule is its hook."""
    lines = "".join(f"\t\t{rule}\n" for rule in rules)
    return f"\tchain {name} {{\n{lines}\t}}\n"


def identifier(name: str) -> str:
    """A name as nft spells it; counters are found under it."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "-", name)
    return plain if plain[:1].isalpha() else f"n-{plain}"


def render(topology: model.Topology, node_name: str) -> str:
    """The rule script of a node; empty where it needs none."""
    node = topology.node(node_name)
    table = _Table("inet", TABLE)
    drops = [rule for rule in topology.drops if rule.node == node_name]
    six = by_ipv6(node)
    for passing, chains in ((False, LOST), (True, LOST_IN_PASSING)):
        for own, hook in ((False, "forward"), (True, "input")):
            rules = [rule for rule in drops if (rule.own, rule.passing) == (own, passing)]
            _lose(table, chains[own], hook, rules, six)
    wall = topology.firewall
    if wall and wall.node == node_name and find(topology.own_rules, node_name) is None:
        _guard_customer(table, topology, wall)
    for chain_of_nat in snat.chains(topology, node_name, table.counter):
        table.chain(*chain_of_nat)
    for guard in l2tp_guard.chains(topology, node_name, table.counter):
        table.chain(*guard)
    table.chains += console_ports.sets(topology, node_name)
    for ports in console_ports.chains(topology, node_name, table.counter):
        table.chain(*ports)
    if TRAITS[node.role].guards_ppp:
        _own_firewall(table)

    meddling = _Table("ip", MEDDLING_TABLE)
    _meddle(meddling, [action for action in topology.meddling if action.node == node_name])
    return "\n".join(part.text() for part in (table, meddling) if part.chains)


def allow_counters(firewall: model.Firewall) -> tuple[str, ...]:
    """The counter of each rule, in the order of the rules: ``allow-<requirement>-<n>``."""
    seen: dict[str, int] = {}
    names: list[str] = []
    for rule in firewall.rules:
        seen[rule.requirement] = number = seen.get(rule.requirement, 0) + 1
        names.append(identifier(f"allow-{rule.requirement}-{number}"))

    return tuple(names)


# The customer's firewall.


def _guard_customer(table: _Table, topology: model.Topology, firewall: model.Firewall) -> None:
    """Default-deny in every direction; what the papers ask for passes, and tracked replies (X-11).

    Of the firewall's own packets only errors about tracked flows pass (RFC 1191 and RFC 8201 need them). ARP
    is not IP, and passes, and so does what IPv6 has in its place (RFC 4890 4.4.1).
    """
    link = (f"{matches.NEIGHBOURS} accept",) if by_ipv6(topology.node(firewall.node)) else ()
    insides = [f'"{segment}"' for segment in topology.insides]
    inside = insides[0] if len(insides) == 1 else f"{{ {', '.join(insides)} }}"
    outside = f'"{firewall.outside}"'
    dropped = (
        f"iifname {inside} {table.counter(DROPPED_OUT)}",
        f"iifname {outside} {table.counter(DROPPED_IN)}",
    )
    allowed, destinations = list[str](), list[str]()
    for rule, name in zip(firewall.rules, allow_counters(firewall), strict=True):
        counted = f'{table.counter(name, rule.requirement)} accept comment "{rule.requirement}"'
        source, destination = rule.source, rule.destination
        ip = matches.ip(source)
        if rule.is_by_name:
            destination = f"@{table.told(destination, ip)}"
        destinations.append(destination)
        what = matches.first_packet(rule.protocol, rule.port, rule.destination, rule.port_to)
        # What one network is allowed, the other one is not (OUT-05).
        own_side = f'"{topology.inside_of(source)}"'
        far_side = f'"{rule.towards}"' if rule.towards else outside
        allowed.append(
            f"iifname {own_side} oifname {far_side} {ip} saddr {source} {ip} daddr {destination} "
            f"{what} ct state new {counted}"
        )
        # Behind SNAT nobody outside can name the HMC: there only conntrack leads back.
        if rule.both_ways and not firewall.snat:
            allowed.append(
                f"iifname {outside} oifname {own_side} {ip} saddr {destination} {ip} daddr {source} "
                f"{what} ct state new {counted}"
            )

    table.chain(
        "forward",
        "type filter hook forward priority filter; policy drop;",
        ("ct state established,related accept", *allowed, *dropped),
    )
    asked, asking = resolver.rules(topology, firewall, table.counter(resolver.LOOKUPS))
    if opened := inspection.openings(topology, firewall, destinations):
        taken = inspection.taken(opened, table.counter(inspection.INSPECTED))
        table.chain("prerouting", inspection.HOOK, taken)
        towards, away = inspection.rules(opened, firewall.outside)
        asked, asking = [*asked, *towards], [*asking, *away]
    table.chain(
        "input",
        "type filter hook input priority filter; policy drop;",
        ("ct state related accept", *link, *asked, *dropped),
    )
    table.chain(
        "output",
        "type filter hook output priority filter; policy drop;",
        ("ct state related accept", *link, *asking, table.counter(DROPPED_OWN)),
    )


def by_ipv6(node: model.NodePlan) -> bool:
    """Whether a node has an IPv6 address on a wire."""
    return any(interface.address6 for interface in node.interfaces)


# The HMC's own firewall.


def _own_firewall(table: _Table) -> None:
    """OUT-22: the place for the customer's own rules on an HMC; see ``hmc_drop``."""
    table.chains.append(f"\tset {SESSIONS} {{\n\t\ttype ifname\n\t}}\n")
    for name, hook, way in ((OWN_IN, "input", "iifname"), (OWN_OUT, "output", "oifname")):
        table.chain(name, "", ())
        base = f"type filter hook {hook} priority filter; policy accept;"
        table.chain(f"{name}-base", base, (f"{way} @{SESSIONS} accept", f"jump {name}"))


# Faults.


def _lose(table: _Table, name: str, hook: str, rules: Iterable[model.DropRule], six: bool) -> None:
    lines: list[str] = []
    for rule in rules:
        where = ""
        if rule.source != ANYBODY:
            where += f"{matches.ip(rule.source)} saddr {rule.source} "
        if rule.destination != ANYBODY:
            where += f"{matches.ip(rule.destination)} daddr {rule.destination} "
        lost = f"{table.counter(rule.name)} drop"
        lines.extend(
            f"{where}{size}{what}{lost}"
            for size in matches.longer(rule.above_bytes, by_ipv6=six)
            for what in matches.either_way(rule.protocol, rule.port)
        )
    if lines:
        base = f"type filter hook {hook} priority filter - 10; policy accept;"
        table.chain(name, base, lines)


def _meddle(table: _Table, actions: Iterable[model.EspMeddling]) -> None:
    """Alter or repeat the first ESP packets that pass, native or in UDP (RFC 3948 2.1: SPI not 0).

    The burst of a limit is the number of packets; its rate gives one more after a week.
    """
    for action in actions:
        name = f"esp-{action.action}"
        first = f"limit rate 1/week burst {action.packets} packets"
        counted = f"{first} {table.counter(name)}"
        # ESP is SPI, sequence number, IV and ciphertext (RFC 4303 2): bit 128 is covered by the ICV
        # and by no other check. In UDP all of it comes eight bytes later.
        table.chain(f"{name}-native", "", (f"{counted} {_deed(action.action, 128)}",))
        table.chain(f"{name}-in-udp", "", (f"{counted} {_deed(action.action, 192)}",))
        in_udp = f"@th,64,32 != 0 goto {name}-in-udp"
        table.chain(
            name,
            "type filter hook forward priority filter + 10; policy accept;",
            (
                f"meta l4proto esp goto {name}-native",
                f"udp dport {NAT_T_PORT} {in_udp}",
                f"udp sport {NAT_T_PORT} {in_udp}",
            ),
        )


def _deed(action: str, bit: int) -> str:
    if action == "tamper":
        return f"@th,{bit},32 set @th,{bit},32 ^ 0xffffffff"
    if action == "replay":
        # The copy is routed as the packet itself, and arrives first.
        return "dup to ip daddr"
    raise ValueError(f"unknown meddling {action!r}")


# Effects.


def apply(topology: model.Topology, nodes: Mapping[str, Node]) -> None:
    """Give every node its rules, one transaction each; new counters start at zero.

    The user's own come first: they may flush all that there is.
    """
    for own in topology.own_rules:
        own_rules.load(nodes[own.node], own)
    for planned in topology.nodes:
        if script := render(topology, planned.name):
            run(nodes[planned.name], "set the packet rules of", script)
            configuration.keep(nodes[planned.name], "rules.nft", script)


def counters(nodes: Mapping[str, Node]) -> dict[str, dict[str, int]]:
    """Node to counter to packets, of the nodes that have counters."""
    found: dict[str, dict[str, int]] = {}
    for name, node in nodes.items():
        answer = json.loads(run(node, "read the counters of", "list counters", as_json=True))
        listed = [entry["counter"] for entry in answer["nftables"] if "counter" in entry]
        if listed:
            found[name] = {counter["name"]: counter["packets"] for counter in listed}

    return found


def hmc_drop(node: Node, interface: str, protocol: str, port: int) -> str:
    """Have an HMC's own firewall drop a service on an interface: ``ppp*``, ``lan`` (OUT-22).

    Returns the name of the counter of what it dropped.
    """
    name = identifier(f"own-drop-{interface.rstrip('*')}-{protocol}-{port}")
    lost = f'counter name "{name}" drop comment "OUT-22"'
    run(
        node,
        f"drop {protocol} {port} on {interface} in the firewall of",
        f"add counter inet {TABLE} {name}\n"
        f'add rule inet {TABLE} {OWN_OUT} oifname "{interface}" {protocol} dport {port} {lost}\n'
        f'add rule inet {TABLE} {OWN_IN} iifname "{interface}" {protocol} sport {port} {lost}\n',
    )
    return name


def customer_rules(node: Node) -> str:
    """The customer's own rules on an HMC, to the byte."""
    chains = (
        run(node, "list the firewall of", f"list chain inet {TABLE} {c}") for c in (OWN_IN, OWN_OUT)
    )
    return "".join(chains)


def open_console_port(node: Node, protocol: str, port: int, *, opened: bool) -> None:
    """Take a port of consoles out of the firewall of a console, or give it back (M-04)."""
    script = console_ports.script(TABLE, protocol, port, opened=opened)
    run(node, f"open or close {protocol} {port} in the firewall of", script)


def add_customer_rule(node: Node, rule: str) -> None:
    """Add a rule to the customer's own for what comes in to an HMC, as nft spells it."""
    run(node, f"add {rule!r} to the firewall of", f"add rule inet {TABLE} {OWN_IN} {rule}\n")


def override_customer_rules(node: Node, interface: str, *, again: bool = False) -> None:
    """Let the customer's rules not apply to an interface, or ``again`` apply."""
    verb = "delete" if again else "add"
    script = f'{verb} element inet {TABLE} {SESSIONS} {{ "{interface}" }}\n'
    run(node, f"override the rules for {interface} in the firewall of", script)


def hmc_allow_all(node: Node) -> None:
    """Take back every ``hmc_drop``; the counters stay readable."""
    script = f"flush chain inet {TABLE} {OWN_IN}\nflush chain inet {TABLE} {OWN_OUT}\n"
    run(node, "clear the firewall of", script)


def clear(nodes: Mapping[str, Node]) -> None:
    for node in nodes.values():
        run(node, "clear the packet rules of", "".join(f"delete {t}\n" for t in tables(node)))


def tables(node: Node) -> list[str]:
    """What a node has of tables, without those that a container had before: ``table inet lab``."""
    found = run(node, "list the packet rules of", "list tables").splitlines()
    return [table for table in found if table not in node.former_tables]


def ruleset(node: Node) -> str:
    """All rules of a node with their counters, for people."""
    return run(node, "list the packet rules of", "list ruleset")


@contextlib.contextmanager
def standing(
    node: Node,
    table: str,
    rules: str,
    *,
    operation: str = "set the packet rules of",
    hint: str = "",
) -> Iterator[None]:
    """Rules that make up a table, such as ``ip scans``, inside of the context."""
    run(node, operation, rules, hint=hint)
    try:
        yield
    finally:
        run(node, "take back the packet rules of", f"delete table {table}\n")


def run(node: Node, operation: str, script: str, *, as_json: bool = False, hint: str = "") -> str:
    """What a script prints in a node; where it is refused, ``operation`` says what was to be done."""
    try:
        return node.call(nft.run, script, json=as_json)
    except nft.Refused as refused:
        raise KernelError(operation, node.name, str(refused).strip(), hint=hint) from refused
