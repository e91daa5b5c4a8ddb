"""What ``lab-way`` is answered, for each state that a host's ways may be in; without a lab."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab.errors import ProtocolError
from lab.inside import control
from lab.inside.way_desk import WayDesk
from lab.linux.alterations import Before, taken_over

VPN, MODEM = (SimpleNamespace(name=name) for name in ("vpn", "modem"))


class FakeHomeward:
    """Remembers which way is up; none comes that is in ``broken``."""

    def __init__(self) -> None:
        self.up: Any = None
        self.well = True

    def in_use(self, agent: str) -> Any:
        return self.up

    def healthy(self, agent: str) -> bool:
        return self.well


@pytest.fixture
def homeward(monkeypatch: pytest.MonkeyPatch) -> FakeHomeward:
    homeward = FakeHomeward()

    def bring_up(lab: object, way: str, agent: str) -> str:
        if way == "modem":
            raise ProtocolError("hmc has no way home by telephone: the number is busy")
        homeward.up, homeward.well = VPN, True
        return f"{agent}: vpn is up"

    def take_down(lab: object, way: str, agent: str) -> str:
        homeward.up = None
        return f"{agent}: {way} is down"

    monkeypatch.setattr(control, "bring_up", bring_up)
    monkeypatch.setattr(control, "take_down", take_down)
    return homeward


@pytest.fixture
def desk(homeward: FakeHomeward) -> WayDesk:
    topology = SimpleNamespace(
        agents={"hmc": ("vpn", "modem")},
        ways_of=lambda agent: (VPN, MODEM) if agent == "hmc" else (),
    )
    return WayDesk(cast(Any, SimpleNamespace(homeward=homeward, topology=topology)), {})


@pytest.mark.parametrize(
    ("before", "order", "status", "words"),
    [
        ("", "up", 0, "hmc: vpn is up"),
        ("", "up vpn", 0, "hmc: vpn is up"),
        ("vpn", "up", 0, "hmc: vpn is up already"),
        ("vpn", "up vpn", 0, "hmc: vpn is up already"),
        ("vpn", "up modem", 1, "hmc has its way home by vpn\n  hint: first: lab-way down vpn"),
        ("dead", "up vpn", 0, "hmc: vpn is up"),
        ("", "up modem", 1, "hmc has no way home by telephone: the number is busy"),
        ("vpn", "down", 0, "hmc: vpn is down"),
        ("vpn", "down vpn", 0, "hmc: vpn is down"),
        ("vpn", "down modem", 0, "modem is down already"),
        ("dead", "down", 0, "hmc: vpn is down"),
        ("", "down", 0, "the way home is down already"),
        ("", "up vpm", 2, "there is no way home 'vpm'\n  hint: did you mean vpn?"),
        ("", "sideways", 2, "this is no order: up or down, and perhaps a way"),
        ("", "", 2, "this is no order: up or down, and perhaps a way"),
        ("", "up a b", 2, "this is no order: up or down, and perhaps a way"),
    ],
)
def test_answer(
    desk: WayDesk, homeward: FakeHomeward, before: str, order: str, status: int, words: str
) -> None:
    homeward.up, homeward.well = (VPN if before else None), before != "dead"
    assert desk.answer("hmc", order.split()) == (status, words)


def test_a_host_without_an_agent_is_told(desk: WayDesk) -> None:
    status, words = desk.answer("firewall", ["up"])
    assert (status, words) == (2, "there is no host of an agent 'firewall'\n  hint: known: hmc")


def test_what_a_command_had_changed_before_a_way_came_up_stays_its_doing() -> None:
    before = Before("lab", frozenset({"table inet lab"}))
    since = Before("lab", frozenset({"table inet lab", "table inet own"}))
    until = Before("by PPP", frozenset({"table inet lab", "table inet own", "table inet pace"}))
    assert taken_over(before, since, until) == Before(
        "by PPP", frozenset({"table inet lab", "table inet pace"})
    )
    overwritten = since._replace(resolver="the user's")
    assert taken_over(before, overwritten, until).resolver == "lab"
