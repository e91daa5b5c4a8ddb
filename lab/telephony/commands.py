"""The commands: what each changes or asks of the call.

A command changes settings here and at once; what concerns the line it only asks for, as a ``Request``,
which ``modem`` grants by its table of states. ``repertoire.COMMANDS`` is the list of all there is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from lab.telephony.command_line import Command, CommandError, Form
from lab.telephony.dialling import MAX_STORED, DialString, check_stored, parse_dial, parse_stored
from lab.telephony.repertoire import PARAMETERS, REGISTERS, SETTINGS, SWITCHES, Value
from lab.telephony.settings import Settings

MANUFACTURER, MODEL, REVISION, SERIAL = "callhome-lab", "V.34 modem", "1", "1"
"""None has a 0 or OK at its end, which might be taken for the result (V.250 6.1.4)."""
COUNTRY = "B5"
"""The USA, after ITU-T T.35."""
PROFILES, NUMBERS = 2, 4
"""How many can be stored."""


@dataclass(frozen=True, slots=True)
class Originate:
    """D."""

    plan: DialString


class CallRequest(Enum):
    """What other commands ask of the call."""

    answer = "A"
    seize = "H1"
    """Off hook, and nothing else."""
    hang_up = "H, Z"
    resume = "O"


Request: TypeAlias = Originate | CallRequest


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a command."""

    text: str | None = None
    """Information text."""
    request: Request | None = None
    last: bool = False
    """What follows on the line is passed over."""


class Interpreter:
    """Executes single commands on the settings of one modem, and on what outlives a reset."""

    def __init__(self, factory: Mapping[str, Value]) -> None:
        self.factory = Settings()
        for name, value in factory.items():
            self.factory.set(name, *str(value).split(","))
        self.profiles = [self.factory.stored() for _ in range(PROFILES)]
        self.numbers = [""] * NUMBERS
        self.last_dialled = ""
        self.settings = self.profiles[0].copy()
        self.register = 0
        """The register that ``=`` and ``?`` mean."""

    def execute(self, command: Command) -> Reply:
        """Do it, or raise CommandError and change nothing."""
        try:
            return _find(command.name)(self, command)
        except ValueError as refusal:
            raise CommandError(f"{command.name}: {refusal}") from None

    def dialled(self, plan: DialString) -> None:
        """The call asked for by ``D`` was granted."""
        self.settings.tone = plan.tone
        if plan.steps:
            self.last_dialled = plan.text

    def recall(self, profile: int) -> None:
        self.settings = self.profiles[profile].copy()


Run: TypeAlias = Callable[[Interpreter, Command], Reply]
"""What a command does."""


def _find(name: str) -> Run:
    if name in _ACTIONS:
        return _ACTIONS[name]
    if name in SWITCHES:
        return _switch
    if name in PARAMETERS:
        return _parameter
    raise CommandError(name)


def _one_of(command: Command, limit: int) -> int:
    """The number behind a command that takes one, 0 if there is none (V.250 5.3.1)."""
    number = command.number or 0
    if number >= limit:
        raise CommandError(f"{number} is out of range")
    return number


def _switch(modem: Interpreter, command: Command) -> Reply:
    modem.settings.set(command.name, str(command.number or 0))
    return Reply()


def _register(modem: Interpreter, command: Command) -> Reply:
    number = modem.register if command.number is None else command.number
    name = f"S{number}"
    if name not in REGISTERS:
        raise CommandError(name)
    if command.form is Form.set:
        modem.settings.set(name, command.value)
    modem.register = number
    return Reply(f"{modem.settings[name]:03}" if command.form is Form.read else None)


# Reports have a space behind the colon, but not in V.250 6.2.10 to 6.2.12. T.31 has +FCLASS without its name
# and without parentheses.
_HEADS = {"+IPR": "+IPR:", "+IFC": "+IFC:", "+ICF": "+ICF:", "+FCLASS": ""}


def _parameter(modem: Interpreter, command: Command) -> Reply:
    """V.250 5.4.4."""
    name, settings = command.name, modem.settings
    head = _HEADS.get(name, f"{name}: ")
    match command.form:
        case Form.read:
            return Reply(head + settings.text(name))
        case Form.test:
            spans = [each.allowed for each in SETTINGS[name].fields]
            return Reply(head + ",".join(f"({span})" if head else span for span in spans))
        case Form.set:
            settings.set(name, *command.value.split(","))
            return Reply()
        case Form.execute:
            raise CommandError(f"{name} needs a value")


def _dial(modem: Interpreter, command: Command) -> Reply:
    plan = parse_dial(
        command.value, tone=modem.settings.tone, numbers=modem.numbers, last=modem.last_dialled
    )
    return Reply(request=Originate(plan), last=not plan.hold)


def _no_number(command: Command) -> None:
    """Of a command that takes none not even 0 is one (V.250 5.3.1)."""
    if command.number is not None:
        raise CommandError("it takes no number")


def _answer(modem: Interpreter, command: Command) -> Reply:
    _no_number(command)
    return Reply(request=CallRequest.answer, last=True)


def _hook(modem: Interpreter, command: Command) -> Reply:
    return Reply(request=CallRequest.seize if _one_of(command, 2) else CallRequest.hang_up)


def _online(modem: Interpreter, command: Command) -> Reply:
    _one_of(command, 2)  # O1 asks for a retrain first, which the lab's lines never need
    return Reply(request=CallRequest.resume, last=True)


def _pulse(modem: Interpreter, command: Command) -> Reply:
    _no_number(command)
    modem.settings.tone = command.name == "T"
    return Reply()


def _reset(modem: Interpreter, command: Command) -> Reply:
    modem.recall(_one_of(command, len(modem.profiles)))
    return Reply(request=CallRequest.hang_up, last=True)


def _factory(modem: Interpreter, command: Command) -> Reply:
    _one_of(command, 2)  # where makers have two sets for it, they differ in flow control
    modem.settings = modem.factory.copy()
    return Reply()


def _store(modem: Interpreter, command: Command) -> Reply:
    at = _one_of(command, len(modem.profiles))
    modem.profiles[at] = modem.settings.stored()
    return Reply()


def _view(modem: Interpreter, command: Command) -> Reply:
    _one_of(command, 1)
    lines = ["ACTIVE PROFILE:", *modem.settings.overview()]
    for number, profile in enumerate(modem.profiles):
        lines += ["", f"STORED PROFILE {number}:", *profile.overview()]
    lines += ["", "TELEPHONE NUMBERS:"]
    lines += [f"{at}={number}" for at, number in enumerate(modem.numbers)]
    return Reply("\n".join(lines))


def _number(modem: Interpreter, command: Command) -> Reply:
    if command.form is Form.execute:
        raise CommandError("&Z needs a number to store")
    at = _one_of(command, len(modem.numbers))
    if command.form is Form.read:
        return Reply(modem.numbers[at])
    check_stored(command.value)
    modem.numbers[at] = command.value
    return Reply()


def _stored_numbers(modem: Interpreter, command: Command) -> Reply:
    """V.250 6.3.15."""
    numbers = modem.numbers
    match command.form:
        case Form.read:
            pairs = [f"+ASTO: {at},{number}" for at, number in enumerate(numbers) if number]
            return Reply("\n".join(pairs) or None)
        case Form.test:
            return Reply(f"+ASTO: (0-{len(numbers) - 1}),({MAX_STORED})")
        case Form.set:
            at, comma, text = command.value.partition(",")
            if not (comma and at.isascii() and at.isdigit() and int(at) < len(numbers)):
                raise CommandError(command.value)
            numbers[int(at)] = parse_stored(text)
            return Reply()
        case Form.execute:
            raise CommandError("+ASTO needs a value")


def _identify(modem: Interpreter, command: Command) -> Reply:
    texts = (
        *(MODEL, "000", "OK", REVISION, MANUFACTURER),
        *(COUNTRY, MODEL, REVISION, REVISION, MODEL),
    )
    return Reply(texts[_one_of(command, len(texts))])


def _about(text: str) -> Run:
    """An action command that answers with a text, and by ``=?`` that it is there (V.250 5.4.3.2)."""

    def run(modem: Interpreter, command: Command) -> Reply:
        match command.form:
            case Form.execute:
                return Reply(text)
            case Form.test:
                return Reply()
            case _:
                raise CommandError(f"{command.name} has no value")

    return run


_ACTIONS: Mapping[str, Run] = {
    "A": _answer,
    "D": _dial,
    "H": _hook,
    "I": _identify,
    "O": _online,
    "P": _pulse,
    "S": _register,
    "T": _pulse,
    "Z": _reset,
    "&F": _factory,
    "&V": _view,
    "&W": _store,
    "&Z": _number,
    "+ASTO": _stored_numbers,
    "+GMI": _about(MANUFACTURER),
    "+GMM": _about(MODEL),
    "+GMR": _about(REVISION),
    "+GSN": _about(SERIAL),
    "+GCAP": _about("+GCAP: +FCLASS,+MS,+ES,+DS"),
}
