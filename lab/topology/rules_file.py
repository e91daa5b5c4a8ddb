"""A file of packet rules of the user's own: in nft's language, or as ``iptables-save`` prints them.

What the rules mean is for nft or iptables-restore to say, inside; here the file is read, and told by its
content which of the two it is for.
"""

from __future__ import annotations

import re
from pathlib import Path

from lab.errors import Issue, TopologyError
from lab.topology import strict_yaml
from lab.topology.own_rules import OwnRules, RulesFormat

_HINT = "the path is relative to the folder of the topology's file"
_TABLE = re.compile(r"\*[a-z]+")
"""How a table begins in what ``iptables-save`` prints: ``*filter``."""
_SOURCE_NAT = {
    RulesFormat.nft: re.compile(r"(?<![\w-])(masquerade\b|snat\s+(ip6?\s+)?(prefix\s+)?to\b)"),
    RulesFormat.iptables: re.compile(r"\s-j\s+(MASQUERADE|SNAT|NETMAP)\b"),
}
_INCLUDE = re.compile(r"\s*include\s")


def load(path: Path, named: str, node: str, *, snat: bool) -> OwnRules:
    """The rules of a file for a node; ``snat``: whether the topology has the customer's addresses hidden.

    Raises UsageError if the file cannot be read, TopologyError with what is wrong with it.
    """
    text = strict_yaml.read(path, named, "a file of rules", _HINT)
    lines = [line.partition("#")[0] for line in text.splitlines()]
    first = next((line.strip() for line in lines if line.strip()), "")
    kind = RulesFormat.iptables if _TABLE.fullmatch(first) else RulesFormat.nft
    nat = next((n for n, line in enumerate(lines, 1) if _SOURCE_NAT[kind].search(line)), 0)
    issues = list(_issues(lines, kind, node, nat, snat=snat))
    if issues:
        raise TopologyError(named, tuple(issues))
    return OwnRules(node=node, name=named, text=text, format=kind, source_nat=bool(nat))


def _issues(lines: list[str], kind: RulesFormat, node: str, nat: int, *, snat: bool) -> list[Issue]:
    found = []
    if not any(line.strip() for line in lines):
        text = "the file has no rules"
        found.append(
            Issue(1, "top level", text, "a firewall without rules lets everything through")
        )
    if kind is RulesFormat.iptables and "COMMIT" not in (line.strip() for line in lines):
        text = "no COMMIT ends a table"
        found.append(Issue(len(lines), "top level", text, "take what iptables-save prints, whole"))
    for number, line in enumerate(lines, 1):
        if kind is RulesFormat.nft and _INCLUDE.match(line):
            text = "another file is not read from here"
            found.append(Issue(number, "include", text, "put its rules into this one"))
    if nat and not snat:
        text = f"a rule changes source addresses, and the topology has {node} hide none"
        found.append(Issue(nat, lines[nat - 1].strip(), text, f"give {node} snat: true"))
    return found
