"""Rules as nft, iptables and Cisco's ASA read them, and as CSV. Pure: what is decided, in other words.

Each ends a default-deny firewall's list for new connections; answers of tracked ones pass.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network, ip_network

from lab.explain.needs import FirewallNeed
from lab.explain.paste import V6, Paste, PasteRule, SourceAddress, is_prefix

CHAIN = "CALLHOME"
COLUMNS = (
    *("way", "where", "sender", "heading", "protocol", "destination", "port", "host", "must"),
    *("redundancy", "requirements", "rows", "purpose"),
)
DROPS = "# Loaded whole, this drops whatever else is forwarded, also what is not about call home."
REMARK_LENGTH = 100
"""Of a remark in an ASA's access list, at most."""


def as_csv(needs: tuple[FirewallNeed, ...]) -> str:
    """RFC 4180, with a header; a line for each destination and port."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for need in needs:
        cells = (getattr(need, column) for column in COLUMNS)
        writer.writerow(" ".join(cell) if isinstance(cell, tuple) else cell for cell in cells)
    return out.getvalue()


def _comments(paste: Paste, mark: str) -> Iterator[str]:
    yield from (f"{mark} {line}" for line in (*paste.title, *paste.remarks))
    yield mark


def _lines(lines: Iterator[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


# -- nft(8) ----------------------------------------------------------------------------------------


def as_nft(paste: Paste) -> str:
    """A whole ruleset for ``nft -f``: a table of its own, which takes the place of an earlier one."""
    return _lines(_nft(paste))


def _nft(paste: Paste) -> Iterator[str]:
    yield "#!/usr/sbin/nft -f"
    yield from _comments(paste, "#")
    yield DROPS
    for source in paste.sources:
        example = "  # an example: write the real one" if source.is_example else ""
        yield f"define {source.name} = {source.address}{example}"
    yield ""
    yield "table inet callhome"
    yield "delete table inet callhome"
    yield "table inet callhome {"
    yield "\tchain forward {"
    yield "\t\ttype filter hook forward priority filter; policy drop;"
    yield "\t\tct state established,related accept"
    for rule in paste.rules:
        family = "ip6" if rule.source.version == V6 else "ip"
        peers = f"{{ {', '.join(rule.destinations)} }}"
        own = f"${rule.source.name}"
        yield ""
        yield f"\t\t# {rule.remark}"
        yield f"\t\t{family} saddr {own} {family} daddr {peers} {_nft_ports(rule)} ct state new accept"
        if rule.both_ways:
            yield f"\t\t{family} saddr {peers} {family} daddr {own} {_nft_ports(rule)} ct state new accept"
    yield "\t}"
    yield "}"


def _nft_ports(rule: PasteRule) -> str:
    if not rule.ports:
        return f"meta l4proto {rule.protocol}"
    return f"{rule.protocol} dport {{ {', '.join(map(str, rule.ports))} }}"


# -- iptables-restore(8), ip6tables-restore(8) -----------------------------------------------------


def as_iptables(paste: Paste) -> str:
    """One text for both programs: each passes over the lines that are marked for the other (-4, -6)."""
    return _lines(_iptables(paste))


def _iptables(paste: Paste) -> Iterator[str]:
    yield from _comments(paste, "#")
    yield DROPS
    yield "# For iptables-restore --noflush and ip6tables-restore --noflush; each reads what is its own."
    for source in paste.sources:
        if source.is_example:
            yield f"# {source.address} is an example: write the real address of the {source.sender}."
    yield "*filter"
    yield ":FORWARD DROP [0:0]"
    yield f":{CHAIN} - [0:0]"
    yield "-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"
    yield f"-A FORWARD -m conntrack --ctstate NEW -j {CHAIN}"
    for rule in paste.rules:
        yield f"# {rule.remark}"
        for destination in rule.destinations:
            yield _iptables_rule(rule, rule.source.address, destination)
            if rule.both_ways:
                yield _iptables_rule(rule, destination, rule.source.address)
    yield "COMMIT"


def _iptables_rule(rule: PasteRule, source: str, destination: str) -> str:
    ports = ",".join(map(str, rule.ports))
    match = {0: "", 1: f" --dport {ports}"}.get(len(rule.ports), f" -m multiport --dports {ports}")
    ends = f"-s {source} -d {destination}"
    return f"-{rule.source.version} -A {CHAIN} {ends} -p {rule.protocol}{match} -j ACCEPT"


# -- Cisco ASA 9.0 and later -----------------------------------------------------------------------


def as_cisco_asa(paste: Paste) -> str:
    """Object groups, and lines of two access lists: from the customer out, and back where both begin."""
    return _lines(_cisco_asa(paste))


def _cisco_asa(paste: Paste) -> Iterator[str]:
    yield from _comments(paste, "!")
    for source in paste.sources:
        if source.is_example:
            yield f"! {source.address} is an example: write the real address of the {source.sender}."
        yield f"object-group network {_group(source)}"
        yield f" network-object {_asa_address(source.address)}"
    for number, rule in enumerate(paste.rules, 1):
        yield f"object-group network {CHAIN}-TO-{number}"
        yield from (f" network-object {_asa_address(each)}" for each in rule.destinations)
        yield f"object-group service {CHAIN}-SERVICE-{number}"
        ports = (f"{rule.protocol} destination eq {port}" for port in rule.ports)
        yield from (
            f" service-object {each}" for each in (ports if rule.ports else [rule.protocol])
        )
    for number, rule in enumerate(paste.rules, 1):
        own, peers = f"object-group {_group(rule.source)}", f"object-group {CHAIN}-TO-{number}"
        service = f"object-group {CHAIN}-SERVICE-{number}"
        yield f"access-list {CHAIN}-OUT remark {_cut(rule.remark)}"
        yield f"access-list {CHAIN}-OUT extended permit {service} {own} {peers}"
        if rule.both_ways:
            yield f"access-list {CHAIN}-BACK remark {_cut(rule.remark)}"
            yield f"access-list {CHAIN}-BACK extended permit {service} {peers} {own}"
    yield "! access-group: bind OUT to the interface towards the customer, and BACK to the one outside."


def _group(source: SourceAddress) -> str:
    return f"{CHAIN}-{source.sender.upper()}-{source.version}"


def _asa_address(text: str) -> str:
    if not is_prefix(text):
        return f"host {text}" if ":" not in text else f"{text}/128"
    net = ip_network(text)
    return f"{net.network_address} {net.netmask}" if isinstance(net, IPv4Network) else text


def _cut(remark: str) -> str:
    return remark if len(remark) <= REMARK_LENGTH else f"{remark[: REMARK_LENGTH - 3]}..."


PASTED: dict[str, Callable[[Paste], str]] = {
    "nft": as_nft,
    "iptables": as_iptables,
    "cisco-asa": as_cisco_asa,
}
FORMATS = (*PASTED, "csv")
