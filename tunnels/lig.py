"""AT&T's gateway (S4 3.1): a bank of modems that answers, one pppd for each call, a name server, the fence.

One thread has the bank; it waits for modems, notices and ends of pppds, and for a moment only while
a modem owes it an answer. What modems are told is ``_answering``'s, what PPP is told ``ppp``'s, and
the rules are ``lab.linux.fence``'s. A call for which no address is free is left to ring (P-12).

The fence stays when the bank ends, with no call in it, so that its counters can still be read.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import LabBroke, ThreadBroke
from lab.linux import fence
from lab.linux.nodes import Node
from lab.linux.process import Daemon
from lab.linux.worker import start_worker
from lab.record.record import LigCall, Record
from lab.teardown import Teardown
from lab.topology.telephone import Lig, ModemLine
from lab.ways.dial.plan import dialers
from tunnels import _dnsmasq, ppp, started
from tunnels._answering import Answering, AnsweringState
from tunnels._fencing import KernelFence
from tunnels._notices import NUMBER, Notice, Notices, start_notices
from tunnels._serial import open_port

if TYPE_CHECKING:
    from lab.ways.ground import Ground

PPPD = "/usr/sbin/pppd"

READY_DEADLINE_S = 30.0
HANG_UP_S = 10.0
"""pppd asks twice, three seconds each, for the peer's leave to end (RFC 1661 4.6)."""
DTR_OFF_S = 0.5
"""How long a line stays closed between calls: every modem notices that (S25 is 0.05 s by default)."""
OPEN_TRIES = 20


@dataclass(slots=True)
class _BankCall:
    """A call on a line, from CONNECT until its pppd has ended."""

    facts: LigCall
    pppd: Daemon
    ended: int
    """pidfd."""
    admission: fence.Admission | None = None


@dataclass(slots=True)
class _BankLine:
    """A line, its modem and the call on it."""

    plan: ModemLine
    unit: int
    modem: Answering = field(default_factory=Answering)
    port: int = -1
    rang: float = 0.0
    address: str = ""
    """From the pool, from the answer to the end of the call."""
    call: _BankCall | None = None
    reopen_at: float | None = None
    failures: int = 0
    """To open the port, in a row."""

    @property
    def wake_at(self) -> float | None:
        times = [at for at in (self.reopen_at, self.modem.deadline) if at is not None]
        return min(times, default=None)


@contextlib.contextmanager
def start(ground: Ground, node: Node) -> Iterator[Bank]:
    """The gateway on its node, silent where no way home goes by telephone."""
    telephone, lig = ground.topology.telephone, ground.topology.lig
    assert telephone is not None, "check has seen it"
    assert lig is not None, "it is made of the node"
    with started(Bank(node, lig, telephone.lines, ground.record)) as bank:
        _give_passwords(ground)
        yield bank


def _give_passwords(ground: Ground) -> None:
    """Each agent's host knows its own, also for a program of the user's that dials."""
    own = {dialer.client: dialer.account for dialer in dialers(ground.topology)}
    for agent in ground.topology.agents:
        if account := own.get(agent) or ground.topology.ppp_account(agent):
            ppp.write_secrets(ground.nodes[agent], [account])


class Bank:
    """The gateway at work; calls go into the record."""

    # From ``launch`` on.
    _notices: Notices
    _selector: selectors.BaseSelector

    def __init__(self, node: Node, lig: Lig, lines: Iterable[ModemLine], record: Record) -> None:
        self._node = node
        self._lig = lig
        self._lines = [
            _BankLine(plan, unit)
            for unit, plan in enumerate(plan for plan in lines if plan.node == lig.node)
        ]
        self._record = record
        self._fence = KernelFence(node, lig)
        self._settled = threading.Event()
        self._give_up_at: float | None = None
        """Set when all are hung up on: when pppds that have not ended are killed."""
        # No number twice in a lab: the kernel knows the flows of an earlier bank's calls still.
        self._numbers = max((call.number for call in record.lig), default=0)
        self._dnsmasq: Daemon | None = None
        self._thread: threading.Thread | None = None
        self._teardown = Teardown()
        self.failure: BaseException | None = None
        """What ended the thread before its time."""
        self._broken: list[Daemon] = []
        """pppds of calls that ended as none may."""

    def launch(self) -> None:
        """Put up the fence, start the daemons and set the modems up; do not wait for them."""
        node, teardown = self._node, self._teardown
        teardown.add("the bank", self.check)
        self._fence.set_up()
        ppp.write_secrets(node, self._lig.ppp.accounts)
        self._notices = teardown.enter("the notices", start_notices(node))
        if not self._lig.dns_silent:
            self._dnsmasq = dnsmasq = _dnsmasq.launch(node, self._lig.utility)
            teardown.add("the name server", lambda: node.stop(dnsmasq))
        self._selector = teardown.enter("the selector", selectors.DefaultSelector())
        self._selector.register(self._notices, selectors.EVENT_READ)
        self._thread = teardown.enter("the calls", start_worker(self._run, "lig"))

    def ready(self) -> None:
        """Wait until the name server answers, and each modem is set up or has proved dead."""
        if self._dnsmasq is not None:
            _dnsmasq.ready(self._dnsmasq)
        if not self._settled.wait(READY_DEADLINE_S):
            states = ", ".join(f"{line.plan.name} is {line.modem.state}" for line in self._lines)
            raise LabBroke(f"the modems of {self._node.name} are not set up: {states}")
        self.check()

    @property
    def alive(self) -> bool:
        thread, dnsmasq = self._thread, self._dnsmasq
        return bool(thread and thread.is_alive()) and (dnsmasq is None or dnsmasq.alive)

    def stop(self) -> None:
        """Hang up on every caller, LCP first, and end the daemons."""
        self._teardown.close()

    def check(self) -> None:
        """Raise, once, what broke, the thread or a pppd: the way home is not to blame for it."""
        failure, self.failure = self.failure, None
        if failure is not None:
            raise ThreadBroke(f"{self._node.name}'s bank of modems", failure) from failure
        if self._broken:
            pppd = self._broken.pop()
            pppd.check(f"{self._node.name}'s {pppd.name}")

    # The thread.

    def _run(self, told: int) -> None:
        try:
            self._selector.register(told, selectors.EVENT_READ)
            for line in self._lines:
                self._open(line)
            while self._turn(told):
                pass
        # It belongs to who waits in ``ready`` or ``stop``.
        except BaseException as error:  # noqa: BLE001
            self.failure = error
        finally:
            for line in self._lines:
                if line.call is not None:
                    self._end_call(line, line.call)
                self._close(line)
            self._settled.set()

    def _turn(self, told: int) -> bool:
        """Wait for something and do all that is to be done then; False when it was the end."""
        if not any(x.modem.state is AnsweringState.setting_up or x.reopen_at for x in self._lines):
            self._settled.set()
        ready = self._selector.select(self._patience_s())
        # First: a call that ended just now may have been open before.
        for notice in self._notices.read():
            self._take(notice)
        for key, _ in ready:
            if key.fd == told:
                self._selector.unregister(told)
                self._hang_up()
            elif isinstance(key.data, _BankLine):
                self._look_at(key.data)
        if self._give_up_at is not None:
            calls = any(line.call is not None for line in self._lines)
            return calls and time.monotonic() < self._give_up_at

        now = time.monotonic()
        for line in self._lines:
            self._expire(line, now)
        return True

    def _patience_s(self) -> float | None:
        times = [line.wake_at for line in self._lines]
        if self._give_up_at is not None:
            times = [self._give_up_at]
        soonest = min((at for at in times if at is not None), default=None)
        return None if soonest is None else max(0.0, soonest - time.monotonic())

    def _expire(self, line: _BankLine, now: float) -> None:
        if line.reopen_at is not None and line.reopen_at <= now:
            self._open(line)
        elif line.modem.deadline is not None and line.modem.deadline <= now:
            self._say(line, line.modem.expire(now))
            self._keep_lease(line)

    def _hang_up(self) -> None:
        self._give_up_at = time.monotonic() + HANG_UP_S
        for line in self._lines:
            if line.call is not None:
                line.call.pppd.signal(signal.SIGTERM)
                # With ``echo_silent`` it stands still, and would not hear the other.
                line.call.pppd.signal(signal.SIGCONT)

    # Modems.

    def _open(self, line: _BankLine) -> None:
        line.reopen_at = None
        try:
            line.port = self._node.call(open_port, line.plan.device)
        except OSError:
            # After a lost carrier the port is away for a moment; a modem that was pulled out, for ever.
            line.failures += 1
            if line.failures < OPEN_TRIES:
                line.reopen_at = time.monotonic() + DTR_OFF_S
            return
        line.failures = 0
        self._selector.register(line.port, selectors.EVENT_READ, line)
        self._say(line, line.modem.begin(time.monotonic()))

    def _close(self, line: _BankLine) -> None:
        if line.port >= 0:
            if line.port in self._selector.get_map():
                self._selector.unregister(line.port)
            os.close(line.port)
            line.port = -1
        line.modem = Answering()

    def _reopen(self, line: _BankLine) -> None:
        self._close(line)
        line.reopen_at = time.monotonic() + DTR_OFF_S

    def _look_at(self, line: _BankLine) -> None:
        """Its pppd has ended, or its modem says something."""
        if line.call is not None:
            self._end_call(line, line.call)
            self._reopen(line)
            return
        try:
            data = os.read(line.port, 4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            # The port was hung up on us: the modem is another now, or none.
            self._reopen(line)
            self._keep_lease(line)
            return

        modem = line.modem
        unanswered = modem.unanswered
        free = self._free_address() if self._give_up_at is None else ""
        self._say(line, modem.hear(data, time.monotonic(), may_answer=bool(free)))
        if modem.unanswered > unanswered:
            self._record.lig.append(LigCall(line=line.plan.name, number=0, rang=time.time()))
        if modem.state is AnsweringState.answering and not line.address:
            line.rang, line.address = time.time(), free
        self._keep_lease(line)
        if modem.state is AnsweringState.connected:
            self._begin_call(line)

    def _say(self, line: _BankLine, command: bytes) -> None:
        if command and line.port >= 0:
            # Hung up, or nobody reads: then it will not answer in time.
            with contextlib.suppress(OSError):
                os.write(line.port, command)

    def _free_address(self) -> str:
        """The first free one, so that addresses are given again as soon as they can be (L-09)."""
        taken = {line.address for line in self._lines}
        return next((a for a in self._lig.ppp.pool if a not in taken), "")

    def _keep_lease(self, line: _BankLine) -> None:
        """A lease is kept from the answer to the end of the call."""
        if line.modem.state not in (AnsweringState.answering, AnsweringState.connected):
            line.address = ""

    # Calls.

    def _begin_call(self, line: _BankLine) -> None:
        # From now on pppd reads it; we keep it open, so that DTR stays on until we have seen the end.
        self._selector.unregister(line.port)
        self._numbers += 1
        number = self._numbers
        facts = LigCall(
            line=line.plan.name,
            number=number,
            rang=line.rang,
            answered=time.time(),
            rate_bit_s=line.modem.rate_bit_s,
            address=line.address,
        )
        self._record.lig.append(facts)
        self._notices.expect(number)
        path = f"/etc/ppp/options.{line.plan.name}"
        # One for all calls of the line.
        log = self._node.log_dir / f"pppd-{line.plan.name}.log"
        options = call_options(self._lig, log, line.address, unit=line.unit, number=number)
        ppp.write_options(self._node, path, options)
        argv = [PPPD, line.plan.device, "file", path]
        pppd = self._node.spawn(argv, name=log.stem, may_end_with=ppp.MAY_END_WITH)
        line.call = _BankCall(facts, pppd, os.pidfd_open(pppd.pid))
        self._selector.register(line.call.ended, selectors.EVENT_READ, line)

    def _take(self, notice: Notice) -> None:
        """A pppd is about to put its interface up, or has done so."""
        for line in self._lines:
            call = line.call
            if call is None or call.facts.number != notice.number:
                continue
            if not notice.asks:
                call.facts.opened = time.time()
                if self._lig.echo_silent:
                    # The kernel goes on carrying packets; LCP is what pppd itself would answer.
                    call.pppd.signal(signal.SIGSTOP)
                return
            call.facts.interface, call.facts.user = notice.interface, notice.user
            if notice.address == line.address and call.admission is None:
                call.admission = fence.Admission(
                    number=notice.number,
                    interface=notice.interface,
                    address=line.address,
                    user=notice.user,
                )
                self._fence.admit(call.admission)
                call.facts.admitted = time.time()
            self._notices.answer(notice.number)

    def _end_call(self, line: _BankLine, call: _BankCall) -> None:
        """Take back what the call had been given, however it ended."""
        line.call, line.address = None, ""
        if call.admission is not None:
            self._fence.dismiss(call.admission)
        self._notices.forget(call.facts.number)
        self._selector.unregister(call.ended)
        os.close(call.ended)
        if call.pppd.broke:
            self._broken.append(call.pppd)
        try:
            call.facts.exit_status = self._node.stop(call.pppd)
        finally:
            call.facts.closed = time.time()


def call_options(lig: Lig, log: Path, address: str, *, unit: int, number: int) -> ppp.Options:
    """What the pppd of one call is told."""
    return ppp.Options(
        name=lig.node,
        log=log,
        mtu=lig.mtu,
        demand=lig.ppp.auth,
        addresses=(lig.ppp.local_ip, address),
        dns=lig.utility,
        unit=unit,
        environment=((NUMBER, str(number)),),
    )
