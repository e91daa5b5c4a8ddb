"""Name servers in the model: who has IBM's names, and who asks for the customer (RFC 1034).

Plain data, which the guest reads, too. ``resolve_dns`` decides it.
"""

from __future__ import annotations

from dataclasses import dataclass

DNS_PORT = 53
TTL_S = 60
"""How long an answer may be kept (RFC 1035 3.2.1). The papers name no time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NameServer:
    """IBM's own: it answers for every name of the address tables, and asks nobody."""

    node: str
    name: str
    address: str
    records: tuple[tuple[str, str], ...]
    """(name, address), in the order in which addresses are told."""
    bare: tuple[str, ...] = ()
    """Names that exist, and have no address (a fault)."""
    ttl_s: int = TTL_S
    """Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolver:
    """The customer's name server, which asks IBM's and keeps what it hears."""

    node: str
    addresses: tuple[str, ...]
    """Where it is asked."""
    source: str
    """The address from which it asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressMove:
    """A name whose servers get other addresses while the lab stands: the old ones fall silent (R-10)."""

    name: str
    old: tuple[str, ...]
    new: tuple[str, ...]
    row: str
    """The address table's row that lists the new ones: ``A-08``."""
    profile: str = ""
    """The profile that lists them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dns:
    """How names are found in a lab without hosts tables."""

    server: NameServer
    resolver: Resolver | None
    """None where nobody behind a firewall asks for names."""
    moves: tuple[AddressMove, ...] = ()

    def addresses_of(self, name: str) -> tuple[str, ...]:
        """What IBM's name server tells of a name when the lab comes up; nothing of a name it has not."""
        return tuple(address for known, address in self.server.records if known == name)

    @property
    def records_after(self) -> tuple[tuple[str, str], ...]:
        """What IBM's name server has once every server has moved."""
        moved = {move.name for move in self.moves}
        kept = tuple(record for record in self.server.records if record[0] not in moved)
        return kept + tuple((move.name, address) for move in self.moves for address in move.new)
