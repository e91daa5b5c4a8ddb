"""What people do wrong, and the sentence that the lab finds for it; and where it must find none.

Those of one topology that do not change the lab run one after the other in one lab.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import codec
from lab.record.record import Record
from lab.topology.model import Topology
from lab.verify import diagnosis
from lab.verify.case import Case
from tests.integration.labs import Runs
from tests.integration.users import User

Thing = dict[str, Any]

THINGS: list[Thing] = yaml.safe_load(
    (Path(__file__).parents[1] / "data" / "wrong" / "things.yaml").read_text()
)
ALONE = [thing for thing in THINGS if thing.get("alone")]
TOGETHER = [thing for thing in THINGS if not thing.get("alone")]
FEWEST = 60


def names(things: list[Thing]) -> list[str]:
    return [thing["name"].replace(" ", "-") for thing in things]


def expect(thing: Thing, told: str) -> None:
    if thing["told"]:
        assert re.search(thing["told"], told), told
    else:
        assert told == ""


class Done:
    """All things of one topology, done in one lab."""

    def __init__(self, topology: str, user: User) -> None:
        self.things = [thing for thing in TOGETHER if thing["in"] == topology]
        out = user.home / topology
        up = user.lab("up", topology, "--out", os.fspath(out))
        assert up.returncode == 0, up.stderr
        try:
            for thing in self.things:
                node = thing.get("node", "hmc")
                user.lab("exec", "--lab", topology, node, "--", "sh", "-c", thing["do"])
        finally:
            user.lab("down", topology)
        record = codec.load(Record, (out / "record.json").read_text())
        model = codec.load(Topology, (out / "keys" / "model.json").read_text())
        self.case, self.commands = Case(model, record, out), record.commands
        self.verdict = json.loads((out / "verdict.json").read_text())


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Done]]:
    with User.visiting(tmp_path_factory.mktemp("wrong")) as user:

        class Labs(defaultdict[str, Done]):
            def __missing__(self, topology: str) -> Done:
                self[topology] = Done(topology, user)
                return self[topology]

        yield Labs()


def test_the_corpus_is_large_enough() -> None:
    assert len(THINGS) >= FEWEST
    assert len({*names(THINGS)}) == len(THINGS)


@pytest.mark.parametrize("thing", TOGETHER, ids=names(TOGETHER))
def test_a_wrong_thing_among_others(thing: Thing, done: dict[str, Done]) -> None:
    made = done[thing["in"]]
    command = made.commands[made.things.index(thing)]
    assert command.status, "it must fail"

    found = diagnosis.of_command(made.case, command)

    expect(thing, str(found) if found else "")
    assert [f for f in made.verdict["findings"] if f["verdict"] == "fail"] == []


@pytest.mark.parametrize("thing", ALONE, ids=names(ALONE))
def test_a_wrong_thing_alone(thing: Thing, runs: Runs) -> None:
    ran = runs.get(thing["in"], *thing.get("options", ()), "--quiet", "--", "sh", "-c", thing["do"])

    assert ran.status, "it must fail"
    expect(thing, ran.verdict.get("diagnosis", ""))
    assert ran.failed == set(thing.get("failed", ()))
    # Also with --quiet.
    told = [name for name in ran.failed if not ran.findings[name].get("follows_from")]
    assert bool(told) == bool(ran.failed)
    assert all(f"{requirement} failed: " in ran.stderr for requirement in told)
