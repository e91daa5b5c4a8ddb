"""The servers' certificates as files for a program of the user's own."""

from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from lab.ibm import authority, key_files
from lab.topology import load
from lab.topology.resolve import resolve
from lab.topology.servers import KeyKind


@pytest.mark.parametrize("name", ["direct", "traditional", "esa-aix"])
def test_both_kinds_can_be_served(name: str, tmp_path: Path) -> None:
    topology = resolve(load.load(name), b"seed")
    authority.issue(topology, tmp_path)
    chosen = key_files.chosen(topology)

    assert chosen == {"": KeyKind.ec_p256, "RSA_": KeyKind.rsa_2048}
    for kind in chosen.values():
        chain, key = key_files.parts((tmp_path / kind.file).read_text())
        assert "PRIVATE KEY" not in chain
        assert "CERTIFICATE" not in key
        (tmp_path / "chain").write_text(chain)
        (tmp_path / "key").write_text(key)
        # It refuses a key that is not the certificate's.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            tmp_path / "chain", tmp_path / "key"
        )


def test_where_there_is_no_newer_key() -> None:
    topology = resolve(load.load("direct"), b"seed")
    old = tuple(replace(plan, keys=(KeyKind.rsa_1024,)) for plan in topology.tls)

    assert key_files.chosen(replace(topology, tls=old)) == {
        "": KeyKind.rsa_1024,
        "RSA_": KeyKind.rsa_1024,
    }
    assert key_files.chosen(replace(topology, tls=())) == {}
