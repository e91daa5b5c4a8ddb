"""Findings on L2TP inside the VPN: P-03, P-07 and P-08."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from lab.names import count
from lab.record.daemon_event import DaemonEnded
from lab.service.events import HostScanned
from lab.verify import lent_calls, passed_on
from lab.verify.case import Case
from lab.verify.finding import Check, Finding, frames_of
from lab.verify.outbound import clear_l2tp
from lab.verify.passed_on import ClearCall
from lab.verify.sightings import Inside
from lab.verify.step import Step
from lab.ways.vpn.plan import L2tpClient, SessionLayout, VpnPlan, plans
from lab.wire import l2tp
from lab.wire.l2tp import ControlType

NOTED_WITHIN_S = 0.01
"""So much later than the kernel has an SA it may be noted; a quick mode takes longer on the lab's links."""
LEAK_GUARD = "l2tp-in-clear"
"""Counters of the firewall with this in their name count refused UDP 1701 without IPsec."""


def check_p_03(case: Case) -> Finding:
    """L2TP and PPP over UDP, and nothing else inside the SA."""
    check = Check(
        "P-03", "each decrypted packet is UDP 1701 with L2TPv2, and its data messages are PPP"
    )
    strange = [item for item in case.insides if item.l2tp is None]
    kinds = sorted({item.packet.protocol for item in strange})
    check.forbid(frames_of(strange), f"inside the SA that are no L2TP (IP protocol {kinds})")
    control = [item for item in case.insides if item.l2tp and item.l2tp.control]
    empty = [i for i in case.insides if i.l2tp and not i.l2tp.control and i.ppp is None]
    check.forbid(frames_of(empty), "without PPP", "data message")

    carried = [item for item in case.insides if item.ppp]
    check.show(frames_of([*control[:4], *carried[:4]]))
    if not (case.has_record or carried or strange or empty):
        return check.not_tested(case.why_no_esp or "no PPP frame is in the capture")
    # A capture from outside may begin in the middle of a call.
    there = control or not case.has_record
    check.need(Step.l2tp, there, "no L2TP control message inside the VPN")
    check.need(Step.lcp, carried, "no PPP frame inside the VPN")
    return check.finding(
        f"{count(len(case.insides), 'packet')} inside the SAs: "
        f"{count(len(control), 'L2TP control message')} "
        f"and {count(len(carried), 'PPP frame')}, nothing else"
    )


def check_p_07(case: Case) -> Finding:
    """The L2TP tunnel is created only when IPsec is there."""
    but = "".join(f", but between {name} and {case.lender(name)}" for name in _borrowers(case))
    check = Check(
        "P-07",
        "the first SCCRQ comes after the client's ESP SAs are installed; no UDP 1701 is in clear "
        f"on any wire{but}, and none was refused for want of IPsec",
    )
    waits = []
    for node in case.vpn_agents:
        requests = case.control(ControlType.SCCRQ, node.name)
        installed = case.sa_installed(node.name)
        end = " or ".join(sorted(case.ipsec_ends(node.name)))
        if not requests:
            check.lack(Step.l2tp, f"{end} sent no SCCRQ inside the VPN")
        elif installed == 0.0:
            check.lack(Step.ike, f"{end} has no ESP SA in both directions")
        else:
            wait_s = requests[0].frame.time - installed
            waits.append(f"{end} {max(wait_s, 0.0) * 1000:.0f} ms")
            if wait_s < -NOTED_WITHIN_S:
                check.object(
                    f"{end} sent SCCRQ {-wait_s:.3f} s before its SAs", [requests[0].frame]
                )
        check.show(frames_of(requests[:1]))

    clear = clear_l2tp(case)
    segments = sorted({frame.segment for frame in clear})
    check.forbid(clear, f"of UDP 1701 in clear on {', '.join(segments)}")
    # Without a charon there is no IPsec: what xl2tpd says then is refused, as it should be.
    ended = [f"{e.source}'s {e.program}" for e in case.told(DaemonEnded) if "charon" in e.program]
    kept: list[str] = []
    for name, counters in case.record.counters.items() if not ended else ():
        refused = sum(number for counter, number in counters.items() if LEAK_GUARD in counter)
        # A scan of all ports is no leak: one of its packets is for this port.
        refused -= _scans_of(case, name)
        if refused > 0 and _outlived(case, name):
            kept.append(f"; {name} kept back {count(refused, 'packet')} once its SAs were gone")
        elif refused > 0:
            check.object(f"{name} refused {count(refused, 'packet')} of UDP 1701 without IPsec")
    refusals = (
        f"and {', '.join(ended)} ended: what was refused then is no leak" if ended else "0 refused"
    )
    beside = " but with who lends the VPN" if _borrowers(case) else ""
    return check.finding(
        f"SCCRQ after the SAs by: {', '.join(dict.fromkeys(waits))}; "
        f"0 packets of UDP 1701 in clear{beside}, " + ("".join(kept).removeprefix("; ") or refusals)
    )


def _borrowers(case: Case) -> list[str]:
    """The agents whose VPN a partition lends: to the partition they speak in clear (OUT-27)."""
    return [node.name for node in case.vpn_agents if case.lender(node.name)]


def _outlived(case: Case, node: str) -> bool:
    """Whether an L2TP tunnel outlived the SAs below it: what its end sends then, it must keep back.

    To a gateway's end no client says farewell whose telephone call was cut off.
    """
    gone = [sa.removed for sa in case.record.esp if sa.node == node and sa.removed]
    return any(
        tunnel.opened < at < tunnel.closed
        for tunnel in case.record.l2tp
        # A partition's own tunnel goes with those of who borrows from it.
        if node in (tunnel.client, tunnel.gateway)
        for at in gone
    ) or any(
        tunnel.opened < cut < min(tunnel.closed, max(gone, default=0.0))
        for tunnel in case.record.l2tp
        if tunnel.gateway == node
        for cut in _cut_off(case, tunnel.client)
    )


def _cut_off(case: Case, client: str) -> list[float]:
    """When telephone calls that may have carried a client's VPN were cut off."""
    if not any(map(case.topology.is_in_calls, case.topology.ways_of(client))):
        return []
    own = (c for c in case.telephone_calls if c.client == client and c.came_up)
    return [call.ending for call in own if not call.terminated]


def _scans_of(case: Case, node: str) -> int:
    """How many scans came to a node by its own wire."""
    service = case.topology.service
    if service is None or node != service.console:
        return 0
    control = (e for e in case.told(HostScanned) if e.purpose == "control")
    return sum(scan.at_host == scan.sent for scan in control)


def check_p_08(case: Case) -> Finding:
    """One or more PPP sessions within the tunnel."""
    layouts = sorted({c.layout.value for c in case.vpn_clients})
    check = Check(
        "P-08",
        "with sessions: one SCCRQ and as many ICRQ as PPP sessions for each gateway in use; with "
        f"tunnels: one SCCRQ for each ICRQ (X-08; here {' and '.join(layouts)})",
    )
    seen: list[str] = []
    for plan, client in _tried(case):
        if plan.partition:
            seen += _judge_lent(case, check, client)
            continue
        requests, calls = (
            [item for item in case.control(kind, client.client) if item.end == client.client]
            for kind in (ControlType.SCCRQ, ControlType.ICRQ)
        )
        for since, until in case.stretches(client.client):
            here, called = (
                [item for item in found if since <= item.frame.time < until]
                for found in (requests, calls)
            )
            seen += _judge_layout(check, client, here, called)
        check.show(frames_of([*requests, *calls]))
        check.need(Step.l2tp, requests, f"{client.client} sent no SCCRQ inside the VPN")
    return check.finding("; ".join(dict.fromkeys(seen)))


def _tried(case: Case) -> Iterator[tuple[VpnPlan, L2tpClient]]:
    """The agents' sides of L2TP, each of a way that its agent tried; of every way, if that tried none."""
    for plan in plans(case.topology):
        for client in plan.clients:
            names = {trial.way for trial in case.tried("vpn", client.client)}
            if client in case.vpn_clients and (not names or plan.name in names):
                yield plan, client


def _judge_lent(case: Case, check: Check, client: L2tpClient) -> Iterator[str]:
    """In clear the layout is the client's; the partition has a call of its own in ESP for each session."""
    clear = lent_calls.without(case.clear)
    asked = passed_on.control(clear, ControlType.SCCRQ, client.client)
    called = passed_on.control(case.clear, ControlType.ICRQ, client.client)
    passed = [call for call in case.passed_calls if call.client == client.client]
    mine = [call for call in case.clear_calls if call.ends[0] == client.client]
    partition, wanted = case.lender(client.client), client.sessions
    tunnels = 1 if client.layout is SessionLayout.sessions else wanted
    starts = [trial.started for trial in case.tried("vpn", client.client)]
    windows = (
        window
        for since, until in case.stretches(client.client)
        for window in pairwise([since, *(at for at in starts if since < at < until), until])
    )
    for since, until in windows:
        requests, calls = (
            [seen for seen in found if since <= seen.frame.time < until]
            for found in (asked, called)
        )
        if not requests:
            continue
        ours = [call for call in passed if since <= call.began < until]
        check.show(frames_of([*requests, *calls, *(call.items[0] for call in ours)]))
        if len(requests) != tunnels:
            what = f"{len(requests)} SCCRQ to {partition}, not {tunnels}"
            check.object(f"{client.client} sent {what}", frames_of(requests))
        # xl2tpd places a call again that the partition has cleared.
        most = _at_once([call for call in mine if since <= call.began < until])
        if most != wanted:
            what = f"ICRQ to {partition} for {count(most, 'call')} at once, not {wanted}"
            check.object(f"{client.client} sent {what}", frames_of(calls or requests))
        # Of a call that no gateway took the partition has said so by CDN.
        taken = [c for c in mine if since <= c.began < until and c.is_answered]
        if len(ours) != len(taken):
            what = f"{count(len(ours), 'call')} of {client.client} on, not {len(taken)}"
            check.object(f"{partition} passed {what}", frames_of(calls or requests))
        yield (
            f"{client.client} to {partition}: {len(requests)} SCCRQ and {len(calls)} ICRQ in clear, "
            f"and {len(ours)} ICRQ of {partition}'s own in ESP"
        )
    check.need(Step.l2tp, asked, f"{client.client} sent no SCCRQ to {partition}")
    answered = any(call.is_answered for call in mine)
    check.want(answered or not asked, f"{partition} took no call of {client.client}")


def _at_once(calls: Iterable[ClearCall]) -> int:
    """How many calls there were at a time, at most."""
    calls = list(calls)
    return max(
        (sum(one.began <= each.began < one.ended for one in calls) for each in calls), default=0
    )


def _judge_layout(
    check: Check, client: L2tpClient, requests: list[Inside], calls: list[Inside]
) -> Iterator[str]:
    """Of one time that a client's tunnels were brought up; what was seen, gateway by gateway."""
    shared = client.layout is SessionLayout.sessions
    for gateway in sorted({item.gateway for item in requests}):
        tunnels = sum(item.gateway == gateway for item in requests)
        sessions = [item for item in calls if item.gateway == gateway]
        numbers = {i.l2tp.number(l2tp.Avp.assigned_session_id) for i in sessions if i.l2tp}
        wanted = 1 if shared else client.sessions
        if tunnels != wanted:
            check.object(
                f"{client.client} sent {tunnels} SCCRQ to {gateway}, not {wanted}",
                frames_of(requests),
            )
        if len(sessions) != client.sessions:
            words = f"{client.client} sent {len(sessions)} ICRQ to {gateway}, not {client.sessions}"
            shown = frames_of(sessions or requests)
            if sessions:
                check.object(words, shown)
            else:
                check.lack(Step.l2tp, words, shown)
        if len(numbers) != len(sessions) and shared:
            check.object(f"{client.client} used a session ID twice", frames_of(sessions))
        yield f"{client.client} to {gateway}: {tunnels} SCCRQ and {len(sessions)} ICRQ"
