"""What went wrong, in words: the thing, the place, the hint.

Reads what a run left and does not know which fault was put in. A call home that failed is followed
along its path, and the first step that did not come about is the answer; one that got through may
still have met with something on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from lab import ways
from lab.record.container_event import ContainerEnded
from lab.record.daemon_event import DaemonEnded
from lab.topology.model import Way
from lab.topology.own_program import find
from lab.verify.case import Case
from lab.verify.symptom import Diagnosis

if TYPE_CHECKING:
    from lab.record.command_event import CommandRun

__all__ = ["NOTHING", "Diagnosis", "diagnose"]

NOTHING = "nothing"
"""The cause that is given where nothing went wrong."""


def diagnose(case: Case) -> Diagnosis:
    """The one sentence that explains a run."""
    record = case.record
    if not record.broke_off and (gone := case.told(ContainerEnded)):
        return _of_containers(gone)
    if case.left_down:
        found = _of_own_client(case) or _of_own_way(case)
        return found or Diagnosis(NOTHING, case.why_left_down, "")
    if not record.broke_off and (ended := case.told(DaemonEnded)):
        return _of_daemons(case, ended)
    if case.came_home and (befallen := _of_remote_service(case) or _of_consoles(case)):
        return befallen
    if case.came_home and (befallen := _of_user_targets(case) or _of_events(case)):
        return befallen
    if not failed(case) and (befallen := _of_modules(case)):
        return befallen
    if not failed(case):
        # What a user's own agent failed of is his to say, unless the path shows a reason.
        found = (_of_command(case) if record.command_status else None) or _survived(case)
        return found or Diagnosis(NOTHING, "nothing is wrong: the path came up and held", "")

    if record.broke_off and case.came_home:
        return Diagnosis(
            "lab-broke",
            f"every call home got through, and what came after it broke: {record.error}",
            "read the captures and logs in the run directory",
        )
    found = _failure(case) or _survived(case)
    if found is not None:
        return found
    why = record.error or "; ".join(a for c in case.failed_calls for a in c.told_once)
    return Diagnosis(
        "unknown",
        f"the call home failed, and no capture or log says why: {why or 'no error was recorded'}",
        "read the captures and logs in the run directory",
    )


def _of_daemons(case: Case, ended: Sequence[DaemonEnded]) -> Diagnosis:
    """Daemons that a program in their node has ended, or that crashed: what came after is their doing."""
    programs = case.topology.own_programs
    for event in ended:
        if (own := find(programs, event.source)) is not None and own.name == event.program:
            return Diagnosis(
                "own-program-ended",
                f"{event.source}'s {own.name} ended {event.how} before the lab did: it is what the topology "
                f"has {event.source} run",
                f"read logs/{event.source}/{own.name}.log in the run directory, and have {own.name} stay in "
                "the foreground until it gets SIGTERM",
            )
    each = dict.fromkeys(f"{e.source}'s {e.program} ended {e.how}" for e in ended)
    sentence = f"{'; '.join(each)}: the lab had started it, and did not end it"
    hint = (
        "see what ends programs in that node by their name (pkill, killall, poff -a), and the log"
    )
    return Diagnosis("daemon-ended", sentence, hint)


def _of_containers(gone: Sequence[ContainerEnded]) -> Diagnosis:
    """What was to call home from a container is gone with it."""
    sentence = "; ".join(f"{e.source}'s container {e.container} ended" for e in gone)
    return Diagnosis(
        "container-ended",
        f"{sentence} before the lab did, and the lab had not started it",
        f"see {gone[0].client} logs {gone[0].container}; the container's own command must stay",
    )


def _of_own_client(case: Case) -> Diagnosis | None:
    """Why a way that was left to the user's own client did not come up, where the command failed."""
    for agent in case.topology.agents if case.record.command_status else ():
        for way in case.topology.ways_of(agent):
            ask = getattr(_symptoms(way), "of_own_client", None)
            if ask is not None and (found := ask(case, agent)) is not None:
                return cast(Diagnosis, found)
    return None


def _of_own_way(case: Case) -> Diagnosis | None:
    """Why a command failed where a client or a dialler of the user's own had come up."""
    if not case.record.command_status:
        return None
    from lab.verify import command_symptoms, command_trail

    if not command_trail.is_own_way_up(case):
        return None
    return command_symptoms.find(case, lambda _: None)


def _of_remote_service(case: Case) -> Diagnosis | None:
    """What befell remote service; its symptoms are imported where a run has it."""
    if case.topology.service is None:
        return None
    from lab.verify import service_symptoms

    return service_symptoms.find(case)


def _of_modules(case: Case) -> Diagnosis | None:
    """What befell a management module; its symptoms are imported where a run has one."""
    if not case.topology.modules:
        return None
    from lab.verify import module_symptoms

    return module_symptoms.find(case)


def _of_consoles(case: Case) -> Diagnosis | None:
    """What befell discovery; its symptoms are imported where consoles look for each other."""
    if not case.topology.consoles:
        return None
    from lab.verify import console_symptoms

    return console_symptoms.find(case)


def _of_user_targets(case: Case) -> Diagnosis | None:
    """What befell offloaded data; the symptoms are imported where users enter targets."""
    if not case.topology.user_targets:
        return None
    from lab.verify import target_symptoms

    return target_symptoms.find(case)


def _of_events(case: Case) -> Diagnosis | None:
    """What befell events that wait for approval; imported where there is an Events Manager."""
    if case.topology.events is None:
        return None
    from lab.verify import event_symptoms

    return event_symptoms.find(case)


def _of_command(case: Case) -> Diagnosis | None:
    """Why a user's own command failed; its symptoms are imported where one did."""
    from lab.verify import command_symptoms

    return command_symptoms.find(case, _failure)


def of_command(case: Case, command: CommandRun) -> Diagnosis | None:
    """Why one of several commands failed; None where nothing that the lab saw says so."""
    from lab.verify import command_symptoms

    return command_symptoms.find_of(case, command, _failure)


def failed(case: Case) -> bool:
    """Whether the path or the call home did not come about."""
    record = case.record
    return record.blame is not None or record.path_up == 0.0 or bool(case.failed_calls)


def _failure(case: Case) -> Diagnosis | None:
    """Why the last way of an agent did not lead home, and the ways before it, if there are several."""
    for agent in case.topology.agents:
        own = case.topology.ways_of(agent)
        tried = [way for way in own if case.tried(way.kind, agent)] or list(own)
        reasons = [(way, found) for way in tried if (found := _symptoms(way).failure(case, agent))]
        if reasons:
            return _joined(reasons) if len(own) > 1 else reasons[0][1]
    return None


def _joined(reasons: list[tuple[Way, Diagnosis]]) -> Diagnosis:
    """What is wrong with several ways of one agent; the cause is that of the first.

    Symptoms are those of a kind of way: of a second way of one kind they say what befell the first.
    """
    told: dict[str, str] = {}
    for way, found in reasons:
        if way.kind in told:
            told[way.kind] += f"; {way.name}, of the same kind, led nobody home either"
        else:
            told[way.kind] = f"by {way.name}: {found.sentence}"
    hints = dict.fromkeys(found.hint for _, found in reasons if found.hint)
    return Diagnosis(reasons[0][1].cause, "; ".join(told.values()), "; ".join(hints))


def _survived(case: Case) -> Diagnosis | None:
    for agent in case.topology.agents:
        if found := _changed_way(case, agent):
            return found
        for way in case.topology.ways_of(agent):
            found = _symptoms(way).survived(case, agent)
            if found is not None:
                return cast(Diagnosis, found)
    return None


def _changed_way(case: Case, agent: str) -> Diagnosis | None:
    """One way gave no way home, and a later one did."""
    used = case.settled(agent)
    own = case.topology.ways_of(agent)
    if used is None or used not in own[1:] or case.was_chosen(agent):
        return None
    for way in own[: own.index(used)]:
        if found := _symptoms(way).failure(case, agent):
            sentence = f"by {way.name}: {found.sentence}; {agent} came home by {used.name}"
            return Diagnosis(found.cause, sentence, found.hint)
    return None


def _symptoms(way: Way) -> Any:
    return ways.stage(way.kind, "symptoms")
