"""The firewall of IBM's service server: nothing passes it but the tools of a session, to that session (I-20).

One table for as long as the server runs, in it a chain for each session. ``render`` and its like are pure.
Counters say what was kept out, and on which way; those of a session's own rules go with the session.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lab.errors import KernelError
from lab.linux import firewall
from lab.linux.firewall import chain, declared
from lab.linux.nodes import Node

TABLE = "service-server"
TO_SESSION, FROM_SESSION = "to-session", "from-session"
"""Counters of what others sent to a session's addresses, and sessions to others; all of it was dropped."""
OWN_TO_SESSION = "own-to-session"
"""Of what programs on the server itself sent to a session's addresses."""
FROM_TOOLS = "from-tools"
"""Of what tools sent to anything but their session."""
THROUGH = "through"
"""Of everything else that was to pass the server."""
COUNTERS = {
    TO_SESSION: "to a session, not from a tool of it",
    FROM_SESSION: "from a session, not to a tool of it",
    OWN_TO_SESSION: "to a session, by the server's own programs",
    FROM_TOOLS: "from a tool, not to the session of it",
    THROUGH: "through the server, and of no session",
}
ADDRESSES, OWN_ADDRESSES, TOOLS = "session-addresses", "tools-addresses", "tools"
GUARDED = "guarded-addresses"
"""Those that a session may get: a session may stand before a representative uses it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolPassage:
    """What one session's tools may do."""

    number: int
    tools: str
    """The server's interface to the tools' namespace."""
    address: str
    """The tools' own: the session knows the representative by it."""
    beyond: str
    """The server's interface towards the session."""
    addresses: tuple[str, ...]
    """Of the session: addresses or prefixes."""

    @property
    def chain(self) -> str:
        return f"session-{self.number}"

    @property
    def out(self) -> str:
        """The counter of what tools sent to the session."""
        return f"session-{self.number}-out"

    @property
    def back(self) -> str:
        """The counter of what came back."""
        return f"session-{self.number}-back"


def render(guarded: Sequence[str] = ()) -> str:
    """The table of a server without a session. ``guarded``: addresses, prefixes or ranges of sessions."""
    elements = f"\t\telements = {{ {', '.join(guarded)} }}\n" if guarded else ""
    sets = (
        f"\tset {GUARDED} {{\n\t\ttype ipv4_addr\n\t\tflags interval\n{elements}\t}}\n"
        f"\tset {ADDRESSES} {{\n\t\ttype ipv4_addr\n\t\tflags interval\n\t}}\n"
        f"\tset {OWN_ADDRESSES} {{\n\t\ttype ipv4_addr\n\t}}\n"
        f"\tset {TOOLS} {{\n\t\ttype ifname\n\t}}\n"
    )
    chains = (
        chain(
            "arriving",
            (
                "type filter hook prerouting priority raw + 10; policy accept;",
                f"iifname @{TOOLS} accept",
                # Here, and not where packets are passed on: no packet of others is to get as far as routing.
                f"ip daddr @{ADDRESSES} {_count(TO_SESSION)} drop",
                f"ip daddr @{GUARDED} {_count(TO_SESSION)} drop",
                f"ip saddr @{ADDRESSES} ip daddr != @{OWN_ADDRESSES} {_count(FROM_SESSION)} drop",
                f"ip daddr @{OWN_ADDRESSES} ip saddr != @{ADDRESSES} {_count(TO_SESSION)} drop",
            ),
        ),
        chain("sessions", ()),
        chain(
            "forward",
            (
                "type filter hook forward priority filter; policy drop;",
                "jump sessions",
                f"iifname @{TOOLS} {_count(FROM_TOOLS)} drop",
                f"{_count(THROUGH)} drop",
            ),
        ),
        chain(
            "input",
            (
                "type filter hook input priority filter; policy accept;",
                f"iifname @{TOOLS} {_count(FROM_TOOLS)} drop",
            ),
        ),
        chain(
            "output",
            (
                "type filter hook output priority filter; policy accept;",
                f"ip daddr @{ADDRESSES} {_count(OWN_TO_SESSION)} drop",
                f"ip daddr @{GUARDED} {_count(OWN_TO_SESSION)} drop",
            ),
        ),
    )
    return f"table ip {TABLE} {{\n{declared(COUNTERS)}{sets}" + "\n".join(chains) + "}\n"


def render_passage(passage: ToolPassage) -> str:
    """A session's own rules: the tools' packets go to the session, and the answers come back."""
    addresses = f"{{ {', '.join(passage.addresses)} }}"
    there = f'iifname "{passage.tools}" ip saddr {passage.address} oifname "{passage.beyond}"'
    back = f'iifname "{passage.beyond}" ip saddr {addresses} oifname "{passage.tools}"'
    rules = (
        f"{there} ip daddr {addresses} {_count(passage.out)} accept",
        f"{back} ip daddr {passage.address} {_count(passage.back)} accept",
    )
    body = declared({passage.out: "to the session", passage.back: "from the session"})
    return (
        f"table ip {TABLE} {{\n{body}{chain(passage.chain, rules)}}}\n"
        f"add element ip {TABLE} {ADDRESSES} {addresses}\n"
        f"add element ip {TABLE} {OWN_ADDRESSES} {{ {passage.address} }}\n"
        f'add element ip {TABLE} {TOOLS} {{ "{passage.tools}" }}\n'
    )


def render_jumps(passages: Sequence[ToolPassage]) -> str:
    """The chains that apply: those of the sessions that stand."""
    jumps = "".join(f"add rule ip {TABLE} sessions jump {p.chain}\n" for p in passages)
    return f"flush chain ip {TABLE} sessions\n{jumps}"


def _count(name: str) -> str:
    return f'counter name "{name}"'


class Separation:
    """The firewall of a running server."""

    def __init__(self, server: Node) -> None:
        self.server = server
        self._passages: list[ToolPassage] = []

    @property
    def interfaces(self) -> set[str]:
        """Those by which the sessions that stand are reached."""
        return {passage.beyond for passage in self._passages}

    @contextlib.contextmanager
    def letting(self, passage: ToolPassage) -> Iterator[None]:
        """Let a session's tools through inside of the context."""
        table = f"ip {TABLE}"
        self._passages.append(passage)
        try:
            self._nft(
                "let tools through",
                render_passage(passage) + render_jumps(self._passages),
            )
        except KernelError:
            self._passages.remove(passage)
            raise
        try:
            yield
        finally:
            self._passages.remove(passage)
            addresses = f"{{ {', '.join(passage.addresses)} }}"
            self._nft(
                "let tools no longer through",
                render_jumps(self._passages)
                + f"delete chain {table} {passage.chain}\n"
                + f"delete counter {table} {passage.out}\ndelete counter {table} {passage.back}\n"
                + f"delete element {table} {ADDRESSES} {addresses}\n"
                + f"delete element {table} {OWN_ADDRESSES} {{ {passage.address} }}\n"
                + f'delete element {table} {TOOLS} {{ "{passage.tools}" }}\n',
            )

    def _nft(self, operation: str, script: str) -> None:
        firewall.run(self.server, operation, script)


@contextlib.contextmanager
def start(server: Node, guarded: Sequence[str] = ()) -> Iterator[Separation]:
    """The server's firewall inside of the context; ``guarded`` as in ``render``."""
    made = Separation(server)
    made._nft("separate networks on", render(guarded))
    try:
        yield made
    finally:
        made._nft("end the firewall of", f"delete table ip {TABLE}\n")
