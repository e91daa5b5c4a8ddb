"""What native labs do to the machine that they run on: done inside the lab's own kernel, as root.

``python native_labs.py FOLDER`` prints JSON facts; ``test_native`` asserts them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute  # type: ignore[import-untyped]

from lab.engine import registry
from lab.wait import wait_until

DEADLINE_S = 100.0


CALLER = 1234
"""Who is said to have called sudo."""


def lab(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command with pipes: its output ends when the last who could write to them has let go."""
    argv = [sys.executable, "-m", "lab", *words]
    return subprocess.run(
        argv, capture_output=True, text=True, timeout=DEADLINE_S, stdin=subprocess.DEVNULL,
        env={**os.environ, **variables},
    )  # fmt: skip


def run_by_sudo(out: Path) -> list[int]:
    """The owners of what a run leaves that was started by sudo."""
    ids = {"SUDO_UID": str(CALLER), "SUDO_GID": str(CALLER)}
    done = lab("run", "direct", "--engine", "native", "--quiet", "--out", os.fspath(out), **ids)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return sorted({path.lstat().st_uid for path in (out.parent, out, *out.rglob("*"))})


def up(topology: str, out: Path) -> str:
    done = lab("up", topology, "--engine", "native", "--out", os.fspath(out))
    return done.stdout.strip() or done.stderr


def names() -> dict[int, str]:
    """Every process of the machine and what ``ps`` calls it."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            found[int(path.name)] = (path / "comm").read_text().strip()
        except OSError:
            continue
    return found


def marked(run_dir: Path) -> list[str]:
    """The programs that say by their environment that they are of a lab."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if f"LAB_ID={run_dir}".encode() in (path / "environ").read_bytes().split(b"\0"):
                found.append((path / "comm").read_text().strip())
        except OSError:
            continue
    return sorted(found)


def network() -> list[list[str]]:
    """Links, addresses and routes of every table; no counters."""
    told = ("ifname", "address", "mtu", "operstate", "qdisc", "local", "dst", "gateway", "oif")
    with IPRoute() as kernel:
        listed = (*kernel.get_links(), *kernel.get_addr(), *kernel.get_routes())
        return sorted([m["event"], *(str(m.get(name)) for name in told)] for m in listed)


def machine() -> dict[str, Any]:
    """What a lab must leave as it was: all but its processes, which end with it."""
    spaces = set()
    for path in Path("/proc").glob("[0-9]*/ns/*"):
        try:
            spaces.add(os.fspath(path.readlink()))
        except OSError:
            continue
    settings = {}
    for path in Path("/proc/sys").rglob("*"):
        if path.match("net/netfilter/nf_conntrack_count") or "random" in path.parts:
            continue
        try:
            settings[os.fspath(path)] = path.read_text()
        except (OSError, ValueError):
            continue
    moving = ("/proc/sys/fs/", "/proc/sys/kernel/ns_last_pid", "/proc/sys/kernel/pty/nr")
    return {
        "spaces": sorted(spaces),
        "settings": {k: v for k, v in sorted(settings.items()) if not k.startswith(moving)},
        "network": network(),
        "mounts": Path("/proc/mounts").read_text(),
        "xfrm": Path("/proc/net/xfrm_stat").read_text()
        if Path("/proc/net/xfrm_stat").exists()
        else "",
        "run": sorted(path.name for path in Path("/run").iterdir()),
    }


def look_alikes(run_dir: Path) -> list[Path]:
    """Things that look like a lab's and are not what a killed lab leaves."""
    kept = [
        run_dir / "wire" / "lan.pcapng",
        run_dir / "control.sock.bak",
        run_dir / ".uml-notes",
        run_dir / "logs" / "control.sock",
        run_dir.parent / "not-a-run" / ".uml-of-somebody" / "file",
        run_dir.parent / "not-a-run" / "control.sock",
    ]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    return kept


def main(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    before = machine()

    first, second = folder / "runs" / "first", folder / "runs" / "second"
    facts["up"] = [up("vpn-nat", first), up("direct", second)]
    facts["status"] = [entry.name for entry in registry.entries()]
    processes = names()
    facts["names"] = sorted(name for name in processes.values() if name.startswith("lab-"))
    facts["marked"] = marked(first)
    facts["exec"] = lab("exec", "--lab", "direct", "hmc", "--", "printenv", "LAB_ID").stdout

    # The first is killed, the second goes on.
    entry = registry.find("vpn-nat")
    os.kill(entry.pid, signal.SIGKILL)
    wait_until("the end of the first", lambda: not marked(first), 30.0)
    (first / ".uml-1234").mkdir()
    (first / "wire" / "lan.pcapng.part").write_text("half")
    kept = [*look_alikes(first), second / "control.sock", second / "wire" / "frames.spool"]
    done = lab("gc", os.fspath(folder / "runs"))
    facts["gc"] = [line.replace(os.fspath(folder), "") for line in done.stdout.splitlines()]
    facts["gc again"] = lab("gc", os.fspath(folder / "runs")).stdout
    facts["lost"] = [os.fspath(path) for path in kept if not path.exists()]
    facts["stale"] = [
        path.name for path in (first / ".uml-1234", first / "control.sock") if path.exists()
    ]
    facts["second"] = lab("exec", "--lab", "direct", "hmc", "--", "echo", "alive").stdout
    down = lab("down", "direct")
    facts["down"], facts["down said"] = down.returncode, f"{down.stdout}{down.stderr}"

    facts["owners"] = run_by_sudo(folder / "by-sudo" / "run")
    facts["settings"] = len(before["settings"])
    facts["network"] = len(before["network"])

    after = machine()
    facts["changed"] = {
        name: [before[name], after[name]] for name in before if before[name] != after[name]
    }
    return facts


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]).resolve())))
