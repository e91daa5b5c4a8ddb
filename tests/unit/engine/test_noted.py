"""What process 1 of the inside writes down of commands in a lab that is up."""

from __future__ import annotations

import json
from pathlib import Path

from lab.engine import noted
from lab.paths import COMMANDS_FILE


def program(run_dir: Path, *argv: str) -> dict[str, object]:
    return {"node": "hmc", "argv": [*argv], "env": {"LAB_RUN_DIR": f"{run_dir}", "no_proxy": ""}}


def test_each_command_is_a_line_and_keeps_its_words_to_itself(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()

    noted.write(program(tmp_path, "agent", "--password", "geheim"), 5.0, 1)
    noted.write(program(tmp_path, "sh", "-c", "https_proxy=http://p:1 agent"), 6.0, 0)

    lines = [json.loads(line) for line in (tmp_path / COMMANDS_FILE).read_text().splitlines()]
    assert [(one["argv"], one["status"]) for one in lines] == [
        (["agent"], 1),
        (["sh", "https_proxy=http://p:1 agent"], 0),
    ]
    assert all(one["node"] == "hmc" and one["started"] < one["time"] for one in lines)


def test_who_is_not_told_of_a_run_directory_is_not_noted(tmp_path: Path) -> None:
    noted.write({"node": "hmc", "argv": ["ip"], "env": {}}, 5.0, 0)

    assert [*tmp_path.iterdir()] == []


def test_a_run_directory_that_is_gone_harms_nobody(tmp_path: Path) -> None:
    noted.write(program(tmp_path / "gone", "agent"), 5.0, 0)

    assert [*tmp_path.iterdir()] == []
