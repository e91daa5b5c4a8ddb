"""TLS by profile, as openssl(1) sees it: versions, suites, keys, and what this machine cannot offer."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.errors import LabBroke
from lab.ibm import tls, tls_trials
from lab.ibm.events import TlsTried
from lab.ibm.server import Server
from lab.topology import resolve_servers
from lab.topology.servers import Speaks, TlsPlan
from lab.wire import hello
from lab.wire.suites import NUMBERS
from tests.unit.ibm.sites import ADDRESSES, Site, entries, lab_threads, speaking

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl is not installed"
)
WEAK = "ALL:@SECLEVEL=0"


@contextmanager
def offering(folder: Path, name: str, *, literal: bool) -> Iterator[tuple[Site, Server]]:
    plan = resolve_servers.plan(name, literal=literal)
    site = Site(folder, speaking(Speaks.https, plan))
    with site.server() as server:
        yield site, server
    assert lab_threads() == []


def s_client(site: Site, *options: str) -> dict[str, str]:
    """What openssl(1) agreed on: protocol, cipher and the size of the server's key; nothing if on none."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"{ADDRESSES[0]}:{site.port}", "-verify_return_error",
         "-CAfile", site.ca_file, *options],
        input=b"", capture_output=True, timeout=20, check=False,
    )  # fmt: skip
    text = done.stdout.decode()
    if done.returncode:
        return {}
    new = re.search(r"^New, (\S+), Cipher is (\S+)", text, re.MULTILINE)
    key = re.search(r"Server public key is (\d+) bit", text)
    protocol = re.search(r"^\s*Protocol\s*:\s*(\S+)", text, re.MULTILINE)
    assert new, text
    assert key, text
    version = protocol[1] if protocol else new[1]
    verified = re.search(r"Verify return code: (\d+)", text)
    return {
        "version": version,
        "cipher": new[2],
        "bits": key[1],
        "verified": verified[1] if verified else "",
    }


@needs_openssl
@pytest.mark.parametrize("name", ["tls-2007", "tls-2017", "tls-1.0", "nist-2017", "nist-2025"])
def test_a_client_of_today_is_served_by_every_profile(tmp_path: Path, name: str) -> None:
    with offering(tmp_path, name, literal=False) as (site, server):
        assert s_client(site) == {
            "version": "TLSv1.3",
            "cipher": "TLS_AES_256_GCM_SHA384",
            "bits": "256",
            "verified": "0",
        }
        found = s_client(site, "-tls1_2")
        assert found["cipher"] == "ECDHE-ECDSA-AES256-GCM-SHA384"
        assert [entry.tls_version for entry in entries(server, 2)] == ["TLSv1.3", "TLSv1.2"]


@needs_openssl
@pytest.mark.parametrize(
    "cipher",
    [
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-SHA256",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "DEFAULT:!aECDSA",
    ],
)
@pytest.mark.parametrize(
    "name", ["today", "tls-2007", "tls-2017", "tls-1.0", "nist-2017", "nist-2025"]
)
def test_a_client_of_today_that_has_rsa_only_is_served_by_every_profile(
    tmp_path: Path, name: str, cipher: str
) -> None:
    """At OpenSSL's own level of security, which refuses RSA-1024, and without ECDSA in the chain."""
    with offering(tmp_path, name, literal=False) as (site, _):
        rsa_only = "RSA+SHA256:RSA+SHA384:RSA-PSS+SHA256"
        found = s_client(site, "-tls1_2", "-cipher", cipher, "-sigalgs", rsa_only)
        assert found["bits"] == "2048"
        assert found["verified"] == "0"
        assert found["cipher"] == cipher or cipher.startswith("DEFAULT")


@needs_openssl
@pytest.mark.parametrize("name", ["today", "tls-2007", "tls-1.0", "nist-2017", "nist-2025"])
def test_rsa_without_forward_secrecy_is_there_too(tmp_path: Path, name: str) -> None:
    with offering(tmp_path, name, literal=False) as (site, _):
        found = s_client(site, "-tls1_2", "-cipher", "AES256-GCM-SHA384")
        assert (found["bits"], found["cipher"]) == ("2048", "AES256-GCM-SHA384")


@needs_openssl
@pytest.mark.parametrize(
    ("ciphers", "bits"),
    [
        ("AES256-GCM-SHA384", "1024"),
        ("AES256-SHA:ECDHE-RSA-AES256-GCM-SHA384", "1024"),
        ("ECDHE-RSA-AES256-GCM-SHA384:AES256-SHA", "2048"),
    ],
)
def test_what_a_client_offers_first_says_of_which_time_it_is(
    tmp_path: Path, ciphers: str, bits: str
) -> None:
    with offering(tmp_path, "tls-2017", literal=False) as (site, _):
        assert s_client(site, "-tls1_2", "-cipher", f"{ciphers}:@SECLEVEL=0")["bits"] == bits


class Piecemeal(socket.socket):
    """Whose next piece comes when somebody reads already."""

    def __init__(self, reading: socket.socket, writing: socket.socket, pieces: list[bytes]) -> None:
        super().__init__(fileno=reading.detach())
        self.writing, self.pieces = writing, pieces

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        # poll(2) tells of a socket with less than that only at the end of what comes.
        assert not flags or self.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == size
        pieces, self.pieces = self.pieces, []
        sender = threading.Thread(target=self.writing.sendall, args=(b"".join(pieces),))
        sender.start()
        try:
            return super().recv(size, flags)
        finally:
            sender.join()


@pytest.mark.parametrize("first", [1, 4, 5, 60])
def test_a_hello_in_pieces_is_read_whole_and_left_where_it_is(first: int) -> None:
    said = hello.client_hello(0x0303, [NUMBERS["AES256-SHA"]], "one.example")
    with socket.create_server((ADDRESSES[0], 0)) as listening:
        writing = socket.create_connection(listening.getsockname())
        reading, _ = listening.accept()
    with writing, Piecemeal(reading, writing, [said[first:]]) as piecemeal:
        writing.sendall(said[:first])
        assert tls.first_record(piecemeal, 20.0) == said
        assert piecemeal.recv(len(said) + 1) == said


@pytest.mark.parametrize(
    "said", [b"", b"\x16\x03", b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\xff\xff"]
)
def test_what_is_no_hello_ends_as_a_failed_handshake(tmp_path: Path, said: bytes) -> None:
    with offering(tmp_path, "tls-2007", literal=False) as (site, server):
        with socket.create_connection((ADDRESSES[0], site.port), timeout=20) as client:
            client.sendall(said)
            client.shutdown(socket.SHUT_WR)
            # What was not read of it, the server's system answers with a reset.
            with contextlib.suppress(ConnectionResetError):
                while client.recv(4096):
                    pass
        (entry,) = entries(server, 1)
        assert entry.kind == "handshake"


@needs_openssl
@pytest.mark.parametrize("literal", [True, False])
def test_2007_is_rsa_of_1024_bits_and_aes_256(tmp_path: Path, literal: bool) -> None:
    """P-13, P-14; without ``literal``, for whoever asks as a client of then."""
    with offering(tmp_path, "tls-2007", literal=literal) as (site, server):
        found = s_client(site, "-tls1", "-cipher", "kRSA:@SECLEVEL=0")

        assert found["cipher"] == "AES256-SHA"
        assert found["bits"] == "1024"
        assert found["verified"] == "0"
        (entry,) = entries(server, 1)
        assert (entry.tls_version, entry.cipher) == ("TLSv1", "AES256-SHA")


@needs_openssl
def test_2007_to_the_letter_refuses_todays_clients(tmp_path: Path) -> None:
    with offering(tmp_path, "tls-2007", literal=True) as (site, server):
        assert s_client(site) == {}
        assert s_client(site, "-tls1_2", "-cipher", WEAK) == {}
        assert {entry.kind for entry in entries(server, 2)} == {"handshake"}


@needs_openssl
def test_2017_is_aes_256_only(tmp_path: Path) -> None:
    with offering(tmp_path, "tls-2017", literal=True) as (site, _):
        assert s_client(site, "-tls1_2", "-cipher", WEAK)["cipher"] == "AES256-GCM-SHA384"
        assert s_client(site, "-tls1_1", "-cipher", WEAK)["cipher"] == "AES256-SHA"
        assert (
            s_client(site, "-tls1_2", "-cipher", "AES128-SHA:AES128-GCM-SHA256:@SECLEVEL=0") == {}
        )


@needs_openssl
@pytest.mark.parametrize("literal", [True, False])
@pytest.mark.parametrize("name", ["nist-2017", "nist-2025"])
def test_simplified_servers_keep_to_nist_800_131a(tmp_path: Path, name: str, literal: bool) -> None:
    """P-16: neither TLS before 1.2, nor 3DES, RC4 or MD5, nor a small key."""
    with offering(tmp_path, name, literal=literal) as (site, _):
        for version in ("-tls1", "-tls1_1"):
            assert s_client(site, version, "-cipher", WEAK) == {}
        found = s_client(site, "-tls1_2")
        assert found["cipher"].endswith("-AES256-GCM-SHA384")
        assert found["bits"] == ("2048" if literal else "256")
        assert found["verified"] == "0"
        newest = s_client(site)["version"]
        assert newest == ("TLSv1.2" if literal and name == "nist-2017" else "TLSv1.3")


def test_what_openssl_lacks_is_named_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = resolve_servers.plan("tls-2007", literal=True)

    class Poor(ssl.SSLContext):
        """An OpenSSL without RC4, whatever this machine's has."""

        def set_ciphers(self, cipherlist: str, /) -> None:
            wanted = [name for name in cipherlist.split(":") if "RC4" not in name]
            super().set_ciphers(":".join(wanted))

    monkeypatch.setattr(ssl, "SSLContext", Poor)
    assert tls.missing(plan) == ("RC4-SHA", "RC4-MD5")
    assert tls.cipher_list(plan, tls.missing(plan)) == "AES256-SHA:@SECLEVEL=0"


def test_a_plan_of_which_nothing_can_be_offered_is_named(tmp_path: Path) -> None:
    plan = resolve_servers.plan("tls-2007", literal=True)
    gone = TlsPlan(
        name="old", requirement="P-14", minimum="TLSv1", maximum="TLSv1",
        suites=("NO-SUCH-SUITE",), keys=plan.keys,
    )  # fmt: skip
    site = Site(tmp_path, speaking(Speaks.https, gone))

    assert tls.missing(gone) == ("NO-SUCH-SUITE",)
    with pytest.raises(LabBroke, match=r"cannot offer the TLS of plan old: OpenSSL"), site.server():
        pytest.fail("it must not come up")


def test_a_plan_of_today_asks_nothing_of_openssl() -> None:
    assert tls.missing(resolve_servers.plan("nist-2017", literal=True)) == ()


def tried(address: str, *answers: str) -> TlsTried:
    offers = ("TLS 1.0", "RSA", "today")
    return TlsTried(
        source="internet", started=0.0, address="192.0.2.1", destination=address, port=443,
        offers=offers, ports=(4001, 4002, 4003), answers=answers,
    )  # fmt: skip


def test_servers_that_take_the_same_tls_are_told_in_one_line() -> None:
    alike = ("AES256-SHA", "", "ECDHE-ECDSA-AES128-GCM-SHA256")
    events = [tried("192.0.2.11", *alike), tried("192.0.2.12", "protocol_version", "", "")]
    events += [tried("192.0.2.13", *alike), tried("192.0.2.14", *alike)]

    told = [event.sentence for event in tls_trials.alike(events)]

    assert told == [
        "internet tries the TLS of 192.0.2.11:443 and of 2 others that answer alike: the server takes 2 of 3 "
        "offers: TLS 1.0, clients of today",
        "internet tries the TLS of 192.0.2.12:443: the server takes none of 3 offers",
        "",
        "",
    ]
