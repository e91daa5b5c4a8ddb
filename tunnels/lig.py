"""AT&T's gateway (S4 3.1): a bank of modems that answers, one pppd for each call, a name server, the fence.

Each line has a thread, which sets the modem up, answers, follows the call to its end, and begins anew. What
modems are told is ``answering``'s, what PPP is told ``ppp``'s, and the rules are ``lab.linux.fence``'s. A
call for which no address is free is left to ring (P-12).

The fence stays when the bank ends, with no call in it, so that its counters can still be read.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import LabBroke
from lab.linux import fence, firewall
from lab.linux.nodes import Node
from lab.linux.process import Daemon
from lab.linux.worker import Broke
from lab.record.event import Event, Tell
from lab.record.record import LigCall, Record
from lab.teardown import Teardown
from lab.topology.modem_family import find
from lab.topology.telephone import Lig, ModemLine
from lab.wait import Deadline
from lab.ways.dial.events import LigAdmitted, LigAnswered, LigHungUp, LigLeftToRing
from lab.ways.dial.plan import dialers
from tunnels import _dnsmasq, ppp, started
from tunnels._serial import open_port
from tunnels.answering import INIT, AnsweringModem, HungUpOn, ToldToEnd, pause
from tunnels.notices import NUMBER, Notice, install_scripts, start_notices

if TYPE_CHECKING:
    from lab.ways.ground import Ground

PPPD = "/usr/sbin/pppd"

READY_DEADLINE_S = 30.0
DTR_OFF_S = 0.5
"""How long a line stays closed between calls: every modem notices that (S25 is 0.05 s by default)."""
OPEN_TRIES = 20
RING_GAP_S = 12.0
"""Two rings with more time between them belong to two calls: a cadence is 6 s at most."""


@dataclass(slots=True)
class _BankLine:
    """A line of the bank."""

    plan: ModemLine
    unit: int
    settled: threading.Event = field(default_factory=threading.Event)
    """The modem was set up once, or has proved dead."""
    address: str = ""
    """From the pool, from the answer to the end of the call."""


@contextlib.contextmanager
def start(ground: Ground, node: Node) -> Iterator[Bank]:
    """The gateway on its node, silent where no way home goes by telephone."""
    telephone, lig = ground.topology.telephone, ground.topology.lig
    assert telephone is not None, "check has seen it"
    assert lig is not None, "it is made of the node"
    family = find(ground.topology.modem_families, lig.node)
    init = family.init if family is not None else INIT
    with started(Bank(node, lig, telephone.lines, ground.record, ground.story.tell, init)) as bank:
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

    _told: int
    """From ``launch`` on: readable when the lines are to end."""

    def __init__(
        self,
        node: Node,
        lig: Lig,
        lines: Iterable[ModemLine],
        record: Record,
        tell: Tell,
        init: str = INIT,
    ) -> None:
        self._node = node
        self._init = init
        self._tell = tell
        self._lig = lig
        self._names = _dnsmasq.DnsmasqSettings(addresses=(lig.utility,), table=_dnsmasq.HOSTS)
        self._lines = [
            _BankLine(plan, unit)
            for unit, plan in enumerate(plan for plan in lines if plan.node == lig.node)
        ]
        self._record = record
        # No number twice in a lab: the kernel knows the flows of an earlier bank's calls still.
        self._numbers = count(max((call.number for call in record.lig), default=0) + 1)
        self._leasing = threading.Lock()
        self._dnsmasq: Daemon | None = None
        self._threads: list[threading.Thread] = []
        self._teardown = Teardown()
        self._broke = Broke(f"{node.name}'s bank of modems")
        self._broken: list[Daemon] = []
        """pppds of calls that ended as none may."""

    def launch(self) -> None:
        """Put up the fence, start the daemons and set the modems up; do not wait for them."""
        node, teardown = self._node, self._teardown
        teardown.add("the bank", self.check)
        again = f"table inet {fence.TABLE}\ndelete table inet {fence.TABLE}\n"
        firewall.run(node, "set up the fence of", again + fence.render(self._lig))
        ppp.write_secrets(node, self._lig.ppp.accounts)
        install_scripts(node)
        if not self._lig.dns_silent:
            self._dnsmasq = dnsmasq = _dnsmasq.launch(node, self._names)
            teardown.add("the name server", lambda: node.stop(dnsmasq))
        self._told = told = os.eventfd(0, os.EFD_CLOEXEC)
        teardown.add("the word to end", lambda: os.close(told))
        for line in self._lines:
            name = line.plan.name
            thread = threading.Thread(target=self._serve, args=(line,), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)
            teardown.add(name, thread.join)
            # Before the first of them is waited for: the calls end side by side.
            teardown.add("the calls", lambda: os.eventfd_write(told, 1))

    def ready(self) -> None:
        """Wait until the name server answers, and each modem is set up or has proved dead."""
        if self._dnsmasq is not None:
            _dnsmasq.ready(self._dnsmasq, self._names)
        deadline = Deadline(READY_DEADLINE_S)
        late = [line for line in self._lines if not line.settled.wait(deadline.left_s)]
        if late:
            names = ", ".join(line.plan.name for line in late)
            raise LabBroke(f"modems of {self._node.name} are not set up: {names}")
        self.check()

    @property
    def alive(self) -> bool:
        threads, dnsmasq = self._threads, self._dnsmasq
        serving = bool(threads) and all(thread.is_alive() for thread in threads)
        return serving and (dnsmasq is None or dnsmasq.alive)

    def stop(self) -> None:
        """Hang up on every caller, LCP first, and end the daemons."""
        self._teardown.close()

    def check(self) -> None:
        """Raise, once, what broke, a thread or a pppd: the way home is not to blame for it."""
        self._broke.check()
        if self._broken:
            pppd = self._broken.pop()
            pppd.check(f"{self._node.name}'s {pppd.name}")

    def _note(self, kind: type[Event], facts: LigCall, time_s: float) -> None:
        self._tell(kind.of(facts, source=self._node.name, time=time_s))

    # The thread of a line.

    def _serve(self, line: _BankLine) -> None:
        try:
            # What breaks it belongs to who waits in ``ready`` or ``stop``.
            with self._broke, contextlib.suppress(ToldToEnd):
                while True:
                    with self._opened(line) as port, contextlib.suppress(HungUpOn):
                        self._take_calls(line, AnsweringModem(port, self._told, self._init))
                    line.address = ""
                    pause(self._told, DTR_OFF_S)
        finally:
            line.settled.set()

    @contextlib.contextmanager
    def _opened(self, line: _BankLine) -> Iterator[int]:
        """After a lost carrier the port is away for a moment; a modem that was pulled out, for ever."""
        for number in count(1):
            with contextlib.suppress(OSError):
                port = self._node.call(open_port, line.plan.device)
                break
            if number >= OPEN_TRIES:
                line.settled.set()
            pause(self._told, DTR_OFF_S if number < OPEN_TRIES else inf)
        try:
            yield port
        finally:
            os.close(port)

    def _take_calls(self, line: _BankLine, modem: AnsweringModem) -> None:
        """Until a call has ended, or the port is hung up on us."""
        rang_at = -inf
        ready = modem.set_up()
        line.settled.set()
        while True:
            if modem.hear() != "RING" or not ready:
                continue
            since, rang_at = time.monotonic() - rang_at, time.monotonic()
            rang = time.time()
            if self._lease(line):
                if (rate_bit_s := modem.answer()) is not None:
                    return self._carry(line, rang, rate_bit_s)
                line.address = ""
                ready = modem.set_up()
            elif since > RING_GAP_S:
                missed = LigCall(line=line.plan.name, number=0, rang=rang)
                self._record.lig.append(missed)
                self._note(LigLeftToRing, missed, rang)

    def _lease(self, line: _BankLine) -> bool:
        """Take the first free address, so that addresses are given again as soon as they can be (L-09)."""
        with self._leasing:
            taken = {other.address for other in self._lines}
            line.address = next((a for a in self._lig.ppp.pool if a not in taken), "")
        return bool(line.address)

    # Calls.

    def _carry(self, line: _BankLine, rang: float, rate_bit_s: int) -> None:
        """A call, from CONNECT to its end; we keep the port open, so that DTR stays on until then."""
        number = next(self._numbers)
        facts = LigCall(
            line=line.plan.name,
            number=number,
            rang=rang,
            answered=time.time(),
            rate_bit_s=rate_bit_s,
            address=line.address,
        )
        self._record.lig.append(facts)
        self._note(LigAnswered, facts, facts.answered)
        path = f"/etc/ppp/options.{line.plan.name}"
        # One for all calls of the line.
        log = self._node.log_dir / f"pppd-{line.plan.name}.log"
        options = call_options(self._lig, log, line.address, unit=line.unit, number=number)
        ppp.write_options(self._node, path, options)
        argv = [PPPD, line.plan.device, "file", path]
        with start_notices(self._node, number) as notices:
            pppd = self._node.spawn(argv, name=log.stem, may_end_with=ppp.MAY_END_WITH)
            try:
                for notice in notices.until_end_of(pppd, self._told):
                    self._take(facts, pppd, notice)
                    if notice.asks:
                        notices.answer()
            finally:
                self._end_call(facts, pppd)

    def _take(self, facts: LigCall, pppd: Daemon, notice: Notice) -> None:
        """The pppd is about to put its interface up, or has done so."""
        if not notice.asks:
            facts.opened = time.time()
            if self._lig.echo_silent:
                # The kernel goes on carrying packets; LCP is what pppd itself would answer.
                pppd.signal(signal.SIGSTOP)
            return
        facts.interface, facts.user = notice.interface, notice.user
        if notice.address == facts.address and not facts.admitted:
            admission = fence.admit(self._lig, _admission(facts))
            firewall.run(self._node, "admit a call to", admission)
            facts.admitted = time.time()
            self._note(LigAdmitted, facts, facts.admitted)

    def _end_call(self, facts: LigCall, pppd: Daemon) -> None:
        """Take back what the call had been given, however it ended."""
        if facts.admitted:
            firewall.run(self._node, "dismiss a call from", fence.dismiss(_admission(facts)))
        if pppd.broke:
            self._broken.append(pppd)
        try:
            facts.exit_status = self._node.stop(pppd)
        finally:
            facts.closed = time.time()
            self._note(LigHungUp, facts, facts.closed)


def _admission(facts: LigCall) -> fence.Admission:
    return fence.Admission(
        number=facts.number, interface=facts.interface, address=facts.address, user=facts.user
    )


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
