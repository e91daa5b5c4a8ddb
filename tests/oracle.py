"""tshark as the judge of our own readers: the same capture, read by both, compared field by field.

``compare`` serves captures that a test makes and captures of true runs alike.
"""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from pathlib import Path

from lab.wire import decode, esp, isakmp, l2tp, ppp
from lab.wire.decode import UDP, Frame, Packet
from lab.wireshark import annotated

_CIPHERS = {
    "cbc(des3_ede)": "TripleDES-CBC [RFC2451]",
    "cbc(aes)": "AES-CBC [RFC3602]",
}
_INTEGRITIES = {
    ("hmac(md5)", 96): "HMAC-MD5-96 [RFC2403]",
    ("hmac(sha1)", 96): "HMAC-SHA-1-96 [RFC2404]",
    ("hmac(sha256)", 128): "HMAC-SHA-256-128 [RFC4868]",
}

Row = tuple[str, ...]


def tshark(capture: Path, fields: tuple[str, ...], *options: str) -> list[Row]:
    """One row of fields for each frame; of several values in a frame, the first (the outermost)."""
    argv = [
        "tshark",
        "-r",
        str(capture),
        "-T",
        "fields",
        "-E",
        "occurrence=f",
        "-E",
        "separator=\t",
    ]
    for field in fields:
        argv += ["-e", field]
    done = subprocess.run(
        [*argv, *options], check=True, capture_output=True, text=True, timeout=120
    )
    return [tuple(line.split("\t")) for line in done.stdout.splitlines()]


def as_captured(capture: Path) -> Path:
    """A run's capture without what the lab has added, such as the secrets of TLS: as who listens has it."""
    folder = capture.parent.parent / "as-captured"
    folder.mkdir(exist_ok=True)
    path = folder / capture.name
    if not path.exists():
        unfinished = folder / f"{capture.name}.{os.getpid()}"
        unfinished.write_bytes(annotated.plain(capture.read_bytes()))
        unfinished.replace(path)
    return path


def differences(capture: Path, keys: Path | None = None) -> list[str]:
    """What tshark reads otherwise than we do; empty if the two agree."""
    frames = decode.read(capture)
    # One call: starting tshark costs most of the time.
    ours = [_headers(frame) + _isakmp(frame) + _esp(frame) for frame in frames]
    found = _compare(_HEADERS + _ISAKMP + _ESP, capture, ours)
    if keys is not None:
        found += _compare_inner(capture, frames, keys)
    return found


_HEADERS = ("frame.number", "ip.proto", "ip.src", "ip.dst", "udp.srcport", "udp.dstport")
_ISAKMP = ("isakmp.exchangetype", "isakmp.ispi", "isakmp.messageid")
_ESP = ("esp.spi", "esp.sequence")


def _compare(fields: tuple[str, ...], capture: Path, ours: list[Row]) -> list[str]:
    theirs = [_without_quotation(row) for row in tshark(capture, fields)]
    if len(theirs) != len(ours):
        return [f"tshark has {len(theirs)} frames, we have {len(ours)}"]
    return [
        f"frame {number}: tshark reads {right}, we {own}"
        for number, (right, own) in enumerate(zip(theirs, ours, strict=True), 1)
        if right != own
    ]


def _without_quotation(row: Row) -> Row:
    """An ICMP error quotes another packet (RFC 792), which tshark reads as if it were sent."""
    return row[:4] + ("",) * (len(row) - 4) if row[1] == str(decode.ICMP) else row


def _headers(frame: Frame) -> Row:
    packet = frame.ip
    if packet is None or frame.ethertype != decode.ETHERTYPE_IPV4:
        return (str(frame.number), "", "", "", "", "")
    is_udp = packet.protocol == UDP and packet.fragment_offset == 0
    ports = (str(packet.source_port), str(packet.destination_port)) if is_udp else ("", "")
    return (str(frame.number), str(packet.protocol), packet.source, packet.destination, *ports)


def _isakmp(frame: Frame) -> Row:
    found = isakmp.message(frame.ip) if frame.ip else None
    if found is None:
        return ("", "", "")
    return (str(found.exchange), found.initiator_cookie.hex(), f"0x{found.message_id:08x}")


def _esp(frame: Frame) -> Row:
    found = esp.sealed(frame.ip) if frame.ip else None
    return ("", "") if found is None else (f"0x{found.spi:08x}", str(found.sequence))


def _compare_inner(capture: Path, frames: list[Frame], keys: Path) -> list[str]:
    """What is inside the ESP, each side by its own decryption: how many of each kind."""
    options = decryption_options(keys)
    theirs: Counter[str] = Counter()
    fields = ("ip.proto", "l2tp.type", "l2tp.avp.message_type", "ppp.protocol", "chap.code")
    for number, row in enumerate(tshark(capture, fields, *options), 1):
        outer, kind, message, protocol, chap = row
        if outer == str(decode.ICMP):
            continue  # a quotation
        theirs.update(_kinds(number, kind not in ("", "0", "False"), message, protocol, chap))
    ours: Counter[str] = Counter()
    known = esp.load_keys(keys)
    for frame in frames:
        sealed = esp.sealed(frame.ip) if frame.ip else None
        inner = esp.open_sealed(sealed, known).inner if sealed else None
        if inner is not None:
            ours.update(_inner(frame.number, inner))
    return [
        f"inside ESP, {kind}: only {'tshark' if kind in theirs else 'we'} see it"
        for kind in sorted(theirs.keys() ^ ours.keys())
    ]


def _kinds(number: int, control: bool, message: str, protocol: str, chap: str) -> list[str]:
    if control:
        return [f"frame {number}: L2TP control {message or 'without body'}"]
    if not protocol:
        return []
    return [f"frame {number}: PPP 0x{int(protocol, 0):04x}{f' CHAP {chap}' if chap else ''}"]


def _inner(number: int, packet: Packet) -> list[str]:
    datagram = l2tp.parse(packet.payload) if packet.protocol == UDP else None
    if datagram is None:
        return []
    if datagram.control:
        return _kinds(number, True, str(datagram.control_type or ""), "", "")
    frame = ppp.parse(datagram.ppp)
    if frame is None:
        return []
    chap = str(frame.code) if frame.protocol == ppp.CHAP else ""
    return _kinds(number, False, "", str(frame.protocol), chap)


def decryption_options(keys: Path) -> list[str]:
    """What Wireshark needs to read ESP: one line of its table ``esp_sa`` for each SA."""
    options = [
        "-o",
        "esp.enable_encryption_decode:TRUE",
        "-o",
        "esp.enable_authentication_check:TRUE",
    ]
    for found in esp.load_keys(keys).values():
        for key in found:
            columns = (
                "IPv4", "*", "*", f"0x{key.spi:08x}",
                _CIPHERS[key.encryption], f"0x{key.encryption_key.hex()}",
                _INTEGRITIES[key.integrity, key.icv_bits], f"0x{key.integrity_key.hex()}", "32-bit",
            )  # fmt: skip
            options += ["-o", "uat:esp_sa:" + ",".join(f'"{column}"' for column in columns)]
    return options
