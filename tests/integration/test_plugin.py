"""The pytest plugin as its users meet it: sessions are carried into the lab's kernel and come back whole."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

import pexpect
import pytest

from lab import codec
from lab.machine import doctor
from lab.secret import Secret, find
from lab.topology.model import Topology
from tests.images import Image, Item, base, layer
from tests.integration.labs import DEADLINE_S

pytestmark = pytest.mark.kernel

REPO = Path(__file__).resolve().parents[2]
FOREIGN = REPO / "tests" / "data" / "foreign"
BORDER = "lab: this session goes on inside the lab's own kernel"


@pytest.fixture(autouse=True, scope="module")
def _engine() -> None:
    doctor.require("uml")


def _environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, (os.fspath(REPO), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path}


def _argv(*words: str) -> list[str]:
    """pytest with the plugin, also from a checkout that is not installed."""
    installed = metadata.entry_points(group="pytest11", name="lab")
    plugin = [] if installed else ["-p", "lab.pytest_plugin"]
    return [sys.executable, "-m", "pytest", *plugin, *words]


def _pytest(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _argv(*words),
        cwd=folder,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def _suite(folder: Path, text: str) -> Path:
    """A suite of one file, which is a root directory of its own."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_it.py").write_text(f"import pytest\n\n{text}")
    return folder


def test_scenarios_are_carried(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = _pytest(
        REPO, "lab/scenarios", "-k", "direct and not snat", f"--lab-out={out}", "--lab-strict"
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert BORDER in done.stdout
    header = next(line for line in done.stdout.splitlines() if line.startswith("lab: Linux"))
    assert all(name in header for name in ("charon", "pppd", "xl2tpd", "nft", "engine uml"))
    assert f"lab: results in {os.path.relpath(out, REPO)}" in done.stderr or str(out) in done.stderr
    assert (out / "1-direct" / "verdict.json").exists()
    assert sorted(path.stem for path in (out / "1-direct" / "wire").glob("*.pcapng")) == [
        "dmz",
        "fw-inet",
        "lan",
        "svc",
    ]


MEMORY = """
@pytest.mark.topology("direct")
def test_memory(lab):
    total = next(line for line in open("/proc/meminfo") if line.startswith("MemTotal"))
    assert 900_000 < int(total.split()[1]) <= 1 << 20
"""


def test_memory_by_option(tmp_path: Path) -> None:
    done = _pytest(_suite(tmp_path, MEMORY), "--lab-out=out", "--lab-memory=1G")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("size", ["64M", "much"])
def test_memory_that_no_lab_can_have(tmp_path: Path, size: str) -> None:
    done = _pytest(_suite(tmp_path, MEMORY), "--lab-out=out", f"--lab-memory={size}")
    told = done.stdout + done.stderr
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, told
    assert f"--lab-memory {size} is too little" in told or "--lab-memory takes a size" in told
    assert "Traceback" not in told


README_EXAMPLE = """
@pytest.mark.topology("vpn-nat")
def test_my_agent_gets_through(lab):
    assert lab.attend("hmc", ["my-agent", "--once"]) == 0
    lab.expect("g1")
"""


def _failures(output: str) -> list[str]:
    """The lines from the first failure on."""
    lines = output.splitlines()
    return lines[next(n for n, line in enumerate(lines) if line.strip("= ") == "FAILURES") :]


def test_a_failure_is_short(tmp_path: Path) -> None:
    done = _pytest(_suite(tmp_path, README_EXAMPLE), "--lab-out=out")

    assert done.returncode == 1, done.stdout + done.stderr
    shown = _failures(done.stdout)
    assert len(shown) < 35, done.stdout
    told = [line for line in shown if line.startswith("E ")]
    assert told[0].endswith("UsageError: there is no program 'my-agent' in this node")
    assert told[1:] == ["E         check its name and PATH"]
    assert "test_it.py:6: UsageError" in shown
    # Nothing of the library's own code, and nothing of what only --lab-report full has.
    assert not [line for line in shown if os.fspath(REPO / "lab") in line]
    assert not [line for line in shown if "- end of" in line or "packet rules" in line]
    assert "captures:      out/1-vpn-nat/wire/*.pcapng (complete once the lab is down)" in shown


def test_a_test_that_simply_fails_is_short(tmp_path: Path) -> None:
    text = '@pytest.mark.topology("vpn-nat")\ndef test_it(lab):\n    assert lab.is_up == 7\n'
    done = _pytest(_suite(tmp_path, text), "--lab-out=out")

    assert done.returncode == 1, done.stdout + done.stderr
    assert len(_failures(done.stdout)) < 30, done.stdout


def test_a_path_that_does_not_come_up_is_diagnosed(tmp_path: Path) -> None:
    text = '@pytest.mark.topology("vpn", fault="wrong-psk")\ndef test_it(lab): ...\n'
    done = _pytest(_suite(tmp_path, text), "--lab-out=out")

    lines = done.stdout.splitlines()
    (told,) = (n for n, line in enumerate(lines) if line.startswith("diagnosis: "))
    assert "the two have different pre-shared keys" in lines[told]
    assert lines[told + 1] == "run directory: out/1-vpn-wrong-psk"
    assert (tmp_path / "out" / "1-vpn-wrong-psk" / "verdict.json").exists()


def test_a_full_failure_shows_the_lab(tmp_path: Path) -> None:
    suite = _suite(
        tmp_path,
        '@pytest.mark.topology("vpn-nat")\ndef test_it(lab):\n    assert lab.topology.name == ""\n',
    )
    done = _pytest(suite, "--lab-report=full", "--lab-out=out", "--junit-xml=reports/junit.xml")

    assert done.returncode == 1, done.stdout + done.stderr
    for section in ("end of hmc/charon.log", "end of vpn1/xl2tpd.log", "IKE SAs", "packet rules"):
        assert f"- {section} -" in done.stdout
    assert "- links, addresses and routes -" in done.stdout
    assert "vpn1:\ncore " in done.stdout
    assert "\nlo 129.42.160.16/32\n" in done.stdout
    assert "hmc-vpn1: IKEv1 ESTABLISHED" in done.stdout
    assert "<<Keys hidden>>" in done.stdout
    assert "counter l2tp-in-clear-in" in done.stdout.replace('"', "")
    assert "captures:      out/1-vpn-nat/wire/*.pcapng" in done.stdout
    for secret in _secrets(tmp_path / "out" / "1-vpn-nat"):
        assert secret not in done.stdout

    report = ElementTree.parse(suite / "reports" / "junit.xml").getroot()
    assert report.find("testsuite/testcase/failure") is not None


def test_a_full_failure_shows_what_a_partition_lends(tmp_path: Path) -> None:
    suite = _suite(
        tmp_path,
        '@pytest.mark.topology("pass-through-vpn")\ndef test_it(lab):\n    assert not lab.is_up\n',
    )
    done = _pytest(suite, "--lab-report=full", "--lab-out=out")

    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(
        "^i5: i5-vpn1: IKEv1 ESTABLISHED, .*INSTALLED, tunnel mode$", done.stdout, re.M
    )
    assert "hmc: hmc-vpn1" not in done.stdout


def _secrets(run_dir: Path) -> set[str]:
    """Every secret of the model, and every ESP key."""
    model = codec.load(Topology, (run_dir / "keys" / "model.json").read_text())
    keys = json.loads((run_dir / "keys" / "esp.json").read_text())
    found = {hidden.reveal() for _, hidden in find(model, Secret)}
    found |= {key[name] for key in keys for name in ("encryption_key", "integrity_key")}
    assert len(found) >= 2, "there must be something to look for"
    return found


def test_a_broken_lab_is_not_built_again(tmp_path: Path) -> None:
    tests = "def test_a(lab): ...\ndef test_b(lab): ...\n"
    suite = _suite(
        tmp_path, f'pytestmark = pytest.mark.topology("vpn", fault="wrong-psk")\n{tests}'
    )

    lax = _pytest(suite, "-rs", "--lab-out=lax")
    assert lax.returncode == 1
    assert "1 skipped, 1 error" in lax.stdout
    assert "this lab broke before: hmc has no way home by VPN" in lax.stdout

    strict = _pytest(suite, "--lab-strict", "--lab-out=strict")
    assert "2 errors" in strict.stdout
    assert [path.name for path in (tmp_path / "strict").glob("*-vpn*")] == ["1-vpn-wrong-psk"]


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("-k", "nothing-like-it"), pytest.ExitCode.NO_TESTS_COLLECTED),
        (("--no-such-option",), pytest.ExitCode.USAGE_ERROR),
        (("--lab-out", "test_it.py"), pytest.ExitCode.USAGE_ERROR),
        (("-k", "leaves"), 77),
    ],
    ids=["no tests", "usage", "directory", "pytest.exit inside"],
)
def test_exit_status(tmp_path: Path, words: tuple[str, ...], status: int) -> None:
    suite = _suite(
        tmp_path,
        '@pytest.mark.topology("direct")\ndef test_leaves(lab):\n    pytest.exit("enough", 77)\n',
    )
    assert _pytest(suite, *words).returncode == status


def test_what_a_lab_leaves_over_fails_the_session(tmp_path: Path) -> None:
    suite = _suite(
        tmp_path,
        '@pytest.mark.topology("direct")\n'
        'def test_it(lab):\n    lab.record.leftovers.append("hmc: link forgotten")\n',
    )
    done = _pytest(suite)
    assert done.returncode == 1
    assert "1 passed, 1 error" in done.stdout
    assert "hmc: link forgotten" in done.stdout


def test_last_failed_is_known_outside(tmp_path: Path) -> None:
    suite = _suite(
        tmp_path,
        'pytestmark = pytest.mark.topology("direct")\n'
        "def test_good(lab): ...\ndef test_bad(lab):\n    assert not lab\n",
    )
    assert _pytest(suite, "--lab-out=first").returncode == 1
    listed = _pytest(suite, "--lf", "--collect-only", "-q").stdout
    assert "test_bad" in listed
    assert "test_good" not in listed


def test_other_sessions_are_left_alone(tmp_path: Path) -> None:
    suite = _suite(
        tmp_path, "def test_it():\n    import sys\n    assert 'lab.errors' not in sys.modules\n"
    )
    done = _pytest(suite)
    assert done.returncode == 0, done.stdout
    assert "lab:" not in done.stdout
    assert not (tmp_path / "runs").exists()


def test_without_an_engine_only_the_lab_is_missed(tmp_path: Path) -> None:
    suite = _suite(
        tmp_path,
        'def test_plain(): ...\n@pytest.mark.topology("direct")\ndef test_lab(lab): ...\n',
    )
    lax = _pytest(suite, "--lab-engine=none")
    assert lax.returncode == 0
    assert "1 passed, 1 skipped" in lax.stdout
    told = "lab: 1 test that needs a lab did not run: --lab-engine none was asked for"
    assert told in lax.stdout.splitlines()
    assert _pytest(suite, "--lab-engine=none", "--lab-strict").returncode == 1


def test_without_a_kernel_one_line_says_so(tmp_path: Path) -> None:
    suite = _suite(
        tmp_path, '@pytest.mark.topology("direct")\ndef test_a(lab): ...\ndef test_b(): ...\n'
    )
    # Whatever kernels this machine has, this one is wanted.
    environment = {**_environment(), "LAB_KERNEL": os.fspath(tmp_path / "linux")}

    for words, status in (("-q",), 0), (("-q", "--lab-strict"), 1):
        done = subprocess.run(
            _argv("--lab-engine=uml", *words), cwd=suite, env=environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=DEADLINE_S, check=False,
        )  # fmt: skip
        assert done.returncode == status, done.stdout + done.stderr
        (told,) = (line for line in done.stdout.splitlines() if line.startswith("lab: "))
        assert told.startswith("lab: 1 test that needs a lab did not run: no lab can run here: ")
        # The fix is in the same line.
        assert "or unset LAB_KERNEL" in told


def test_an_interrupt_takes_the_lab_down(tmp_path: Path) -> None:
    suite = _suite(
        tmp_path,
        '@pytest.mark.topology("direct")\n'
        "def test_waits(lab):\n    import time\n    print('waiting', flush=True)\n"
        # A signal just before signal.pause() would be waited out, and was, once.
        "    while True:\n        time.sleep(0.1)\n",
    )
    with subprocess.Popen(
        _argv("-s", "--lab-out=out", "--lab-clock=real"),
        cwd=suite,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        assert running.stdout is not None
        seen = ""
        for line in running.stdout:
            seen += line
            if "waiting" in line:
                running.send_signal(signal.SIGINT)
        status = running.wait(DEADLINE_S)

    assert status == pytest.ExitCode.INTERRUPTED, seen
    assert "KeyboardInterrupt" in seen
    assert (suite / "out" / "1-direct" / "record.json").exists()


def test_the_debugger_has_the_terminal(tmp_path: Path) -> None:
    suite = _suite(
        tmp_path,
        '@pytest.mark.topology("direct")\ndef test_it(lab):\n    answer = 6 * 7\n    assert not lab\n',
    )
    program, *words = _argv("--pdb", "--lab-out=out", "--lab-clock=real")
    child = pexpect.spawn(
        program, words, cwd=os.fspath(suite), env=_environment(), timeout=DEADLINE_S
    )
    child.expect_exact("(Pdb)")
    child.sendline("print('it is', answer, lab.node('hmc').name)")
    child.expect_exact("it is 42 hmc")
    child.sendline("q")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)


@pytest.fixture(scope="module")
def clean_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the package as a user installs it; its dependencies are borrowed."""
    folder = tmp_path_factory.mktemp("clean")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    try:
        metadata.version("hatchling")
        isolation = ["--no-build-isolation"]
    except metadata.PackageNotFoundError:
        isolation = []
    _check(*pip, "wheel", "--quiet", "--no-deps", *isolation, "-w", str(folder), str(REPO))
    (wheel,) = folder.glob("*.whl")

    _check(sys.executable, "-m", "venv", "--without-pip", str(folder / "venv"))
    python = folder / "venv" / "bin" / "python"
    _check(*pip, "--python", str(python), "install", "--quiet", "--no-deps", str(wheel))
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (site / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return python


def _foreign_environment() -> dict[str, str]:
    """Nothing that leads to this checkout."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST"))}


def _check(*argv: str) -> None:
    done = subprocess.run(
        argv,
        env=_foreign_environment(),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_foreign_suite(clean_python: Path, tmp_path: Path) -> None:
    suite = tmp_path / "their own suite"
    shutil.copytree(FOREIGN, suite)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [clean_python, *words],
            cwd=suite,
            env=_foreign_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )

    place = run("-c", "import lab; print(lab.__file__)").stdout
    assert Path(place).is_relative_to(clean_python.parents[1])

    done = run("-m", "pytest", "-v")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 passed" in done.stdout
    assert BORDER in done.stdout
    (session,) = (suite / "runs").iterdir()
    assert {path.name for path in session.glob("?-*")} == {
        "1-branch",
        "2-branch",
        "3-vpn-wrong-psk",
    }


IN_AN_IMAGE = """
@pytest.mark.topology("direct", image="{image}")
def test_my_agent(lab, capfd):
    assert lab.attend("hmc", ["--once"]) == 7
    assert capfd.readouterr().out == "agent --once\\n"
    assert lab.attend("hmc", []) == 7
    assert capfd.readouterr().out == "agent\\n"
    assert "lab-images" in lab.node("hmc").run(["ls", "/run"])
    lab.expect("g6")
"""
AGENT = b"#!/bin/sh\necho agent $*\nexit 7\n"


def _image(place: Path) -> Path:
    made = Image(
        (layer([*base(("sh",)), Item(path="agent", data=AGENT)]),), {"Entrypoint": ["/agent"]}
    )
    return made.saved(place, "agent:1")


@pytest.mark.parametrize("name", ["agent.tar", "docker:agent:1"])
def test_an_agent_in_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A program in the place of Docker's client writes a file, which it could not do inside."""
    _image(tmp_path / "agent.tar")
    docker = tmp_path / "docker" / "docker"
    docker.parent.mkdir()
    docker.write_text(f'#!/bin/sh\nexec cp {tmp_path}/agent.tar "$3"\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", os.fspath(docker.parent), prepend=os.pathsep)
    done = _pytest(_suite(tmp_path, IN_AN_IMAGE.format(image=name)), "--lab-out=out")
    assert done.returncode == 0, done.stdout + done.stderr
    assert BORDER in done.stdout


def test_an_image_that_is_wrong_is_told_before_the_border(tmp_path: Path) -> None:
    done = _pytest(_suite(tmp_path, IN_AN_IMAGE.format(image="absent.tar")), "--lab-out=out")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "there is no image absent.tar: no such file or folder" in done.stderr
    assert BORDER not in done.stdout
    assert not (tmp_path / "out").exists()


def test_an_image_that_no_marker_names_is_not_ready(tmp_path: Path) -> None:
    text = 'def test_it(lab_factory):\n    lab_factory("direct", image="agent.tar")\n'
    _image(tmp_path / "agent.tar")
    done = _pytest(_suite(tmp_path, text), "--lab-out=out")
    assert done.returncode == 1, done.stdout + done.stderr
    assert (
        "agent.tar is not ready: only images of the marker `topology` are made ready" in done.stdout
    )
