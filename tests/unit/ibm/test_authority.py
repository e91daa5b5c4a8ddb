"""The lab's certificate authority: what it writes, for whom, and for how long."""

from __future__ import annotations

import ssl
import stat
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from lab.errors import LabError
from lab.ibm import authority
from lab.topology import resolve_servers
from lab.topology.model import Endpoint, Role
from tests.unit.ibm.sites import make_topology

TOPOLOGY = make_topology(
    Endpoint(name="eccgw02.rochester.ibm.com", address="207.25.252.197", port=443, row="A-02"),
    Endpoint(name="eccgw02.rochester.ibm.com", address="207.25.252.200", port=443, row="A-03"),
    Endpoint(name="www-945.ibm.com", address="129.42.26.224", port=443, row="A-04"),
)


def test_identities_are_every_address_and_name_of_sdc_once() -> None:
    assert authority.identities(TOPOLOGY) == (
        "eccgw02.rochester.ibm.com",
        "sdc",
        "www-945.ibm.com",
        "129.42.26.224",
        "203.0.113.9",
        "207.25.252.197",
        "207.25.252.200",
    )


def test_names_of_hosts_tables_count_only_for_servers() -> None:
    topology = make_topology(Endpoint(name="one.example", address="127.0.0.2", port=443, row="A-1"))

    names = authority.identities(topology)

    assert "eccgw01.boulder.ibm.com" in names
    assert "not-a-server.example" not in names


def test_certificate_names_everything_and_outlives_any_run(tmp_path: Path) -> None:
    authority.issue(TOPOLOGY, tmp_path)

    certificate = x509.load_pem_x509_certificate((tmp_path / "sdc.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    ca = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())

    listed = {str(name.value) for name in names}
    assert listed == set(authority.identities(TOPOLOGY))
    for each in (certificate, ca):
        assert each.not_valid_before_utc < datetime.fromisoformat("2020-01-01T00:00:00+00:00")
        assert each.not_valid_after_utc > datetime.fromisoformat("2100-01-01T00:00:00+00:00")
    certificate.verify_directly_issued_by(ca)


def test_only_the_owner_can_read_the_key(tmp_path: Path) -> None:
    authority.issue(TOPOLOGY, tmp_path / "keys")

    ca, sdc = tmp_path / "keys" / "ca.pem", tmp_path / "keys" / "sdc.pem"
    assert stat.S_IMODE(ca.stat().st_mode) == 0o644
    assert stat.S_IMODE(sdc.stat().st_mode) == 0o600
    assert "PRIVATE KEY" not in ca.read_text()
    assert "PRIVATE KEY" in sdc.read_text()


@pytest.mark.parametrize(
    ("name", "literal", "files"),
    [
        ("tls-2007", False, {"sdc.pem": 256, "sdc-rsa-1024.pem": 1024, "sdc-rsa-2048.pem": 2048}),
        ("tls-2007", True, {"sdc-rsa-1024.pem": 1024}),
        ("nist-2017", True, {"sdc-rsa-2048.pem": 2048}),
        ("nist-2017", False, {"sdc.pem": 256, "sdc-rsa-2048.pem": 2048}),
        ("today", True, {"sdc.pem": 256, "sdc-rsa-2048.pem": 2048}),
    ],
)
def test_each_key_that_the_tls_wants_has_a_certificate(
    tmp_path: Path, name: str, literal: bool, files: dict[str, int]
) -> None:
    """P-13, P-16; and whoever knows RSA only can verify every chain."""
    plan = resolve_servers.plan(name, literal=literal)
    authority.issue(replace(TOPOLOGY, tls=(plan,)), tmp_path)

    assert {path.name for path in tmp_path.glob("sdc*.pem")} == set(files)
    ca = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    assert isinstance(ca.public_key(), RSAPublicKey)
    assert ca.signature_algorithm_oid == x509.SignatureAlgorithmOID.RSA_WITH_SHA256
    for file, bits in files.items():
        assert stat.S_IMODE((tmp_path / file).stat().st_mode) == 0o600
        certificate = x509.load_pem_x509_certificate((tmp_path / file).read_bytes())
        key = certificate.public_key()
        assert isinstance(key, RSAPublicKey | EllipticCurvePublicKey)
        assert key.key_size == bits
        certificate.verify_directly_issued_by(ca)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert {str(each.value) for each in names} == set(authority.identities(TOPOLOGY))


def test_a_relay_has_a_certificate_of_its_own(tmp_path: Path) -> None:
    relay = replace(TOPOLOGY.nodes[0], name="relay-1", role=Role.relay)
    authority.issue(replace(TOPOLOGY, nodes=(*TOPOLOGY.nodes, relay)), tmp_path)

    path = tmp_path / "relay.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["relay-1"]
    ca = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    certificate.verify_directly_issued_by(ca)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path)


def test_without_a_relay_there_is_no_certificate_for_one(tmp_path: Path) -> None:
    authority.issue(TOPOLOGY, tmp_path)
    assert not (tmp_path / "relay.pem").exists()


def test_issuing_again_replaces_all_files_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "one"))
    authority.issue(TOPOLOGY, tmp_path)
    before = (tmp_path / "sdc.pem").read_bytes()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "two"))
    authority.issue(TOPOLOGY, tmp_path)

    ca = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    for file in ("sdc.pem", "sdc-rsa-2048.pem"):
        assert (tmp_path / file).read_bytes() != before
        certificate = x509.load_pem_x509_certificate((tmp_path / file).read_bytes())
        certificate.verify_directly_issued_by(ca)
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / file)


def test_subject_names_are_the_same_in_every_run(tmp_path: Path) -> None:
    subjects = set()
    for run in ("one", "two"):
        authority.issue(TOPOLOGY, tmp_path / run)
        certificate = x509.load_pem_x509_certificate((tmp_path / run / "sdc.pem").read_bytes())
        subjects.add((certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()))

    assert len(subjects) == 1


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a file, not a directory")

    with pytest.raises(LabError, match=r"keys.*: File exists"):
        authority.issue(TOPOLOGY, tmp_path / "keys")
