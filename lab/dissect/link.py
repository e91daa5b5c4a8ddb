"""The link: Ethernet, tags of VLANs, ARP; and PPP's frames on a line."""

from __future__ import annotations

from lab.dissect.anatomy import Anatomy
from lab.wire import arp
from lab.wire.decode import ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_PPPOE, Frame

HEADER = 14
_BROADCAST = "ff:ff:ff:ff:ff:ff"
_TYPES = {
    ETHERTYPE_IPV4: "IPv4",
    ETHERTYPE_IPV6: "IPv6",
    arp.ETHERTYPE: "ARP",
    ETHERTYPE_PPPOE[0]: "PPPoE Discovery",
    ETHERTYPE_PPPOE[1]: "PPPoE Session",
}


def ethernet(anatomy: Anatomy, frame: Frame) -> None:
    """The header, and the tags that it was without when it was read."""
    if len(frame.data) < HEADER:
        anatomy.say("Ethernet", f"cut short: {len(frame.data)} bytes")
        anatomy.add("Ethernet", "Ethernet II, cut short", ("Length", str(len(frame.data))))
        return
    source, destination = mac(frame.source_mac), mac(frame.destination_mac)
    anatomy.source, anatomy.destination = anatomy.named(source), _named(anatomy, destination)
    kind = f"0x{frame.ethertype:04x}"
    anatomy.say(kind, f"Ethernet II, type {kind}")
    anatomy.add(
        "Ethernet",
        f"Ethernet II, {anatomy.source} → {anatomy.destination}",
        ("Destination", anatomy.told(destination)),
        ("Source", anatomy.told(source)),
        ("Type", f"{_TYPES.get(frame.ethertype, 'unknown')} ({kind})"),
    )
    for vlan in frame.vlans:
        anatomy.add("VLAN", f"802.1Q Virtual LAN, ID {vlan}", ("ID", str(vlan)))


def arp_message(anatomy: Anatomy, frame: Frame) -> None:
    found = arp.read([frame])
    if not found:
        anatomy.say("ARP", "not of IPv4 on Ethernet, or cut short")
        return
    message, sender = found[0], mac(frame.data[HEADER + 8 : HEADER + 14])
    if message.is_answer:
        anatomy.say("ARP", f"{message.sender} is at {sender}")
    elif message.sender == message.target:
        anatomy.say("ARP", f"ARP Announcement for {message.target}")
    else:
        anatomy.say("ARP", f"Who has {message.target}? Tell {message.sender}")
    operation = "reply (2)" if message.is_answer else "request (1)"
    anatomy.add(
        "ARP",
        f"Address Resolution Protocol, {operation}",
        ("Opcode", operation),
        ("Sender MAC address", anatomy.told(sender)),
        ("Sender IP address", anatomy.told(message.sender)),
        ("Target MAC address", mac(frame.data[HEADER + 18 : HEADER + 24])),
        ("Target IP address", anatomy.told(message.target)),
    )


def mac(raw: bytes) -> str:
    return raw.hex(":")


def _named(anatomy: Anatomy, address: str) -> str:
    return "broadcast" if address == _BROADCAST else anatomy.named(address)
