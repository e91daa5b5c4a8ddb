"""Findings on the management module beside an agent's host: E-04, E-05 and R-06 (S0, "Communication between
ESA and Integrated Management Module").
"""

from __future__ import annotations

from lab.imm.events import FailureRaised, ModuleSubscribed, NoticeSent
from lab.names import all_of, count, place
from lab.record.record import Transaction
from lab.topology.management import HTTP_PORT, HTTPS_PORT, ModulePlan
from lab.topology.own_program import find
from lab.topology.roles import Role
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.verify.module_tries import ModuleTry, tries, why_too_early
from lab.wire.decode import TCP, Frame

PROBLEMS = ("service: problem", "errand: problem", "stub")
"""How the ledger calls what a failure leads to: the receiver's way, the errand's, or the user's own."""
SOON_S = 60.0
"""So long after a notice nothing is missing yet."""
REFUSED_S, PATIENCE_S = 10.0, 130.0
"""After that somebody must have turned to the other port: once refused, or when the kernel has given up
asking a port that is silent (tcp_syn_retries 6)."""
_SENT_LATER_S = 1.0
"""An entry of the ledger is made when the answer is, and the wire shows the request before it."""


def check_e_04(case: Case) -> Finding:
    """HTTPS first; HTTP when HTTPS is not available."""
    check = Check(
        "E-04",
        f"the agent's host asks its management module by HTTPS at port {HTTPS_PORT}, and by HTTP at "
        f"{HTTP_PORT} only after {HTTPS_PORT} has refused or stayed silent",
    )
    told = []
    for module in case.topology.modules:
        found = tries(case, module)
        for one in found:
            _judge_order(check, found, one)
        told += [_told(module, found)] if found else []
        check.show(one.frame for one in found)
    if not told:
        return check.not_tested(_nobody_asked(case))
    return check.finding("; ".join(told))


def _judge_order(check: Check, found: list[ModuleTry], one: ModuleTry) -> None:
    if one.port == HTTP_PORT:
        if why := why_too_early(found, one):
            check.object(f"a connection to {HTTP_PORT}, and {why}", [one.frame])
    elif one.port != HTTPS_PORT:
        check.object(f"a connection to {one.port}, which is no port of the paper", [one.frame])
    elif one.asked and not one.is_tls:
        check.object(f"what goes to {HTTPS_PORT} is no TLS", one.frames[:4])


def _told(module: ModulePlan, found: list[ModuleTry]) -> str:
    secure = [one for one in found if one.port == HTTPS_PORT]
    clear = [one for one in found if one.port == HTTP_PORT]
    served = [one for one in secure if one.served]
    refused = [one for one in secure if one.refused]
    silent = len(secure) - len(served) - len(refused)
    parts = [
        f"{number} {what}"
        for number, what in (
            (len(served), "served"), (len(refused), "refused"), (silent, "without an answer"),
        )
        if number
    ]  # fmt: skip
    first = f"{module.agent} to {module.node}: {count(len(secure), 'connection')} to {HTTPS_PORT}"
    return f"{first} ({all_of(parts)}), {len(clear) or 'none'} to {HTTP_PORT}"


def _nobody_asked(case: Case) -> str:
    if not case.topology.modules:
        return "there is no management module"
    return f"{case.topology.modules[0].agent} asked {case.topology.modules[0].node} for nothing"


def check_r_06(case: Case) -> Finding:
    """5988 is the backup of 5989: silent while that serves, and asked when it does not."""
    check = Check(
        "R-06",
        f"no packet is to or from {HTTP_PORT} while {HTTPS_PORT} of the management module is in order; where "
        f"{HTTPS_PORT} is not available, {HTTP_PORT} is asked",
    )
    told = []
    for module in case.topology.modules:
        found = tries(case, module)
        lacking = _first_unavailable(case, found)
        if lacking is None:
            if any(one.port == HTTPS_PORT and one.served for one in found):
                _judge_silence(case, check, module)
                told.append(f"{HTTPS_PORT} is in order, and no packet is to {HTTP_PORT}")
            continue
        later = [o for o in found if o.port == HTTP_PORT and o.time >= lacking.time]
        how = "refused" if lacking.refused else "stayed silent"
        check.want(later, f"{HTTPS_PORT} {how}, and {HTTP_PORT} was never asked", [lacking.frame])
        check.show([lacking.frame, *(one.frame for one in later[:1])])
        if later:
            after = later[0].time - lacking.time
            told.append(f"{HTTPS_PORT} {how}, and {HTTP_PORT} was asked {after:.3f} s later")
    if not told:
        return check.not_tested(f"{HTTPS_PORT} of no management module was asked, and served")
    return check.finding("; ".join(told))


def _first_unavailable(case: Case, found: list[ModuleTry]) -> ModuleTry | None:
    """The first try of 5989 that nobody served, and which nobody has tried again with success; the run went
    on for so long that somebody must have known."""
    secure = [one for one in found if one.port == HTTPS_PORT]
    if not secure or secure[-1].served:
        return None
    end = case.record.ended or secure[-1].last
    for one in secure:
        patience = REFUSED_S if one.refused else PATIENCE_S
        backed_up = any(o.port == HTTP_PORT and o.time >= one.time for o in found)
        if not one.served and (backed_up or end - one.time >= patience):
            return one
    return None


def _judge_silence(case: Case, check: Check, module: ModulePlan) -> None:
    ends = {module.address, module.agent_address}
    for frame, packet in case.packets(module.link):
        ports = packet.source_port, packet.destination_port
        between = {packet.source, packet.destination} == ends
        if between and packet.protocol == TCP and HTTP_PORT in ports:
            check.object(f"a packet of {HTTP_PORT}, while {HTTPS_PORT} is in order", [frame])


def check_e_05(case: Case) -> Finding:
    """A subscription, a failure, a notice, and a call home."""
    check = Check(
        "E-05",
        "the agent's host subscribes at its management module; of each failure that the module raises after "
        "that it takes a notice, and calls home with a problem",
    )
    (sdc,) = case.topology.with_role(Role.sdc)
    if find(case.topology.own_programs, sdc.name) is not None:
        return check.not_tested(f"{sdc.name} is a program of the user's own, which keeps no ledger")
    lives = [_judge_life(case, check, module) for module in case.topology.modules]
    told = [text for life in lives for text in life]
    if not told:
        return check.not_tested(_why_no_failure(case))
    return check.finding("; ".join(told))


def _why_no_failure(case: Case) -> str:
    if not case.topology.modules:
        return "there is no management module"
    module = case.topology.modules[0]
    if not case.told(ModuleSubscribed):
        return f"{module.agent} did not subscribe at {module.node}"
    if not case.told(FailureRaised):
        return f"{module.node} raised no failure after the subscription"
    return f"the run ended so soon that nothing of {module.node}'s failure is missing"


def _judge_life(case: Case, check: Check, module: ModulePlan) -> list[str]:
    """What became of a module's failures; those of which something is missing are objected to."""
    own = [e for e in case.told(ModuleSubscribed) if e.client == module.agent_address]
    if not own:
        # The lab's own agent is a service there, and is to subscribe; a user's command may do what it likes.
        check.want(not case.came_home, f"{module.agent} did not subscribe at {module.node}")
        return []
    _judge_request(case, check, module, own[0])
    entries = [e for e in case.ledger if e.kind in PROBLEMS and e.status // 100 == 2]
    told = []
    for failure in case.told(FailureRaised):
        if failure.time < own[0].time:
            continue
        notices = [
            each
            for each in case.told(NoticeSent)
            if each.identifier == failure.identifier and each.address == module.agent_address
        ]
        taken = next((each for each in notices if not each.problem), None)
        if taken is None:
            if notices:
                _object_to_loss(case, check, module, notices)
            continue
        _judge_notice(case, check, module, taken)
        entry = next((each for each in entries if each.time >= taken.began), None)
        if entry is None:
            if case.record.ended - taken.time >= SOON_S:
                sentence = (
                    f"{failure.text!r} was told to {module.agent}, and no problem came to IBM"
                )
                check.object(sentence, _frames_of(case, module, taken))
            continue
        entries.remove(entry)
        _judge_call(case, check, entry, taken.began)
        where = place(taken.address, taken.port)
        told.append(
            f"subscribed at {own[0].port}; {failure.text!r} was told to {where}, and "
            f"{entry.server or entry.server_ip} had the problem {entry.time - taken.began:.3f} s later"
        )
    return told


def _judge_request(
    case: Case, check: Check, module: ModulePlan, subscribed: ModuleSubscribed
) -> None:
    """The module's own word for the subscription has to be on the wire, too: TLS hides what was said."""
    carried = [
        one
        for one in tries(case, module)
        if one.port == subscribed.port and one.served and one.asked and one.time <= subscribed.time
    ]
    check.want(carried, f"no connection to {subscribed.port} carries the subscription")
    check.show(one.frame for one in carried[-1:])


def _object_to_loss(
    case: Case, check: Check, module: ModulePlan, notices: list[NoticeSent]
) -> None:
    where = place(notices[-1].address, notices[-1].port)
    times = count(len(notices), "time")
    frames = [frame for each in notices for frame in _frames_of(case, module, each)]
    check.object(f"{where} did not take the notice, tried {times}: {notices[-1].problem}", frames)


def _judge_notice(case: Case, check: Check, module: ModulePlan, taken: NoticeSent) -> None:
    frames = _frames_of(case, module, taken)
    packets = [frame.ip for frame in frames if frame.ip]
    sent = [p for p in packets if p.source == module.address and p.payload]
    answered = [p for p in packets if p.source == module.agent_address and p.payload]
    where = place(taken.address, taken.port)
    opened = any(p.is_bare_syn and p.source == module.address for p in packets)
    check.want(opened and sent and answered, f"no connection to {where} carries the notice", frames)
    check.show(frames[:1])


def _frames_of(case: Case, module: ModulePlan, notice: NoticeSent) -> list[Frame]:
    """What the wire has of a notice."""
    near, far = (module.address, notice.own_port), (notice.address, notice.port)
    return [
        frame
        for frame, p in case.packets(module.link)
        if p.protocol == TCP
        and {(p.source, p.source_port), (p.destination, p.destination_port)} == {near, far}
        and notice.began - _SENT_LATER_S <= frame.time
    ]


def _judge_call(case: Case, check: Check, entry: Transaction, since: float) -> None:
    """The ledger's word for a problem has to be on a wire, too: after the notice."""
    ends = (entry.peer_ip, entry.server_ip, TCP, entry.peer_port, entry.server_port)
    carried = [
        frame
        for frame, packet in case.all_packets()
        if packet.ends == ends
        and packet.payload
        and since <= frame.time <= entry.time + _SENT_LATER_S
    ]
    check.want(carried, f"no packet carries the problem to {entry.server or entry.server_ip}")
    check.show(carried[:1])
