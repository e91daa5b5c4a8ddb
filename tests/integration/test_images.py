"""An agent in a container image, which is built here of this machine's own programs: without Docker."""

from __future__ import annotations

import io
import os
import shlex
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from lab import codec
from lab.secret import Secret, find
from lab.topology.model import Topology
from lab.wait import wait_until
from tests.images import Image, Item, base, folder, hard_link, layer
from tests.integration.labs import DEADLINE_S
from tests.integration.users import Surroundings, User, end, processes, read_until

pytestmark = pytest.mark.kernel

PASSWD = b"root:x:0:0::/root:/bin/sh\nagent:x:1234:1234::/srv/agent:/bin/sh\n"
GROUP = b"root:x:0:\nagent:x:1234:\ndialout:x:20:agent\n"
AGENT = b"""#!/bin/sh
echo "agent $*"
exec curl -sS "$LAB_SERVER"
"""
LOWER = layer(
    [
        *base(),
        Item(path="etc/passwd", data=PASSWD, mode=0o644),
        Item(path="etc/group", data=GROUP, mode=0o644),
        Item(path="etc/gone", data=b"x"),
        Item(path="etc/hosts", data=b"203.0.113.99 of-the-image\n"),
        folder("opt"),
        folder("opt/old"),
        Item(path="opt/old/gone", data=b"x"),
    ]
)
UPPER = layer(
    [
        Item(path="etc/.wh.gone"),
        folder("opt/old"),
        Item(path="opt/old/.wh..wh..opq"),
        Item(path="opt/old/new", data=b"new"),
        Item(path="bin/agent", data=AGENT),
        Item(path="opt/rooted", data=b"x", mode=0o4755),
        Item(path="opt/owned", data=b"x", mode=0o640, uid=1234, gid=20),
        hard_link("opt/linked", "opt/owned"),
    ]
)
RUNS = {
    "Entrypoint": ["/usr/bin/agent"],
    "Cmd": ["by", "default"],
    "Env": ["PATH=/usr/bin", "IMAGES=1", "LAB_NODE=of-the-image", "GIVEN=by-the-image"],
    "WorkingDir": "/srv/agent",
    "User": "agent",
}
READY = '{"status": "ready", "service": "callhome-lab sdc", "transaction": "SDC0000001"}'


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one image, as an OCI layout and as what ``docker save`` writes."""
    place = tmp_path_factory.mktemp("images")
    made = Image((LOWER, UPPER), RUNS)
    made.oci(place / "oci")
    made.saved(place / "saved.tar", "agent:1.0")
    return place


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    with User.visiting(tmp_path_factory.mktemp("home")) as visitor:
        yield visitor


def words(*parts: object) -> tuple[str, ...]:
    return tuple(map(str, parts))


def lab(user: User, *parts: object, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """As ``user.lab``, with the time that an image takes on a busy machine."""
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    settings = {"env": user.env, "cwd": user.home, "capture_output": True, **options}
    return subprocess.run(user.argv(*words(*parts)), timeout=DEADLINE_S, check=False, **settings)


def test_an_images_own_command_calls_home(user: User, image: Path) -> None:
    """Entrypoint, Cmd, DNS by the node's files, and the lab's CA, without an option of curl's."""
    done = lab(
        user, *words("run", "vpn-nat", "--quiet", "--out", "out-own", "--image", image / "oci")
    )
    assert done.stdout.decode() == f"agent by default\n{READY}\n", done.stderr.decode()
    assert done.returncode == 0
    assert done.stderr == b""


LOOK = """
id; pwd; uname -n; echo "$HOME $HOSTNAME $IMAGES $LAB_NODE $GIVEN $ADDED $LAB_TOPOLOGY $LEFT_OUT."
cat /etc/hostname /etc/hosts; ls /opt/old; cd /sys/class/net; printf "%s\\n" */; test -d /proc/1 && echo proc
stat -c "%n %u:%g %a %h" /usr/bin/sh /opt/rooted /opt/owned /root /tmp
for device in null zero random urandom tty ptmx; do test -c /dev/$device && echo $device; done
test -e /etc/gone && echo gone; test -e /usr/share && echo "the host's"
exit 7
"""


@pytest.mark.parametrize("form", ["oci", "saved.tar:1.0"])
def test_what_a_command_in_an_image_finds(user: User, image: Path, form: str) -> None:
    done = lab(
        user,
        *words(
            "run", "direct-names", "--quiet", "--out", f"out-{form[:3]}", "--image", image / form
        ),
        *words("--entrypoint", "sh", "-e", "GIVEN=by-hand", "--env", "ADDED", "--", "-c", LOOK),
        env={**user.env, "ADDED": "from-here", "LEFT_OUT": "mine", "IMAGES": "mine"},
    )
    assert done.returncode == 7, done.stderr.decode()
    lines = done.stdout.decode().splitlines()
    assert lines[:5] == [
        "uid=1234(agent) gid=1234(agent) groups=1234(agent),20(dialout)",
        "/srv/agent",
        "hmc",
        "/srv/agent hmc 1 hmc by-hand from-here direct-names .",
        "hmc",
    ]
    assert lines[5] == "127.0.0.1\tlocalhost"
    assert lines[lines.index("new") :] == [
        "new", "lan/", "lo/", "proc", "/usr/bin/sh 0:0 755 1", "/opt/rooted 0:0 4755 1",
        "/opt/owned 1234:20 640 2", "/root 0:0 700 2", "/tmp 0:0 1777 3",
        "null", "zero", "random", "urandom", "tty", "ptmx",
    ]  # fmt: skip


def test_a_folder_is_a_root_and_root_owns_it(user: User, tmp_path: Path) -> None:
    """What is written in the run directory stays; nothing else of what the command does is seen here."""
    root = tmp_path / "rootfs"
    with tarfile.open(fileobj=io.BytesIO(LOWER)) as tar:
        tar.extractall(root)
    before = {path: path.lstat().st_mtime_ns for path in root.rglob("*")}
    surroundings = Surroundings.look(user)
    script = (
        'id -u; stat -c "%u %g" /usr/bin/sh; echo kept > "$LAB_RUN_DIR/kept"; cat "$LAB_CA_FILE" > /x;'
        'echo changed > /usr/bin/id; curl -sS "$LAB_SERVER"'
    )
    done = lab(
        user,
        *words(
            "run",
            "direct",
            "--quiet",
            "--out",
            "out-root",
            "--image",
            root,
            "--",
            "sh",
            "-c",
            script,
        ),
    )
    assert done.stdout.decode() == f"0\n0 0\n{READY}\n", done.stderr.decode()
    assert (user.home / "out-root/kept").read_text() == "kept\n"
    assert {path: path.lstat().st_mtime_ns for path in root.rglob("*")} == before
    assert not surroundings.changes(user)
    assert not [*(user.home / "cache/callhome-lab/images").glob(".*")]


def test_commands_in_a_lab_that_stands_share_the_image(user: User, image: Path) -> None:
    """As docker exec: a command as it is, in the image, by its user; without --image, in the lab's root."""
    with user.standing("direct"):
        at = ("exec", "hmc", "--image")
        made = lab(
            user,
            *words(*at, image / "oci", "--", "sh", "-c", "touch /tmp/x; pwd; cat"),
            input=b"in",
        )
        assert made.stdout.decode() == "/srv/agent\nin", made.stderr.decode()
        seen = lab(
            user,
            *words(
                *at,
                image / "saved.tar",
                "-e",
                "A=b",
                "--",
                "sh",
                "-c",
                "echo $A; ls /tmp/x; exit 3",
            ),
        )
        assert (seen.returncode, seen.stdout) == (3, b"b\n/tmp/x\n"), seen.stderr.decode()
        own = lab(user, *words(*at, image / "oci"))
        assert own.stdout.decode() == f"agent by default\n{READY}\n", own.stderr.decode()
        host = lab(user, "exec", "hmc", "--", "ls", "/opt/old/new")
        assert host.returncode == 2
        elsewhere = lab(user, *words("exec", "sdc", "--image", image / "oci", "--", "ls", "/tmp/x"))
        assert b"cannot access '/tmp/x'" in elsewhere.stderr
        terminal = user.terminal(
            *words(
                *at, image / "oci", "--", "sh", "-c", "test -t 0 && stat -L -c %F /proc/self/fd/0"
            )
        )
        terminal.expect("character special file")
        terminal.expect(pexpect.EOF)


def test_what_a_client_of_the_users_own_is_set_up_with_is_there(user: User, image: Path) -> None:
    """The secret of a VPN, and the password of a telephone call, where the lab says that they are."""
    for topology, script in (("vpn", 'cat "$LAB_PSK_FILE"'), ("dial", "cat /etc/ppp/pap-secrets")):
        root = image.parent / f"root-{topology}"
        with tarfile.open(fileobj=io.BytesIO(LOWER)) as tar:
            tar.extractall(root)
        options = ("run", topology, "--no-path", "--quiet", "--out", f"out-{topology}")
        inside = lab(user, *options, "--image", root, "--", "sh", "-c", script)
        text = (user.home / f"out-{topology}/keys/model.json").read_text()
        secrets = {hidden.reveal() for _, hidden in find(codec.load(Topology, text), Secret)}
        words_of = {word.strip('"') for word in inside.stdout.decode().split()}
        assert secrets & words_of, inside.stderr.decode()


ODD = (
    Item(
        path="usr/bin/foreign",
        data=b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xb7\x00" + bytes(99),
    ),
    Item(path="usr/bin/nothing", data=b"\x00\x01"),
    Item(path="usr/bin/script", data=b"#!/usr/bin/absent -x\n"),
    Item(path="usr/bin/closed", data=b"#!/bin/sh\n", mode=0o644),
)


def test_what_cannot_be_run_is_told(user: User, tmp_path: Path) -> None:
    odd = Image((LOWER, layer(ODD)), {}).saved(tmp_path / "odd.tar")
    lost = Image((LOWER,), {"User": "lost", "Cmd": ["id"]}).saved(tmp_path / "lost.tar")
    loader = Image(
        (layer([Item(path="sh", data=(Path(shutil.which("sh") or "")).read_bytes())]),), {}
    )
    loaderless = loader.saved(tmp_path / "loaderless.tar")
    told = {
        (
            "-- absent",
            odd,
        ): f"lab: there is no program 'absent' in the image {odd}\n  it was looked for in its PATH",
        (
            "-- foreign",
            odd,
        ): "it is for another processor (ELF machine 183)\n  build the image for this one, ",
        (
            "-- nothing",
            odd,
        ): "it is no program, nor a script that begins with #!\n  -- sh /usr/bin/nothing",
        ("-- script", odd): "its interpreter /usr/bin/absent -x is not in the image\n",
        ("-- closed", odd): f"lab: /usr/bin/closed of the image {odd} may not be executed\n",
        ("", lost): f"lab: there is no user 'lost' in the image {lost}\n",
        ("-- /sh", loaderless): "the loader that it names is not in the image\n",
    }
    with user.standing("direct"):
        for (command, file), expected in told.items():
            done = lab(user, "exec", "hmc", "--image", str(file), *shlex.split(command))
            assert expected in done.stderr.decode(), command
            assert done.returncode == 2, command


def test_what_is_wrong_is_told_before_anything_is_made(user: User, image: Path) -> None:
    foreign = Image((LOWER,), {"Cmd": ["sh"]}, architecture="arm64").saved(
        user.home / "cache/arm.tar"
    )
    for options, expected in (
        (("--image", "nosuch"), "there is no image nosuch: no such file or folder"),
        (("--image", f"{foreign}"), "is for linux/arm64, and this machine is linux/"),
        (("--image", f"{image}/oci", "--entrypoint", ""), "does not say what to run"),
        (
            ("--entrypoint", "sh"),
            "--entrypoint is for a command in an image, and there is no --image",
        ),
        (("--image", f"{image}/oci", "-e", "=x"), "--env =x has no name"),
    ):
        done = lab(user, "run", "direct", "--out", "out-none", *options)
        assert expected in done.stderr.decode()
        assert done.returncode == 2
        assert not (user.home / "out-none").exists()


def test_an_image_that_is_too_big_is_told(user: User, tmp_path: Path) -> None:
    """Of two gigabytes of holes, which take no room on this machine."""
    root = tmp_path / "rootfs"
    root.mkdir()
    (root / "big").touch()
    os.truncate(root / "big", 2 << 30)
    done = lab(
        user, "run", "direct", "--quiet", "--out", "out-big", "--image", str(root), "--", "sh"
    )
    assert (
        f"lab: the image {root} takes 2048 MiB of memory, and the lab has " in done.stderr.decode()
    )
    assert done.returncode == 3


def test_after_a_kill_nothing_of_an_image_is_left(user: User, image: Path) -> None:
    running = user.start(
        *words("run", "direct", "--quiet", "--out", "out-kill", "--image", image / "saved.tar"),
        *words("--entrypoint", "sh", "--", "-c", "echo begun >&2; cat"),
        stdin=subprocess.PIPE,
    )
    try:
        read_until(running, b"begun", errors=True)
        (part,) = (user.home / "cache/callhome-lab/images").glob(".part-*")
    finally:
        os.kill(running.pid, signal.SIGKILL)
        end(running)
    wait_until("the end of the guest", lambda: not processes("out-kill"), DEADLINE_S)
    done = lab(user, "gc", "out-kill")
    assert f"removed {part}, of an image that was being unpacked" in done.stdout.decode()
    images = [path.suffix for path in (user.home / "cache/callhome-lab/images").iterdir()]
    assert set(images) == {".tar"}
