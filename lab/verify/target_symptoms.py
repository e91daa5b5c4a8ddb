"""What befell data that an agent offloads to a target that a user has entered, in words (OUT-44)."""

from __future__ import annotations

from lab.names import count, place
from lab.offload.events import TargetTried
from lab.topology.user_targets import UserTarget
from lab.verify.case import Case
from lab.verify.symptom import Diagnosis
from lab.verify.user_targets import answers, gone, has_come, syns_of


def find(case: Case) -> Diagnosis | None:
    """The first target that has not taken what was offloaded; None if all have."""
    known = {target.name: target for target in case.topology.user_targets}
    for trial in case.told(TargetTried):
        if trial.entered and not has_come(case, trial):
            return _lost(case, trial, known[trial.target])
    return None


def _lost(case: Case, trial: TargetTried, target: UserTarget) -> Diagnosis:
    """Followed from the agent's own wire to the server."""
    own = syns_of(case, trial)
    left = gone(case, own)
    back = answers(case, own)
    sent = count(len(own), "SYN")
    firewall = case.topology.firewall
    whose = f"{trial.source} offloads to {target.where}"
    wire = case.topology.node(trial.source).uplink.segment
    if own and not left and firewall is not None:
        return Diagnosis(
            "user-target-shut",
            f"{whose}, and {firewall.node} lets nothing of that out: {sent} on {wire}, none on "
            f"{firewall.outside}",
            f"open TCP {target.port} to {target.address} for {trial.source} ({target.source}): the lists are "
            "about IBM's servers, and users enter this one (OUT-44)",
        )
    if any(packet.is_reset for packet in back) and not trial.connected:
        return Diagnosis(
            "user-target-closed",
            f"{whose}, and nobody listens there: {place(target.address, target.port)} refuses the connection",
            f"see what listens at {target.node}: lab exec {target.node} -- ss -lnt",
        )
    if not back:
        return Diagnosis(
            "user-target-silent",
            f"{whose}, and {target.node} does not answer: {sent} on {wire}, {len(left)} on {case.outside}",
            f"see whether {target.node} runs, and what is between {target.node} and the Internet",
        )
    return Diagnosis(
        "user-target-breaks-off",
        f"{whose}, and {target.node} takes the connection and does not take all of the data",
        f"see the captures of {wire} and of {target.node}'s link",
    )
