"""Every ID of the papers that this program knows, from the tables that the rest of it works by.

Nothing here says how a requirement came out: that comes from verdicts (``outcomes``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources

from lab.service.events import spans
from lab.topology import catalogue
from lab.topology.catalogue import Row, RowKind
from lab.topology.claims import claims

ORDER = ("OUT", "E", "I", "P", "L", "M", "F", "R", "g", "A", "G", "V", "X", "Q")
"""The groups of the papers' IDs, as they are printed."""
_I5_ONLY = "OUT-31", "Pass-through is for partitions of i5/OS only.", "S4 2.1.4"
"""A refusal that no profile's table has: ``lab.ways.pass_through.checks``."""


class Sort(StrEnum):
    """How a requirement can be judged."""

    run = "run"
    """By the packets and records of a run."""
    life = "life"
    """By what an agent does in a life (``lab life``)."""
    address = "address"
    """A row of the address tables: by the servers' ledger."""
    refusal = "refusal"
    """What a generation cannot do: a topology that has it is refused, and no packet is sent."""
    version = "version"
    """What differs between papers: ``lab explain --against``."""
    choice = "choice"
    """What the papers leave open, and the lab has chosen: ``lab explain``."""
    former = "former"
    """A row of addresses that IBM has given up: no server of the lab's has one, so no run asks one."""
    contradiction = "contradiction"
    """In what the papers contradict each other or err, and how the lab reads it."""
    product = "product"
    """What the papers say of products and versions, which the lab does not tell apart."""


@dataclass(frozen=True, slots=True)
class PaperRequirement:
    """One ID."""

    id: str
    sort: Sort
    text: str
    source: str
    """Document and section, as far as the tables have it."""
    by: tuple[str, ...] = ()
    """The requirements whose findings together decide it, where it has none of its own: ``papers.tsv``."""

    within: tuple[str, ...] = ()
    """The topologies or profiles whose runs show it by these; none: all."""

    @property
    def observable(self) -> bool:
        """Whether a run can show it."""
        return bool(self.by) or self.sort in (Sort.run, Sort.life, Sort.address)


@cache
def inventory() -> dict[str, PaperRequirement]:
    """All of them by ID, in the order of ``ORDER``."""
    found: dict[str, PaperRequirement] = {}
    for each in (*_judged(), *_of_lives(), *_refused(), *_addresses(), *_versions(), *_choices()):
        found.setdefault(each.id, each)
    for name, (text, source, by, within) in _papers().items():
        known = found.get(name)
        sort = Sort.contradiction if name.startswith("X-") else Sort.product
        found[name] = PaperRequirement(
            name,
            known.sort if known else sort,
            f"{text}." if text else known.text if known else "",
            source or (known.source if known else ""),
            tuple(by.split()),
            tuple(within.split()),
        )
    return dict(sorted(found.items(), key=lambda item: rank(item[0])))


def inbound_rows(profile: str = "") -> frozenset[str]:
    """The rows that list ports for remote service: all, or those of a profile; none of an unknown one."""
    if profile and profile not in catalogue.names():
        return frozenset()
    rows = catalogue.profile(profile).rows if profile else catalogue.rows()
    return frozenset(row.id for row in rows if row.kind is RowKind.inbound)


def rank(requirement: str) -> tuple[int, int]:
    """Of an ID in print: by group, then by number."""
    group = requirement.rstrip("0123456789").rstrip("-")
    number = requirement.removeprefix(group).removeprefix("-")
    return (ORDER.index(group) if group in ORDER else len(ORDER)), int(number or 0)


def _papers() -> dict[str, tuple[str, str, str, str]]:
    """What no other table has: text, source, by whose findings it is decided, and in which runs."""
    table = resources.files(__package__).joinpath("papers.tsv").read_text(encoding="utf-8")
    rows = (row.split("\t") for row in table.splitlines())
    return {name: (text, source, by, within) for name, text, source, by, within in rows}


def _judged() -> Iterator[PaperRequirement]:
    for name, claim in claims().items():
        yield PaperRequirement(name, Sort.run, claim.text, claim.source)


def _of_lives() -> Iterator[PaperRequirement]:
    table = resources.files(__package__).joinpath("lives.tsv").read_text(encoding="utf-8")
    for row in table.splitlines():
        name, text = row.split("\t")
        yield PaperRequirement(name, Sort.life, f"{text}.", "")


def _refused() -> Iterator[PaperRequirement]:
    """What the profiles' tables say that a generation has not, or has only at times."""
    whose: dict[str, dict[str, str]] = {}
    for name in catalogue.names():
        for (group, topic), said in catalogue.profile(name).can.every.items():
            told = said.why or f"{said.level.value}, {group} {topic}"
            for each in said.by:
                # The G lines say what a generation has; others are about a refusal only if there is one.
                if said.why or each.startswith("G-"):
                    whose.setdefault(each, {})[told] = said.at
    for name, reasons in whose.items():
        if not name.startswith("V-"):
            text = "; ".join(reasons)
            source = "; ".join(dict.fromkeys(filter(None, reasons.values())))
            yield PaperRequirement(name, Sort.refusal, f"{text[0].upper()}{text[1:]}.", source)
    name, text, source = _I5_ONLY
    yield PaperRequirement(name, Sort.refusal, text, source)


def _addresses() -> Iterator[PaperRequirement]:
    for row in catalogue.rows():
        if row.id.startswith("A-"):
            hosts = ", ".join(row.hosts) or ", ".join(a.address for a in row.addresses)
            hosts = hosts or "; ".join(_ports(row))
            sort = Sort.former if row.kind is RowKind.disabled else Sort.address
            source = f"{'/'.join(row.seeds)} {row.section}".strip()
            yield PaperRequirement(row.id, sort, f"{row.purpose}: {hosts}.", source)


def _ports(row: Row) -> Iterator[str]:
    for protocol in dict.fromkeys(service.protocol for service in row.services):
        ports = {service.port for service in row.services if service.protocol == protocol}
        yield f"{protocol.upper()} {spans(ports)}"


def _versions() -> Iterator[PaperRequirement]:
    from lab.explain import versions

    for name, claim in versions.table().versions.items():
        topics = ", ".join(claim.covers)
        text = f"{topics}: from {' to '.join(claim.between)}."
        yield PaperRequirement(name, Sort.version, text, "requirements, section K")


def _choices() -> Iterator[PaperRequirement]:
    from lab.explain.choices import QUESTIONS

    for number, (topic, _) in enumerate(QUESTIONS, 1):
        yield PaperRequirement(f"Q-{number:02}", Sort.choice, f"{topic}.", "no paper says")
