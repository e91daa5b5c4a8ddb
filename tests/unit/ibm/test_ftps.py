"""FTP by TLS: explicit, uploads only, and nothing kept but size and digest (OUT-43)."""

from __future__ import annotations

import ftplib
import hashlib
import io
import os
import shutil
import socket
import ssl
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.ibm.server import Server
from lab.topology import resolve_servers
from lab.topology.servers import Speaks
from tests.unit.ibm.sites import ADDRESSES, Site, entries, lab_threads, speaking

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
CONTENT = b"hmc.eed" * 100_000


@pytest.fixture(params=["today", "tls-2017"])
def site(tmp_path: Path, request: pytest.FixtureRequest) -> Site:
    plan = resolve_servers.plan(request.param, literal=False)
    return Site(tmp_path, speaking(Speaks.ftps, plan))


@pytest.fixture
def server(site: Site) -> Iterator[Server]:
    with site.server() as server:
        yield server
    assert lab_threads() == []


def client_of(site: Site) -> ftplib.FTP_TLS:
    context = ssl.create_default_context(cafile=site.ca_file)
    client = ftplib.FTP_TLS(context=context, timeout=20)
    client.connect(ADDRESSES[0], site.port)
    return client


def logged_in(site: Site) -> ftplib.FTP_TLS:
    client = client_of(site)
    client.login("customer", "a password")
    client.prot_p()
    return client


def test_an_upload_is_in_the_ledger_with_size_and_digest_and_nowhere_else(
    site: Site, server: Server, tmp_path: Path
) -> None:
    before = set(tmp_path.rglob("*"))
    with logged_in(site) as client:
        client.cwd("/toibm/hw")
        said = client.storbinary("STOR case.zip", io.BytesIO(CONTENT))

    assert said.startswith("226 ")
    (entry,) = entries(server, 1)
    assert (entry.kind, entry.status, entry.method) == ("upload", 226, "STOR")
    assert entry.target == "/toibm/hw/case.zip"
    assert entry.body_bytes == entry.bytes_in == len(CONTENT)
    assert entry.body_sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert (entry.tls_version, entry.server, entry.rows) == (
        "TLSv1.3",
        "name-127.0.0.2",
        ("A-01",),
    )
    assert entry.cipher.startswith("TLS_")
    assert set(tmp_path.rglob("*")) == before
    assert "a password" not in (site.run_dir / "logs" / "far" / "ledger.jsonl").read_text()


@needs_curl
@pytest.mark.parametrize("way", ["--ftp-pasv", "--disable-epsv"])
def test_curl_uploads_and_makes_folders(site: Site, server: Server, way: str) -> None:
    done = subprocess.run(
        ["curl", "-sS", "-m", "20", "--ssl-reqd", "--cacert", site.ca_file, way, "--ftp-create-dirs",
         "-T", "-", f"ftp://u:p@{ADDRESSES[0]}:{site.port}/a/b/c.txt"],
        input=CONTENT, capture_output=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    (entry,) = entries(server, 1)
    assert (entry.target, entry.body_bytes) == ("/a/b/c.txt", len(CONTENT))


def test_nobody_logs_in_before_tls(site: Site, server: Server) -> None:
    with socket.create_connection((ADDRESSES[0], site.port), timeout=20) as client:
        lines = client.makefile("rb")
        assert lines.readline().startswith(b"220 ")
        client.sendall(b"USER customer\r\n")
        assert lines.readline().startswith(b"550 ")
        client.sendall(b"PASS a password\r\n")
        assert lines.readline().startswith(b"550 ")
        client.sendall(b"PASV\r\n")
        assert lines.readline().startswith(b"530 ")
        client.sendall(b"QUIT\r\n")
        assert lines.readline().startswith(b"221 ")

    found = [(e.kind, e.method, e.target, e.status, e.tls_version) for e in entries(server, 3)]
    assert found == [
        ("refused", "USER", "", 550, ""),
        ("refused", "PASS", "", 550, ""),
        ("refused", "PASV", "", 530, ""),
    ]


def test_data_in_clear_and_connections_from_the_server_are_refused(
    site: Site, server: Server
) -> None:
    with client_of(site) as client:
        client.login("customer", "a password")
        with pytest.raises(ftplib.error_perm, match="550 SSL/TLS required on the data channel"):
            client.storbinary("STOR x", io.BytesIO(b"x"))
        client.prot_p()
        for command in ("PORT 127,0,0,1,200,1", "EPRT |1|127.0.0.1|51201|"):
            with pytest.raises(ftplib.error_perm, match=r"500 Command .* not understood"):
                client.sendcmd(command)


def test_nothing_can_be_fetched_and_nothing_is_listed(site: Site, server: Server) -> None:
    with logged_in(site) as client:
        with pytest.raises(ftplib.error_perm, match="550"):
            client.nlst()
        with pytest.raises(ftplib.error_perm, match="550"):
            client.retrbinary("RETR /etc/passwd", lambda _: None)
        for command in ("SIZE /etc/passwd", "DELE /etc/passwd", "MDTM /etc/passwd"):
            with pytest.raises(ftplib.error_perm):
                client.sendcmd(command)


def test_an_upload_that_breaks_is_recorded_without_a_digest(site: Site, server: Server) -> None:
    client = logged_in(site)
    data = client.transfercmd("STOR half")
    data.sendall(b"x" * 1000)
    # A reset, in the middle of the upload, of both connections.
    assert client.sock is not None
    for each in (data, client.sock):
        each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        each.close()
    client.close()

    entry = entries(server, 1)[0]
    assert entry.kind == "broken"
    assert entry.body_sha256 == ""
    with logged_in(site) as again:
        assert again.storbinary("STOR y", io.BytesIO(b"y")).startswith("226")


@pytest.mark.parametrize(
    "data",
    [b"\r\n" * 50, b"\xff\xfe\0" * 100 + b"\r\n", b"A" * 100_000, b"AUTH TLS\r\nnot TLS at all\r\n" * 9,
     b"SITE CHMOD 777 /etc/passwd\r\n", b"USER\r\nPASS\r\nSTOR x\r\nREST -1\r\nFEAT\r\nHELP\r\n",
     b"GET / HTTP/1.1\r\n\r\n"],
)  # fmt: skip
def test_what_is_no_ftp_ends_nothing(
    site: Site, server: Server, data: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection((ADDRESSES[0], site.port), timeout=20) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        while True:
            try:
                if not client.recv(65536):
                    break
            except ConnectionResetError:
                break

    assert entries(server, 1)
    with logged_in(site) as again:
        assert again.storbinary("STOR y", io.BytesIO(b"y")).startswith("226")
    assert capfd.readouterr().err == ""


def test_the_end_of_the_lab_ends_every_session(site: Site) -> None:
    with site.server() as server:
        idle, busy = logged_in(site), logged_in(site)
        data = busy.transfercmd("STOR x")
        data.sendall(b"x")
    assert lab_threads() == []
    assert sorted(entry.kind for entry in server.transactions) == ["broken", "no-request"]
    for client in (idle, busy):
        client.close()
    data.close()


def test_secrets_of_its_sessions_are_logged(site: Site, server: Server) -> None:
    with logged_in(site) as client:
        client.voidcmd("NOOP")

    assert "SERVER_TRAFFIC_SECRET_0" in (site.keys_dir / "tls.keylog").read_text()


def test_pyftpdlib_is_imported_when_somebody_calls() -> None:
    code = "import sys, lab.ibm.server, lab.ibm.ftps; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.fspath(Path(__file__).parents[3])},
    )  # fmt: skip
    assert not {"pyftpdlib", "OpenSSL", "cryptography", "asyncore"} & {*done.stdout.split()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        from lab.ibm import ftps_session

    assert callable(ftps_session.speak)


@needs_curl
def test_to_the_letter_it_is_rsa_of_1024_bits_and_tls_of_2017(tmp_path: Path) -> None:
    """P-13: also with the OpenSSL that pyOpenSSL brings along."""
    plan = resolve_servers.plan("tls-2017", literal=True)
    site = Site(tmp_path, speaking(Speaks.ftps, plan))
    with site.server() as server:
        for ciphers, status in (("AES256-SHA@SECLEVEL=0", 0), ("AES128-SHA@SECLEVEL=0", 35)):
            done = subprocess.run(
                ["curl", "-sS", "-m", "20", "--ssl-reqd", "--cacert", site.ca_file, "--tls-max", "1.2",
                 "--ciphers", ciphers,
                 "-T", "-", f"ftp://u:p@{ADDRESSES[0]}:{site.port}/x"],
                input=CONTENT, capture_output=True, check=False,
            )  # fmt: skip
            assert done.returncode == status, done.stderr

        upload, refused = entries(server, 2)
    assert (upload.tls_version, upload.cipher) == ("TLSv1.2", "AES256-SHA")
    assert (refused.kind, refused.status, refused.method) == ("handshake", 0, "AUTH")
    assert lab_threads() == []
