"""What cannot be done is refused with a message and a hint of its own, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab import kernel
from tests.integration.labs import DEADLINE_S, ROOT
from tests.integration.users import Surroundings, User

pytestmark = pytest.mark.kernel

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")

# Installs a seccomp filter that refuses ptrace(2), number 101, and becomes what follows.
WITHOUT_PTRACE = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
rules = [(0x20, 0, 0, 0), (0x15, 0, 1, 101), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(rules), ctypes.addressof(code)))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User.settle(tmp_path / "home")


def refused(done: subprocess.CompletedProcess[bytes], status: int, *words: str) -> None:
    message = done.stderr.decode()
    assert done.returncode == status, message
    assert "Traceback" not in message
    assert "hint: " in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("words", "problem", "hint"),
    [
        (["nosuch"], "no topology 'nosuch'", "vpn-nat"),
        (["vpn-nta"], "no topology 'vpn-nta'", "vpn-nat"),
        (["direct", "--node", "hcm"], "no node 'hcm'", "did you mean hmc?"),
        (["direct", "--node", "nowhere"], "no node 'nowhere'", "firewall"),
        (["direct", "--fault", "wrong-pks"], "no fault 'wrong-pks'", "wrong-psk"),
        (["direct", "--", "nosuch"], "no program 'nosuch'", "PATH"),
        (["direct", "--", "./nosuch"], "no program './nosuch'", "PATH"),
        (["direct", "--", "/etc/passwd"], "/etc/passwd is not executable", "start the program"),
        (["direct", "--out", "file"], "a file is in its place", "--out DIR"),
        (["direct", "--out", "file/below"], "a file is in its place", "--out DIR"),
        (["direct", "--out", "full"], "is not empty", "--out DIR"),
        (["direct", "--out", "/proc/lab"], "cannot be written", "--out DIR"),
    ],
)
def test_usage(user: User, words: list[str], problem: str, hint: str) -> None:
    (user.home / "file").write_text("")
    (user.home / "full").mkdir()
    (user.home / "full" / "something").write_text("")
    before = Surroundings.look(user)
    refused(user.lab("run", *words), 2, problem, hint)
    assert not before.changes(user)
    assert not (user.home / "runs").exists()
    assert len(list((user.home / "full").iterdir())) == 1


def test_a_broken_topology(user: User) -> None:
    text = (ROOT / "topologies" / "direct.yaml").read_text()
    (user.home / "mine.yaml").write_text(text + "\nnosuch: 1\nnodes: {}\n")
    done = user.lab("run", "./mine.yaml")
    assert done.returncode == 2
    # Both lines are named, with what is wrong there.
    lines = text.count("\n") + 1
    for number, word in ((lines + 1, "nosuch"), (lines + 2, "nodes")):
        assert any(
            f"line {number}" in line and word in line for line in done.stderr.decode().splitlines()
        )
    assert not (user.home / "runs").exists()


def test_no_kernel(user: User) -> None:
    shutil.rmtree(user.home / "cache" / "callhome-lab" / "kernel")
    env = {name: value for name, value in user.env.items() if name != "LAB_KERNEL"}
    refused(user.lab("run", "direct", "--engine", "uml", env=env), 3, "lab setup")
    assert not (user.home / "runs").exists()


def test_ptrace_forbidden(user: User) -> None:
    argv = user.argv("run", "direct", "--engine", "uml")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PTRACE, *argv],
        env={**user.env, "LAB_SECCOMP": "off"},
        cwd=user.home,
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )
    refused(done, 3, "ptrace", "--cap-add SYS_PTRACE")
    assert not (user.home / "runs").exists()


def test_ptrace_forbidden_is_no_matter_where_the_kernel_knows_seccomp(user: User) -> None:
    if not kernel.status().facts.get("seccomp"):
        pytest.skip("this kernel knows no seccomp: sources from 6.16 on do")
    argv = user.argv("run", "direct", "--quiet", "--engine", "uml")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PTRACE, *argv],
        env={**user.env, "LAB_SECCOMP": "auto"},
        cwd=user.home,
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def in_mounts(
    user: User, mounts: str, *words: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run the command in a mount namespace of its own."""
    return subprocess.run(
        ["unshare", "--mount", "sh", "-ec", f'{mounts}; exec "$@"', "sh", *user.argv(*words)],
        env={**user.env, **(env or {})},
        cwd=user.home,
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )


@needs_root
def test_no_room_for_the_run(user: User) -> None:
    (user.home / "small").mkdir()
    mount = f"mount -t tmpfs -o size=20m none {user.home}/small"
    done = in_mounts(
        user, f"trap 'ls {user.home}/small' EXIT; {mount}", "run", "direct", "--out", "small/run"
    )
    refused(done, 3, "no room for the run directory small/run: 20 MiB free, 64 needed")


@needs_root
def test_shared_memory_that_is_no_good_is_not_needed(user: User) -> None:
    done = in_mounts(user, "mount -t tmpfs -o noexec none /dev/shm", "run", "direct", "--quiet")
    assert done.returncode == 0, done.stderr


@needs_root
def test_a_cache_that_cannot_be_written(user: User) -> None:
    cache = user.home / "cache"
    mounts = f"mount --bind {cache} {cache}; mount -o remount,bind,ro {cache}"
    done = in_mounts(user, mounts, "run", "direct", "--quiet")
    assert done.returncode == 0, "a run only reads it"

    # Nor does a lab that stays up write there.
    (user.home / "tmp" / "runtime").mkdir()
    elsewhere = {"XDG_RUNTIME_DIR": os.fspath(user.home / "tmp" / "runtime")}
    done = in_mounts(user, mounts, "up", "direct", env=elsewhere)
    try:
        assert done.returncode == 0, done.stderr
        assert b"direct " in user.lab("status", env={**user.env, **elsewhere}).stdout
    finally:
        down = user.lab("down", "direct", env={**user.env, **elsewhere})
    assert down.returncode == 0, down.stderr


# The native engine.


@needs_root
def test_native_on_this_kernel(user: User) -> None:
    done = user.lab("run", "direct", "--engine", "native", "--out", "out", "--json")
    if done.returncode == 0:
        assert json.loads(done.stdout)["engine"] == "native"
        return
    refused(done, 3, "the native engine cannot run here, missing:", "lab kernel build")
    assert not (user.home / "out").exists()


# In the guest, as root: a native lab is killed, and what was of it goes, too.
KILL_NATIVE = """
import os, pathlib, subprocess, sys
from lab.wait import wait_until

def spaces():
    found = set()
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            found.add(os.readlink(entry / "ns" / "net"))
        except OSError:
            pass
    return found

before, mounts = spaces(), pathlib.Path("/proc/mounts").read_text()
words = ["run", "--engine", "native", "--quiet", "--out", sys.argv[1], "direct"]
command = ["sh", "-c", "echo up; exec sleep 98765"]
lab = subprocess.Popen([sys.executable, "-m", "lab", *words, "--", *command], stdout=subprocess.PIPE)
assert lab.stdout.readline() == b"up\\n"
print("made", len(spaces() - before) > 1)
lab.kill()
wait_until("the end of everything", lambda: spaces() == before, 30.0)
print("mounts", pathlib.Path("/proc/mounts").read_text() == mounts, os.listdir("/run"))
"""


def test_a_killed_native_lab(user: User) -> None:
    env = {**user.env, "PYTHONPATH": os.pathsep.join([os.fspath(ROOT), *filter(None, sys.path)])}
    inner = os.fspath(user.home / "out" / "inner")
    words = ("run", "direct", "--quiet", "--out", "out", "--", sys.executable, "-c", KILL_NATIVE)
    done = user.lab(*words, inner, env=env)
    assert done.stdout.decode().splitlines()[0] == "made True", done.stderr
    assert "mounts True" in done.stdout.decode(), done.stdout + done.stderr
