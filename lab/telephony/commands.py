"""The commands: what each changes or asks of the call.

A command changes settings here and at once; what concerns the line it only asks for, as a ``Request``,
which ``modem`` grants by its table of states. ``repertoire.COMMANDS`` is the list of all there is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from lab.telephony.command_line import Command, CommandError, Form, next_command, tidy
from lab.telephony.dialling import MAX_STORED, DialString, check_stored, parse_dial, parse_stored
from lab.telephony.repertoire import PARAMETERS, REGISTERS, SETTINGS, SWITCHES, Value
from lab.telephony.settings import Settings
from lab.topology.modem_family import FamilyCommand, ModemFamily

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

    def __init__(self, factory: Mapping[str, Value], family: ModemFamily | None = None) -> None:
        """``family``: whose modem it is; None: the lab's own."""
        self._family = family
        self._texts = dict(family.texts) if family else {}
        self.lacks: Collection[str] = frozenset(family.lacks) if family else ()
        self._own = {each.name: each for each in (family.commands if family else ())}
        self._own_names = family.own_names if family else []
        self.settings = Settings(units_s=dict(family.units_s) if family else {})
        defaults = dict(family.defaults) if family else {}
        for name, value in [*defaults.items(), *factory.items()]:
            self.settings.set(name, *str(value).split(","))
        self.factory = self._factory_settings()
        first = self.factory[family.stored if family else 0]
        self.profiles = [first.stored() for _ in range(PROFILES)]
        self.numbers = [""] * NUMBERS
        self.last_dialled = ""
        self.settings = self.profiles[0].copy()
        self.register = 0
        """The register that ``=`` and ``?`` mean."""

    def _factory_settings(self) -> dict[int, Settings]:
        """What each number of ``&F`` recalls; changes ``settings``."""
        for own in self._own.values():
            if own.default is not None:
                self._own_command(own, own.default)
        plain = self.settings
        if self._family is None:
            return {0: plain, 1: plain}
        found = {0: plain}
        for number, text in self._family.factory:
            self.settings = plain.copy()
            self.obey(text)
            found[number] = self.settings
        return found

    def next(self, text: str) -> tuple[Command, str]:
        """The first command of a tidied line that is not empty, and the rest; raises CommandError."""
        return next_command(text, self._own_names)

    def execute(self, command: Command) -> Reply:
        """Do it, or raise CommandError and change nothing."""
        if (own := self._own.get(command.name)) is not None:
            return self._own_command(own, command.number or 0)
        name = command.name if command.number is None else f"{command.name}{command.number}"
        if command.name in self.lacks or (command.name == "S" and name in self.lacks):
            raise CommandError(f"{name} is not there")
        return self._plain(command)

    def obey(self, text: str) -> None:
        """Execute settings, without the ``AT``; raises CommandError."""
        rest = tidy(text)
        while rest:
            command, rest = self.next(rest)
            self.execute(command)

    def text(self, name: str, otherwise: str) -> str:
        """What the family says to a command; else what the lab's own modem does."""
        return self._texts.get(name, otherwise)

    def _plain(self, command: Command) -> Reply:
        """As the lab's own modem does it."""
        try:
            return _find(command.name)(self, command)
        except ValueError as refusal:
            raise CommandError(f"{command.name}: {refusal}") from None

    def _own_command(self, own: FamilyCommand, number: int) -> Reply:
        meaning = own.meaning(number)
        if meaning is None:
            raise CommandError(f"{own.name}{number} is not there")
        rest = tidy(meaning)
        while rest:
            command, rest = next_command(rest)
            self._plain(command)
        if own.default is not None:
            self.settings.own[own.name] = number
        return Reply()

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
    number = command.number or 0
    if number not in modem.factory:
        raise CommandError(f"there are no factory settings {number}")
    modem.settings = modem.factory[number].copy()
    return Reply()


def _store(modem: Interpreter, command: Command) -> Reply:
    at = _one_of(command, len(modem.profiles))
    modem.profiles[at] = modem.settings.stored()
    return Reply()


def _view(modem: Interpreter, command: Command) -> Reply:
    _one_of(command, 1)
    lines = ["ACTIVE PROFILE:", *modem.settings.overview(modem.lacks)]
    for number, profile in enumerate(modem.profiles):
        lines += ["", f"STORED PROFILE {number}:", *profile.overview(modem.lacks)]
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
    if text := modem.text(f"I{command.number or 0}", ""):
        return Reply(text)
    return Reply(texts[_one_of(command, len(texts))])


def _about(text: str) -> Run:
    """An action command that answers with a text, and by ``=?`` that it is there (V.250 5.4.3.2)."""

    def run(modem: Interpreter, command: Command) -> Reply:
        match command.form:
            case Form.execute:
                return Reply(modem.text(command.name, text))
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
