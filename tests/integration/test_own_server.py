"""``run:`` of the role ``sdc``: a program of the user's own in the place of IBM's servers."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.integration.engineers import Engineer
from tests.integration.labs import ROOT, SYSTEM_PYTHON

pytestmark = pytest.mark.kernel

CALL = ("--", "sh", "-c", 'curl -sS -m 60 --cacert "$LAB_CA_FILE" "$LAB_SERVER/x?y"')
REASON = "sdc runs a program of the user's own, {}, and keeps no ledger"
RSA = "curl -sS -m 5 --tls-max 1.2 --ciphers ECDHE-RSA-AES256-GCM-SHA384 --cacert $LAB_CA_FILE $LAB_SERVER"


@pytest.fixture
def engineer(tmp_path: Path) -> Engineer:
    return Engineer(tmp_path, "own-server.yaml", "my-server.py")


def test_the_scenario_calls_home_to_it(engineer: Engineer) -> None:
    done = engineer.run()

    assert (done.returncode, engineer.failed) == (0, {}), done.stderr
    assert engineer.findings["F-03"][0] == "pass"
    assert REASON.format("python3") in engineer.findings["OUT-03"][1]
    assert b"acknowledged as 4711" in done.stderr
    assert not (engineer.out / "logs" / "sdc" / "ledger.jsonl").exists()
    log = (engineer.out / "logs" / "sdc" / "python3.log").read_text()
    assert "listening, as sdc for 129.42.56.189:443," in log
    assert '"POST /heartbeat HTTP/1.1" 200' in log


def test_a_command_gets_what_it_answers_by_both_certificates(engineer: Engineer) -> None:
    done = engineer.run("--", "sh", "-c", f"{CALL[-1]} && {RSA}")

    assert (done.returncode, engineer.failed) == (0, {}), done.stderr
    assert b'{"by": "my server", "path": "/x?y"}' in done.stdout
    assert b'"path": "/"' in done.stdout


def test_packets_still_tell_what_is_wrong(engineer: Engineer) -> None:
    """A client that sends from an address that is not its own: no ledger is needed to see it."""
    engineer.edit("own-server.yaml", "snat: true", "snat: true, rules: open.nft")
    (engineer.user.home / "open.nft").write_text(
        "table ip t {\n chain c {\n  type nat hook postrouting priority 100\n"
        "  tcp dport 443 snat to 198.51.100.77\n  masquerade\n }\n}\n"
    )
    engineer.run("--", "sh", "-c", f"{CALL[-1]}; true")

    assert "a packet leaves with source 198.51.100.77" in engineer.failed["OUT-03"]


@pytest.mark.parametrize("name", ["direct", "vpn", "dial", "direct-names"])
def test_other_ways_lead_to_it_too(name: str, engineer: Engineer) -> None:
    """Trials of other ways need no ledger, nor does a server that moves."""
    text = (ROOT / "topologies" / f"{name}.yaml").read_text()
    mine, count = re.subn(
        r"(sdc: *\{ role: sdc)", rf"\1, run: [{SYSTEM_PYTHON}, my-server.py]", text
    )
    assert count == 1
    (engineer.user.home / "own-server.yaml").write_text(mine)
    done = engineer.run()

    assert (done.returncode, engineer.failed) == (0, {}), done.stderr
    assert "tls-tried" not in (engineer.out / "events.jsonl").read_text()


def test_openssl_as_a_server(engineer: Engineer) -> None:
    engineer.runs(
        "sh",
        "-c",
        "exec openssl s_server -quiet -WWW -port 443 -cert $LAB_CERT_FILE -key $LAB_KEY_FILE",
    )
    page = f"{engineer.user.home}/page"
    Path(page).write_text("a page of mine\n")
    fetched = 'curl -sS -m 5 --cacert "$LAB_CA_FILE" "$LAB_SERVER/page"'
    done = engineer.run("--", "sh", "-c", fetched)

    assert (done.returncode, engineer.failed) == (0, {}), done.stderr
    assert b"a page of mine" in done.stdout


def test_a_program_that_does_not_exist(engineer: Engineer) -> None:
    engineer.runs("./no-such-server")
    done = engineer.run()

    assert done.returncode == 2
    assert b"no-such-server', which sdc is to run" in done.stderr
    assert not engineer.out.exists()


def test_a_program_that_may_not_be_executed(engineer: Engineer) -> None:
    engineer.runs("./my-server.py")
    done = engineer.run()

    assert done.returncode == 2
    assert b"my-server.py is not executable\n  hint: chmod +x " in done.stderr


def test_a_script_that_nothing_reads(engineer: Engineer) -> None:
    engineer.runs("./my-server.py")
    os.chmod(engineer.user.home / "my-server.py", 0o755)  # noqa: PTH101 - a user's own file
    done = engineer.run()

    assert done.returncode == 2
    assert b"sdc cannot run my-server.py: Exec format error" in done.stderr
    assert b"#!/bin/sh" in done.stderr


def test_a_program_that_ends_at_once(engineer: Engineer) -> None:
    engineer.runs("sh", "-c", "echo my certificate is missing; exit 3")
    done = engineer.run()

    assert done.returncode == 2
    assert (
        b"sdc's sh ended with exit status 3 before it listened on TCP 129.42.56.189:443"
        in done.stderr
    )
    assert b"| my certificate is missing" in done.stderr
    assert b"logs/sdc/sh.log" in done.stderr
    assert (engineer.out / "logs" / "sdc" / "sh.log").read_text() == "my certificate is missing\n"


def test_a_program_that_listens_nowhere(engineer: Engineer) -> None:
    engineer.runs("sh", "-c", "echo I wait for nobody; exec sleep 10000")
    done = engineer.run(*CALL)

    assert done.returncode == 2
    assert b"nobody listens on TCP 129.42.56.189:443, TCP 129.42.60.189:443 and TCP" in done.stderr
    assert b"| I wait for nobody" in done.stderr


def test_a_program_that_takes_its_time(engineer: Engineer) -> None:
    engineer.runs("sh", "-c", f"sleep 90; exec {SYSTEM_PYTHON} my-server.py")
    done = engineer.run(*CALL)

    assert done.returncode == 0, done.stderr
    assert b'"by": "my server"' in done.stdout


def test_a_program_that_listens_at_one_address_of_several(engineer: Engineer) -> None:
    engineer.edit("my-server.py", '("", 443)', '("129.42.60.189", 443)')
    done = engineer.run(*CALL)

    assert done.returncode == 2
    assert (
        b"nobody listens on TCP 129.42.56.189:443 and TCP 129.42.54.189:443 of sdc" in done.stderr
    )


def test_a_program_that_ends_in_mid_run(engineer: Engineer) -> None:
    """It serves one call, and goes: what came before is judged, and the run fails."""
    engineer.edit("my-server.py", "server.serve_forever()", "server.handle_request()")
    engineer.edit("my-server.py", "ThreadingHTTPServer", "HTTPServer")
    done = engineer.run()

    assert done.returncode == 1
    assert engineer.failed == {}
    told = "sdc's python3 ended with exit status 0 before the lab did"
    assert told in engineer.verdict["diagnosis"]
    assert "logs/sdc/python3.log" in engineer.verdict["diagnosis"]
    assert engineer.ended == ["python3"]


def test_it_and_what_it_started_end_with_the_lab(engineer: Engineer) -> None:
    """Also what is in a session of its own, and deaf to SIGTERM."""
    deaf = "trap '' TERM; while :; do sleep 100; done"
    # The second one is in a process group of its own.
    others = f'setsid sh -c "{deaf}" & set -m; sh -c "{deaf}" &'
    command = f"{others} exec {SYSTEM_PYTHON} my-server.py"
    engineer.runs("bash", "-c", command)
    done = engineer.run(*CALL)

    assert (done.returncode, engineer.failed) == (0, {}), done.stderr
    assert engineer.findings["g6"] == ("pass", "nothing is left")
    assert b"left running" not in done.stderr


def test_a_fault_of_the_labs_own_servers(engineer: Engineer) -> None:
    done = engineer.run("--fault", "server-503")

    assert done.returncode == 2
    assert b"the fault server-503 is put in by the lab's own program on sdc" in done.stderr
    assert engineer.run("--fault", "blocked-443").returncode == 1


def test_a_lab_that_is_left_up_serves_by_it(engineer: Engineer) -> None:
    with engineer.user.visiting(engineer.user.home / "more") as user:
        for name in ("own-server.yaml", "my-server.py"):
            shutil.copy(engineer.user.home / name, user.home)
        up = user.lab("up", "own-server.yaml")
        assert up.returncode == 0, up.stderr
        done = user.lab("exec", "hmc", *CALL)
        assert b'"by": "my server"' in done.stdout, done.stderr
        told = user.lab("exec", "sdc", "--", "pkill", "-f", "my-server.py")
        assert told.returncode == 0, told.stderr
        down = user.lab("down", "own-server")

    assert b"ended by SIGTERM" in down.stderr + down.stdout
