"""Containers that a dockerd of the tests' own runs, as nodes of native labs.

Judged by docker, and by ip, nft and sysctl in the container's network.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.engine import registry
from lab.wait import wait_until
from tests.integration import docker_engine
from tests.integration.docker_engine import DockerEngine, look
from tests.integration.labs import DEADLINE_S, ROOT

pytestmark = pytest.mark.skipif(bool(docker_engine.why_not()), reason=docker_engine.why_not())

CALL = "curl -sS --cacert $LAB_CA_FILE $LAB_SERVER"


@pytest.fixture(scope="module")
def engine() -> Iterator[DockerEngine]:
    with (
        tempfile.TemporaryDirectory(prefix="lab-docker-") as folder,
        docker_engine.started(Path(folder)) as started,
    ):
        yield started


@pytest.fixture
def agent(engine: DockerEngine) -> Iterator[int]:
    """The container ``agent``, which must be as before when the test is over; its first process."""
    with engine.container("agent") as pid:
        before, files = look(pid), tree(engine)
        assert "# sysctl" in before
        assert before.count("\nnet.") > 100
        yield pid
        assert tree(engine) == files
        assert look(pid) == before


def tree(engine: DockerEngine) -> str:
    """The container's names and authorities."""
    told = "cat /etc/hosts /etc/resolv.conf; ls -lR /usr/local 2>&1 || true"
    return engine.docker("exec", "agent", "sh", "-c", told)


def lab(
    engine: DockerEngine, *words: str | Path, given: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lab", *(os.fspath(word) for word in words)],
        env={**engine.env, "PYTHONPATH": os.fspath(ROOT)}, input=given, capture_output=True,
        text=True, timeout=DEADLINE_S,
    )  # fmt: skip


def processes(engine: DockerEngine, command: str) -> list[str]:
    """Those of the container that have this command line."""
    lines = engine.docker("top", "agent", "-eo", "pid,args").splitlines()[1:]
    return [line for line in lines if line.partition(" ")[2].strip() == command]


@pytest.mark.usefixtures("agent")
def test_a_command_runs_in_the_container_on_the_wires_of_the_lab(
    engine: DockerEngine, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    told = "cat; id -u; ls /etc; cat /etc/hosts /etc/resolv.conf; env; " + CALL + "; exit 7"
    done = lab(
        engine, "run", "direct", "--container", "agent", "--user", "1234", "--out", run,
        "--", "sh", "-c", told, given="by standard input\n",
    )  # fmt: skip

    assert done.returncode == 7, done.stderr
    assert done.stdout.startswith("by standard input\n1234\n")
    assert "pam.d" not in done.stdout, "the files are the container's"
    assert "hmc.customer.test hmc" in done.stdout
    assert "nameserver " in done.stdout
    assert "LAB_CA_FILE=/usr/local/share/ca-certificates/callhome-lab.crt" in done.stdout
    assert os.fspath(run) not in re.sub(r"LAB_ID=.*|# a node of .*", "", done.stdout)
    assert '"status": "ready"' in done.stdout
    assert "native" in done.stderr
    verdict = json.loads((run / "verdict.json").read_text())
    assert (verdict["engine"], verdict["verdict"]) == ("native", "pass")
    g1 = next(finding for finding in verdict["findings"] if finding["requirement"] == "g1")
    assert g1["verdict"] == "pass"
    assert "all listed" in g1["seen"]


def test_a_lab_that_stands(engine: DockerEngine, agent: int, tmp_path: Path) -> None:
    run = tmp_path / "run"
    up = lab(engine, "up", "direct", "--container", "hmc=agent", "--out", run)
    assert up.returncode == 0, up.stderr
    try:
        env_file = os.fspath(run / "container-hmc.env")
        assert f"docker exec --env-file {env_file} agent COMMAND" in up.stderr
        assert '"status": "ready"' in engine.docker(
            "exec", "--env-file", env_file, "agent", "sh", "-c", CALL
        )
        links = engine.docker("exec", "agent", "ls", "/sys/class/net").split()
        assert sorted(links) == ["lan", "lo", "svc"]

        # This machine's tools, in the container's network.
        asked = lab(
            engine,
            "exec",
            "--lab",
            up.stdout.strip(),
            "hmc",
            "--",
            "sh",
            "-c",
            "readlink /proc/self/ns/net; ip -br link",
        )
        assert Path(f"/proc/{agent}/ns/net").readlink().name in asked.stdout
        assert "lan@" in asked.stdout

        again = lab(engine, "run", "direct", "--container", "agent", "--", "true")
        assert again.returncode == 2
        assert f"is a node of the lab in {run}" in again.stderr
    finally:
        down = lab(engine, "down", up.stdout.strip(), "--json")
    assert down.returncode == 0, down.stderr
    verdict = json.loads(down.stdout)
    assert verdict["verdict"] == "pass"
    assert {f["requirement"]: f["verdict"] for f in verdict["findings"]}["g6"] == "pass"


def test_the_containers_own_network_stays(engine: DockerEngine, tmp_path: Path) -> None:
    """Rules, addresses and settings, some of which a node must not have."""
    with engine.container("agent") as pid:
        enter = ("nsenter", f"--net=/proc/{pid}/ns/net", "--")
        rules = "add table ip mine; add chain ip mine c; add rule ip mine c drop"
        for argv in (
            ("nft", rules),
            ("ip", "address", "add", "10.1.2.3/32", "dev", "lo"),
            ("sysctl", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=1"),
        ):
            subprocess.run([*enter, *argv], check=True, stdout=subprocess.DEVNULL)
        before, run = look(pid), tmp_path / "run"
        settings = ("ip_forward", "conf/all/rp_filter")
        asked = ("cat", *(f"/proc/sys/net/ipv4/{name}" for name in settings))
        ran = lab(engine, "run", "direct", "--container", "agent", "--out", run, "--", *asked)
        assert (ran.returncode, ran.stdout) == (0, "0\n0\n"), ran.stderr
        assert "10.1.2.3" in before
        assert "table ip mine" in before
        assert look(pid) == before
        findings = json.loads((run / "verdict.json").read_text())["findings"]
        assert [f["verdict"] for f in findings if f["requirement"] == "g6"] == ["pass"]


@pytest.mark.usefixtures("agent")
@pytest.mark.parametrize("topology", ["direct-ipv6", "proxy"])
def test_ways_without_a_tunnel(engine: DockerEngine, tmp_path: Path, topology: str) -> None:
    """Docker switches IPv6 off where it makes no network; a proxy is told by variables."""
    run = tmp_path / "run"
    command = ("sh", "-c", CALL)
    ran = lab(engine, "run", topology, "--container", "agent", "--out", run, "--", *command)
    assert ran.returncode == 0, ran.stderr
    assert '"status": "ready"' in ran.stdout
    assert json.loads((run / "verdict.json").read_text())["verdict"] == "pass"


@pytest.mark.usefixtures("agent")
def test_the_labs_own_agent_calls_home_from_there(engine: DockerEngine, tmp_path: Path) -> None:
    ran = lab(engine, "run", "direct", "--container", "agent", "--out", tmp_path / "run")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    verdict = json.loads((tmp_path / "run" / "verdict.json").read_text())
    assert {f["verdict"] for f in verdict["findings"]} <= {"pass", "not-applicable"}
    assert sum(f["verdict"] == "pass" for f in verdict["findings"]) >= 10


def test_after_sigkill_gc_puts_back(engine: DockerEngine, agent: int, tmp_path: Path) -> None:
    run, before = tmp_path / "run", look(agent)
    up = lab(engine, "up", "direct", "--container", "agent", "--out", run)
    assert up.returncode == 0, up.stderr
    (entry,) = (each for each in registry.entries() if each.run_dir == os.fspath(run))
    os.kill(entry.pid, signal.SIGKILL)
    wait_until("the end of the wires", lambda: "lan@" not in look(agent), DEADLINE_S)
    assert look(agent) != before, "else there is nothing to put back"

    refused = lab(engine, "run", "direct", "--container", "agent", "--", "true")
    assert refused.returncode == 2
    assert f"lab gc {run}" in refused.stderr

    done = lab(engine, "gc", run)
    assert "what was the lab's in the container agent" in done.stdout
    assert "container" not in lab(engine, "gc", run).stdout
    # The rest is what ``agent`` looks at.


@pytest.mark.usefixtures("agent")
def test_a_command_ends_with_its_lab(engine: DockerEngine, tmp_path: Path) -> None:
    """Although docker exec leaves it running when only the client ends."""
    argv = [
        sys.executable, "-m", "lab", "run", "direct", "--container", "agent", "--out", f"{tmp_path}/run",
        "--", "sleep", "12345",
    ]  # fmt: skip
    env = {**engine.env, "PYTHONPATH": os.fspath(ROOT)}
    with subprocess.Popen(
        argv, env=env, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as ran:
        try:
            wait_until("the command", lambda: processes(engine, "sleep 12345"), DEADLINE_S)
            ran.send_signal(signal.SIGTERM)
            assert ran.wait(DEADLINE_S) != 0
        finally:
            ran.kill()
    assert processes(engine, "sleep 12345") == []
    assert (tmp_path / "run" / "verdict.json").exists()


def test_a_container_that_ends_is_the_diagnosis(engine: DockerEngine, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with engine.container("agent"):
        up = lab(engine, "up", "direct", "--container", "agent", "--out", run)
        assert up.returncode == 0, up.stderr
        engine.docker("kill", "agent")
        down = lab(engine, "down", up.stdout.strip(), "--json")
        assert down.returncode == 1
        assert "Traceback" not in down.stderr + (run / "logs" / "lab.log").read_text()
        verdict = json.loads(down.stdout)
        assert verdict["verdict"] == "fail"
        assert "hmc's container agent ended before the lab did" in verdict["diagnosis"]
        kinds = [
            json.loads(line)["kind"] for line in (run / "events.jsonl").read_text().splitlines()
        ]
        assert "container-ended" in kinds

        engine.docker("start", "agent")
        assert "hmc" not in tree(engine)
        assert "callhome" not in tree(engine)


@pytest.mark.parametrize(
    ("options", "network", "problem", "fix"),
    [
        ((), "host", "has the network 'host'", "--network none"),
        (("--read-only",), "none", "Read-only file system", "without --read-only"),
    ],
)
def test_containers_that_cannot_be_nodes(
    engine: DockerEngine,
    tmp_path: Path,
    options: tuple[str, ...],
    network: str,
    problem: str,
    fix: str,
) -> None:
    with engine.container("agent", *options, network=network):
        ran = lab(
            engine, "run", "direct", "--container", "agent", "--out", tmp_path / "run", "--", "true"
        )
        assert ran.returncode == 2, ran.stderr
        assert problem in ran.stderr
        assert fix in ran.stderr
        assert "Traceback" not in ran.stderr
        assert "callhome" not in tree(engine)


def test_the_fixture_of_the_page_works(engine: DockerEngine, tmp_path: Path) -> None:
    """As the page has it, but that compose is the test's own docker run."""
    text = (ROOT / "docs" / "containers.md").read_text()
    page = text.partition("## In pytest")[2]
    blocks = ["\n".join(re.findall(r"^    (.*)|^$", part, re.M)) for part in page.split("\n\n`")]
    conftest = next(block for block in blocks if "docker_services" in block)
    test = next(block for block in blocks if "def test_my_agent" in block)
    plugin = (
        "@pytest.fixture(scope='session')\ndef docker_services(): pass\n"
        "@pytest.fixture(scope='session')\ndef docker_compose_project_name(): return 'page'\n"
    )
    (tmp_path / "conftest.py").write_text(f"{conftest}\n{plugin}")
    (tmp_path / "test_agent.py").write_text(f"import subprocess\n{test}")
    scripts = tmp_path / "bin"
    scripts.mkdir()
    (scripts / "lab").write_text(f'#!/bin/sh\nexec {sys.executable} -m lab "$@"\n')
    (scripts / "lab").chmod(0o755)
    env = {
        **engine.env, "PYTHONPATH": os.fspath(ROOT), "PATH": f"{scripts}:{os.environ['PATH']}",
    }  # fmt: skip
    with engine.container("page-agent-1"):
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:lab"],
            cwd=tmp_path, env=env, capture_output=True, text=True, timeout=DEADLINE_S,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
