"""Findings on the two traditional sets of servers, SSL and URSF: OUT-39, OUT-40, F-16."""

from __future__ import annotations

from lab.names import all_of, count
from lab.record.record import ErrandTrial
from lab.topology.errand_kinds import ErrandKind
from lab.verify.case import Case
from lab.verify.errands import ErrandsSeen
from lab.verify.finding import Check, Finding
from lab.verify.firewall import NO_FIREWALL
from lab.wire.decode import Frame

SSL, URSF = "ssl", "ursf"
SIZES = {SSL: 23, URSF: 11}
"""IPv4 addresses of each in the tables of S3 (A-14 to A-36), as counted by hand."""
PRINTED = ("hmc-2017-traditional", "ds8000-2017")
"""The profiles whose tables these are."""
PORTS = {
    ErrandKind.problem: 19285,
    ErrandKind.remote_support: 11111,
    ErrandKind.call_home: 443,
}
"""Where URSF does what (A-31, A-35; A-32 and A-33 with the port of S4 5.1)."""


def check_out_39(case: Case) -> Finding:
    """The two sets have no address in common, and a run calls one of them."""
    seen = ErrandsSeen(case)
    own = seen.variant
    other = {SSL: URSF, URSF: SSL}.get(own, "")
    sets = {
        name: {s.address for s in case.topology.servers if name in s.variants} for name in SIZES
    }
    check = Check(
        "OUT-39",
        f"the addresses of SSL and URSF have none in common, and all that leaves by {case.outside} goes to "
        f"those of {own.upper()}",
    )
    for address in sorted(sets[SSL] & sets[URSF]):
        check.object(f"{address} is in both sets")
    for name, size in SIZES.items() if case.topology.profile in PRINTED else ():
        if len(sets[name]) != size:
            check.object(f"{name.upper()} has {len(sets[name])} addresses, and the paper {size}")
    for one in seen.carriages:
        if one.connection.server not in sets.get(own, set()):
            of = f", which is of {other.upper()}" if one.connection.server in sets[other] else ""
            check.object(f"a connection goes to {one.where}{of}", one.frames)
    called = {one.connection.server for one in seen.carriages}
    check.show(one.connection.frames[0] for one in seen.carriages)
    if not called:
        return check.not_tested("nothing called home in this run")
    return check.finding(
        f"{len(sets[SSL])} addresses of SSL and {len(sets[URSF])} of URSF, none in common; "
        f"{len(called)} of {own.upper()} were called, and none of {other.upper()}"
    )


def check_out_40(case: Case) -> Finding:
    """URSF: problems at port 19285, remote support at 11111, and the legacy call-home servers."""
    ports = ", ".join(f"{kind} at TCP {port}" for kind, port in PORTS.items())
    check = Check("OUT-40", f"URSF does {ports}, each at its own servers and nothing else there")
    seen = ErrandsSeen(case)
    if seen.variant != URSF:
        return check.not_tested("the agents do not call the servers of URSF")
    told = []
    for kind, port in PORTS.items():
        addresses = {address for address, _ in seen.places(kind)}
        own = [one for one in seen.carriages if one.connection.server in addresses]
        for one in own:
            if one.connection.port != port:
                check.object(f"a connection goes to {one.where}, and not to {port}", one.frames)
        for one in seen.carriages:
            if kind in one.kinds and one.connection.server not in addresses:
                check.object(f"the {kind} goes to {one.where}", one.frames)
        asked = any(errand.kind == kind for errand in case.topology.errands)
        done = [one for one in own if kind in one.kinds and one.acknowledged]
        if asked and case.came_home and not case.why_no_ledger:
            check.want(
                done, f"no {kind} was done at {port}", [f for one in own for f in one.frames]
            )
        check.show(frame for one in done for frame in one.frames[:1])
        if done:
            told.append(f"{kind} at {count(len({o.place for o in done}), 'place')} of port {port}")
    if not told or case.why_no_ledger:
        return check.not_tested(case.why_no_ledger or "no errand of URSF was done in this run")
    return check.finding(", ".join(told))


def check_f_16(case: Case) -> Finding:
    """Each URSF address must be open for its function."""
    check = Check(
        "F-16",
        "while the firewall holds back the addresses of one URSF row, what is done there fails, and all "
        "other errands are done",
    )
    if case.topology.firewall is None:
        return check.not_tested(NO_FIREWALL)
    seen = ErrandsSeen(case)
    trials = [trial for trial in case.record.errand_trials if trial.row]
    told = [_judge_row(case, check, seen, trial) for trial in trials]
    if not trials:
        return check.not_tested("no row was held back in this run")
    kinds = {str(errand.kind) for errand in case.topology.errands}
    wanted = {row for s in seen.listed if kinds & {*s.serves} for row in s.rows}
    for row in sorted(wanted - {trial.row for trial in trials}):
        check.object(f"{row} was not held back")
    return check.finding("; ".join(told))


def _judge_row(case: Case, check: Check, seen: ErrandsSeen, trial: ErrandTrial) -> str:
    held = {server.address for server in seen.listed if trial.row in server.rows}
    kinds = [str(errand.kind) for errand in case.topology.errands]
    # An errand that another row does, too, as where the customer has servers of all regions, goes on.
    own = [kind for kind in kinds if {address for address, _ in seen.places(kind)} <= held]
    asked = _syns(case.inside_frames, held, trial)
    if own:
        check.want(
            asked, f"{trial.row}: nobody called {all_of(sorted(held))} while it was held back"
        )
    check.show(asked[:4])
    passed = _syns(case.outside_frames, held, trial)
    check.forbid(passed, f"to {trial.row} passed while it was held back", "SYN")
    for kind in own:
        if trial.done(kind):
            check.object(f"{trial.row}: {kind} was done while it was held back")
    answered = {
        kind
        for one in seen.carriages
        if trial.started <= one.began <= trial.ended and one.acknowledged
        for kind in one.kinds
    }
    for kind in kinds:
        told = kind in answered or case.why_no_ledger
        if kind not in own and not (trial.done(kind) and told):
            check.object(f"{trial.row}: {kind} was not done either")
    missing = f"no {' and no '.join(own)}, and all else" if own else "all is done"
    return f"without {trial.row} {missing} ({count(len(asked), 'SYN')})"


def _syns(frames: list[Frame], addresses: set[str], trial: ErrandTrial) -> list[Frame]:
    """Attempts at these addresses while a row was held back."""
    return [
        f
        for f in frames
        if f.ip and f.ip.is_bare_syn and f.ip.destination in addresses
        if trial.started <= f.time <= trial.ended
    ]
