"""The sessions of remote service as the wires show them, by telephone or inside a VPN. Judges nothing."""

from __future__ import annotations

from dataclasses import dataclass

from lab.service.events import SessionUp
from lab.topology.service import Inbound
from lab.verify.case import Case
from lab.verify.sightings import Inside
from lab.verify.telephone_calls import TelephoneCall
from lab.wire.decode import Frame, Packet


@dataclass(frozen=True, slots=True)
class Passed:
    """An IP packet of a session."""

    frame: Frame
    """On the telephone line the PPP frame, of a VPN the ESP packet on the access line."""
    data: Packet
    of_console: bool
    """From the console's side."""


@dataclass(frozen=True, slots=True)
class ServiceSession:
    """One session."""

    name: str
    """For messages."""
    passed: list[Passed]


def by_telephone(case: Case) -> list[TelephoneCall]:
    """The calls of remote service that became sessions of PPP."""
    return [call for call in case.service_calls if call.came_up]


def by_vpn(case: Case) -> list[list[Inside]]:
    """What the VPN carried in each session, from the enabling to the end; one that came up.

    Other agents may call home by VPN meanwhile: what is theirs is no part of it, but for what they say to the
    representative, who must not reach them.
    """
    others = {node.name for node in case.other_vpn_callers}
    caller = case.topology.service.caller_address if case.topology.service else ""
    carried = [
        item
        for item in case.service_insides
        if item.client not in others or (item.data and item.data.destination == caller)
    ]
    return [
        [item for item in carried if since <= item.frame.time <= until]
        for since, until in windows_by_vpn(case)
    ]


def windows_by_vpn(case: Case) -> list[tuple[float, float]]:
    """From the enabling to the end, of each session by VPN that came up."""
    ups = [event.time for event in case.told(SessionUp)]
    return [both for both in case.borrowed if any(both[0] <= time <= both[1] for time in ups)]


def sessions(case: Case) -> list[ServiceSession]:
    """All, in order, whatever they came by."""
    service = case.topology.service
    if service is not None and service.by is Inbound.vpn:
        return [
            ServiceSession(
                f"session {number}",
                [Passed(item.frame, item.data, item.outgoing) for item in items if item.data],
            )
            for number, items in enumerate(by_vpn(case), 1)
        ]
    return [
        ServiceSession(
            str(call),
            [Passed(item.frame, item.data, not item.outgoing) for item in call.frames if item.data],
        )
        for call in by_telephone(case)
    ]


def passed(case: Case) -> list[Passed]:
    return [item for session in sessions(case) for item in session.passed]
