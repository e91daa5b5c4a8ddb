"""The FP state of processes on hosts of every size: the patched file of the kernel against a made-up host."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.kernel import options

PATCH = next(patch for patch in options.PATCHES if "fp-state" in patch.name)
DATA = Path(__file__).resolve().parents[1] / "data" / "fp_state"

SIZES = (576, 832, 2696, 8192, 11008)
"""In bytes: SSE alone, AVX, AVX-512 with protection keys, none that exists, AMX."""


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The program with the file as it is in the source (``-``), and as we change it (``+``)."""
    folder = tmp_path_factory.mktemp("fp")
    diff = PATCH.read_text().partition("\n--- a/arch/x86/um/os-Linux/registers.c\n")[2]
    # One hunk that holds the whole file: the patch says so.
    lines = diff.partition("\n--- ")[0].splitlines()[2:]
    programs = {}
    for side in "-+":
        place = folder / side
        place.mkdir()
        text = "".join(f"{line[1:]}\n" for line in lines if line[:1] in ("", " ", side))
        (place / "registers.c").write_text(text)
        programs[side] = place / "host"
        flags = ["-Wall", "-O1", f"-I{place}", f"-I{DATA / 'include'}"]
        subprocess.run(["gcc", *flags, "-o", programs[side], DATA / "host.c"], check=True)
    return programs


def _play(program: Path, size: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, str(size)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("size", SIZES)
def test_every_process_keeps_its_state(hosts: dict[str, Path], size: int) -> None:
    done = _play(hosts["+"], size)
    assert (done.stdout, done.returncode) == ("", 0)


def test_the_unpatched_file_fails_where_the_host_has_more(hosts: dict[str, Path]) -> None:
    done = _play(hosts["-"], 11008)
    assert "cannot be restored: Bad address" in done.stdout
    assert done.returncode == 1
    assert _play(hosts["-"], 2696).returncode == 0
