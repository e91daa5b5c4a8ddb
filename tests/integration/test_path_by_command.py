"""``lab path up|down``: every kind of way, by command, once and again; and what `lab down` says then."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.labs import DEADLINE_S, ROOT
from tests.integration.users import User

pytestmark = pytest.mark.kernel

CALL = 'curl -sS -m {} --cacert "$LAB_CA_FILE" "$LAB_SERVER"'


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User.settle(tmp_path / "home")


def calls(user: User, within_s: int = 60) -> bool:
    """Whether a call gets home; by a modem that takes seconds of a real clock, and more on a busy machine."""
    done = user.lab("exec", "hmc", "--", "sh", "-c", CALL.format(within_s))
    assert done.returncode == 0 or b"curl" in done.stderr, done.stderr
    return done.returncode == 0 and b"callhome-lab" in done.stdout


def said(user: User, *words: str) -> tuple[int, str]:
    """Exit status, and what was printed."""
    done = user.lab("path", *words)
    typed = (done.stdout + done.stderr).decode()
    return done.returncode, re.sub(r"\S+/(?=lab )", "", typed)


def state(user: User) -> dict[str, Any]:
    (entry,) = json.loads(user.lab("status", "--json").stdout)
    (agent,) = entry["ways"]
    return dict(agent)


def judged(user: User) -> tuple[str, dict[str, dict[str, Any]]]:
    verdict = json.loads(user.lab("down", "--json").stdout)
    return verdict["verdict"], {f["requirement"]: f for f in verdict["findings"]}


def test_ways_of_several_kinds_by_turns(user: User) -> None:
    with user.standing("failover", "--no-path", "--out", "out"):
        assert said(user, "down") == (
            2,
            "lab: the way home is not up for hmc\n  hint: lab path up\n",
        )
        status, words = said(user, "up", "vpn1")
        assert (status, words) == (
            2,
            "lab: failover has no way 'vpn1'\n  hint: known: vpn, modem\n",
        )

        status, words = said(user, "up", "vpn")
        assert status == 0
        assert words.startswith("hmc: vpn is up\n"), "the result is on standard output"
        assert "hmc is 10.254.1.2 on ppp0, vpn1 is 10.254.1.1" in words, "and the story is told"
        assert calls(user)
        assert state(user)["ways"] == {"vpn": "up", "modem": "down"}
        status, words = said(user, "up")
        assert (status, words) == (
            2, "lab: the way home is up already: vpn for hmc\n  hint: lab path down\n",
        )  # fmt: skip
        status, words = said(user, "up", "modem")
        assert (status, words) == (
            2, "lab: hmc has its way home by vpn\n  hint: first: lab path down vpn\n",
        )  # fmt: skip

        assert said(user, "down", "vpn")[0] == 0
        assert not calls(user, within_s=5)
        assert said(user, "up", "modem")[0] == 0
        assert calls(user)
        assert state(user)["ways"] == {"vpn": "taken down", "modem": "up"}
        assert said(user, "down")[0] == 0

        assert "hmc: vpn is up" in said(user, "up")[1], "without a name the first way comes first"
        assert calls(user)
        verdict, findings = judged(user)

    assert verdict == "pass", [f for f in findings.values() if f["verdict"] == "fail"]
    assert findings["OUT-15"]["verdict"] == "pass", "the last way was the lab's to choose"
    assert "then modem at" in findings["OUT-15"]["seen"]
    assert findings["R-01"]["verdict"] == "not-applicable"
    assert findings["OUT-23"]["verdict"] == findings["P-08"]["verdict"] == "pass"
    lines = (user.home / "out" / "events.jsonl").read_text().splitlines()
    events = list(map(json.loads, lines))
    ways = [(e["kind"], e["way"]) for e in events if e["kind"].startswith("way-")]
    assert ways == [
        *[(kind, "vpn") for kind in ("way-tried", "way-up", "way-taken-down")],
        *[(kind, "modem") for kind in ("way-tried", "way-up", "way-taken-down")],
        *[(kind, "vpn") for kind in ("way-tried", "way-up")],
    ]


DROP = "nft insert rule inet lab forward udp dport 500 drop"
UNDROP = (
    "nft delete rule inet lab forward handle "
    "$(nft -a list chain inet lab forward | sed -n 's/.*dport 500 drop # handle //p')"
)


def test_a_way_that_does_not_come_may_be_tried_again(user: User) -> None:
    """Rules of the user's own come before the way, and are mended while the lab stands."""
    with user.standing("vpn-nat", "--no-path", "--clock", "virtual", "--out", "out"):
        assert user.lab("exec", "firewall", "--", "sh", "-c", DROP).returncode == 0
        status, words = said(user, "up")
        assert status == 1
        assert "lab: hmc has no way home by VPN: vpn1: the other end does not answer" in words
        assert "lab down judges what was seen" in words
        assert state(user)["ways"] == {"vpn": "failed"}

        assert user.lab("exec", "firewall", "--", "sh", "-c", UNDROP).returncode == 0
        assert said(user, "up", "vpn")[0] == 0
        assert calls(user)
        # What died may be brought up, too.
        user.lab("exec", "hmc", "--", "sh", "-c", "kill $(cat /run/ppp0.pid)")
        assert said(user, "down")[0] == 0
        assert said(user, "up")[0] == 0
        assert calls(user)
        verdict, findings = judged(user)

    assert verdict == "pass", [f for f in findings.values() if f["verdict"] == "fail"]


def test_a_way_that_never_comes_fails(user: User) -> None:
    with user.standing("vpn-nat", "--no-path", "--clock", "virtual"):
        assert user.lab("exec", "firewall", "--", "sh", "-c", DROP).returncode == 0
        assert said(user, "up")[0] == 1
        down = user.lab("down", "--json")
    verdict = json.loads(down.stdout)
    assert (down.returncode, verdict["verdict"]) == (1, "fail")
    assert "is lost at firewall" in verdict["diagnosis"]


@pytest.mark.parametrize(("topology", "way"), [("direct", "internet"), ("proxy", "proxy")])
def test_ways_without_a_tunnel_are_closed_and_opened(topology: str, way: str, user: User) -> None:
    with user.standing(topology, "--no-path"):
        for _ in range(2):
            status, words = said(user, "up")
            assert (status, words.splitlines()[0]) == (0, f"hmc: {way} is up")
            assert calls(user)
            assert said(user, "down")[0] == 0
            assert not calls(user, within_s=5)
        assert state(user)["ways"] == {way: "taken down"}
        assert state(user)["state"] == "way home down"
        assert said(user, "up", way)[0] == 0
        assert calls(user)
        verdict, findings = judged(user)

    assert verdict == "pass", [f for f in findings.values() if f["verdict"] == "fail"]


def test_no_lab_stands(user: User) -> None:
    status, words = said(user, "up")
    assert status == 2
    assert words.startswith("lab: no lab is up\n")


SUITE = """
import pytest
from lab.errors import UsageError

@pytest.mark.topology("direct", path=False)
def test_down_and_up(lab):
    lab.path_up()
    lab.path_down()
    assert lab.way("hmc") is None
    with pytest.raises(UsageError, match="the way home is not up for hmc"):
        lab.path_down()
    lab.path_up("internet")
    assert lab.way("hmc").name == "internet"
    with pytest.raises(UsageError, match="direct has no way 'modem'"):
        lab.path_up("modem")
    assert lab.call_home()
    assert lab.finish().verdict == "pass"
"""


def test_a_test_takes_the_path_down(tmp_path: Path) -> None:
    """``lab.path_down()`` of the pytest plugin, and ``lab.path_up()`` with a name."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text(SUITE)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--lab-out=out", "-q"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": os.fspath(ROOT)}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=DEADLINE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
