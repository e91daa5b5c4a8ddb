"""A minimal Debian in a folder: making it, running programs in it, removing it.

A program runs in mount and pid namespaces of its own. The namespaces end with the program, and the
program ends with this process, so that SIGKILL leaves no mount and no process. The next run removes
the folder at the latest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tools.machines_check import mirrors

ENTER = Path(__file__).with_name("enter.sh")
USER = "lab"
HOME = f"/home/{USER}"
CHECKOUT = f"{HOME}/callhome-lab"
UID = 1000
OPEN_FILES = 1024

PACKAGES = ("ca-certificates", "make")
"""What the README takes for granted, beside what every Debian has."""

_ENDS_WITH_US = ("setpriv", "--pdeathsig", "KILL")
_NAMESPACES = ("unshare", "--mount", "--ipc", "--pid", "--fork", "--kill-child")

_CERTIFICATES = "/etc/ssl/machines-check.pem"
_OWN_CERTIFICATES = "usr/local/share/ca-certificates"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """How this machine reaches mirrors and indexes; a root is told the same."""

    mirrors: mirrors.Mirrors
    apt: str
    pip: Mapping[str, str]
    proxies: Mapping[str, str]


def surroundings(mirror: str | None) -> Surroundings | None:
    """Reads this machine's own configuration; nothing if no Debian mirror is in it."""
    found = [
        source
        for path in (
            Path("/etc/apt/sources.list"),
            *sorted(Path("/etc/apt").glob("sources.list.d/*")),
        )
        if path.is_file() and path.suffix in (".list", ".sources")
        for source in (mirrors.deb822 if path.suffix == ".sources" else mirrors.one_line)(
            path.read_text()
        )
    ]
    if mirror:
        found.insert(0, mirrors.Source(mirror, "stable", ("main",)))
        found = [source for source in found if not source.security]
    if (places := mirrors.mirrors(found)) is None:
        return None
    names = ("http_proxy", "https_proxy", "no_proxy")
    proxies = {n: os.environ[n] for n in (*names, *map(str.upper, names)) if n in os.environ}
    return Surroundings(
        places,
        mirrors.apt_settings(_output("apt-config", "dump")),
        mirrors.pip_settings(_output(sys.executable, "-m", "pip", "config", "list")),
        proxies,
    )


def _output(*argv: str) -> str:
    """What a program printed; nothing if it is not here."""
    if not shutil.which(argv[0]):
        return ""
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def bootstrap(folder: Path, suite: str, around: Surroundings, log: IO[str]) -> int:
    """A minimal system of the suite, up to date, that reaches what this machine reaches."""
    # In namespaces, for debootstrap mounts /proc and /sys in the folder.
    debootstrap = [*_NAMESPACES, "debootstrap", "--variant=minbase", suite]
    debootstrap += [os.fspath(folder), around.mirrors.archive]
    if status := _run(debootstrap, {**os.environ, **around.proxies}, log):
        return status
    _write(folder, "etc/apt/sources.list", around.mirrors.sources(suite))
    _write(folder, "etc/apt/apt.conf.d/90machines-check", around.apt)
    _write(folder, "etc/hostname", "machine\n")
    _write(folder, "etc/hosts", "127.0.0.1 localhost machine\n")
    _write(folder, "etc/pip.conf", _pip(folder, around.pip))
    shutil.copy("/etc/resolv.conf", folder / "etc/resolv.conf")
    for certificate in Path("/", _OWN_CERTIFICATES).glob("*.crt"):
        _write(folder, f"{_OWN_CERTIFICATES}/{certificate.name}", certificate.read_text())
    steps = (
        "apt-get -q update",
        "apt-get -qy --no-install-recommends dist-upgrade",
        f"apt-get -qy --no-install-recommends install {' '.join(PACKAGES)}",
        f"useradd --uid {UID} --create-home --shell /bin/bash {USER}",
        "apt-get clean",
    )
    return run_as_root(
        folder, "export DEBIAN_FRONTEND=noninteractive; " + " && ".join(steps), around, log
    )


def _pip(folder: Path, settings: Mapping[str, str]) -> str:
    """A pip.conf, beside the certificates that it names."""
    kept = dict(settings)
    if (bundle := Path(kept.get("cert", ""))).is_file():
        _write(folder, _CERTIFICATES, bundle.read_text())
        kept["cert"] = _CERTIFICATES
    return "".join(["[global]\n", *(f"{name} = {value}\n" for name, value in kept.items())])


def _write(folder: Path, name: str, text: str) -> None:
    path = folder / name.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def copy(base: Path, folder: Path, log: IO[str]) -> int:
    """A second machine of the same suite."""
    return _run(["cp", "-a", "--reflink=auto", os.fspath(base), os.fspath(folder)], os.environ, log)


def give_sudo(folder: Path, around: Surroundings, log: IO[str]) -> int:
    """Installs sudo, and lets the user use it without a password."""
    install = "apt-get -qy --no-install-recommends install sudo && apt-get clean"
    status = run_as_root(folder, f"export DEBIAN_FRONTEND=noninteractive; {install}", around, log)
    if not status:
        _write(folder, f"etc/sudoers.d/{USER}", f"{USER} ALL=(ALL:ALL) NOPASSWD: ALL\n")
    return status


def clone(repo: Path, ref: str, folder: Path, log: IO[str]) -> int:
    """A clean clone of a commit in the user's home, owned by the user."""
    checkout, bundle = folder / CHECKOUT.lstrip("/"), folder / "commit.bundle"
    git = ["git", "-c", "safe.directory=*", "-c", "advice.detachedHead=false"]
    inside = [*git, "-C", os.fspath(checkout)]
    # A bundle, for git does not clone from a folder that belongs to somebody else (as it does under sudo).
    commands = (
        [*git, "-C", os.fspath(repo), "bundle", "create", "-q", os.fspath(bundle), "HEAD", ref],
        [*git, "init", "-q", "-b", "main", os.fspath(checkout)],
        [*inside, "fetch", "-q", os.fspath(bundle), ref],
        [*inside, "reset", "-q", "--hard", "FETCH_HEAD"],
        [*inside, "log", "-1", "--oneline"],
        ["chown", "-R", f"{UID}:{UID}", os.fspath(checkout)],
    )
    status = next((s for argv in commands if (s := _run(argv, os.environ, log))), 0)
    bundle.unlink(missing_ok=True)
    return status


def lend_kernels(cache: Path, folder: Path) -> None:
    """Puts kernels that were built before into the user's cache."""
    target = folder / HOME.lstrip("/") / ".cache/callhome-lab/kernel"
    shutil.copytree(cache / "kernel", target)
    for path in (target.parents[1], target.parent, target, *target.rglob("*")):
        os.chown(path, UID, UID)


def run_as_root(folder: Path, command: str, around: Surroundings, log: IO[str]) -> int:
    """Runs a shell command in the root, as its administrator does."""
    environment = {
        "HOME": "/root",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }
    return _enter(folder, ["/bin/sh", "-c", command], {**environment, **around.proxies}, log)


def run_as_user(
    folder: Path, command: str, around: Surroundings, log: IO[str], hard_limit: int
) -> int:
    """Runs a shell command in the checkout, as the user, with 1,024 open files and no terminal."""
    environment = {
        "HOME": HOME,
        "USER": USER,
        "LOGNAME": USER,
        "SHELL": "/bin/bash",
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games",
    }
    become = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--init-groups"]
    limit = ["prlimit", f"--nofile={OPEN_FILES}:{hard_limit}"]
    script = f"cd {CHECKOUT} && {command}"
    return _enter(
        folder, [*limit, *become, "/bin/sh", "-c", script], {**environment, **around.proxies}, log
    )


def _enter(folder: Path, argv: Sequence[str], environment: Mapping[str, str], log: IO[str]) -> int:
    variables = [f"{name}={value}" for name, value in environment.items()]
    inside = [os.fspath(ENTER), os.fspath(folder), "env", "-i", *variables, *argv]
    return _run([*_NAMESPACES, *inside], os.environ, log)


def _run(argv: Sequence[str], environment: Mapping[str, str], log: IO[str]) -> int:
    log.write(f"$ {' '.join(argv)}\n")
    log.flush()
    argv = [*_ENDS_WITH_US, *argv]
    return subprocess.run(
        argv, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False
    ).returncode


def remove(folder: Path) -> None:
    """Removes a root. Nothing is mounted in it: what was is gone with its namespace."""
    subprocess.run(["rm", "-rf", "--one-file-system", folder], check=True)
