"""What is noted of a user's command: its program, its end, and the proxies that it was told of."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lab.inside import commands
from lab.inside.sanitizers import sanitizer_of


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://proxy.test:3128", "proxy.test:3128"),
        ("http://user:word@proxy.test:3128/", "proxy.test:3128"),
        ("proxy.test:8080", "proxy.test:8080"),
        ("http://proxy.test", "proxy.test:80"),
        ("https://proxy.test", "proxy.test:443"),
        ("socks5://10.0.0.1", "10.0.0.1:1080"),
        ("http://[2001:db8::1]:3128", "[2001:db8::1]:3128"),
        ("http://proxy.test:port", ""),
        ("$PROXY", ""),
        ("", ""),
    ],
)
def test_a_proxy_is_told_by_its_place_alone(url: str, place: str) -> None:
    assert commands.place_of(url) == place


def test_proxies_are_found_in_the_environment_and_in_a_shells_line() -> None:
    line = "cd /; HTTPS_PROXY='http://u:geheim@10.0.0.9:3128' curl -x http://10.0.0.8:1 https://x/"
    environment = {"https_proxy": "http://10.0.0.7:80", "no_proxy": "*", "PATH": "/bin"}

    found = commands.described("hmc", ["/bin/sh", "-c", line], environment, 5.0, 7)

    assert (found.source, found.program, found.started, found.status) == ("hmc", "sh", 5.0, 7)
    assert found.proxies == ("https_proxy=10.0.0.7:80", "HTTPS_PROXY=10.0.0.9:3128")
    assert "geheim" not in str(vars(found))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"\x7fELF....__asan_init\0", "AddressSanitizer"),
        (b"\x7fELF....__tsan_init\0", "ThreadSanitizer"),
        (b"\x7fELF....__memset\0", ""),
        (b"#!/bin/sh\n# __asan_init\n", ""),
        (b"", ""),
    ],
)
def test_a_program_is_asked_for_its_sanitizer(content: bytes, name: str, tmp_path: Path) -> None:
    """By its path, and by its name in PATH."""
    program = tmp_path / "agent"
    program.write_bytes(content)
    program.chmod(0o755)
    assert sanitizer_of(str(program), {}) == name
    assert sanitizer_of("agent", {"PATH": str(tmp_path)}) == name


def test_what_cannot_be_read_has_no_sanitizer() -> None:
    assert sanitizer_of("no-such-program", {}) == ""
    assert sanitizer_of(sys.executable, {}) == ""


@pytest.mark.parametrize(
    ("inside", "status", "name"),
    [("uml", 1, "AddressSanitizer"), ("uml", 0, ""), ("native", 1, "")],
)
def test_only_what_fails_in_the_labs_own_kernel_is_asked(
    inside: str, status: int, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_INSIDE", inside)
    program = tmp_path / "agent"
    program.write_bytes(b"\x7fELF....__asan_init\0")
    assert commands.described("hmc", [str(program)], {}, 5.0, status).sanitizer == name
