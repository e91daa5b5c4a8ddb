"""The effects of a partition's calls, in the partition's thread: L2TP, IPsec, modems, the kernel's channels.

IKE and telephone calls block, and are done by threads of their own (``errands``).
"""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import time
from collections.abc import Callable
from functools import partial

from lab.i5.carriers import PORT, Carriers
from lab.i5.effects import DialledLine, Leg
from lab.i5.errands import Runner
from lab.i5.events import PartitionDialled
from lab.i5.modems import LineCall
from lab.i5.plan import PartitionPlan
from lab.i5.security import GatewaySecurity
from lab.l2tp.call import L2tpCall
from lab.l2tp.connection import ControlConnection
from lab.l2tp.control_plane import ControlPlane
from lab.l2tp.requests import Clearing, IncomingCallRequest, LineConnection
from lab.linux import ppp_channels
from lab.linux.nodes import Node
from lab.linux.ppp_channels import TunnelIds
from lab.record.event import Event, Tell
from lab.wire.l2tp_codes import StopResult
from tunnels.calling import FinalResult

_UNNEEDED = Clearing.connection(StopResult.cleared, "no call needs it")


class CallLeg:
    """A call of the control plane."""

    def __init__(self, call: L2tpCall) -> None:
        self.call = call

    @property
    def session(self) -> int:
        return self.call.local_id

    def reply(self) -> None:
        self.call.answer(time.monotonic())

    def connect(self, line: LineConnection) -> None:
        self.call.connect(line, time.monotonic())

    def clear(self, why: Clearing) -> None:
        self.call.clear(why, time.monotonic())


class PartitionModem:
    """One modem of the partition's, which carries one call at a time."""

    def __init__(self, device: str, runner: Runner) -> None:
        self.device = device
        self.runner = runner
        self.call: LineCall | None = None
        self.dialling = False
        """Whether the modem is at it, in the runner."""
        self.joint = -1
        """Of a call that is joined: an open /dev/ppp, which hears of the line's end."""

    def end(self) -> None:
        """Let go of the modem, whatever it does."""
        call = self.call
        if call is not None and self.dialling:
            self.runner.end(call.give_up)
            call.hang_up()
        else:
            self.runner.end()


class LentLine:
    """A call by a modem of the partition's, as the calls' logic sees it."""

    def __init__(self, modem: PartitionModem, call: LineCall, lending: Lending) -> None:
        self.modem = modem
        self.call = call
        self._lending = lending

    def give_up(self) -> None:
        self.call.give_up()

    def hang_up(self) -> None:
        self._lending.hang_up(self)


class Lending:
    """What a partition has to lend, at work."""

    def __init__(
        self,
        node: Node,
        plan: PartitionPlan,
        plane: ControlPlane,
        carriers: Carriers,
        selector: selectors.BaseSelector,
        tell: Tell,
        devices: int,
    ) -> None:
        """``devices``: a descriptor of the node's /dev."""
        self._node = node
        self._plan = plan
        self._plane = plane
        self._carriers = carriers
        self._selector = selector
        self._devices = devices
        self.tell: Callable[[Event], None] = tell
        self.modems: list[PartitionModem] = []
        """Those that were found; the partition's start adds them."""
        self.security: tuple[GatewaySecurity, Runner] | None = None
        self.line_ended: Callable[[DialledLine], None] = lambda line: None
        """Called when the carrier of a joined call has gone."""
        self.links: dict[str, ControlConnection] = {}
        """By gateway."""
        self._legs: dict[L2tpCall, CallLeg] = {}
        self._joints: dict[L2tpCall, int] = {}
        """Of calls that are joined with another L2TP call: an open /dev/ppp."""
        # Not the selector itself: a frame that came before the two were joined makes the joint readable.
        self._hangups = select.epoll()
        self._lines: dict[int, LentLine] = {}
        """By joint."""
        selector.register(self._hangups, selectors.EVENT_READ, self._note_hangups)

    # L2TP.

    def leg(self, call: L2tpCall) -> CallLeg:
        """The one leg of a call."""
        return self._legs.setdefault(call, CallLeg(call))

    def forget(self, call: L2tpCall) -> None:
        """A call has ended: the kernel's session goes, and the joint with it."""
        self._legs.pop(call, None)
        self._carriers.close_session(call.connection.local_id, call.local_id)
        if (joint := self._joints.pop(call, None)) is not None:
            os.close(joint)

    def gateway_of(self, connection: ControlConnection) -> str:
        """The gateway that a connection leads to; empty if it is an HMC's."""
        return next((name for name, link in self.links.items() if link is connection), "")

    def open_tunnel(self, gateway: str) -> None:
        address = self._plan.connections[gateway].gateway_address
        self.links[gateway] = self._plane.open((address, PORT), time.monotonic())

    def close_tunnel(self, gateway: str) -> None:
        self.links[gateway].close(_UNNEEDED, time.monotonic())

    def place_call(self, gateway: str) -> Leg:
        return self.leg(self.links[gateway].place(IncomingCallRequest(), time.monotonic()))

    # IPsec.

    def secure(self, gateway: str, then: Callable[[str], None]) -> None:
        assert self.security is not None, "it lends a VPN"
        security, runner = self.security
        runner.give(partial(security.bring_up, self._plan.connections[gateway]), then)

    def release(self, gateway: str) -> None:
        assert self.security is not None, "it lends a VPN"
        security, runner = self.security
        runner.give(partial(security.take_down, self._plan.connections[gateway]), lambda _: None)

    # Modems.

    @property
    def has_modem(self) -> bool:
        return bool(self.modems)

    def dial(
        self, client: str, number: str, then: Callable[[FinalResult], None]
    ) -> DialledLine | None:
        free = (m for m in self.modems if m.call is None and m.device not in self._plan.held)
        modem = next(free, None)
        if modem is None:
            return None
        modem.call = call = LineCall(self._node, modem.device)
        modem.dialling = True
        started = time.time()

        def dialled(result: FinalResult) -> None:
            modem.dialling = False
            self.tell(
                PartitionDialled.of(
                    result,
                    source=self._plan.node,
                    client=client,
                    started=started,
                    device=modem.device,
                    number=number,
                    result=result.said,
                )
            )
            then(result)

        modem.runner.give(lambda: call.dial(number, self._plan.init), dialled)
        return LentLine(modem, call, self)

    def hang_up(self, line: LentLine) -> None:
        """End a telephone call; the modem is free again."""
        modem = line.modem
        if modem.joint >= 0:
            del self._lines[modem.joint]
            # The epoll forgets it with that.
            os.close(modem.joint)
            modem.joint = -1
        line.call.hang_up()
        modem.call = None

    # The kernel.

    def join(self, one: Leg, other: Leg | DialledLine) -> bool:
        assert isinstance(one, CallLeg)
        try:
            with contextlib.ExitStack() as undo:
                joint = os.open("ppp", os.O_RDWR | os.O_CLOEXEC, dir_fd=self._devices)
                undo.callback(os.close, joint)
                if isinstance(other, LentLine):
                    ppp_channels.join(other.call.frame(), self._session(one), joint)
                    self._hangups.register(joint, 0)
                    other.modem.joint = joint
                    self._lines[joint] = other
                else:
                    assert isinstance(other, CallLeg)
                    ppp_channels.join(self._session(one), self._session(other), joint)
                    self._joints[one.call] = joint
                undo.pop_all()
        except OSError:
            # The carrier has gone meanwhile, or the kernel has no room: the call is cleared.
            return False
        return True

    def _session(self, leg: CallLeg) -> int:
        call = leg.call
        ids = TunnelIds(call.local_id, call.remote_id)
        return self._carriers.open_session(call.connection.local_id, ids).fileno()

    def _note_hangups(self) -> None:
        for joint, _ in self._hangups.poll(0):
            self.line_ended(self._lines[joint])

    def close(self) -> None:
        """Hang up every telephone call that is there, and let go of every joint."""
        for modem in self.modems:
            if modem.call is not None and not modem.dialling:
                self.hang_up(LentLine(modem, modem.call, self))
        for joint in self._joints.values():
            os.close(joint)
        self._joints.clear()
        self._selector.unregister(self._hangups)
        self._hangups.close()
