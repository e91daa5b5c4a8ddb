"""Memory by option: what a program inside has, what is refused, and what is too small."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.integration.labs import SYSTEM_PYTHON, lab

pytestmark = pytest.mark.kernel

TOTAL = "grep MemTotal /proc/meminfo"
FILL = """
import sys
filled = bytearray(int(sys.argv[1]))
for place in range(0, len(filled), 4096):
    filled[place] = 1
print("filled")
"""


def _mib(told: str) -> float:
    name, kib, unit = told.split()
    assert (name, unit) == ("MemTotal:", "kB")
    return int(kib) / 1024


@pytest.mark.parametrize(
    ("option", "mib"), [((), 2048), (("--memory", "3G"), 3072), (("--memory", "256M"), 256)]
)
def test_what_a_program_has(tmp_path: Path, option: tuple[str, ...], mib: int) -> None:
    """The kernel keeps some of it for itself."""
    done = lab(
        "run", "direct", "--engine=uml", "--quiet", "--out", os.fspath(tmp_path / "run"), *option, "--",
        *TOTAL.split(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert 0.85 * mib < _mib(done.stdout) <= mib


def test_the_least_is_enough_for_a_vpn(tmp_path: Path) -> None:
    done = lab(
        "run", "vpn-nat", "--memory", "256M", "--quiet", "--out", os.fspath(tmp_path / "run")
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_does_not_fit_by_default_fits_with_more(tmp_path: Path) -> None:
    fill = (SYSTEM_PYTHON, "-c", FILL, str(600 << 20))
    runs = {}
    for size in ("512M", "1G"):
        out = os.fspath(tmp_path / size)
        runs[size] = lab("run", "direct", "--memory", size, "--quiet", "--out", out, "--", *fill)
    assert runs["512M"].returncode != 0
    assert (runs["1G"].returncode, runs["1G"].stdout) == (0, "filled\n")


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ("lots", "takes a size such as 512M or 4G"),
        ("64M", "is too little"),
        ("9999G", "is more than"),
    ],
)
def test_what_is_refused(tmp_path: Path, size: str, said: str) -> None:
    for verb in ("run", "up"):
        done = lab(verb, "direct", "--memory", size, "--out", os.fspath(tmp_path / "run"))
        assert done.returncode == 2
        assert said in done.stderr
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("linked", ["shared", "static"])
def test_a_program_that_needs_more_addresses_is_told_so(tmp_path: Path, linked: str) -> None:
    """Stripped, as a release is; the same program runs outside."""
    source, program = tmp_path / "agent.c", tmp_path / "agent"
    source.write_text("int main(void) { return 0; }\n")
    static = ["-static-libasan"] if linked == "static" else []
    build = [
        "gcc",
        "-fsanitize=address",
        *static,
        "-s",
        "-o",
        os.fspath(program),
        os.fspath(source),
    ]
    subprocess.run(build, check=True)
    assert subprocess.run([program]).returncode == 0

    done = lab(
        "run", "direct", "--engine=uml", "--quiet", "--out", os.fspath(tmp_path / "run"), "--",
        os.fspath(program),
    )  # fmt: skip
    assert done.returncode != 0
    told = " ".join(done.stderr.split())
    assert "diagnosis: agent was built with AddressSanitizer" in told
