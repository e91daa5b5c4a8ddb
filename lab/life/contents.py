"""What was in what an agent sent (E-11, E-22, E-24), by what IBM's store has of it.

Which reasons and which files a generation has, the papers' tables say: ``lab/data/agent``.
"""

from __future__ import annotations

from lab.agent.collect import COMMANDS, Collector, reasons
from lab.agent.settings import PROFILES, Monitored
from lab.life.chronicle import Chronicle
from lab.life.machine import MODEL, OUTPUTS, SERIAL, TYPE
from lab.names import all_of, count
from lab.verify.finding import Check, Finding


def check_e_11(life: Chronicle) -> Finding:
    """Nothing but the files of the table, and in none of them what is the customer's."""
    check = Check("E-11", "only files of the papers' table are sent, and no customer data")
    sent = [name for each in life.messages for name in each.files] + life.uploaded
    if not sent:
        return check.not_tested("the agent sent no file")
    machine = Monitored(type=TYPE, model=MODEL, serial=SERIAL)
    table = Collector(_generation(life), None)
    other = sorted({name for name in sent if not table.may_send(machine, name)})
    check.want(not other, f"the table of {_generation(life)} has no {all_of(other)}")
    check.want(not life.leaks, f"what is the customer's is in {all_of(sorted({*life.leaks}))}")
    kinds = count(len({*sent}), "kind")
    return check.finding(f"{count(len(sent), 'file')} of {kinds}, each of the table")


def check_e_22(life: Chronicle) -> Finding:
    """An inventory shows what the commands print on this machine, and no example of it."""
    name, commands = OUTPUTS, COMMANDS[OUTPUTS]
    check = Check("E-22", f"{name} has what {' and '.join(commands)} print")
    if not Collector(_generation(life), None).may_send(
        Monitored(type=TYPE, model=MODEL, serial=SERIAL), name
    ):
        return check.not_tested(f"{_generation(life)} has no {name}")
    kept = [each for each in life.messages if each.kind == "inventory" and each.kept]
    if not kept:
        return check.not_tested("IBM has no inventory")
    lacking = [each for each in kept if not each.printed]
    check.want(
        not lacking, f"{len(lacking)} of {count(len(kept), 'inventory', 'inventories')} without it"
    )
    return check.finding(f"in {count(len(kept), 'inventory', 'inventories')}")


def check_e_24(life: Chronicle) -> Finding:
    """Only for the reasons that the generation's paper has."""
    known = reasons(_generation(life))
    check = Check("E-24", f"messages are for the {len(known)} reasons of {_generation(life)}")
    given = [each for each in life.messages if each.reason]
    if not given:
        return check.not_tested("IBM has no message with a reason")
    other = sorted({each.reason for each in given} - known.keys())
    check.want(not other, f"IBM's paper has no reason {all_of(other)}")
    strange = [
        each.reason
        for each in given
        if each.reason in known and known[each.reason].kind != each.kind
    ]
    check.want(
        not strange, f"{all_of(sorted({*strange}))} as the reason of another kind of message"
    )
    used = [name for name in known if name in {each.reason for each in given}]
    return check.finding(f"{count(len(given), 'message')}: {', '.join(used)}")


def _generation(life: Chronicle) -> str:
    return PROFILES.get(life.profile, life.profile)
