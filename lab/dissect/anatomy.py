"""A packet taken apart: its layers, and what a list of packets says of it in a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lab.wire.decode import Packet

Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """One protocol's part of a packet."""

    name: str
    """The protocol: ``Ethernet``, ``IPv4``, ``ESP``, ``PPP LCP``."""
    title: str
    """In a line: ``Internet Protocol Version 4, hmc → vpn1``."""
    fields: Fields
    """Names and values, in the order in which they stand in the packet."""


@dataclass(frozen=True, slots=True)
class Dissected:
    """A packet of a capture, from the link to the innermost layer. No secret is in any text of it."""

    segment: str
    number: int
    """Counted from 1, as Wireshark does."""
    time: float
    """Seconds since 1970 on the lab's clock."""
    source: str
    """The node that the innermost address is of; the address where no node has it."""
    destination: str
    protocol: str
    """Of the innermost layer, as Wireshark's column has it: ``ISAKMP``, ``PPP LCP``, ``TLSv1.3``."""
    info: str
    """What the packet says, in a line."""
    layers: tuple[Layer, ...]


@dataclass(slots=True)
class Anatomy:
    """A packet while it is taken apart."""

    place: str
    """The wire, or the call, that it was seen on: connections of TCP are told apart by that."""
    names: Mapping[str, str]
    """The node of each address; MAC addresses, too."""
    descend: Callable[[Anatomy, Packet], None]
    """Takes an IP packet apart that another packet carries."""
    length: int
    """Of the whole, in bytes."""
    source: str = ""
    destination: str = ""
    protocol: str = ""
    info: str = ""
    layers: list[Layer] = field(default_factory=list)

    def add(self, name: str, title: str, *fields: tuple[str, str]) -> None:
        """One more layer, inside those that are there."""
        self.layers.append(Layer(name, title, fields))

    def say(self, protocol: str, info: str) -> None:
        """What the innermost layer is so far; a layer inside says otherwise."""
        self.protocol, self.info = protocol, info

    def named(self, address: str) -> str:
        """The node of an address; the address itself if none has it."""
        return self.names.get(address, address)

    def told(self, address: str) -> str:
        """An address with the node that has it: ``192.168.10.10 (hmc)``."""
        name = self.names.get(address)
        return f"{address} ({name})" if name else address


def size(data: bytes) -> str:
    """In the place of what nobody is to read: ``16 bytes``."""
    return f"{len(data)} byte{'' if len(data) == 1 else 's'}"


def printable(data: bytes, most: int = 200) -> str:
    """Bytes as text on one line, whatever they are."""
    text = data[:most].decode("utf-8", "replace")
    shown = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    return f"{shown}…" if len(data) > most else shown
