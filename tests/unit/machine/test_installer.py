"""What ``data/install-packages`` does with a made-up apt, dpkg and sudo, in a made-up machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lab.kernel import source
from lab.machine import packages

# Programs of the machine that the installer may use as they are.
REAL = (
    "cat", "chmod", "comm", "cut", "env", "find", "flock", "grep", "head", "ls", "mkdir", "mktemp", "mv",
    "readlink", "rm", "sed", "sh", "sort", "tail", "tr",
)  # fmt: skip

# apt-get writes down its words; `install` runs the file `effect`, which plays the packages' own scripts.
APT_GET = """
case "$*" in
*indextargets*) cat "{root}/suites"; exit ;;
*install*)
    echo "$*" | sed 's/.*fix-broken //' >>"{root}/calls"
    ls "{root}/usr/sbin" >"{root}/while-installing"
    . "{root}/effect" ;;
*update*) echo update >>"{root}/calls" ;;
esac
"""
APT_CACHE = """
case $1 in
show) grep -qxF "$2" "{root}/known" ;;
search) grep -E '^linux-source' "{root}/known" | sed 's/$/ - a source/' ;;
depends) cat "{root}/ours" ;;
esac
"""
DPKG_QUERY = """
case "$*" in
*source:Package*) for last; do :; done; grep "^$last " "{root}/sources" | cut -d' ' -f2 || true ;;
*-S*) for last; do :; done; grep ": $last\\$" "{root}/owners" ;;
*' '*Package*) sed 's/^/ii  /' "{root}/installed" ;;
*) for last; do :; done; ! grep -qxF "$last" "{root}/installed" || printf 'ii ' ;;
esac
"""


class Machine:
    """A machine in a folder: files, what apt knows, what is installed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bin = root / "bin"
        for folder in (
            "bin", "usr/sbin", "var/lib/dpkg", "etc/rc2.d", "etc/rc3.d", "etc/rcS.d",
            "etc/systemd/system/multi-user.target.wants",
        ):  # fmt: skip
            (root / folder).mkdir(parents=True)
        (root / "etc/os-release").write_text("ID=debian\nVERSION_CODENAME=bookworm\n")
        for name in (
            "known",
            "installed",
            "owners",
            "sources",
            "suites",
            "effect",
            "ours",
            "calls",
        ):
            (root / name).write_text("")
        for name in REAL:
            (self.bin / name).symlink_to(f"/usr/bin/{name}")
        for name, text in (
            ("id", "echo 0"), ("dpkg", ":"), ("apt-get", APT_GET), ("apt-cache", APT_CACHE),
            ("dpkg-query", DPKG_QUERY), ("systemctl", "exit 1"),
            ("update-rc.d", 'rm -f "{root}"/etc/rc?.d/S??"$1"'),
        ):  # fmt: skip
            self.program(name, text.replace("{root}", os.fspath(root)))
        text = packages.INSTALLER.read_text()
        assert text.count("root=''") == 1
        self.installer = root / "install-packages"
        self.installer.write_text(text.replace("root=''", f"root='{root}'"))

    def program(self, name: str, text: str) -> None:
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def write(self, name: str, *lines: str) -> None:
        (self.root / name).write_text("".join(f"{line}\n" for line in lines))

    def lines(self, name: str) -> list[str]:
        return (self.root / name).read_text().splitlines()

    def link(self, place: str, target: str) -> Path:
        path = self.root / place
        path.symlink_to(target)
        return path

    def install(self, *names: str, status: int = 0) -> str:
        """What the installer says."""
        done = subprocess.run(
            ["/bin/sh", self.installer, *names],
            env={"PATH": os.fspath(self.bin)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stderr
        return done.stderr


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_what_is_absent_is_installed_and_what_is_broken_again(machine: Machine) -> None:
    machine.write("known", "xl2tpd", "ppp")
    machine.write("installed", "ppp")
    assert "installing distribution packages: xl2tpd ppp" in machine.install("xl2tpd", "ppp")
    calls = machine.lines("calls")
    assert calls[0] == "install xl2tpd"
    assert calls[1].endswith("install --reinstall ppp")
    assert len(calls) == 2


def test_what_is_there_is_left_alone_if_only_absent_ones_are_wanted(machine: Machine) -> None:
    machine.write("known", "xl2tpd", "ppp")
    machine.write("installed", "ppp")
    machine.install("--absent", "xl2tpd", "ppp")
    assert machine.lines("calls") == ["install xl2tpd"]


def test_nothing_may_start_meanwhile_and_the_policy_is_as_before(machine: Machine) -> None:
    machine.write("known", "xl2tpd")
    machine.install("xl2tpd")
    assert machine.lines("while-installing") == ["policy-rc.d"]
    assert not (machine.root / "usr/sbin/policy-rc.d").exists()

    own = machine.root / "usr/sbin/policy-rc.d"
    own.write_text("#!/bin/sh\n# the administrator's\n")
    machine.install("xl2tpd")
    assert "administrator" in own.read_text()


def test_only_the_daemons_that_came_with_our_packages_are_disabled(machine: Machine) -> None:
    wants = "etc/systemd/system/multi-user.target.wants"
    machine.write("known", "xl2tpd", "charon-systemd")
    machine.write("installed", "nginx", "half")
    machine.write(
        "ours", "charon-systemd", "  Depends: udev", "xl2tpd", "systemd", "udev", "nginx", "half"
    )
    machine.write(
        "owners",
        "charon-systemd: /lib/systemd/system/strongswan.service",
        "xl2tpd: /etc/init.d/xl2tpd",
        "systemd: /lib/systemd/system/getty@.service",
        "nginx: /lib/systemd/system/nginx.service",
        "other: /lib/systemd/system/other.service",
        "udev: /etc/init.d/udev",
    )
    machine.write("sources", "systemd systemd", "udev systemd", "charon-systemd strongswan")
    before = machine.link(f"{wants}/ssh.service", "/lib/systemd/system/ssh.service")
    links = {
        # By either of the two paths that a merged /usr has.
        "strongswan": (f"{wants}/strongswan.service", "/usr/lib/systemd/system/strongswan.service"),
        "alias": ("etc/systemd/system/swanctl.service", "/lib/systemd/system/strongswan.service"),
        # Disabling the first takes the second away, too.
        "xl2tpd": ("etc/rc2.d/S01xl2tpd", "../init.d/xl2tpd"),
        "xl2tpd again": ("etc/rc3.d/S01xl2tpd", "../init.d/xl2tpd"),
        "getty": (f"{wants}/getty@tty1.service", "/lib/systemd/system/getty@.service"),
        "nginx": (f"{wants}/nginx.service", "/lib/systemd/system/nginx.service"),
        "other": (f"{wants}/other.service", "/lib/systemd/system/other.service"),
        "nobody": (f"{wants}/own.service", "/etc/systemd/system/own.service"),
        "udev": ("etc/rcS.d/S01udev", "../init.d/udev"),
    }
    new = ("charon-systemd", "xl2tpd", "systemd", "udev", "other")
    effect = [f"ln -s {target} {machine.root}/{place}" for place, target in links.values()]
    machine.write("effect", *effect, f"printf '%s\\n' {' '.join(new)} >>{machine.root}/installed")
    (machine.bin / "ln").symlink_to("/bin/ln")

    said = machine.install("xl2tpd", "charon-systemd")
    left = {name for name, (place, _) in links.items() if (machine.root / place).is_symlink()}
    assert left == {"getty", "nginx", "other", "nobody", "udev"}
    assert before.is_symlink()
    assert said.count("left disabled on this machine: strongswan swanctl xl2tpd") == 1
    assert said.count("xl2tpd") == 2  # There, and where it is installed.


@pytest.mark.parametrize(
    ("known", "taken"),
    [
        (("linux-source-6.12", "linux-source-7.2"), "linux-source-6.12"),
        (("linux-source-6.1", "linux-source-7.2", "linux-source-6.18"), "linux-source-7.2"),
        (("linux-source-6.9", "linux-source-6.13"), "linux-source-6.13"),
        (("linux-source-10.0", "linux-source-9.9"), "linux-source-10.0"),
    ],
)
def test_the_kernel_source_that_apt_has_is_taken(
    machine: Machine, known: tuple[str, ...], taken: str
) -> None:
    machine.write("known", *known)
    machine.install("linux-source-6.12")
    assert machine.lines("calls") == [f"install {taken}"]


def test_without_the_security_suite_the_line_to_add_is_given(machine: Machine) -> None:
    machine.write("known", "linux-source-6.1", "xl2tpd")
    machine.write("suites", "bookworm Debian http://mirror.test/debian/")
    said = machine.install("xl2tpd", "linux-source-6.12", status=3)
    assert "deb http://mirror.test/debian-security bookworm-security main" in said.splitlines()[-1]
    assert machine.lines("calls") == ["update"]
    # With that suite, and no source, it is no help.
    machine.write(
        "suites",
        "bookworm Debian http://mirror.test/debian/",
        "bookworm-security Debian-Security http://mirror.test/debian-security/",
    )
    assert "deb http" not in machine.install("linux-source-6.12", status=3)


def test_the_listed_source_is_the_oldest_that_the_build_takes() -> None:
    names = [each.name for each in packages.packages() if each.name.startswith("linux-source-")]
    assert names == ["linux-source-" + ".".join(map(str, source.OLDEST))]


def test_without_apt_the_packages_are_named(machine: Machine) -> None:
    (machine.bin / "apt-get").unlink()
    said = machine.install("--absent", "xl2tpd", "ppp", status=3)
    assert "no apt-get" in said
    assert said.endswith(": xl2tpd ppp\n")


def test_without_sudo_the_line_for_root_is_given(machine: Machine) -> None:
    machine.program("id", "echo 1000")
    said = machine.install("xl2tpd", status=3)
    assert "no sudo" in said
    assert said.endswith(f"as root, once: sh {machine.installer} xl2tpd\n")
    assert "installing distribution" not in said
    assert machine.lines("calls") == []


def test_a_sudo_that_wants_a_password_is_not_asked_where_nobody_can_type(machine: Machine) -> None:
    machine.program("id", "echo 1000")
    machine.program("sudo", f'[ "$1" != -v ] || echo asked >>"{machine.root}/calls"; exit 1')
    said = machine.install("xl2tpd", status=3)
    assert "no terminal" in said
    assert f"sh {machine.installer} xl2tpd" in said
    assert machine.lines("calls") == []


def test_a_sudo_that_refuses_leads_to_the_line_for_an_administrator(machine: Machine) -> None:
    machine.program("id", "echo 1000")
    machine.program("sudo", "exit 1")
    master, terminal = os.openpty()
    done = subprocess.run(
        ["/bin/sh", machine.installer, "xl2tpd"],
        env={"PATH": os.fspath(machine.bin)}, stdin=terminal, capture_output=True, text=True, check=False,
    )  # fmt: skip
    os.close(master)
    os.close(terminal)
    assert done.returncode == 3
    first, *_, last = done.stderr.splitlines()
    assert "needs root" in first
    assert last.endswith(
        f"sudo refuses; an administrator can do it, once: sh {machine.installer} xl2tpd"
    )
    assert machine.lines("calls") == []


def test_a_sudo_that_asks_nothing_is_used(machine: Machine) -> None:
    machine.write("known", "xl2tpd")
    machine.program("id", f'[ -e "{machine.root}/root" ] && echo 0 || echo 1000')
    machine.program("sudo", f'[ "$1" != -n ] || exit 0; : >"{machine.root}/root"; exec "$@"')
    machine.install("xl2tpd")
    assert machine.lines("calls") == ["install xl2tpd"]
