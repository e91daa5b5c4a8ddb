"""Every finding holds on a true run; one thing made wrong fails it, and what depends on it, and no more."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab.topology.load import names
from lab.verify import Finding, Verdict
from lab.verify.registry import vocabulary
from tests.recordings import plans
from tests.recordings.true_run import Recordings, TrueRun
from tests.unit.verify import direct_mutations
from tests.unit.verify.mutation import Mutation
from tests.unit.verify.stage import topology

MUTATIONS = (*direct_mutations.MUTATIONS,)
ON_NO_WIRE = {"g6"}
"""What is left over after the teardown is seen when all captures have ended."""

Verdicts = dict[str, Verdict]


def verdicts(findings: dict[str, Finding]) -> Verdicts:
    return {name: found.verdict for name, found in findings.items()}


@pytest.fixture(scope="module")
def unchanged(recordings: Recordings) -> Callable[[str], Verdicts]:
    """The verdicts on a recording as it is."""
    known: dict[str, Verdicts] = {}

    def judged(name: str) -> Verdicts:
        if name not in known:
            known[name] = verdicts(recordings(name).judge())
        return known[name]

    return judged


@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
def test_one_thing_wrong_fails_its_finding_and_what_depends_on_it(
    mutation: Mutation, recordings: Recordings, unchanged: Callable[[str], Verdicts]
) -> None:
    run, before = recordings(mutation.recording), unchanged(mutation.recording)
    assert before[mutation.requirement] is Verdict.held
    mutation.change(run)

    after = verdicts(run.judge(mutation.believed(run.topology)))

    changed = {name: verdict for name, verdict in after.items() if verdict is not before[name]}
    assert changed == {
        **dict.fromkeys(mutation.untested, Verdict.not_applicable),
        **dict.fromkeys({mutation.requirement, *mutation.also}, Verdict.failed),
    }
