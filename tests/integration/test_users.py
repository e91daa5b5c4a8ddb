"""Agents that are not root: what they may read and write, and as whom they run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.labs import Ran, Runs
from tests.integration.users import User

pytestmark = pytest.mark.kernel

SCRIPT = """
id -u; id -G
echo $HOME $USER $LOGNAME
curl -sS --cacert $LAB_CA_FILE $LAB_SERVER
cd $LAB_SHARED_DIR
echo one >state; echo two >>state
echo three >new; mv new state; mkdir folder; ln -s ../state folder/link
cat $LAB_RUN_DIR/keys/* >/dev/null && echo read keys
echo x >$LAB_RUN_DIR/wire/x && echo written
ping -c1 $LAB_PROBE | grep -o '1 received'
logger -t agent "from $USER"
logger -t agent --rfc5424 -p local0.err again
"""
PLAN = ("direct-snat", "--user", "nobody", "--", "sh", "-c", SCRIPT)


@pytest.fixture(scope="module", autouse=True)
def started(runs: Runs) -> None:
    runs.start([PLAN])


@pytest.fixture
def ran(runs: Runs) -> Ran:
    return runs.get(*PLAN)


def test_a_user_calls_home_and_pings(ran: Ran) -> None:
    assert ran.status == 0, ran.told
    uid, groups, home, answer, ping = ran.stdout.splitlines()
    assert (uid, groups, home) == ("65534", "65534", "/nonexistent nobody nobody")
    assert '"status": "ready"' in answer
    assert ping == "1 received"


def test_keys_are_not_for_everybody_nor_is_the_run_directory(ran: Ran) -> None:
    assert "read keys" not in ran.stdout
    assert "written" not in ran.stdout
    assert ran.stderr.count("Permission denied") >= 2
    assert (ran.run_dir / "ca.pem").read_bytes() == (ran.run_dir / "keys" / "ca.pem").read_bytes()


def test_what_a_user_writes_again_and_again_is_in_the_run_directory(ran: Ran) -> None:
    shared = ran.run_dir / "shared"
    assert shared.stat().st_mode & 0o7777 == 0o1777
    assert (shared / "state").read_text() == "three\n"
    assert (shared / "folder" / "link").read_text() == "three\n"


def test_what_programs_log_is_in_the_run_directory(ran: Ran) -> None:
    first, second = (ran.run_dir / "logs" / "hmc" / "syslog").read_text().splitlines()
    assert first.endswith(" agent: from nobody")
    assert "Z <13>" in first
    assert "Z <131>1 " in second
    assert second.endswith("] again")


def test_a_user_of_a_node_is_known_there_alone(tmp_path: Path) -> None:
    """The run directory lies where only its owner may enter."""
    with User.visiting(tmp_path / "user") as user:
        user.home.chmod(0o700)
        with user.standing("direct"):
            made = user.lab(
                "exec", "hmc", "--", "useradd", "-m", "-G", "dialout", "-u", "4711", "esa"
            )
            assert made.returncode == 0, made.stderr
            script = (
                "id -u; id -Gn; cd; pwd; cat $LAB_CA_FILE | head -1; echo 1 >$LAB_SHARED_DIR/of-esa"
            )
            done = user.lab("exec", "--user", "esa", "hmc", "--", "sh", "-c", script)
            assert done.stdout.decode().splitlines() == [
                "4711",
                "esa dialout",
                "/home/esa",
                "-----BEGIN CERTIFICATE-----",
            ], done.stderr
            elsewhere = user.lab("exec", "--user", "esa", "firewall", "--", "true")
            assert elsewhere.returncode == 2
            assert b"there is no user 'esa' in firewall" in elsewhere.stderr
            assert b"useradd esa" in elsewhere.stderr
            (run_dir,) = (user.home / "runs").iterdir()
            user.lab("down")
            assert (run_dir / "shared" / "of-esa").read_text() == "1\n"
            assert "esa:" not in Path("/etc/passwd").read_text()


def test_an_unknown_user_is_named_before_anything_is_made(tmp_path: Path) -> None:
    user = User.settle(tmp_path / "user")
    done = user.lab("run", "--user", "nosuch", "direct", "--", "true")
    assert done.returncode == 2
    assert b"there is no user 'nosuch'" in done.stderr
    assert b"useradd nosuch" in done.stderr
    assert not os.path.lexists(user.home / "runs")
    done = user.lab("run", "--user", "nobody", "direct")
    assert done.returncode == 2
    assert b"--user is for a command of yours" in done.stderr
