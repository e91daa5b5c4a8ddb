"""``run:`` of the roles ``proxy`` and ``service-proxy``: another program than the lab's squid."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.engineers import Engineer

pytestmark = pytest.mark.kernel

CALL = ("--", "sh", "-c", 'curl -sS -m 5 --cacert "$LAB_CA_FILE" "$LAB_SERVER"')


@pytest.fixture
def engineer(tmp_path: Path) -> Engineer:
    return Engineer(tmp_path, "own-proxy.yaml", "my-proxy.py")


def test_every_finding_holds(engineer: Engineer) -> None:
    done = engineer.run()

    assert (done.returncode, engineer.failed) == (0, {}), done.stderr
    assert {verdict for verdict, _ in engineer.findings.values()} == {"pass"}
    assert "asked for 1 time, and 1 tunnel made for who logged in" in engineer.findings["OUT-11"][1]
    logs = engineer.out / "logs" / "proxy-1"
    assert "CONNECT esupport.ibm.com:443 200" in (logs / "python3.log").read_text()
    assert not (logs / "access.log").exists()


def test_curl_goes_by_it(engineer: Engineer) -> None:
    done = engineer.run(*CALL)

    assert (done.returncode, engineer.failed) == (0, {}), done.stderr
    assert b'"service": "callhome-lab sdc"' in done.stdout


def test_a_proxy_that_lets_everybody_anywhere(engineer: Engineer) -> None:
    """The packets tell, and the lab's trials."""
    engineer.edit("my-proxy.py", 'or port != "443"', "")
    engineer.edit("my-proxy.py", "found <= LISTED", "found")
    done = engineer.run()

    assert done.returncode == 1
    assert "OUT-12" in engineer.failed


def test_a_proxy_that_takes_any_log_in(engineer: Engineer) -> None:
    engineer.edit("my-proxy.py", "if USER and", "if False and")
    engineer.run()

    assert set(engineer.failed) == {"OUT-11"}


def test_a_proxy_at_another_port(engineer: Engineer) -> None:
    engineer.edit("my-proxy.py", "int(port)", "8080")
    done = engineer.run(*CALL)

    assert done.returncode == 2
    assert b"nobody listens on TCP 192.168.10.21:3128 of proxy-1" in done.stderr


def test_a_proxy_that_ends_at_once(engineer: Engineer) -> None:
    engineer.edit(
        "my-proxy.py", "import base64", "raise SystemExit('no configuration')\nimport base64"
    )
    done = engineer.run(*CALL)

    assert done.returncode == 2
    assert (
        b"proxy-1's python3 ended with exit status 1 before it listened on TCP 192.168."
        in done.stderr
    )
    assert b"| no configuration" in done.stderr


def test_a_proxy_that_does_not_exist(engineer: Engineer) -> None:
    engineer.runs("./my-squid")
    done = engineer.run()

    assert done.returncode == 2
    assert b"/my-squid', which proxy-1 is to run" in done.stderr


def test_a_proxy_that_ends_in_mid_run(engineer: Engineer) -> None:
    """It serves one tunnel, and goes."""
    engineer.edit("my-proxy.py", "ThreadingTCPServer", "TCPServer")
    engineer.edit("my-proxy.py", "serve_forever()", "handle_request()")
    done = engineer.run(*CALL[:-1], f"{CALL[-1]}; sleep 3")

    assert done.returncode == 0, done.stderr
    assert engineer.ended == ["python3"]
    assert b"proxy-1's python3 ended with exit status 0 before the lab did" in done.stderr
    assert engineer.verdict["verdict"] == "fail"


def test_faults(engineer: Engineer) -> None:
    refused = engineer.run("--fault", "proxy-busy")
    assert refused.returncode == 2
    assert b"the fault proxy-busy is put in by the lab's own program on proxy-1" in refused.stderr

    done = engineer.run("--fault", "proxy-wrong-password")
    assert done.returncode == 1
    assert b"log-in" in done.stdout


def test_a_service_and_support_proxy(engineer: Engineer) -> None:
    """It cannot be told a false address for a name, and OUT-17 says so."""
    engineer.edit("own-proxy.yaml", "role: proxy, login: basic", "role: service-proxy")
    engineer.edit("own-proxy.yaml", "profile: hmc-2017-simplified", "profile: esa-aix-2025")
    engineer.edit("own-proxy.yaml", "OUT-11, OUT-12,", "OUT-17,")
    done = engineer.run()

    assert (done.returncode, engineer.failed) == (0, {}), done.stderr
    verdict, seen = engineer.findings["OUT-17"]
    assert verdict == "pass"
    assert "no listed name was led to another address, as proxy-1 runs python3" in seen
