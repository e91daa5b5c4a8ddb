"""What makes no sense in ``calls`` of a topology file: whose they are, to whom, and what befalls them.

A spec in, complaints out, as all of ``check``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lab.names import did_you_mean
from lab.topology.check import Complaint
from lab.topology.resolve_telephone import line_names
from lab.topology.spec import CallSpec, TopologySpec
from lab.topology.strict_yaml import Place
from lab.topology.telephone import Outcome

TAKEN: Mapping[Outcome, tuple[str, ...]] = {
    Outcome.training_fails: (),
    Outcome.slow_training: ("rate", "bit_error_rate"),
    Outcome.line_drops: ("after", "rate", "bit_error_rate"),
    Outcome.noise: ("bit_error_rate", "rate"),
}
"""The outcomes of calls that a modem takes, with the keys that say more of them, the first of which
each needs: a slow line may be noisy, too, and drop."""

EXAMPLES = {"rate": "9600", "after": "20s", "bit_error_rate": "4e-5"}


def complaints(spec: TopologySpec) -> Iterator[Complaint]:
    if spec.calls and not spec.telephone:
        suggestion = "add a telephone, or take calls out"
        problem = "there are no telephone lines to call on"
        yield Complaint(("calls",), problem, suggestion, (("telephone",),))
        return

    lines = {line: node for node in spec.telephone for line in line_names(spec, node)}
    for index, call in enumerate(spec.calls):
        place: Place = ("calls", index)
        yield from _keys(place, call)
        yield from _caller(spec, lines, place, call)
        yield from _called(spec, place, call)
        yield from _earlier(spec, lines, index)


def _keys(place: Place, call: CallSpec) -> Iterator[Complaint]:
    """Keys that the outcome needs, or has no use for."""
    outcome: Place = (*place, "outcome")
    taken = TAKEN.get(call.outcome, ())
    for key, example in EXAMPLES.items():
        given = getattr(call, key)
        if given is not None and key not in taken:
            users = ", ".join(o for o, keys in TAKEN.items() if key in keys)
            problem = f"a call with the outcome {call.outcome} has none"
            yield Complaint((*place, key), problem, f"it is for {users}", (outcome,))
        if given is None and key in taken[:1]:
            problem = f"{call.outcome} needs {key}"
            yield Complaint(outcome, problem, f"add {key}: {example}", ((*place, key),))

    if call.outcome is Outcome.no_dialtone and call.to is not None:
        problem = "no number is known yet when dial tone is due"
        yield Complaint((*place, "to"), problem, "take it out", (outcome,))


def _caller(
    spec: TopologySpec, lines: Mapping[str, str], place: Place, call: CallSpec
) -> Iterator[Complaint]:
    if call.from_ is None or call.from_ in {*lines, *lines.values()}:
        return

    its: Place = (*place, "from")
    if call.from_ in spec.nodes:
        problem = f"{call.from_} has no telephone line"
        needs: tuple[Place, ...] = (("nodes", call.from_), ("telephone",))
        known = f"those with one: {', '.join(dict.fromkeys(lines.values()))}"
        yield Complaint(its, problem, known, needs)
    else:
        suggestion = did_you_mean(call.from_, dict.fromkeys([*lines.values(), *lines]))
        problem = f"there is no node and no line {call.from_!r}"
        yield Complaint(its, problem, suggestion, (("nodes",), ("telephone",)))


def _called(spec: TopologySpec, place: Place, call: CallSpec) -> Iterator[Complaint]:
    """A number that could be dialled, and behind which there is a modem if the outcome needs one."""
    if call.to is None:
        return

    its: Place = (*place, "to")
    numbers = {line.number: node for node, line in spec.telephone.items()}
    for number, node in numbers.items():
        needs: tuple[Place, ...] = (("telephone", node, "number"),)
        if number != call.to and call.to.startswith(number):
            problem = f"nobody can dial {call.to}: a call goes to {number} of {node} before"
            yield Complaint(its, problem, f"write {number}", needs)
        elif number != call.to and number.startswith(call.to):
            problem = f"{call.to} is only the beginning of {number}, the number of {node}"
            yield Complaint(its, problem, f"write {number}", needs)

    if call.outcome in TAKEN and call.to not in numbers:
        problem = f"{call.to} is nobody's, so that no modem takes the call"
        suggestion = did_you_mean(call.to, numbers)
        needs = ((*place, "outcome"), ("telephone",))
        yield Complaint(its, problem, suggestion, needs)


def _earlier(spec: TopologySpec, lines: Mapping[str, str], index: int) -> Iterator[Complaint]:
    """Whether an earlier entry leaves this one any calls."""
    call = spec.calls[index]
    for number, other in enumerate(spec.calls[:index]):
        callers = other.from_ in (None, call.from_, lines.get(call.from_ or ""))
        if other.times is None and callers and other.to in (None, call.to):
            problem = f"comes to no call: calls[{number}] befalls them all"
            needs: tuple[Place, ...] = (("calls", number),)
            suggestion = "put it before, or give that one times: 1"
            yield Complaint(("calls", index), problem, suggestion, needs)
            return
