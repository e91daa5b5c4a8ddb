"""What users' commands leave running is told by name, and ended; it is no leftover of the lab's."""

from __future__ import annotations

import pytest

from tests.integration.labs import Runs

# The command ends only after its daemon's child is a program of its own: before that, it may be there or not.
SLEEPS = (
    "until [ $asleep ]; do for name in /proc/[0-9]*/comm; do "
    "read -r comm <$name && [ $comm = sleep ] && asleep=yes; done 2>/dev/null; done; echo started"
)
STAYS = f"setsid sh -c 'sleep 1000; touch $LAB_RUN_DIR/late' >/dev/null 2>&1 & {SLEEPS}"
IS_DEAF = f"setsid sh -c 'trap \"\" TERM; while :; do sleep 1000; done' >/dev/null 2>&1 & {SLEEPS}"


@pytest.mark.parametrize("script", [STAYS, IS_DEAF])
def test_a_daemon_of_the_command_is_told_of_by_name(script: str, runs: Runs) -> None:
    ran = runs.get("direct", "--", "sh", "-c", script)

    assert ran.stdout == "started\n"
    assert (ran.status, ran.verdict["verdict"], ran.failed) == (0, "pass", set())
    left = [event for event in ran.events if event["kind"] == "left-running"]
    assert [event["program"] for event in left] == ["sh", "sleep"]
    assert {event["source"] for event in left} == {"hmc"}
    assert f"a command left sh running on hmc (process {left[0]['pid']}: sh -c " in ran.stderr
    # The number is that of the node's own ps, where process 1 is the first and the command the second.
    assert 2 < left[0]["pid"] < 10
    assert not (ran.run_dir / "late").exists()


def test_it_is_told_where_the_story_is_not(runs: Runs) -> None:
    ran = runs.get("direct", "--quiet", "--", "sh", "-c", STAYS)

    assert "lab: a command left sleep running on hmc" in ran.stderr


def test_what_the_lab_runs_is_not_taken_for_it(runs: Runs) -> None:
    """xl2tpd, pppd and charon run on the agent's host itself."""
    ran = runs.get("vpn-nat", "--", "true")

    assert ran.record.left_running == []
    assert ran.failed == set()
