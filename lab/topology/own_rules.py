"""Packet rules of the user's own for a node, in the place of the lab's: a part of the model."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RulesFormat(StrEnum):
    """Who reads the file."""

    nft = "nft"
    iptables = "iptables-restore"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRules:
    """A file of rules, as it was when the topology was read."""

    node: str
    name: str
    """As the topology names it: ``./customer.nft``."""
    text: str
    format: RulesFormat
    source_nat: bool
    """Whether a rule of the file changes source addresses: then the lab adds no SNAT."""


def find(rules: tuple[OwnRules, ...], node: str) -> OwnRules | None:
    """Those of a node; None where the lab's hold."""
    return next((each for each in rules if each.node == node), None)
