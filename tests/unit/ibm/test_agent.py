"""The reference agent against the real server on loopback, and against servers that misbehave."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

import lab
from lab.agent import client, heartbeat
from lab.agent.__main__ import main as agent_main
from lab.ibm.server import Server
from lab.record.cause import AgentCause
from tests.ports import free_port
from tests.unit.ibm.sites import ADDRESSES, Site, entries

SYSTEM = "7042-CR9*2112345"


def run_agent(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    root = str(Path(lab.__file__).parents[1])
    return subprocess.run(
        [sys.executable, "-m", "lab.agent", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": root, **environment},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@contextmanager
def misbehaving(site: Site, answer: Callable[[ssl.SSLSocket], None]) -> Iterator[str]:
    """A TLS server of one connection after the other that does what ``answer`` does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(site.keys_dir / "sdc.pem")
    listener = socket.create_server((ADDRESSES[0], 0))

    def serve() -> None:
        while True:
            try:
                raw, _ = listener.accept()
                with context.wrap_socket(raw, server_side=True) as tls:
                    answer(tls)
            except (ssl.SSLError, ConnectionError):
                continue
            except OSError:
                return

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"https://{ADDRESSES[0]}:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def test_a_heartbeat_is_acknowledged_and_entered(site: Site, server: Server) -> None:
    result = run_agent(LAB_SERVER=site.url("localhost"), LAB_CA_FILE=site.ca_file, LAB_NODE="hmc-b")

    assert result.returncode == 0, result.stderr
    acknowledgement = json.loads(result.stdout)
    assert acknowledgement["status"] == "acknowledged"
    (entry,) = entries(server, 1)
    assert (entry.kind, entry.status, entry.sni) == ("heartbeat", 200, "localhost")
    assert entry.system == acknowledgement["system"] == heartbeat.system_of("hmc-b")
    assert 5500 < entry.bytes_in < 8000
    told = [line.split()[1] for line in result.stderr.splitlines()]
    # Where localhost is ::1 first, that is tried before the address on which the site listens.
    phases = [phase for phase, _ in groupby(told)]
    assert phases[:5] == ["resolve:", "connect:", "TLS:", "request:", "acknowledgement:"]


def test_json_tells_every_attempt(site: Site, server: Server) -> None:
    refusing = f"https://127.0.0.4:{free_port()}"

    result = run_agent(
        "--json", "--system", SYSTEM,
        LAB_SERVER=refusing, LAB_SERVERS=f" {site.url(ADDRESSES[1])}, {refusing}",
        LAB_CA_FILE=site.ca_file,
    )  # fmt: skip

    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["acknowledged"] is True
    assert answer["server"] == site.url(ADDRESSES[1])
    assert answer["acknowledgement"]["system"] == SYSTEM
    refused, taken = answer["attempts"]
    assert (refused["phase"], refused["address"]) == ("connect", "127.0.0.4")
    assert refused["sentence"] == (f"{refusing} failed at connect: 127.0.0.4: connection refused")
    assert taken["sentence"].startswith(f"{site.url(ADDRESSES[1])} acknowledged as SDC")
    assert entries(server, 1)[0].server_ip == ADDRESSES[1]


def test_no_server_ends_in_1_with_a_sentence_after_one_retry(site: Site) -> None:
    result = run_agent(LAB_SERVER=site.url(), LAB_CA_FILE=site.ca_file)

    assert result.returncode == 1
    assert result.stdout == ""
    sentence = f"agent: {site.url()} failed at connect: {ADDRESSES[0]}: connection refused"
    assert result.stderr.splitlines().count(sentence) == 2
    assert "Traceback" not in result.stderr


def test_the_rest_of_the_servers_comes_before_a_second_try(site: Site) -> None:
    urls = [site.url(address) for address in ADDRESSES]

    attempts = client.call_home(urls, client.AgentCaller(site.ca_file), system=SYSTEM)

    assert [attempt.server for attempt in attempts] == urls * 2
    assert not any(attempt.acknowledgement for attempt in attempts)


def test_fifty_agents_at_once(site: Site, server: Server) -> None:
    systems = [f"7042-CR9*21{number:05d}" for number in range(50)]
    results: dict[str, list[client.Attempt]] = {}

    def call(system: str) -> None:
        caller = client.AgentCaller(site.ca_file)
        results[system] = client.call_home([site.url()], caller, system=system)

    threads = [threading.Thread(target=call, args=(system,)) for system in systems]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    answers = {system: attempts[-1].acknowledgement for system, attempts in results.items()}
    assert all(answers[system]["system"] == system for system in systems)
    assert len({answer["transaction"] for answer in answers.values()}) == 50
    assert sorted(entry.system for entry in entries(server, 50)) == systems


def one_try(url: str, ca_file: str, total_s: float = 10.0) -> client.Attempt:
    caller = client.AgentCaller(ca_file, total_s=total_s, rounds=1)
    (attempt,) = client.call_home([url], caller, system=SYSTEM)
    return attempt


def test_a_foreign_authority_is_refused_by_both_sides(
    site: Site, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "foreign cache"))
    foreign = Site(tmp_path / "foreign")

    attempt = one_try(site.url(), foreign.ca_file)

    assert attempt.phase == "TLS"
    assert "the server's certificate is refused: " in attempt.why
    (entry,) = entries(server, 1)
    assert (entry.kind, entry.status) == ("handshake", 0)
    assert entry.detail


def test_a_certificate_for_another_name_is_refused(site: Site) -> None:
    port = free_port()
    with misbehaving(site, lambda tls: None) as url:
        # The same certificate, reached at an address that it does not name.
        listener = socket.create_server(("127.0.0.5", port))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(site.keys_dir / "sdc.pem")

        def serve() -> None:
            raw, _ = listener.accept()
            with raw, pytest.raises(ssl.SSLError):
                context.wrap_socket(raw, server_side=True)

        thread = threading.Thread(target=serve)
        thread.start()
        attempt = one_try(f"https://127.0.0.5:{port}", site.ca_file)
        thread.join()
        listener.close()
        assert one_try(url, site.ca_file).phase != "TLS"  # its own address is

    assert attempt.phase == "TLS"
    assert "IP address mismatch, certificate is not valid for '127.0.0.5'" in attempt.why


def test_a_name_that_does_not_resolve(site: Site) -> None:
    attempt = one_try("https://no-such-host.invalid", site.ca_file)

    assert attempt.phase == "resolve"
    assert attempt.sentence.startswith("https://no-such-host.invalid failed at resolve: ")


def test_the_next_address_of_a_name_is_tried(
    site: Site, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def two_addresses(host: str, port: int, **_: int) -> list[object]:
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, ("127.0.0.4", port)), (*kind, ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
    attempt = one_try(site.url("localhost"), site.ca_file)

    assert attempt.acknowledgement
    assert attempt.address == "127.0.0.1"


@pytest.mark.parametrize(("addresses", "waits"), [(1, [30]), (2, [30, 30]), (3, [20, 30, 30])])
def test_the_last_address_of_a_name_has_its_share_of_an_attempt(
    addresses: int, waits: list[int], site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F-12: one address is enough. Here no time passes while the agent waits."""
    waited = []

    class Silent:
        def __init__(self, *_: object) -> None: ...

        def settimeout(self, seconds: float) -> None:
            waited.append(round(seconds))

        def setsockopt(self, *_: object) -> None: ...

        def connect(self, address: object) -> None:
            raise TimeoutError

        def close(self) -> None: ...

    found = [info(f"192.0.2.{number}") for number in range(addresses)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(socket, "socket", Silent)
    attempt = one_try(site.url("localhost"), site.ca_file, total_s=60.0)

    assert not attempt.acknowledgement
    assert waited == waits


def info(address: str) -> Any:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return (family, socket.SOCK_STREAM, 6, "", (address, 443))


@pytest.mark.parametrize(
    ("found", "tried"),
    [
        ("a::1 a::2 a::3 10.0.0.1", "a::1 10.0.0.1 a::2 a::3"),
        ("10.0.0.1 10.0.0.2 a::1 a::2", "10.0.0.1 a::1 10.0.0.2 a::2"),
        ("10.0.0.1 a::1 a::2 a::3", "10.0.0.1 a::1 a::2 a::3"),
        ("10.0.0.1 10.0.0.2", "10.0.0.1 10.0.0.2"),
        ("a::1", "a::1"),
    ],
)
def test_addresses_of_the_two_versions_are_tried_in_turn(found: str, tried: str) -> None:
    """RFC 8305 4: a version that is broken costs one time-out."""
    order = client.alternating([info(address) for address in found.split()])

    assert [address[0] for *_, address in order] == tried.split()


def test_the_other_version_is_tried_before_the_next_address(
    site: Site, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(host: str, port: int, **_: int) -> list[object]:
        nobody = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 1))
        return [nobody, nobody, (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    story: list[str] = []
    caller = client.AgentCaller(site.ca_file, story=story.append, rounds=1)
    (attempt,) = client.call_home([site.url("localhost")], caller, system=SYSTEM)

    assert attempt.acknowledgement
    assert [line.split()[1] for line in story if line.startswith("connect: ")] == [
        "::1",
        "127.0.0.1",
    ]


@pytest.mark.parametrize("option", ["-4", "-6"])
def test_one_version_alone_is_asked_for(
    option: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def nobody(host: str, port: int, *, family: int, **_: int) -> list[object]:
        asked.append(family)
        raise OSError("nobody has that name")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    monkeypatch.setenv("LAB_SERVER", site.url("localhost"))
    monkeypatch.setenv("LAB_CA_FILE", site.ca_file)

    assert agent_main([option]) == 1
    assert {*asked} == {socket.AF_INET if option == "-4" else socket.AF_INET6}


def say(data: bytes) -> Callable[[ssl.SSLSocket], None]:
    def answer(tls: ssl.SSLSocket) -> None:
        tls.recv(65536)
        tls.sendall(data)

    return answer


ANSWERS = {
    "nothing": (b"", "the server ended the connection without an answer"),
    "other protocol": (b"SSH-2.0-x\r\n\r\n", "the first line has no HTTP version"),
    "busy": (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "the server answered 503 Busy"),
    "no json": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "is no acknowledgement"),
    "no transaction": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "is no acknowledgement"),
    "cut": (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "ended inside the body"),
    "endless": (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 70_000, "longer than 65536 bytes"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_is_no_acknowledgement(site: Site, name: str) -> None:
    data, problem = ANSWERS[name]

    with misbehaving(site, say(data)) as url:
        attempt = one_try(url, site.ca_file)

    assert attempt.phase == "acknowledgement"
    assert problem in attempt.why


def test_an_interim_answer_is_passed_over(site: Site) -> None:
    data = b'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{"transaction": "X1"}'

    with misbehaving(site, say(data)) as url:
        assert one_try(url, site.ca_file).acknowledgement == {"transaction": "X1"}


def test_silence_ends_at_the_deadline(site: Site) -> None:
    quiet = threading.Event()

    def wait(tls: ssl.SSLSocket) -> None:
        quiet.wait(10)

    with misbehaving(site, wait) as url:
        attempt = one_try(url, site.ca_file, total_s=0.5)
        quiet.set()

    assert attempt.phase == "acknowledgement"
    assert attempt.why == "no answer within 0.5 s in all"
    assert attempt.cause is AgentCause.timed_out
    assert 0.4 < attempt.seconds < 5


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.2", "127.0.0.2", "https://", "https://user:secret@127.0.0.2", "https://x:0",
     "https://x:65536", "https://x:y", "https://x/a\r\nEvil: yes", "https://x/a b", "https://x/é"],
)  # fmt: skip
def test_a_url_that_is_not_https_is_wrong_use(url: str) -> None:
    with pytest.raises(ValueError, match=r"is not https|has no port|has a character"):
        client.ServerUrl(url)


def test_urls() -> None:
    plain, long = (
        client.ServerUrl("https://eccgw01"),
        client.ServerUrl("https://[2001:db8::1]:8443/a/b/"),
    )

    assert (plain.host, plain.port, plain.path) == ("eccgw01", 443, "")
    assert plain.authority == "eccgw01"
    assert (long.host, long.port, long.path) == ("2001:db8::1", 8443, "/a/b")
    assert long.authority == "[2001:db8::1]:8443"


@pytest.mark.parametrize(
    ("arguments", "environment", "sentence"),
    [
        ((), {}, "LAB_SERVER and LAB_CA_FILE must be set"),
        ((), {"LAB_SERVER": "https://x"}, "LAB_SERVER and LAB_CA_FILE must be set"),
        (("--fast",), {}, "--fast is not understood"),
        (("--system",), {}, "--system needs"),
        ((), {"LAB_SERVER": "http://x", "LAB_CA_FILE": "/dev/null"}, "is not https"),
        ((), {"LAB_SERVER": "https://x", "LAB_CA_FILE": "/nowhere"}, "/nowhere cannot be used"),
        ((), {"LAB_SERVER": "https://x", "LAB_CA_FILE": "/dev/null"}, "/dev/null cannot be used"),
    ],
)
def test_wrong_use(arguments: tuple[str, ...], environment: dict[str, str], sentence: str) -> None:
    result = run_agent(*arguments, **environment)

    assert result.returncode == 2
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_a_heartbeat_fills_several_packets_and_is_the_same_each_time() -> None:
    content = heartbeat.heartbeat(SYSTEM)

    assert 5500 < len(content) < 8000
    assert content == heartbeat.heartbeat(SYSTEM)
    text = json.loads(content)["files"]["hmc.eed"]
    assert "lshmc -V" in text  # E-22
    assert "lssysconn -r all" in text
    assert heartbeat.system_of("hmc") != heartbeat.system_of("hmc-b")


def test_the_agent_imports_little() -> None:
    """In the guest each of these costs more than the call home itself."""
    dear = ("dataclasses", "inspect", "http", "urllib", "argparse", "typing", "logging", "email")
    code = f"import sys, lab.agent.__main__; print([m for m in {dear!r} if m in sys.modules])"
    root = str(Path(lab.__file__).parents[1])

    result = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={"PYTHONPATH": root}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert result.stdout.strip() == "[]"
