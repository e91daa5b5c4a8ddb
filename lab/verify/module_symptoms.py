"""What befell the management module beside an agent's host, in words, in the order of a subscription."""

from __future__ import annotations

from lab.imm.events import ModuleRefused, ModuleSubscribed, NoticeSent
from lab.names import count, place
from lab.topology.management import HTTP_PORT, HTTPS_PORT, ModulePlan
from lab.verify.case import Case
from lab.verify.module_tries import tries, why_too_early
from lab.verify.symptom import Diagnosis


def find(case: Case) -> Diagnosis | None:
    """The first of them; None if nothing befell a module."""
    for module in case.topology.modules:
        for ask in (_silent, _not_let_in, _notice_lost, _in_clear):
            if found := ask(case, module):
                return found
    return None


def _name(module: ModulePlan) -> str:
    return f"{module.node} ({module.address})"


def _silent(case: Case, module: ModulePlan) -> Diagnosis | None:
    """Nothing ever came back."""
    found = tries(case, module)
    if not found or any(one.answered or one.refused for one in found):
        return None
    ports = " nor at ".join(str(port) for port in dict.fromkeys(one.port for one in found))
    either = "neither at " if " nor " in ports else "not at "
    return Diagnosis(
        "imm-silent",
        f"the management module {_name(module)} answers {either}{ports}: {module.agent} tried to connect "
        f"{count(len(found), 'time')}, and nothing came back, so nobody tells {module.agent} of hardware "
        "that fails",
        "see that the module has power, a link and this address",
    )


def _not_let_in(case: Case, module: ModulePlan) -> Diagnosis | None:
    """The last log-in was refused, and nobody has subscribed."""
    refused = [e for e in case.told(ModuleRefused) if e.client == module.agent_address]
    subscribed = [e for e in case.told(ModuleSubscribed) if e.client == module.agent_address]
    if not refused or subscribed:
        return None
    return Diagnosis(
        "imm-log-in",
        f"the management module {_name(module)} refuses the user or the password of {module.agent} at port "
        f"{refused[-1].port}, so nobody tells {module.agent} of hardware that fails",
        f"give {module.agent} the user and the password of the module",
    )


def _notice_lost(case: Case, module: ModulePlan) -> Diagnosis | None:
    """A failure was raised, and the agent's host took no notice of it."""
    sent = [e for e in case.told(NoticeSent) if e.address == module.agent_address]
    taken = {each.identifier for each in sent if not each.problem}
    lost = [each for each in sent if each.identifier not in taken]
    if not lost:
        return None
    where = place(lost[-1].address, lost[-1].port)
    return Diagnosis(
        "imm-notice-lost",
        f"{module.agent} does not take the notices of the management module {_name(module)} at {where}: "
        f"{lost[-1].problem}, tried {count(len(lost), 'time')}, so the failure is not told to IBM",
        f"let TCP {lost[-1].port} from the module in to {module.agent}, and have the agent listen there",
    )


def _in_clear(case: Case, module: ModulePlan) -> Diagnosis | None:
    """HTTPS was not available, and the module was asked in clear."""
    found = tries(case, module)
    clear = [one for one in found if one.port == HTTP_PORT and one.served]
    if not clear or why_too_early(found, clear[0]):
        return None
    before = [o for o in found if o.port == HTTPS_PORT and o.time <= clear[0].time]
    how = "refuses connections" if before[-1].refused else "is silent"
    return Diagnosis(
        "imm-https-off",
        f"port {HTTPS_PORT} of the management module {_name(module)} {how}: {module.agent} asked at "
        f"{HTTP_PORT} by HTTP, and the user and the password went in clear",
        "switch HTTPS on at the module",
    )
