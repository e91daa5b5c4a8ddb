"""What is told of a management module that lets nobody in; the module's faults are in test_diagnosis."""

from __future__ import annotations

from lab.imm.events import ModuleRefused, ModuleSubscribed
from tests.recordings.true_run import Recordings, TrueRun

RUN = "esa-imm"


def refused(run: TrueRun, client: str) -> None:
    time = run.record.started + 1
    run.events.append(ModuleRefused(source="imm", time=time, client=client, port=5989))


def test_a_log_in_that_is_refused_and_no_subscription_are_a_wrong_password(
    recordings: Recordings,
) -> None:
    run = recordings(RUN)
    (module,) = run.topology.modules
    run.unhear(lambda event: isinstance(event, ModuleSubscribed))
    refused(run, module.agent_address)

    found = run.diagnose()
    assert found.cause == "imm-log-in"
    assert "(169.254.95.118) refuses the user or the password of esa at port 5989" in found.sentence


def test_who_subscribed_after_all_or_is_somebody_else_is_no_reason(recordings: Recordings) -> None:
    run = recordings(RUN)
    (module,) = run.topology.modules
    refused(run, module.agent_address)
    assert run.diagnose().cause == "nothing"

    other = recordings(RUN)
    other.unhear(lambda event: isinstance(event, ModuleSubscribed))
    refused(other, "169.254.95.99")
    assert other.diagnose().cause == "nothing"
