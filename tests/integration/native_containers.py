"""A container as a node of a lab by VPN: done inside the lab's own kernel, which has IPsec and PPP, as root.

There no engine of containers can be started, for want of control groups. So a process with namespaces and
files of its own stands for the container, and a program for the client of the engine. ``python
native_containers.py FOLDER`` prints JSON facts; ``test_containers_by_vpn`` asserts them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from lab.engine import registry
from lab.linux import process_table
from lab.wait import wait_until

DEADLINE_S = 200.0
IDENTITY = "0123456789abcdef" * 4
HOSTS = "127.0.0.1\tlocalhost\n"
FORMER = "nameserver 10.255.255.53\n"
CALL = (
    "ping -c 1 $LAB_PROBE >&2 && curl -sS --cacert $LAB_CA_FILE $LAB_SERVER && hostname && exit 7"
)

CLIENT = """#!{python}
import json, os, sys
pid = int(open({pid!r}).read())
if sys.argv[1] == "inspect":
    state = {{"Running": True, "Paused": False, "Pid": pid}}
    print(json.dumps([{{"Id": {identity!r}, "Name": "/agent", "State": state,
        "HostConfig": {{"NetworkMode": "none"}}}}]))
else:
    at = sys.argv.index("--env-file")
    told = open(sys.argv[at + 1]).read().splitlines()
    assert sys.argv[at + 2] == {identity!r}
    enter = ["nsenter", "--target", str(pid), "--net", "--mount", "--uts", "--"]
    path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
    os.execvp(enter[0], [*enter, "env", "-i", path, *told, *sys.argv[at + 3:]])
"""
STANDS = (
    'mount --make-rprivate / && mount --bind "$0/hosts" /etc/hosts && mount --bind "$0/resolv.conf" '
    "$(readlink -f /etc/resolv.conf) && mount -t proc proc /proc && ip link set lo up && hostname agent && "
    'touch "$0/ready" && exec sleep infinity'
)


def settle(folder: Path) -> int:
    """Start what stands for the container, and put the client in PATH; the first process."""
    files = folder / IDENTITY
    files.mkdir(parents=True)
    (files / "hosts").write_text(HOSTS)
    (files / "resolv.conf").write_text(FORMER)
    unshare = ["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--"]
    starter = subprocess.Popen([*unshare, "sh", "-c", STANDS, os.fspath(files)])
    wait_until("the container", (files / "ready").exists, DEADLINE_S)
    (pid,) = (pid for pid, each in process_table.take().items() if each.parent == starter.pid)
    (folder / "pid").write_text(str(pid))
    client = folder / "bin" / "docker"
    client.parent.mkdir()
    client.write_text(
        CLIENT.format(python=sys.executable, pid=os.fspath(folder / "pid"), identity=IDENTITY)
    )
    client.chmod(0o755)
    os.environ["PATH"] = f"{client.parent}:{os.environ['PATH']}"
    return pid


def lab(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "lab", *words]
    return subprocess.run(
        argv, capture_output=True, text=True, timeout=DEADLINE_S, stdin=subprocess.DEVNULL
    )


def look(pid: int) -> list[str]:
    """The container's network, by others' tools, and what the lab writes."""
    from tests.integration.docker_engine import look as network

    told = [Path(f"/proc/{pid}/root/etc/{name}").read_text() for name in ("hosts", "resolv.conf")]
    authority = Path(f"/proc/{pid}/root/usr/local/share/ca-certificates/callhome-lab.crt").exists()
    return [*network(pid).splitlines(), *told, f"authority: {authority}"]


def difference(before: list[str], now: list[str]) -> list[str]:
    return [
        *(f"- {line}" for line in before if line not in now),
        *(f"+ {line}" for line in now if line not in before),
    ]


def main(folder: Path) -> dict[str, Any]:
    pid = settle(folder)
    before = look(pid)
    facts: dict[str, Any] = {"before": before}

    ran = lab(
        "run", "vpn-nat", "--engine", "native", "--container", "agent", "--out", f"{folder}/run",
        "--", "sh", "-c", CALL,
    )  # fmt: skip
    facts["run"] = [ran.returncode, ran.stdout, ran.stderr]
    facts["verdict"] = json.loads((folder / "run" / "verdict.json").read_text())
    facts["after run"] = difference(before, look(pid))

    up = lab("up", "vpn-nat", "--engine", "native", "--container", "agent", "--out", f"{folder}/up")
    facts["up"] = [up.returncode, up.stderr]
    facts["meanwhile"] = difference(before, look(pid))
    (entry,) = registry.entries()
    os.kill(entry.pid, signal.SIGKILL)
    wait_until("the end of the wires", lambda: "lan@" not in "\n".join(look(pid)), DEADLINE_S)
    facts["after kill"] = difference(before, look(pid))
    facts["gc"] = lab("gc", f"{folder}/up").stdout
    facts["after gc"] = difference(before, look(pid))

    up = lab(
        "up", "vpn-nat", "--engine", "native", "--container", "agent", "--out", f"{folder}/end"
    )
    os.kill(pid, signal.SIGKILL)
    facts["down"] = lab("down", "--json").stdout
    return facts


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]).resolve())))
