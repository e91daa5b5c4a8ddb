"""HTTP clients of Python, Java and Node, unchanged, at IBM's servers: directly and through a proxy.

Java and Node are on no package list of the lab, for a JDK is large: install a JDK from 17 on, or Node from 18
on, for these tests. Java takes 15 s of wall time in the guest, where it compiles the source first.
"""

from __future__ import annotations

import os
import shutil
import sys

import pytest

from tests.integration.labs import ROOT, Ran, Runs

pytestmark = pytest.mark.kernel

CLIENTS = ROOT / "tests" / "data" / "clients"
JAVA = ("java", os.fspath(CLIENTS / "Ask.java"))


REQUESTS = (
    "sh",
    "-c",
    f'REQUESTS_CA_BUNDLE="$LAB_CA_FILE" {sys.executable} {CLIENTS / "ask.py"}',
)


def node(program: str) -> tuple[str, ...]:
    return "sh", "-c", f'NODE_EXTRA_CA_CERTS="$LAB_CA_FILE" node {CLIENTS / program}'


needs_java = pytest.mark.skipif(
    not shutil.which("java"),
    reason="needs a JDK, which the lab's package list leaves out as large: openjdk-17-jdk-headless",
)
needs_node = pytest.mark.skipif(
    not shutil.which("node"), reason="needs Node, which is not on the lab's package list: nodejs"
)


def served(ran: Ran, target: str, size: int, *fails: str) -> None:
    """The run is as it should be, but for what ``fails``, and the servers got the request."""
    assert ran.status == 0, ran.told
    assert ran.failed == {*fails}, ran.told
    (entry,) = ran.record.ledger
    assert (entry.method, entry.target, entry.status) == ("POST", target, 200)
    assert entry.body_bytes == size
    assert entry.tls_version in ("TLSv1.2", "TLSv1.3")


def test_pythons_requests_calls_the_servers(runs: Runs) -> None:
    ran = runs.get("direct", "--", *REQUESTS)
    served(ran, "/requests", len("from requests"))
    assert ran.stdout.splitlines()[0] == "200 OK"
    assert ran.findings["OUT-01"]["verdict"] == "pass"


def test_pythons_requests_takes_the_proxy(runs: Runs) -> None:
    """Before Python 3.12 the interpreter asks a proxy by HTTP/1.0 without Host, which OUT-10 tells."""
    fails = ("OUT-10",) if sys.version_info < (3, 12) else ()
    ran = runs.get("proxy", "--", *REQUESTS)
    served(ran, "/requests", len("from requests"), *fails)
    assert ran.stdout.splitlines()[0] == "200 OK"
    assert ran.findings["OUT-09"]["verdict"] == "pass", ran.told


@needs_java
def test_java_calls_the_servers(runs: Runs) -> None:
    ran = runs.get("direct", "--", *JAVA)
    served(ran, "/java", len("from java"))
    assert ran.stdout.splitlines()[0] == "200 HTTP_1_1"
    assert ran.findings["OUT-01"]["verdict"] == "pass"


@needs_java
def test_java_takes_the_proxy(runs: Runs) -> None:
    ran = runs.get("proxy", "--", *JAVA)
    served(ran, "/java", len("from java"))
    for requirement in ("OUT-09", "OUT-10"):
        assert ran.findings[requirement]["verdict"] == "pass", ran.told


@needs_node
def test_nodes_fetch_calls_the_servers(runs: Runs) -> None:
    ran = runs.get("direct", "--", *node("ask.mjs"))
    served(ran, "/node", len("from node"))
    assert ran.stdout.splitlines()[0] == "200"


@needs_node
def test_nodes_https_takes_the_proxy(runs: Runs) -> None:
    """By CONNECT of its own: the fetch of Node before 24 knows no proxy of the environment."""
    ran = runs.get("proxy", "--", *node("proxied.mjs"))
    served(ran, "/node", len("from node"))
    assert ran.stdout.splitlines()[0] == "200 200"
    for requirement in ("OUT-09", "OUT-10"):
        assert ran.findings[requirement]["verdict"] == "pass", ran.told
