"""A modem after ITU-T V.250 (07/2003) and the habits of Hayes: bytes, events and time in, effects out.

No clock, descriptor or thread: every method is told the time, and ``wake_at`` says when ``tick`` is wanted.
States and transitions are in ``states``, commands in ``commands``; here lines are executed one after another,
and bytes go where the state says. Whatever comes in, nothing raises.
"""

from __future__ import annotations

from collections.abc import Mapping

from lab.telephony.command_line import CommandError, CommandLine, LineReader, tidy
from lab.telephony.commands import Interpreter
from lab.telephony.dialling import DialString
from lab.telephony.escape import EscapeDetector
from lab.telephony.flow import DC1, FlowControl
from lab.telephony.modulation import Offer
from lab.telephony.repertoire import Value
from lab.telephony.result_codes import (
    HAYES,
    CodeTable,
    Framing,
    ResultCode,
    connect_rate,
    reports,
    told_rate,
    wording,
)
from lab.telephony.settings import Settings
from lab.telephony.signals import (
    Carrier,
    Effect,
    LineEvent,
    Modulation,
    ToLine,
    ToTerminal,
)
from lab.telephony.states import COMMAND, CONNECTED, ModemCall, Signal, State, Trigger
from lab.topology.modem_family import ModemFamily

__all__ = ["Modem", "State"]

GRACE_S = 0.125
"""What comes so soon after a line ends does not abort it: a line feed, mostly (V.250 5.6.1)."""
KEPT_WHILE_ESCAPED = 1 << 16
"""Bytes from the line that wait for ``O``; more are lost, as the terminal is told nothing of them."""


class Modem:
    """One modem."""

    def __init__(
        self,
        *,
        table: CodeTable = HAYES,
        factory: Mapping[str, Value] | None = None,
        family: ModemFamily | None = None,
    ) -> None:
        """``factory`` changes what ``&F`` recalls: ``{"S0": 1, "&C": 0, "+MS": "V32,1"}``.

        A ``family`` has a table of result codes of its own, which goes before ``table``.
        """
        self._family = family
        self._interpreter = Interpreter(factory or {}, family)
        self._table = table if family is None else CodeTable.of(family)
        self._modulation = ""
        """Of the call, as training has found it."""
        self.now = 0.0
        self._call = ModemCall(self)
        self._reader = LineReader()
        self._escape = EscapeDetector()
        self._flow = FlowControl()
        self.addressed = bytearray()
        """What of the last ``from_terminal`` was for the modem itself, and not for the line."""
        self.port_bit_s = 0
        """The rate that the program has set on the port; 0: it is not known."""
        self.dtr_on = True
        self._carried_at = 0.0
        """When the call last carried something."""
        self._rest: str | None = None
        """What is left of the line under execution; None: none is."""
        self._line_at = float("-inf")
        self._kept = bytearray()
        self._effects: list[Effect] = []
        self._text = bytearray()
        self._told_offer = Offer()
        self.carrier = self._carrier()

    @property
    def settings(self) -> Settings:
        return self._interpreter.settings

    @property
    def state(self) -> State:
        return self._call.state

    @property
    def rate(self) -> int:
        """Rate of the connection in bit/s; 0 without one."""
        return self._call.rate

    @property
    def may_answer(self) -> bool:
        """Whether S0 has its way: not with a terminal that is away (V.250 6.2.9)."""
        return self.dtr_on or self.settings["&D"] < 2

    @property
    def wake_at(self) -> float | None:
        """When ``tick`` is wanted, if nothing else happens before."""
        return self._due[0]

    @property
    def _due(self) -> tuple[float | None, Signal]:
        """What happens next by itself, and when."""
        if self.state is not State.data:
            return self._call.deadline, Trigger.timeout
        escape_at, patience_s = self._escape.due(self.settings.guard_s), self.settings.inactivity_s
        # S12 is shorter than the least of S30, and the escape characters are data.
        if patience_s is None or escape_at is not None:
            return escape_at, Trigger.escape
        return self._carried_at + patience_s, Trigger.inactive

    @property
    def minds_dtr(self) -> bool:
        """Whether anything would come of it now if DTR went."""
        mode = self.settings["&D"]
        return mode > 0 and (self.state is not State.idle or mode == 3)

    @property
    def stopped(self) -> bool:
        """Whether the terminal has stopped the modem (DC3), so that DC1 is to be waited for."""
        return self._flow.stopped

    @property
    def held(self) -> int:
        """How many bytes from the line wait because of that."""
        return len(self._kept) if self.stopped else 0

    # What happens to a modem.

    def from_terminal(self, data: bytes, now: float) -> list[Effect]:
        self._begin(now)
        self.addressed.clear()
        while data:
            if self.state is State.data:
                self._carried_at = self.now
                data = self._send(data)
                continue
            rest = self._read(data) if self.state in COMMAND else self._interrupt(data)
            self.addressed += data[: len(data) - len(rest)]
            data = rest
        return self._taken()

    def from_line(self, data: bytes, now: float) -> list[Effect]:
        """Bytes of a connected call; without one they go nowhere."""
        self._begin(now)
        if self.state is State.data:
            self._carried_at = self.now
            self._kept += data
            self._release()
        elif self.state is State.online:
            self._kept += data[: max(0, KEPT_WHILE_ESCAPED - len(self._kept))]
        return self._taken()

    def backlog(self, waiting: int, now: float) -> list[Effect]:
        """So many bytes of the terminal wait for the line: it may have to stop, or may go on."""
        self._begin(now)
        if self.state is State.data:
            said = self._flow.weigh(waiting, self.settings.flow_control[1])
            if said:
                self.emit(ToTerminal(said, carried=True))
        return self._taken()

    def line(self, event: LineEvent, now: float) -> list[Effect]:
        self._begin(now)
        self._call.signal(event)
        self._execute()
        return self._taken()

    def dtr(self, on: bool, now: float) -> list[Effect]:
        """The terminal comes or goes; what follows is up to ``&D`` (V.250 6.2.9)."""
        self._begin(now)
        gone = self.dtr_on and not on
        if on != self.dtr_on:
            self._reader.reset()
        self.dtr_on = on

        mode = self.settings["&D"]
        if gone and mode == 1:
            self._call.signal(Trigger.escape)
        elif gone and mode > 1:
            self._kept.clear()  # V.250 6.2.8
            self._call.signal(Trigger.dtr_off)
        if gone and mode == 3:
            self._interpreter.recall(0)
            self._settle()
        return self._taken()

    def tick(self, now: float) -> list[Effect]:
        self._begin(now)
        return self._taken()

    def _begin(self, now: float) -> None:
        """What was due before now comes first; time does not go back."""
        self.now = max(self.now, now)
        at, signal = self._due
        while at is not None and at <= self.now:
            self._call.signal(signal)
            self._execute()
            at, signal = self._due

    def _taken(self) -> list[Effect]:
        if self.state not in CONNECTED:
            self._kept.clear()
        elif self.state is State.data:
            self._release()
        self._flush()
        effects, self._effects = self._effects, []
        return effects

    # Bytes from the terminal.

    def _send(self, data: bytes) -> bytes:
        """Data state, up to the end of an escape sequence, which goes to the line too, or to a DC1 or DC3."""
        piece, control, length = self._flow.split(data, self.settings.flow_control[0])
        if piece:
            end = self._escape.feed(piece, self.now, self.settings["S2"], self.settings.guard_s)
            self.emit(ToLine(piece if end is None else piece[:end]))
            if end is not None:
                self._call.signal(Trigger.escape)
                return data[end:]
        self._flow.heed(control)
        self._release()
        return data[length:]

    def _release(self) -> None:
        """Give the terminal what waits for it, unless it wants nothing."""
        if self._kept and not self.stopped:
            self.emit(ToTerminal(bytes(self._kept), carried=True))
            self._kept.clear()

    def _read(self, data: bytes) -> bytes:
        """Command state: up to the end of a line, which may lead out of it."""
        for at, byte in enumerate(data):
            echo, line = self._reader.feed(byte, end=self.settings["S3"], erase=self.settings["S5"])
            if self.settings["E"]:
                self._text += echo
            if line is not None:
                self._take(line)
                return data[at + 1 :]
        return b""

    def _interrupt(self, data: bytes) -> bytes:
        """Between command and data: any character gives up, and is not looked at (V.250 5.6.1)."""
        if self.now < self._line_at + GRACE_S:
            return b""
        self._call.signal(Trigger.abort)
        return data[1:]

    # Lines.

    def _take(self, line: CommandLine) -> None:
        self._line_at = self.now
        if line.body is None:
            self.finish(ResultCode.error)
            return
        self._rest = tidy(line.body)
        self._execute()

    def _execute(self) -> None:
        """Execute what is left of a line, up to its result or to a command that takes time (V.250 5.6)."""
        while self._rest is not None and self.state in COMMAND:
            try:
                self._step(self._rest)
            except CommandError:
                self.finish(ResultCode.error)
            self._settle()

    def _step(self, rest: str) -> None:
        if not rest:
            self.finish(ResultCode.ok)
            return
        command, rest = self._interpreter.next(rest)
        reply = self._interpreter.execute(command)
        self._rest = "" if reply.last else rest
        if reply.text is not None:
            self._text += self._framing.text(reply.text)
        if reply.request is not None and not self._call.signal(reply.request):
            raise CommandError(f"{command.name} in {self.state}")

    def _settle(self) -> None:
        """Let the terminal's and the line's side follow the settings."""
        if (carrier := self._carrier()) is not self.carrier:
            self.carrier = carrier
            self.emit(Carrier(carrier))
        if self.settings.offer != self._told_offer:
            self._told_offer = self.settings.offer
            self.emit(Modulation(self._told_offer))

    # What the call reports.

    def entered(self, state: State) -> None:
        self._reader.reset()
        self._end_flow_control(state)
        if state is State.data:
            self._escape.reset(self.now)
            self._carried_at = self.now
        self._settle()

    def _end_flow_control(self, state: State) -> None:
        """It belongs to data state (V.250 6.2.12); what came before the end of a call comes first (6.2.8)."""
        before, self._flow = self._flow, FlowControl()
        if before.stopped and state is not State.online:
            self._release()
        if before.stopping:
            self.emit(ToTerminal(DC1, carried=True))

    def dialled(self, plan: DialString) -> None:
        self._interpreter.dialled(plan)

    def finish(self, result: ResultCode, rate_bit_s: int = 0) -> None:
        """The final result of the line under execution, or the news that a call is over."""
        self._rest = None
        self.report(result, rate_bit_s)

    def trained(self, rate_bit_s: int, carrier: str) -> None:
        self._modulation = carrier
        if not self._quiet(ResultCode.connect):
            for text in reports(self.settings, carrier, rate_bit_s, self.port_bit_s):
                self._text += self._framing.report(text)

    def report(self, result: ResultCode, rate_bit_s: int = 0) -> None:
        if self._quiet(result):
            return
        told = ""
        if rate_bit_s:
            told = told_rate(
                self._family, self.settings, self._modulation, rate_bit_s, self.port_bit_s
            )
            rate_bit_s = connect_rate(self.settings, rate_bit_s, self.port_bit_s)
        result, rate_bit_s = wording(result, rate_bit_s, self.settings["X"])
        self._text += self._framing.result(self._table, result, rate_bit_s, told)

    def _quiet(self, result: ResultCode) -> bool:
        quiet = self.settings["Q"]
        incoming = self._call.incoming or result is ResultCode.ring
        return quiet == 1 or (quiet == 2 and incoming)

    def emit(self, effect: Effect) -> None:
        if isinstance(effect, ToTerminal) and not effect.carried:
            self._text += effect.data
        else:
            self._flush()
            self._effects.append(effect)

    def _flush(self) -> None:
        if self._text:
            self._effects.append(ToTerminal(bytes(self._text)))
            self._text.clear()

    def _carrier(self) -> bool:
        return self.state in CONNECTED or not self.settings["&C"]

    @property
    def _framing(self) -> Framing:
        return Framing(bool(self.settings["V"]), self.settings["S3"], self.settings["S4"])
