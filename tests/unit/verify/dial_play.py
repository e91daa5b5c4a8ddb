"""What happens by telephone on a stage: modems, calls, PPP with PAP, a name server and a call home.

As ``play``, it reacts to what the topology says, faults too. What the exchange keeps is written by its
own tape.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from socket import inet_aton
from typing import Any

from scapy.layers.dns import DNS, DNSQR
from scapy.layers.inet import IP, UDP

from lab.record.record import CallHome, DialAttempt, DialCause, LigCall, ModemProbe, PppSession
from lab.telephony.tape import Tape, recording
from lab.topology.model import Topology
from lab.topology.ppp import PppAuth
from lab.topology.telephone import CallRule, ModemFault, ModemLine, Outcome
from lab.ways.dial.plan import Dialer, dialers
from lab.wire.dialled import enframe
from tests.unit.verify.changes import note_tries
from tests.unit.verify.play import Script, conversation, ppp_packet
from tests.unit.verify.stage import START, Stage

PROTOCOLS = {PppAuth.pap: b"\xc0\x23", PppAuth.chap: b"\xc2\x23\x05"}
MAGIC = b"\x05\x06\x01\x02\x03\x04"
RESULTS = {
    Outcome.no_dialtone: ("NO DIALTONE", "the line has no dial tone"),
    Outcome.busy: ("BUSY", "the number is busy"),
    Outcome.lines_taken: ("BUSY", "the number is busy"),
    Outcome.no_answer: ("NO ANSWER", "nobody answers"),
}
BAD_EVERY = 9
"""With noise, each such frame is bad."""
GONE = "/dev/modem0 cannot be opened: No such file or directory"


class LostError(Exception):
    """The call is over, or never became one."""


@dataclass
class PhoneStage(Stage):
    """A stage with a tape of the telephone."""

    told: list[Callable[[Tape], None]] = field(default_factory=list)

    def write(self, run_dir: Path) -> Path:
        super().write(run_dir)
        with recording(run_dir / "wire", epoch_ns=int(START * 1e9)) as tape:
            for tell in self.told:
                tell(tape)
        return run_dir


def play_dial(topology: Topology, script: Script | None = None) -> PhoneStage:
    """A whole run."""
    stage = PhoneStage(topology)
    rules = [[rule, rule.times or 99] for rule in topology.telephone.rules]  # type: ignore[union-attr]
    acts = [Act(stage, dialer, script or Script(), rules) for dialer in dialers(topology)]
    try:
        for act in acts:
            act.come_up()
        stage.record.path_up = stage.now
        for act in acts:
            act.call_home()
    except LostError as error:
        stage.record.error = str(error)
    note_tries(topology, stage.record)
    stage.record.ended = stage.now + 1
    return stage


class Act:
    """One client's way home."""

    def __init__(
        self, stage: PhoneStage, plan: Dialer, script: Script, rules: list[list[Any]]
    ) -> None:
        telephone, lig = stage.topology.telephone, stage.topology.lig
        assert telephone is not None
        assert lig is not None
        self.stage, self.plan, self.script, self.rules, self.lig = stage, plan, script, rules, lig
        self.lines = telephone.lines
        self.line = next(line for line in telephone.lines if line.node == plan.client)
        self.modem = dict(telephone.broken).get(self.line.name, ModemFault.none)
        self.rule: CallRule | None = None
        self.call = 0
        self.carried = 0
        self.address = ""
        self.gone = False

    def tell(self, tell: Callable[[Tape, float], None]) -> None:
        now = self.stage.now - START
        self.stage.told.append(lambda tape: tell(tape, now))

    def note(self, text: str, call: int) -> None:
        self.tell(lambda tape, now: tape.note(text, now, call))

    # The modem.

    def come_up(self) -> None:
        said = {ModemFault.dead: "nothing", ModemFault.garbage: "135 bytes that mean nothing"}
        error = said.get(self.modem, "")
        causes = {
            ModemFault.dead: DialCause.modem_silent,
            ModemFault.garbage: DialCause.modem_garbage,
        }
        self.stage.record.modems.append(
            ModemProbe(
                node=self.plan.client,
                device=self.line.device,
                started=self.stage.now,
                answer="" if error else "OK",
                found=not error,
                error=f"the modem answers AT with {error} within 5 s" if error else "",
                cause=causes.get(self.modem),
            )
        )
        if error:
            raise LostError(f"{self.plan.client} has no modem, so no way home by telephone")
        self.dial()

    # Calls.

    def dial(self) -> None:
        for _ in range(self.plan.rounds):
            for number in self.plan.numbers:
                self.stage.now += 10
                attempt = DialAttempt(
                    client=self.plan.client,
                    device=self.line.device,
                    number=number,
                    started=self.stage.now,
                )
                self.stage.record.dialled.append(attempt)
                if self._place(attempt):
                    return
                if not attempt.result or attempt.result == "NO DIALTONE":
                    raise LostError(attempt.failure)
        raise LostError("no way home by telephone")

    def _place(self, attempt: DialAttempt) -> bool:
        if self.gone:
            attempt.failure, attempt.cause = GONE, DialCause.port_shut
            return False
        self.rule = self._rule(attempt.number)
        outcome = self.rule.outcome if self.rule else None
        self.stage.now += 5
        attempt.ended = self.stage.now
        attempt.cause = DialCause.no_connection
        if outcome is Outcome.no_dialtone:
            attempt.result, attempt.failure = RESULTS[outcome]
            self.note(f"{self.line.name} gets no dial tone", 0)
            return False

        self.call = len({id(a) for a in self.stage.record.dialled if a.ended})
        called = next((x for x in self.lines if x.number == attempt.number), None)
        fate = self._fate(called, outcome)
        self.note(f"{self.line.name} to {attempt.number}: {fate}", self.call)
        attempt.result, attempt.failure = RESULTS.get(
            outcome or Outcome.voice, ("NO CARRIER", "no modem answers there")
        )
        if outcome is Outcome.voice:
            self.note("a voice answers", self.call)
        if not fate.endswith("rings") or fate.startswith("nothing"):
            return False

        assert called is not None
        if not self.lig.ppp.pool:
            attempt.result, attempt.failure = RESULTS[Outcome.no_answer]
            self._at_lig(called, answered=0.0)
            return False
        if outcome is Outcome.training_fails:
            self.note("training fails", self.call)
            return False
        return self._connect(attempt, called)

    def _fate(self, called: ModemLine | None, outcome: Outcome | None) -> str:
        if outcome in (Outcome.busy, Outcome.lines_taken, Outcome.unobtainable):
            return f"{outcome}"
        if outcome in (Outcome.no_answer, Outcome.voice):
            return "nothing of ours rings"
        return f"{called.name} rings" if called else "unobtainable"

    def _rule(self, number: str) -> CallRule | None:
        for entry in self.rules:
            rule, left = entry
            if left and rule.caller in ("", self.line.name) and rule.number in ("", number):
                entry[1] -= 1
                return rule  # type: ignore[no-any-return]
        return None

    def _at_lig(self, called: ModemLine, *, answered: float) -> LigCall:
        facts = LigCall(
            line=called.name, number=int(answered > 0), rang=self.stage.now, answered=answered
        )
        self.stage.record.lig.append(facts)
        return facts

    def _connect(self, attempt: DialAttempt, called: ModemLine) -> bool:
        rate = min(
            self.line.rate_bit_s, called.rate_bit_s, (self.rule and self.rule.rate_bit_s) or 99999
        )
        attempt.result, attempt.failure, attempt.cause = f"CONNECT {rate}", "", None
        attempt.rate_bit_s = rate
        self.carried = 0
        call, line = self.call, self.line
        self.tell(lambda tape, now: tape.connected(call, line, called, attempt.number, rate, now))
        self._at_lig(called, answered=self.stage.now)
        session = PppSession(
            client=self.plan.client, gateway=self.lig.node, interface="ppp0", opened=0.0
        )
        self.stage.record.ppp.append(session)
        try:
            self._ppp()
        except LostError as error:
            attempt.failure, attempt.cause = str(error), DialCause.no_ppp
            self._hang_up()
            return False
        self.address = self.lig.ppp.pool[len(self.stage.record.ppp) - 1]
        session.opened, session.local_ip = self.stage.now, self.address
        return True

    def _hang_up(self) -> None:
        call = self.call
        self.tell(lambda tape, now: tape.ended(call, now))

    # Bytes.

    def frame(self, protocol: int, body: bytes, *, back: bool = False) -> bool:
        """A PPP frame over the call; False if noise has spoilt it."""
        self.stage.now += 0.02
        data = bytearray(enframe(b"\xff\x03" + struct.pack("!H", protocol) + body))
        self.carried += 1
        noisy = self.rule is not None and self.rule.outcome is Outcome.noise
        bad = noisy and self.carried % BAD_EVERY == 0
        if bad:
            data[len(data) // 2] ^= 0x80
        call, name = self.call, next(x for x in self.lines if x.node == self.lig.node).name
        end = self.line.name if back else name
        self.tell(lambda tape, now: tape.arrived(call, end, bytes(data), now))
        return not bad

    def _ppp(self) -> None:
        demand = PROTOCOLS[self.lig.ppp.auth]
        option = bytes([3, 2 + len(demand)]) + demand
        self.frame(0xC021, ppp_packet(1, 1, MAGIC))
        self.frame(0xC021, ppp_packet(1, 1, option + MAGIC), back=True)
        self.frame(0xC021, ppp_packet(2, 1, MAGIC), back=True)
        if self.lig.ppp.auth not in self.plan.accept_auth:
            self.frame(0xC021, ppp_packet(4, 1, option))
            self.frame(0xC021, ppp_packet(5, 2, b"peer refused to authenticate"), back=True)
            raise LostError("LCP terminated by peer")
        self.frame(0xC021, ppp_packet(2, 1, option + MAGIC))
        self.frame(0xC021, ppp_packet(9, 0, MAGIC[2:]))
        self.frame(0xC021, ppp_packet(10, 0, MAGIC[2:]), back=True)

        account = self.plan.account
        user, secret = account.user.encode(), account.secret.reveal().encode()
        self.frame(
            0xC023, ppp_packet(1, 1, bytes([len(user)]) + user + bytes([len(secret)]) + secret)
        )
        if account not in self.lig.ppp.accounts:
            self.frame(0xC023, ppp_packet(3, 1, b"\x00"), back=True)
            raise LostError("PAP authentication failed")
        self.frame(0xC023, ppp_packet(2, 1, b"\x00"), back=True)
        given = b"\x03\x06" + inet_aton(self.lig.ppp.pool[0])
        self.frame(0x8021, ppp_packet(1, 1, given))
        self.frame(0x8021, ppp_packet(2, 1, given), back=True)

    def packet(self, packet: IP, *, back: bool = False) -> bool:
        return self.frame(0x21, bytes(packet), back=back)

    # Calling home.

    def call_home(self) -> None:
        """Twice at most, with another call in between if the first was lost."""
        try:
            good = self._call_home()
        except LostError:
            self._log(good=False)
            self.stage.now += 60
            self.dial()
            try:
                good = self._call_home()
            except LostError:
                good = False
        self._log(good=good)

    def _call_home(self) -> bool:
        query = IP(src=self.address, dst=self.lig.utility) / UDP(sport=40000, dport=53)
        self.packet(query / DNS(qd=DNSQR(qname="sas-1.sdc.test")))
        if self.lig.dns_silent:
            return False
        answer = IP(src=self.lig.utility, dst=self.address) / UDP(sport=53, dport=40000)
        self.packet(answer / DNS(qr=1), back=True)

        server = self.stage.topology.endpoints[0]
        if self.script.lazy_agent:
            return False
        talk = list(conversation(self.address, server.address, 41000, self.script))
        for number, (outward, segment) in enumerate(talk):
            if number == len(talk) // 2:
                self._befall()
            tries = 3
            while not self._over(segment, outward=outward):
                tries -= 1
                self.stage.now += 2
                if not tries:
                    return False
        return not self.script.refuses

    def _over(self, segment: IP, *, outward: bool) -> bool:
        nodes = [self.lig.node, "internet", "sdc"]
        segments = [self.lig.outside, "dmz"]
        if outward:
            return self.packet(segment) and self.stage.send(segment, nodes, segments)
        arrived = self.stage.send(segment, nodes[::-1], segments[::-1])
        return arrived and self.packet(segment, back=True)

    def _befall(self) -> None:
        """What happens in mid-call."""
        if self.rule is not None and self.rule.outcome is Outcome.line_drops:
            self.note("the line drops", self.call)
        elif self.modem is ModemFault.unplugged:
            self.gone = True
            self.note(f"{self.line.name} hangs up", self.call)
        elif self.lig.echo_silent:
            self.frame(0xC021, ppp_packet(9, 7, MAGIC[2:]))
            self.packet(IP(src="129.42.160.48", dst=self.address) / UDP(), back=True)
            self.frame(0xC021, ppp_packet(5, 2, b"Peer not responding"))
        else:
            return
        self.stage.record.ppp[-1].closed = self.stage.now
        self._hang_up()
        raise LostError("the call is over")

    def _log(self, *, good: bool) -> None:
        self.stage.record.calls.append(
            CallHome(
                agent=self.plan.client,
                started=self.stage.now - 1,
                ended=self.stage.now,
                succeeded=good,
                attempts=("acknowledged" if good else "no answer",),
            )
        )
