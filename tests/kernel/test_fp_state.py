"""AVX-512 registers outlive task switches and signals in the guest."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.engine.host import Clock, Engine, open_lab, run_program
from lab.machine import doctor

pytestmark = pytest.mark.kernel

SOURCE = Path(__file__).resolve().parents[1] / "data" / "fp_state" / "avx512.c"


def test_avx512_registers_stay_with_their_process(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    doctor.require("uml")
    if "avx512f" not in Path("/proc/cpuinfo").read_text().split():
        pytest.skip("this machine's processor has no AVX-512")
    program = tmp_path / "avx512"
    subprocess.run(
        ["gcc", "-Wall", "-O1", "-mgeneral-regs-only", "-o", program, SOURCE], check=True
    )
    assert subprocess.run([program], capture_output=True, check=False).returncode == 0

    with open_lab(Engine.uml, Clock.virtual, tmp_path) as opened:
        status = run_program(opened, (str(program),), own=False, stdin=False)
    assert (capfd.readouterr().out, status) == ("500 turns\n", 0)
