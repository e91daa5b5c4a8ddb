"""The call control of a modem: its states, and every transition in one table, ``TRANSITIONS``.

Whatever happens is a signal: an event of the line, a request of a command, or one of the few below. What
has no entry for the state it meets is not granted, and changes nothing. No bytes are looked at here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, TypeAlias

from lab.telephony.commands import CallRequest, Originate, Request
from lab.telephony.dialling import Await, DialString, Pause, Step
from lab.telephony.result_codes import ResultCode
from lab.telephony.signals import DialDigits, Heard, Hook, LineEvent, Trained

if TYPE_CHECKING:
    from lab.telephony.modem import Modem

DIAL_TONE_S = 5.0
"""How long to wait for the first dial tone at least; S6 may ask for longer (a Hayes habit)."""
FLASH_S = 0.5
RINGS_END_S = 8.0
"""Without a ring for so long, the next one counts as the first (S1)."""


class State(Enum):
    """Where a modem is; the terminal is in command state in ``COMMAND``."""

    idle = "on hook"
    held = "off hook, without a carrier"
    tone = "waiting for dial tone"
    pause = "waiting between digits"
    quiet = "waiting for silence"
    calling = "waiting for the carrier of the called end"
    answering = "waiting for the carrier of the calling end"
    data = "online data state"
    online = "online command state"


COMMAND = frozenset({State.idle, State.held, State.online})
CONNECTED = frozenset({State.data, State.online})


class Trigger(Enum):
    """What is neither an event of the line nor a request of a command."""

    timeout = auto()
    """The time that the state set itself is over."""
    abort = auto()
    """The terminal sent something before there was a carrier (V.250 5.6.1)."""
    escape = auto()
    """The escape sequence, or DTR under ``&D1``."""
    dtr_off = auto()
    """DTR went, under ``&D2`` or ``&D3``."""
    inactive = auto()
    """The call has carried nothing for as long as S30 allows."""


Signal: TypeAlias = LineEvent | Request | Trigger
Kind: TypeAlias = Heard | CallRequest | Trigger | type[Originate] | type[Trained]


def kind(signal: Signal) -> Kind:
    """What of a signal counts for the table: not what else it says."""
    return type(signal) if isinstance(signal, Originate | Trained) else signal


class ModemCall:
    """One line's side of a modem."""

    def __init__(self, modem: Modem) -> None:
        self._modem = modem
        self.state = State.idle
        self.deadline: float | None = None
        self.rate = 0
        """Rate of the connection in bit/s; 0 without one."""
        self._carrier = ""
        self.incoming = False
        self._steps: deque[Step] = deque()
        self._hold = False
        self._tone_on = False
        self._ringback = False
        self._rung_at = 0.0

    def signal(self, signal: Signal) -> bool:
        """Let something happen; False if it cannot in this state."""
        transition = TRANSITIONS.get((self.state, kind(signal)))
        if transition is None:
            return False
        transition.action(self, signal)
        return True

    def _enter(self, state: State, seconds: float | None = None) -> None:
        self.state = state
        self.deadline = None if seconds is None else self._modem.now + seconds
        self._modem.entered(state)

    def end(self, result: ResultCode) -> None:
        """Hang up, and say why."""
        self._on_hook()
        self._modem.finish(result)
        self.incoming = False

    def _on_hook(self) -> None:
        self._modem.emit(Hook.on)
        self.rate = 0
        self._tone_on = self._ringback = False
        self._enter(State.idle)

    # Incoming calls.

    def ring(self, _: Signal) -> None:
        settings = self._modem.settings
        since, self._rung_at = self._modem.now - self._rung_at, self._modem.now
        rings = 1 if since > RINGS_END_S else min(settings["S1"] + 1, 255)
        settings.set("S1", str(rings))
        self._modem.report(ResultCode.ring)
        if 0 < settings["S0"] <= rings and self._modem.may_answer:
            self.answer(CallRequest.answer)

    def rings_over(self, _: Signal) -> None:
        self._modem.settings.set("S1", "0")

    def answer(self, _: Signal) -> None:
        self._modem.settings.set("S1", "0")
        self._modem.emit(Hook.answer)
        self.incoming = True
        self._carrier_due(State.answering)

    # Outgoing calls.

    def seize(self, _: Signal) -> None:
        self._modem.emit(Hook.off)
        self._enter(State.held)

    def originate(self, signal: Originate) -> None:
        self._modem.emit(Hook.off)
        first: Step = Await.first_tone if self._modem.settings.dial_tone else Pause("S6")
        # Without a number somebody else dials, so there is no tone to wait for.
        self._dial(signal.plan, (first,) if signal.plan.steps else ())

    def dial_on(self, signal: Originate) -> None:
        self._dial(signal.plan, ())

    def _dial(self, plan: DialString, before: tuple[Step, ...]) -> None:
        self._modem.dialled(plan)
        self._steps = deque((*before, *plan.steps))
        self._hold = plan.hold
        self.advance(None)

    def advance(self, _: Signal | None) -> None:
        """Go through the steps until one takes time."""
        settings = self._modem.settings
        while self._steps:
            step = self._steps.popleft()
            match step:
                case DialDigits():
                    self._tone_on = self._ringback = False
                    self._modem.emit(step)
                case Pause(register) if settings[register]:
                    return self._enter(State.pause, settings[register])
                case Await.flash:
                    self._tone_on = False
                    self._modem.emit(Hook.flash)
                    return self._enter(State.pause, FLASH_S)
                case Await.first_tone if not self._tone_on:
                    return self._enter(State.tone, max(DIAL_TONE_S, settings["S6"]))
                case Await.tone if not self._tone_on:
                    return self._enter(State.tone, settings["S7"])
                case Await.quiet:
                    return self._enter(State.quiet, settings["S7"])
                case Pause() | Await.first_tone | Await.tone:
                    pass  # Nothing to wait for.

        if self._hold:
            return self._enter(State.held)
        return self._carrier_due(State.calling)

    def _carrier_due(self, state: State) -> None:
        if self.rate:
            # The other end trained while the line was held (``;``).
            return self.connect(Trained(self.rate, self._carrier))
        return self._enter(state, self._modem.settings["S7"])

    def hear_tone(self, _: Signal) -> None:
        self._tone_on = True
        if self.state is State.tone:
            self.advance(None)

    def hear_ringback(self, _: Signal) -> None:
        self._ringback = True

    def picked_up(self, _: Signal) -> None:
        self._ringback = False

    def handshake(self, _: Signal) -> None:
        """A modem answered instead of silence: what is left to dial has no use."""
        self._steps.clear()
        self.advance(None)

    def busy(self, _: Signal) -> None:
        if self._modem.settings.busy_tone:
            self.end(ResultCode.busy)

    def unanswered(self, _: Signal) -> None:
        """S7 is over; a modem that listens knows whether it rang to the end.

        V.250 has NO ANSWER for ``@`` only (table 1); for ringing to the end chip sets have it, too.
        """
        heard = self._ringback and self._modem.settings.busy_tone
        self.end(ResultCode.no_answer if heard else ResultCode.no_carrier)

    # Connected calls.

    def note_rate(self, signal: Trained) -> None:
        self.rate, self._carrier = signal.rate_bit_s, signal.carrier

    def forget_rate(self, _: Signal) -> None:
        self.rate = 0

    def connect(self, signal: Trained) -> None:
        self._steps.clear()
        self.note_rate(signal)
        self._modem.trained(self.rate, self._carrier)
        self.resume(signal)

    def resume(self, _: Signal) -> None:
        # The result comes before circuit 109 goes on (V.250 tables 8 and 9).
        self._modem.finish(ResultCode.connect, self.rate)
        self._enter(State.data)

    def not_connected(self, _: Signal) -> None:
        self._modem.finish(ResultCode.no_carrier)

    def escape(self, _: Signal) -> None:
        self._enter(State.online)
        self._modem.finish(ResultCode.ok)

    def hang_up(self, _: Signal) -> None:
        self._on_hook()
        self.incoming = False

    def nothing(self, _: Signal) -> None:
        """Granted, and already so."""


Action: TypeAlias = Callable[[ModemCall, Any], None]


@dataclass(frozen=True, slots=True)
class Transition:
    """What a signal does in a state, and where that may lead."""

    action: Action
    to: frozenset[State]


_S, _H, _R, _T, _C = State, Heard, CallRequest, Trigger, ModemCall
_DIALLING = (_S.tone, _S.pause, _S.quiet)
_STEP = (*_DIALLING, _S.calling, _S.held, _S.data)
"""Where dialling may go on to; data at once if the other end is there already."""
_SETUP = (*_DIALLING, _S.calling, _S.answering)


def _ends(result: ResultCode) -> Action:
    return lambda call, _: call.end(result)


_NO_CARRIER, _NO_ANSWER = _ends(ResultCode.no_carrier), _ends(ResultCode.no_answer)
_NO_DIAL_TONE = _ends(ResultCode.no_dialtone)
_LET_GO = _ends(ResultCode.ok)
"""DTR went, which aborts D and A with another result than a character does (V.250 tables 8, 9)."""

# fmt: off
_ROWS: tuple[tuple[tuple[State, ...], Kind, Action, tuple[State, ...]], ...] = (
    # in                            signal              does              goes to (none: stays)
    ((_S.idle,),                    _H.ringing,         _C.ring,          (_S.idle, _S.answering)),
    ((_S.idle,),                    _H.ringing_stopped, _C.rings_over,    ()),
    ((_S.idle,),                    Originate,          _C.originate,     _STEP),
    ((_S.held,),                    Originate,          _C.dial_on,       _STEP),
    ((_S.idle, _S.held),            _R.answer,          _C.answer,        (_S.answering, _S.data)),
    ((_S.idle,),                    _R.seize,           _C.seize,         (_S.held,)),
    ((_S.held,),                    _R.seize,           _C.nothing,       ()),
    ((_S.held, _S.online),          _R.hang_up,         _C.hang_up,       (_S.idle,)),
    ((_S.idle,),                    _R.hang_up,         _C.nothing,       ()),
    ((_S.online,),                  _R.resume,          _C.resume,        (_S.data,)),
    ((_S.idle, _S.held),            _R.resume,          _C.not_connected, ()),
    ((*_DIALLING, _S.held),         _H.dial_tone,       _C.hear_tone,     (*_DIALLING, *_STEP)),
    ((_S.tone,),                    _H.no_dial_tone,    _NO_DIAL_TONE,    (_S.idle,)),
    ((_S.quiet,),                   _H.quiet,           _C.advance,       _STEP),
    ((_S.quiet,),                   _H.voice,           _C.advance,       _STEP),
    ((_S.quiet,),                   _H.answered,        _C.handshake,     _STEP),
    ((*_DIALLING, _S.calling),      _H.ringback,        _C.hear_ringback, ()),
    ((_S.pause, _S.calling),        _H.voice,           _C.picked_up,     ()),
    ((_S.pause, _S.calling),        _H.answered,        _C.picked_up,     ()),
    ((*_DIALLING, _S.calling),      _H.busy,            _C.busy,          (*_DIALLING, _S.calling, _S.idle)),
    (_SETUP,                        Trained,            _C.connect,       (_S.data,)),
    ((_S.held,),                    Trained,            _C.note_rate,     ()),
    (_SETUP,                        _H.training_failed, _NO_CARRIER,      (_S.idle,)),
    ((*_SETUP, _S.data, _S.online), _H.dropped,         _NO_CARRIER,      (_S.idle,)),
    ((_S.held,),                    _H.dropped,         _C.forget_rate,   ()),
    ((_S.tone,),                    _T.timeout,         _NO_DIAL_TONE,    (_S.idle,)),
    ((_S.pause,),                   _T.timeout,         _C.advance,       _STEP),
    ((_S.quiet,),                   _T.timeout,         _NO_ANSWER,       (_S.idle,)),
    ((_S.calling,),                 _T.timeout,         _C.unanswered,    (_S.idle,)),
    ((_S.answering,),               _T.timeout,         _NO_CARRIER,      (_S.idle,)),
    (_SETUP,                        _T.abort,           _NO_CARRIER,      (_S.idle,)),
    ((_S.data,),                    _T.escape,          _C.escape,        (_S.online,)),
    (_SETUP,                        _T.escape,          _LET_GO,          (_S.idle,)),
    (_SETUP,                        _T.dtr_off,         _LET_GO,          (_S.idle,)),
    ((_S.data, _S.online),          _T.dtr_off,         _NO_CARRIER,      (_S.idle,)),
    ((_S.held,),                    _T.dtr_off,         _C.hang_up,       (_S.idle,)),
    ((_S.data,),                    _T.inactive,        _NO_CARRIER,      (_S.idle,)),
)
# fmt: on
# A line that is unobtainable has no entry: a modem hears no carrier in that, and S7 ends it.

TRANSITIONS: Mapping[tuple[State, Kind], Transition] = {
    (state, signal): Transition(action, frozenset(to or (state,)))
    for states, signal, action, to in _ROWS
    for state in states
}
