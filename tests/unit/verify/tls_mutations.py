"""What can be wrong with the TLS of IBM's servers and with uploads by FTPS, as mutations of true runs."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from scapy.layers.inet import IP, TCP
from scapy.packet import Raw

from lab.ibm.events import TlsTried
from lab.wire.decode import Frame, Packet
from lab.wire.suites import NUMBERS
from tests.recordings.true_run import ETHERNET, TrueRun
from tests.unit.verify.mutation import Change, in_turn, mutation, set_counter

HANDSHAKE, ALERT = 22, 21
SERVER_HELLO, CERTIFICATE = 2, 11
ANSWER_S = 0.000_001


def record(kind: int, data: bytes) -> bytes:
    return struct.pack("!BHH", kind, 0x0303, len(data)) + data


def message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def server_hello(version: int, suite: str) -> bytes:
    body = struct.pack("!H", version) + bytes(33) + struct.pack("!HB", NUMBERS[suite], 0)
    return record(HANDSHAKE, message(SERVER_HELLO, body))


def alert(number: int) -> bytes:
    return record(ALERT, bytes([2, number]))


@cache
def certificate(bits: int) -> bytes:
    """A record with a certificate for an RSA key of this size."""
    key = rsa.generate_private_key(65537, bits)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sdc")])
    day = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, day, day)
    signed = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    entry = len(signed).to_bytes(3, "big") + signed
    body = len(entry).to_bytes(3, "big") + entry
    return record(HANDSHAKE, message(CERTIFICATE, body))


def trial(run: TrueRun, offer: str) -> list[Frame]:
    """The frames of the first trial with an offer, on the servers' wire."""
    tried = next(event for event in run.events if isinstance(event, TlsTried))
    port = tried.ports[tried.offers.index(offer)]
    ends = {(tried.address, port), (tried.destination, tried.port)}
    return run.find(
        "dmz",
        lambda p: {(p.source, p.source_port), (p.destination, p.destination_port)} == ends,
    )


def answered(offer: str, answer: bytes) -> Change:
    """The server says something else to an offer, or nothing."""

    def change(run: TrueRun) -> None:
        frames = trial(run, offer)
        said = [f for f in frames if f.ip and f.ip.payload and f.ip.source_port == 443]
        assert said
        run.drop("dmz", said)
        if answer:
            first = said[0]
            packet = IP(first.data[ETHERNET:])
            packet[TCP].remove_payload()
            del packet.len, packet.chksum, packet[TCP].chksum
            run.add("dmz", first.data[:ETHERNET] + bytes(packet / Raw(answer)), first.time)

    return change


def offered(offer: str, old: str, new: str) -> Change:
    """The client offers another suite than the trial says."""

    def change(run: TrueRun) -> None:
        (hello,) = (f for f in trial(run, offer) if f.ip and f.ip.payload[:1] == b"\x16" and
                    f.ip.destination_port == 443)  # fmt: skip
        before, after = (struct.pack("!H", NUMBERS[name]) for name in (old, new))
        run.change(hello, hello.data.replace(before, after, 1))

    return change


def not_tried(offer: str) -> Change:
    return lambda run: run.drop("dmz", trial(run, offer))


def call_home(packet: Packet) -> bool:
    return packet.source_port == 443 and packet.destination == "198.51.100.2"


def weak_call(run: TrueRun) -> None:
    """The call home itself gets a suite that is none of the server's."""
    said = [f for f in run.find("dmz", call_home) if f.ip and f.ip.payload]
    assert said[0].ip is not None
    assert said[0].ip.payload[:1] == b"\x16"
    at = said[0].data.index(bytes([NUMBERS["TLS_AES_256_GCM_SHA384"] >> 8, 0x02]))
    data = bytearray(said[0].data)
    data[at : at + 2] = struct.pack("!H", NUMBERS["RC4-SHA"])
    run.change(said[0], bytes(data))


def is_data(packet: Packet) -> bool:
    return packet.source == "192.168.10.10" and packet.destination_port >= 65024


def said_in_clear(old: bytes, new: bytes) -> Change:
    """Other words, of the same length, on the control connection."""
    assert len(old) == len(new)

    def change(run: TrueRun) -> None:
        (frame,) = run.find("lan", lambda p: p.destination_port == 21 and p.payload.startswith(old))
        run.change(frame, frame.data.replace(old, new))

    return change


def data_in_clear(run: TrueRun) -> None:
    frames = run.find("lan", lambda p: is_data(p) and p.payload[:3] == b"\x16\x03\x01")
    run.change(frames[0], frames[0].data.replace(b"\x16\x03\x01", b"GIF", 1))


def another_data_port(run: TrueRun) -> None:
    """The data go to a port of which no rule speaks."""
    for frame in run.find("lan", lambda p: p.payload == b"" and is_data(p) and p.is_bare_syn):
        packet = IP(frame.data[ETHERNET:])
        packet[TCP].dport = 2121
        run.change(frame, frame.data[:ETHERNET] + bytes(packet))


MUTATIONS = (
    mutation("P-13", "another key than the paper's", "upload",
             answered("RSA", server_hello(0x0303, "AES256-SHA") + certificate(2048)),
             seen="shows an RSA key of 2048 bits, not an RSA key of 1024 bits"),
    mutation("P-13", "no answer to RSA", "upload", answered("RSA", b""), "P-14", seen="no answer"),
    mutation("P-14", "AES-128 is taken", "upload",
             answered("AES-128 with RSA", server_hello(0x0303, "AES128-SHA")),
             seen="takes AES-128 with RSA: AES128-SHA by TLSv1.2"),
    mutation("P-14", "RC4 is taken", "upload", answered("RC4", server_hello(0x0303, "RC4-SHA")),
             seen="takes RC4"),
    mutation("P-14", "AES-128 is chosen", "upload",
             answered("RSA", server_hello(0x0303, "AES128-SHA") + certificate(1024)),
             seen="takes AES128-SHA by TLSv1.2, not AES-256"),
    mutation("P-14", "a call home by RC4", "upload", weak_call, seen="not of its plan"),
    mutation("P-15", "TLS 1.0 is taken", "esa-aix",
             answered("TLS 1.0", server_hello(0x0301, "AES256-SHA")), "P-16", seen="takes TLS 1.0"),
    mutation("P-15", "TLS 1.0 is refused", "service-proxy", answered("TLS 1.0", alert(70)),
             seen="does not take TLS 1.0: the alert protocol_version"),
    mutation("P-16", "3DES is taken", "esa-aix",
             answered("3DES", server_hello(0x0303, "DES-CBC3-SHA")), seen="takes 3DES"),
    mutation("P-16", "a small key", "esa-aix",
             answered("RSA", server_hello(0x0303, "AES256-GCM-SHA384") + certificate(1024)),
             seen="an RSA key of 1024 bits"),
    mutation("P-16", "no alert", "esa-aix", answered("MD5", b""), seen="says nothing"),
    mutation("P-16", "another offer than it says", "esa-aix", offered("RC4", "RC4-SHA", "AES128-SHA"),
             "P-15", seen="proves nothing"),
    mutation("P-16", "the trial is on no wire", "esa-aix", not_tried("3DES"), "P-15",
             seen="proves nothing"),
    mutation("OUT-43", "USER in clear", "upload", said_in_clear(b"AUTH TLS\r\n", b"USER abc\r\n"),
             seen="says USER in clear"),
    mutation("OUT-43", "data in clear", "upload", data_in_clear, seen="is in clear"),
    mutation("OUT-43", "another data port", "upload", another_data_port, seen="no data port"),
    mutation("OUT-43", "the rules were not used", "upload", in_turn(
        set_counter("firewall", "allow-OUT-43-1", 0), set_counter("firewall", "allow-OUT-43-2", 0)),
             seen="counted no packet"),
)  # fmt: skip
