"""Rules of the user's own, loaded in a node: by nft, or by iptables-restore.

Both are programs here, as only they say in which line of a text a mistake is; few nodes have such rules.
"""

from __future__ import annotations

import re

from lab.errors import DaemonError, UsageError
from lab.linux.nodes import Node
from lab.topology.own_rules import OwnRules, RulesFormat

PROGRAMS = {
    RulesFormat.nft: ("nft", "-f", "-"),
    # Puts its rules where nft lists them.
    RulesFormat.iptables: ("iptables-nft-restore",),
}
"""They are there: whoever resolved the topology has seen to it."""


def load(node: Node, own: OwnRules) -> None:
    """Load a file's rules, all or none; raises UsageError with what is wrong in which line of the file."""
    try:
        node.run(PROGRAMS[own.format], input=own.text)
    except DaemonError as error:
        raise UsageError(
            f"{own.format} refuses the rules {own.name} of {node.name}: {in_words(error)}",
            hint=f"correct {own.name}; what the lab's kernel has is in docs/kernel.md",
        ) from error


def in_words(refusal: DaemonError) -> str:
    """What the program says, with lines as the file has them: ``line 3: syntax error, unexpected string``."""
    said = refusal.log_tail.strip()
    # nft: below each mistake are the line again, and marks under its words.
    by_nft = re.findall(r"^\S+?:(\d+):[\d-]+: Error: (.*)", said, flags=re.MULTILINE)
    if by_nft:
        return "; ".join(dict.fromkeys(f"line {number}: {words}" for number, words in by_nft))
    lines = (line.strip() for line in said.splitlines() if not line.startswith("Try "))
    found = re.search(r"[Ll]ine:? (\d+)", said)
    words = [
        re.sub(r"^iptables\S* v[\d.]+ \(nf_tables\): ", "", line).rstrip(": ")
        for line in lines
        if line
    ]
    kept = [line for line in words if not re.match(r"Error occurred at line", line)]
    where = f"line {found[1]}: " if found and len(kept) < len(words) else ""
    return where + ("; ".join(kept) or refusal.message)
