"""``run:`` of the role ``vpn-gateway``: strongSwan, xl2tpd and pppd as somebody else sets them up."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.integration.engineers import Engineer
from tests.integration.labs import ROOT

pytestmark = pytest.mark.kernel

CLIENT = ROOT / "tests" / "data" / "clients" / "own-vpn.sh"
CALL = ("--", "sh", "-c", 'curl -sS -m 5 --cacert "$LAB_CA_FILE" "$LAB_SERVER"')


@pytest.fixture
def engineer(tmp_path: Path) -> Engineer:
    return Engineer(tmp_path, "own-gateway.yaml", "my-gateway.sh")


def test_every_finding_holds(engineer: Engineer) -> None:
    """Also those that decrypt: the keys are in the gateway's kernel, whoever made them."""
    done = engineer.run()

    assert (done.returncode, engineer.failed) == (0, {}), done.stderr
    untested = {name for name, (verdict, _) in engineer.findings.items() if verdict != "pass"}
    assert untested == {"R-07"}
    assert engineer.findings["R-07"][1].startswith("not put to the test: vpn1 answered hmc")
    assert "packets decrypted, all with next header 4" in engineer.findings["P-02"][1]
    logs = engineer.out / "logs" / "vpn1"
    assert "Call established" in (logs / "sh.log").read_text()
    assert not (logs / "charon.log").exists()
    assert not (logs / "xl2tpd.log").exists()
    assert engineer.ended == []
    assert b"left running" not in done.stderr


def test_another_key_is_told_by_the_packets(engineer: Engineer) -> None:
    """Then the lab's own second gateway takes over."""
    engineer.edit("my-gateway.sh", "${OWN_PSK:-", "nonsense${OWN_PSK:-")
    done = engineer.run(*CALL)

    assert done.returncode == 0, done.stderr
    assert b"vpn1 did not agree on IKE" in done.stderr or b"vpn1:" in done.stderr
    assert (engineer.out / "logs" / "vpn2" / "charon.log").exists()
    assert b"hmc and vpn2 agreed on" in done.stderr


def test_a_client_of_the_own_too(engineer: Engineer) -> None:
    """Neither end is the lab's: packets are judged, and nothing fails as nobody tells how far they came."""
    shutil.copy(CLIENT, engineer.user.home)
    done = engineer.run("--no-path", "--", "bash", "own-vpn.sh")

    assert (done.returncode, engineer.failed) == (0, {}), done.stderr
    assert b'"service": "callhome-lab sdc"' in done.stdout
    assert {engineer.findings[name][0] for name in ("P-02", "P-03", "P-08", "P-09")} == {"pass"}
    verdict, seen = engineer.findings["P-10"]
    assert verdict == "not-applicable"
    assert "vpn1 runs sh, the user's own, and tells the lab nothing of who called it" in seen


def test_a_gateway_without_l2tp(engineer: Engineer) -> None:
    engineer.edit(
        "my-gateway.sh", 'xl2tpd -D -c "$own/xl2tpd.conf" -s "$own/l2tp-secrets" &', "sleep 1000 &"
    )
    done = engineer.run()

    assert done.returncode == 2
    assert (
        b"nobody listens on UDP 129.42.160.16:1701 of vpn1, where sh has run for 120 s"
        in done.stderr
    )


def test_a_gateway_that_ends_at_once(engineer: Engineer) -> None:
    engineer.runs("sh", "-c", "echo no licence; exit 4")
    done = engineer.run()

    assert done.returncode == 2
    told = b"vpn1's sh ended with exit status 4 before it listened on UDP 129.42.160.16:500, UDP "
    assert told in done.stderr
    assert b"| no licence" in done.stderr


def test_a_gateway_that_does_not_exist(engineer: Engineer) -> None:
    engineer.runs("my-gateway")
    done = engineer.run()

    assert done.returncode == 2
    assert b"there is no program 'my-gateway', which vpn1 is to run" in done.stderr


def test_a_gateway_that_ends_in_mid_run(engineer: Engineer) -> None:
    """It is ended by a program in its node: the run says so, and the lab has not broken."""
    with engineer.user.visiting(engineer.user.home / "more") as user:
        for name in ("own-gateway.yaml", "my-gateway.sh"):
            shutil.copy(engineer.user.home / name, user.home)
        up = user.lab("up", "own-gateway.yaml", "--out", "out")
        assert up.returncode == 0, up.stderr
        assert user.lab("exec", "vpn1", "--", "pkill", "-f", "my-gateway.sh").returncode == 0
        user.lab("down", "own-gateway")
        told = (user.home / "out" / "verdict.json").read_text()

    assert "vpn1's sh ended with exit status" in told
    assert '"verdict": "fail",\n "findings"' in told


def test_faults(engineer: Engineer) -> None:
    """Of the client's end they are put in as ever; the gateway's are its own program's to do."""
    refused = engineer.run("--fault", "pool-empty")
    assert refused.returncode == 2
    assert b"the fault pool-empty is put in by the lab's own program on vpn1" in refused.stderr

    done = engineer.run("--fault", "wrong-chap-secret")
    assert done.returncode == 1
    assert b"give both ends the same CHAP secret" in done.stdout
