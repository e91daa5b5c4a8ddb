"""What a node of a standing lab has now: its clock, PPP links, SAs without their keys, counters of rules.

One program asks for all of it, and reads only: no packet is sent, and nothing is written down.
"""

from __future__ import annotations

import calendar
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_PARTS = {
    "clock": "date +%s.%N",
    "links": "ip -json -4 address show",
    # The kernel keeps the keys to itself.
    "states": "ip -s xfrm state list nokeys",
    "counters": "nft -j list counters",
}
_MARK = "=lab-watch="
QUESTION = (
    "sh", "-c",
    "export TZ=UTC0 LC_ALL=C\n"
    + "".join(f"echo '{_MARK}{name}'\n{program} 2>/dev/null\n" for name, program in _PARTS.items())
    + "true",
)  # fmt: skip
"""The program that a node runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SaSeen:
    """An ESP SA as the kernel has it (RFC 4301 4.4.2)."""

    source: str
    destination: str
    spi: str
    """Hexadecimal: ``0xcb70dbf7``."""
    mode: str
    ciphers: str
    """Empty while the two ends agree on keys: only the SPI is there (RFC 2367 1.4, larval)."""
    age_s: float
    """By the node's clock."""
    rekey_in_s: float | None
    """Until the kernel tells charon to draw new keys; None: never."""
    packets: int
    bytes: int
    by_udp: bool
    """In UDP 4500, as behind NAT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSeen:
    """A PPP link that is up."""

    interface: str
    own: str
    peer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterSeen:
    """A counter of the node's packet rules."""

    name: str
    requirement: str
    """What the rule is for (``F-07``); empty if none."""
    packets: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSeen:
    """A node, as it was when it was asked."""

    node: str
    clock: float
    """Seconds since 1970, on the lab's clock; 0 if it did not answer."""
    links: tuple[LinkSeen, ...] = ()
    sas: tuple[SaSeen, ...] = ()
    counters: tuple[CounterSeen, ...] = ()


def parse(node: str, answer: str) -> NodeSeen:
    """What the question's output says; what is missing there is missing here."""
    found = (part.partition("\n") for part in answer.split(_MARK)[1:])
    parts = {name: text for name, _, text in found}
    told = parts.get("clock", "").strip()
    clock = float(told) if re.fullmatch(r"\d+\.\d+", told) else 0.0
    return NodeSeen(
        node=node,
        clock=clock,
        links=tuple(_links(_json(parts.get("links", "")))),
        sas=tuple(_sas(parts.get("states", ""), clock)),
        counters=tuple(_counters(_json(parts.get("counters", "")))),
    )


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return []


def _links(links: Any) -> Iterator[LinkSeen]:
    for link in links:
        for each in link.get("addr_info", ()) if link.get("ifname", "").startswith("ppp") else ():
            own, peer = str(each.get("local", "")), str(each.get("address", ""))
            yield LinkSeen(interface=link["ifname"], own=own, peer=peer)


def _counters(answer: Any) -> Iterator[CounterSeen]:
    for each in answer.get("nftables", ()) if isinstance(answer, dict) else ():
        if counter := each.get("counter"):
            yield CounterSeen(
                name=counter["name"],
                requirement=counter.get("comment", ""),
                packets=counter["packets"],
                bytes=counter["bytes"],
            )


def _sas(text: str, clock: float) -> Iterator[SaSeen]:
    """By ``ip -s xfrm state``, which has no JSON."""
    for block in re.split(r"^(?=src )", text, flags=re.MULTILINE):
        if found := re.match(
            r"src (\S+) dst (\S+)\s+proto esp spi (0x[0-9a-f]+).* mode (\w+)", block
        ):
            source, destination, spi, mode = found.groups()
            added = _first(r"add (\d+-\d+-\d+ \d+:\d+:\d+)", block)
            age = (
                clock - calendar.timegm(time.strptime(added, "%Y-%m-%d %H:%M:%S")) if added else 0.0
            )
            soft = _first(r"expire add: soft (\d+)\(sec\)", block)
            amount = re.search(r"(\d+)\(bytes\), (\d+)\(packets\)", block)
            yield SaSeen(
                source=source, destination=destination, spi=spi, mode=mode,
                ciphers=", ".join(re.findall(r"^\s+(?:enc|auth-trunc|auth|aead) (\S+)", block, re.MULTILINE)),
                age_s=round(max(0.0, age), 1),
                rekey_in_s=round(int(soft) - age, 1) if int(soft or 0) else None,
                bytes=int(amount[1]) if amount else 0, packets=int(amount[2]) if amount else 0,
                by_udp="encap type espinudp" in block,
            )  # fmt: skip


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1] if found else ""
