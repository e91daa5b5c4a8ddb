"""Hellos as bytes: what this machine's own TLS library sends and answers is the judge."""

from __future__ import annotations

import contextlib
import ssl
import warnings
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from lab.wire import hello
from lab.wire.suites import NAMES, NUMBERS, name_of

HOST = "esupport.ibm.com"


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("chain") / "chain.pem"
    issued = trustme.CA().issue_cert(HOST)
    issued.private_key_and_cert_chain_pem.write_to_path(path)
    return path


def context(side: int, version: ssl.TLSVersion, suites: str = "") -> ssl.SSLContext:
    made = ssl.SSLContext(side)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        made.minimum_version = made.maximum_version = version
    if suites:
        made.set_ciphers(suites)
    if side == ssl.PROTOCOL_TLS_CLIENT:
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


def answer(server: ssl.SSLContext, offer: bytes) -> bytes:
    """What a server says to a client's first bytes."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = server.wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(offer)
    with contextlib.suppress(ssl.SSLError):
        ends.do_handshake()
    return outgoing.read()


def offered(client: ssl.SSLContext) -> bytes:
    outgoing = ssl.MemoryBIO()
    ends = client.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=HOST)
    with contextlib.suppress(ssl.SSLWantReadError):
        ends.do_handshake()
    return outgoing.read()


def served(chain: Path, version: ssl.TLSVersion, suites: str = "") -> ssl.SSLContext:
    made = context(ssl.PROTOCOL_TLS_SERVER, version, suites)
    made.load_cert_chain(chain)
    return made


@pytest.mark.parametrize(
    ("version", "number"), [(ssl.TLSVersion.TLSv1_2, 0x0303), (ssl.TLSVersion.TLSv1_3, 0x0304)]
)
def test_a_librarys_own_offer_is_read(version: ssl.TLSVersion, number: int) -> None:
    client = context(ssl.PROTOCOL_TLS_CLIENT, version)

    offer = hello.read_offer(offered(client))

    assert offer is not None
    assert (offer.versions, offer.highest, offer.server_name) == ((number,), number, HOST)
    wanted = {entry["id"] & 0xFFFF for entry in client.get_ciphers()}
    assert {suite for suite in offer.suites if suite != 0x00FF} <= wanted  # RFC 5746 3.3
    assert offer.suites


def test_an_offer_is_written_as_it_is_read() -> None:
    suites = (NUMBERS["RC4-SHA"], NUMBERS["AES256-SHA"])

    written = hello.client_hello(0x0301, suites, HOST)

    assert hello.read_offer(written) == hello.ClientOffer(
        versions=(0x0301,), suites=suites, server_name=HOST
    )


def test_a_server_takes_a_written_offer_and_shows_its_certificate(chain: Path) -> None:
    name = "ECDHE-ECDSA-AES128-GCM-SHA256"
    offer = hello.client_hello(0x0303, [NUMBERS["RC4-SHA"], NUMBERS[name]], HOST)

    said = answer(served(chain, ssl.TLSVersion.TLSv1_2), offer)
    choice = hello.read_choice(said)

    assert (choice.version, name_of(choice.suite), choice.alert) == (0x0303, name, 0)
    assert choice.whole
    certificate = x509.load_der_x509_certificate(choice.certificates[0])
    assert certificate == x509.load_pem_x509_certificate(chain.read_bytes())
    # As it comes, however it is cut.
    parts = [hello.read_choice(said[:at]).whole for at in range(len(said))]
    assert not any(parts)


@pytest.mark.parametrize(
    ("version", "suite", "said"),
    [(0x0302, "AES256-SHA", "protocol_version"), (0x0303, "RC4-SHA", "handshake_failure")],
)
def test_a_server_refuses_a_written_offer_by_an_alert(
    chain: Path, version: int, suite: str, said: str
) -> None:
    offer = hello.client_hello(version, [NUMBERS[suite]], HOST)

    choice = hello.read_choice(answer(served(chain, ssl.TLSVersion.TLSv1_2), offer))

    assert (hello.alert_name(choice.alert), choice.suite, choice.whole) == (said, 0, True)


def test_tls_1_3_shows_its_version_and_no_certificate(chain: Path) -> None:
    offer = offered(context(ssl.PROTOCOL_TLS_CLIENT, ssl.TLSVersion.TLSv1_3))

    choice = hello.read_choice(answer(served(chain, ssl.TLSVersion.TLSv1_3), offer))

    assert (choice.version, choice.certificates, choice.whole) == (0x0304, (), True)
    assert name_of(choice.suite).startswith("TLS_")


def test_the_suites_are_called_as_the_library_calls_them() -> None:
    everything = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    everything.set_ciphers("ALL:@SECLEVEL=0")
    known = {entry["id"] & 0xFFFF: entry["name"] for entry in everything.get_ciphers()}

    shared = NAMES.keys() & known.keys()
    assert len(shared) > 20
    assert {number: NAMES[number] for number in shared} == {n: known[n] for n in shared}
    assert name_of(0xABCD) == "0xABCD"


@given(st.binary(max_size=400))
def test_whatever_comes_is_read(data: bytes) -> None:
    for stream in (data, b"\x16\x03\x01" + data, b"\x16\x03\x03\x00\x20\x02\x00\x00\x1c" + data):
        hello.read_offer(stream)
        hello.read_choice(stream)
        hello.alert_of(stream)


@given(st.integers(0, 300), st.integers(0, 255))
def test_an_offer_with_a_wrong_byte_is_read(at: int, value: int) -> None:
    written = bytearray(hello.client_hello(0x0303, NAMES, HOST))
    written[at % len(written)] = value
    hello.read_offer(bytes(written))
