"""Certificates that are kept: for whom they are used again, and what is not trusted."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509

from lab.ibm import authority, issued
from lab.topology import resolve_servers
from lab.topology.model import Endpoint
from lab.topology.servers import Certified
from tests.unit.ibm.sites import make_topology

WANTED = {"servers": ("one.example",), "keys": ("ec-p256",)}
FILES = {"ca.pem": "an authority", "sdc.pem": "a chain and a key"}
TOPOLOGY = make_topology(Endpoint(name="one.example", address="127.0.0.2", port=443, row="A-1"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path / "cache"))
    return tmp_path / "cache"


def entry() -> Path:
    (path,) = issued.folder().iterdir()
    return path


def test_what_is_kept_is_found_for_the_same_only() -> None:
    assert issued.find(WANTED) is None
    issued.keep(WANTED, FILES)

    assert issued.find(WANTED) == FILES
    assert issued.find({**WANTED, "servers": ("two.example",)}) is None
    assert issued.find({**WANTED, "keys": ("ec-p256", "rsa-2048")}) is None


def test_private_keys_are_their_owners_only() -> None:
    issued.keep(WANTED, FILES)
    assert stat.S_IMODE(entry().stat().st_mode) == 0o600
    assert stat.S_IMODE(issued.folder().stat().st_mode) == 0o700

    entry().chmod(0o640)
    assert issued.find(WANTED) is None


def test_somebody_elses_entry_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    issued.keep(WANTED, FILES)
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    assert issued.find(WANTED) is None

    issued.keep({**WANTED, "keys": ()}, FILES)
    assert len([*issued.folder().iterdir()]) == 1, "nor is anything put into their cache"


@pytest.mark.parametrize("bytes_left", [0, 1, 40, -1])
def test_an_entry_that_was_cut_short_is_not_used(bytes_left: int) -> None:
    issued.keep(WANTED, FILES)
    entry().write_bytes(entry().read_bytes()[:bytes_left])
    assert issued.find(WANTED) is None

    issued.keep(WANTED, FILES)
    assert issued.find(WANTED) == FILES


def test_an_entry_of_other_names_under_this_name_is_not_used() -> None:
    issued.keep(WANTED, FILES)
    path = entry()
    path.write_text(path.read_text().replace("one.example", "two.example"))
    assert issued.find(WANTED) is None


def test_a_cache_that_cannot_be_written_stops_nobody(cache: Path, tmp_path: Path) -> None:
    cache.write_text("a file, not a directory")
    authority.issue(TOPOLOGY, tmp_path / "keys")
    assert (tmp_path / "keys" / "sdc.pem").exists()


def test_the_oldest_entries_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issued, "MOST_ENTRIES", 2)
    for number in range(4):
        issued.keep({**WANTED, "servers": (str(number),)}, FILES)
        newest = max(issued.folder().glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        os.utime(newest, (number, number))

    found = [bool(issued.find({**WANTED, "servers": (str(n),)})) for n in range(4)]
    assert found == [False, False, True, True]


def test_runs_with_the_same_names_have_the_same_certificates(tmp_path: Path) -> None:
    for run in ("one", "two"):
        authority.issue(TOPOLOGY, tmp_path / run)
    names = {path.name for path in (tmp_path / "one").iterdir()}
    assert names == {"ca.pem", "sdc.pem", "sdc-rsa-2048.pem", *authority.CONFIGURATION_FILES}
    for name in names:
        one, two = tmp_path / "one" / name, tmp_path / "two" / name
        assert one.read_bytes() == two.read_bytes()
        assert one.stat().st_mode == two.stat().st_mode

    old = replace(TOPOLOGY, tls=(resolve_servers.plan("tls-2007", literal=True),))
    authority.issue(old, tmp_path / "three")
    assert (tmp_path / "three" / "ca.pem").read_bytes() != (
        tmp_path / "one" / "ca.pem"
    ).read_bytes()


@pytest.mark.parametrize("certified", [Certified.expired, Certified.elsewhere])
def test_certificates_with_a_flaw_are_kept_apart(tmp_path: Path, certified: Certified) -> None:
    """And have it: the date, or an issuer that is not the authority in ``ca.pem``."""
    authority.issue(TOPOLOGY, tmp_path / "good")
    flawed = replace(TOPOLOGY, tls=tuple(replace(p, certified=certified) for p in TOPOLOGY.tls))
    authority.issue(flawed, tmp_path / "bad")

    read = x509.load_pem_x509_certificate
    ca = read((tmp_path / "bad" / "ca.pem").read_bytes())
    for file in ("sdc.pem", "sdc-rsa-2048.pem"):
        good, bad = (read((tmp_path / run / file).read_bytes()) for run in ("good", "bad"))
        assert good.not_valid_after_utc.year > 2100
        assert (bad.not_valid_after_utc.year == 2020) == (certified is Certified.expired)
        assert (bad.issuer == ca.subject) == (certified is Certified.expired)


def test_the_authoritys_key_is_kept_nowhere(tmp_path: Path) -> None:
    """A chain of one certificate and one key each, and nothing but the certificate of the authority."""
    authority.issue(TOPOLOGY, tmp_path / "keys")
    files = issued.find(
        {
            "servers": authority.identities(TOPOLOGY),
            "keys": authority.key_kinds(TOPOLOGY),
            "others": {"relay.pem": (), "console.pem": (), "back-ends.pem": ()},
            "certified": "",
        }
    )
    assert files is not None
    private = {name: text.count("BEGIN") for name, text in files.items() if "PRIVATE" in text}
    assert private == {"sdc.pem": 2, "sdc-rsa-2048.pem": 2, "configuration.key": 1}
    assert files["ca.pem"].count("BEGIN CERTIFICATE") == files["ca.pem"].count("BEGIN") == 1
