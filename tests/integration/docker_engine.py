"""A dockerd of the tests' own, and containers in it: no registry, nothing of the machine's. No assertions."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.linux import syscalls
from lab.wait import wait_until
from tests import images

IMAGE = "agent:1"
START_S = 60.0
ASK_S = 60.0
NEEDED = ("dockerd", "containerd", "runc", "docker")
FIX = "sudo apt install docker.io, and run the tests as root"


def why_not() -> str:
    """Why no engine can be started here, and the fix; empty if it can be tried."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if os.geteuid() != 0 or missing:
        return f"no dockerd can be started here (missing: {', '.join(missing) or 'root'}): {FIX}"
    return ""


@dataclass(frozen=True)
class DockerEngine:
    """A daemon that runs."""

    socket: Path

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "DOCKER_HOST": f"unix://{self.socket}"}

    def docker(self, *words: str) -> str:
        """What the client prints; raises CalledProcessError, whose stderr says why."""
        done = subprocess.run(
            ["docker", *words],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=ASK_S,
            check=True,
        )
        return done.stdout.strip()

    @contextmanager
    def container(self, name: str, *options: str, network: str = "none") -> Iterator[int]:
        """A container that stays; its first process."""
        told = ("--name", name, "--network", network, *options)
        self.docker("run", "--detach", *told, IMAGE, "sleep", "infinity")
        try:
            yield int(self.docker("inspect", "--format", "{{.State.Pid}}", name))
        finally:
            self.docker("rm", "--force", name)


@contextmanager
def started(folder: Path) -> Iterator[DockerEngine]:
    """A daemon with all that it has in a folder; on leaving, the daemon and its containers are ended."""
    # A socket's path has 107 bytes at most, and a test's folder may have more.
    engine = DockerEngine(folder / "docker.sock")
    argv = [
        "dockerd", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec",
        "--host", f"unix://{engine.socket}", "--pidfile", f"{folder}/pid",
        "--iptables=false", "--ip-forward=false", "--bridge=none", "--storage-driver=vfs",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:

        def answers() -> bool:
            if daemon.poll() is not None:
                raise RuntimeError((folder / "log").read_text()[-2000:])
            asked = subprocess.run(
                ["docker", "info"], env=engine.env, capture_output=True, timeout=ASK_S
            )
            return asked.returncode == 0 and b"Server Version" in asked.stdout

        wait_until("dockerd answers", answers, START_S)
        rootfs = folder / "rootfs.tar"
        rootfs.write_bytes(images.layer(images.base()))
        engine.docker("import", os.fspath(rootfs), IMAGE)
        yield engine
    finally:
        daemon.terminate()
        daemon.wait(START_S)
        # It leaves the mount of a network namespace behind, perhaps more.
        mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        for path in reversed([each for each in mounts if Path(each).is_relative_to(folder)]):
            syscalls.unmount(path)


def look(pid: int) -> str:
    """The network of a process, by this machine's tools: links, addresses, routes, rules, IPsec, settings."""
    told = (
        "ip -o link", "ip -o address", "ip route show table all", "ip -6 route show table all",
        "ip rule", "ip -6 rule", "nft list ruleset", "ip xfrm state", "ip xfrm policy",
        "sysctl --all --pattern ^net",
    )  # fmt: skip
    found = []
    for line in told:
        argv = ["nsenter", f"--net=/proc/{pid}/ns/net", "--", *line.split()]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=ASK_S)
        # How many connections are followed just now is no setting.
        lines = [each for each in done.stdout.splitlines() if "nf_conntrack_count" not in each]
        found.append("\n".join([f"# {line}", *lines]))
    return "\n".join(found)
