"""A lab needs no rights, has no way out, and runs in any kernel that can hold it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import codec, kernel
from lab.charon import store as charons
from lab.topology.model import Topology
from lab.wait import Deadline
from tests.integration.labs import DEADLINE_S, ROOT

pytestmark = pytest.mark.kernel

NOBODY = 65534
SHORT_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}


def run_lab(*words: str | Path, **more: object) -> subprocess.CompletedProcess[str]:
    argv: list[str | Path] = [sys.executable, "-m", "lab", *words]
    done: subprocess.CompletedProcess[str] = subprocess.run(
        argv,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
        **more,  # type: ignore[call-overload]
    )
    return done


# No rights.


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter; pytest's own are for their user only."""
    with tempfile.TemporaryDirectory(prefix="lab-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def reachable(path: Path) -> bool:
    """Whether others may read a folder and enter all that lead to it."""
    way = [path.resolve(), *path.resolve().parents]
    return all(step.stat().st_mode & stat.S_IXOTH for step in way)


def test_an_ordinary_user_gets_the_whole_vpn(open_folder: Path) -> None:
    """Without root, without sudo, without any capability: pppd, whose mode forbids it, runs too."""
    home = open_folder / "home"
    built = kernel.status().path
    assert built is not None
    home.mkdir()
    own = shutil.copy(built, home)
    if (fetched := charons.folder()).is_dir():
        shutil.copytree(fetched, home / "cache" / "callhome-lab" / fetched.name, symlinks=True)

    path = [place for place in sys.path if place and Path(place).is_dir()]
    for number, place in enumerate([os.fspath(ROOT), *path]):
        if not reachable(Path(place)):
            copy = open_folder / f"path{number}"
            skip = shutil.ignore_patterns(".git", ".venv", "runs")
            shutil.copytree(place, copy, ignore=skip, symlinks=True)
            path = [os.fspath(copy) if each == place else each for each in path]

    drop: list[str | Path] = []
    if os.geteuid() == 0:
        for file in [home, *home.rglob("*")]:
            os.chown(file, NOBODY, NOBODY)
        drop = [
            "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
            "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all",
        ]  # fmt: skip
    done = subprocess.run(
        [*drop, os.path.realpath(sys.executable), "-m", "lab", "run", "vpn-nat", "--json"],
        cwd=home,
        env={
            **SHORT_ENVIRONMENT,
            "HOME": os.fspath(home),
            "XDG_CACHE_HOME": os.fspath(home / "cache"),
            "LAB_KERNEL": own,
            "PYTHONPATH": os.pathsep.join([os.fspath(ROOT), *path]),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "pass"
    (run_dir,) = (home / "runs").iterdir()
    if os.geteuid() == 0:
        assert run_dir.stat().st_uid == NOBODY


# No way out.


class Eavesdropper:
    """Every IPv4 packet on every interface of this machine, while the block runs (root only)."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        self._thread = threading.Thread(target=self._listen)

    def _listen(self) -> None:
        while True:
            packet = self._socket.recv(65536)
            pair = socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
            self.seen.append(pair)
            if pair[1] == LAST_WORD:
                return

    def __enter__(self) -> Eavesdropper:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            by = Deadline(DEADLINE_S)
            # Again, if there was no room for it among packets of others.
            while self._thread.is_alive() and not by.passed:
                sender.sendto(b"end", (LAST_WORD, 9))
                self._thread.join(0.1)
        self._socket.close()


LAST_WORD = "127.0.0.99"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may listen on the host's interfaces")
def test_no_packet_of_a_lab_is_on_the_hosts_interfaces(tmp_path: Path) -> None:
    with Eavesdropper() as eavesdropper:
        done = run_lab("run", "vpn-nat", "--quiet", "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    # The ear is good: it heard our own last word.
    assert ("127.0.0.1", LAST_WORD) in eavesdropper.seen

    model = codec.load(Topology, (tmp_path / "run" / "keys" / "model.json").read_text())
    labs = {i.ip for node in model.nodes for i in node.interfaces}
    labs |= {
        address.partition("/")[0] for node in model.nodes for address in node.service_addresses
    }
    assert len(labs) > 10
    assert not [pair for pair in eavesdropper.seen if labs & set(pair)]


LOOK = """
import pytest
from pathlib import Path

def names(text):
    return {line.partition(":")[0].strip() for line in text.splitlines()[2:]}

@pytest.mark.topology("direct")
def test_look(lab):
    # A kernel with the dummy driver built in makes one at boot; it leads nowhere.
    assert names(Path("/proc/1/net/dev").read_text()) <= {"lo", "dummy0"}
    for path in ("/proc/1/net/dev", "/proc/self/net/dev"):
        assert names(lab.node("hmc").run(["cat", path])) == {"lan", "lo", "svc"}
"""


def test_the_guest_has_no_device_to_the_host(tmp_path: Path) -> None:
    """In the guest's own namespace there is no link; in a node there are the model's wires."""
    (tmp_path / "test_look.py").write_text(LOOK)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_look.py"],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([os.fspath(ROOT), *filter(None, sys.path)]),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_the_hosts_files_cannot_be_changed_from_inside(tmp_path: Path) -> None:
    """But for the run directory, which is shared."""
    victim = tmp_path / "victim"
    victim.write_text("whole")
    script = f'echo broken >{victim}; cat {victim}; echo hers >"$LAB_RUN_DIR/left"'
    done = run_lab("run", "direct", "--quiet", "--out", tmp_path / "run", "--", "sh", "-c", script)
    assert done.stdout == "broken\n"
    assert victim.read_text() == "whole"
    assert (tmp_path / "run" / "left").read_text() == "hers\n"


# Any kernel.


def test_native_engine_in_the_labs_own_kernel(tmp_path: Path) -> None:
    """The same lab in namespaces of a kernel that runs; afterwards nothing of it is there."""
    script = (
        f'{sys.executable} -m lab run --engine native vpn-nat --quiet --out "$LAB_RUN_DIR/native"'
        " >/dev/null; echo status $?; ls /run/netns; cat /proc/[0-9]*/comm"
    )
    path = os.pathsep.join([os.fspath(ROOT), *filter(None, sys.path)])
    done = run_lab(
        "run", "direct", "--quiet", "--out", tmp_path / "run", "--", "sh", "-c", script,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert "status 0" in done.stdout, done.stdout + done.stderr
    verdict = json.loads((tmp_path / "run" / "native" / "verdict.json").read_text())
    assert (verdict["engine"], verdict["verdict"]) == ("native", "pass")
    for program in ("charon", "xl2tpd", "pppd"):
        assert program not in done.stdout
    assert "vpn1" not in done.stdout
