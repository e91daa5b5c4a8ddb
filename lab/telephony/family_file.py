"""Files of families of modems: those that the lab knows, in ``lab/data/modems``, and a user's own.

Read on the host with all mistakes at once; what the guest needs travels in the model (``ModemFamily``). Here
is checked, too, that the lab can use such a modem: by its init string, and by words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from lab.errors import TopologyError
from lab.names import all_of, did_you_mean
from lab.telephony.command_line import CommandError, Form, next_command, tidy
from lab.telephony.commands import Interpreter
from lab.telephony.repertoire import COMMANDS, SETTINGS
from lab.topology import modem_family, strict_yaml, units, words
from lab.topology.modem_family import FamilyCommand, ModemFamily
from lab.topology.part import Part
from lab.topology.strict_yaml import Document, Place
from lab.topology.values import InitString

MAX_NUMBER = 255
MAX_RATE_BIT_S = 1_000_000
MAX_TEXT = 200

_HINT = "the path is relative to the folder of the topology's file"
_OWN = re.compile(r"[A-Z]|[&%$#*\\][A-Z]{1,2}")
_SPANS = re.compile(r"\d{1,6}(-\d{1,6})?(,\d{1,6}(-\d{1,6})?)*")
_SAID_BY = re.compile(r"I\d{1,2}|\+GM[IMR]|\+GSN")
_CONNECT = re.compile(r"(.+?)(\d+)")
_FIELD = re.compile(r"\{(port|rate|carrier)\}")
_UNITS = ("S25", "S30")
"""Registers of times whose units differ between makers."""
RELIED_ON = ("A/", "+++", "A", "D", "H", "O", "Z", "E", "Q", "V", "S", "S0", "&C", "&D", "&F")
"""What the lab's own diallers and answering modems say to any modem."""
_SETTLED = {"V": (1,), "Q": (0,), "&C": (1,), "&D": (2,), "+IFC": (2, 2)}
_AFTER_INIT = {
    "V": "results are numbers: add V1",
    "Q": "there are no results: add Q0",
    "&C": "DCD does not follow the carrier: add &C1",
    "&D": "the modem does not hang up when DTR goes: add &D2",
    "+IFC": "the port has no RTS/CTS flow control: add the family's command for it",
}


def _text(given: object) -> object:
    if isinstance(given, int | float) and not isinstance(given, bool):
        raise ValueError(f'must be text in quotes: "{given}"')
    return given


def _said(given: object) -> object:
    given = _text(given)
    if isinstance(given, str) and not (given.isascii() and given.isprintable()):
        raise ValueError("must be one line of printable ASCII")
    return given


def _numbers(given: object) -> object:
    if not isinstance(given, str) or not _SPANS.fullmatch(given):
        raise ValueError("must be numbers, such as 3, 0-255 or 0,3-5")
    if any(low > high for low, high in _spans(given)):
        raise ValueError(f"{given} has a span that ends before it begins")
    return given


def _spans(given: str) -> list[tuple[int, int]]:
    """From which number to which: ``0,3-5`` is 0 to 0 and 3 to 5."""
    parts = (part.partition("-") for part in given.split(","))
    return [(int(low), int(high or low)) for low, _, high in parts]


def _seconds(given: object) -> float:
    return units.parse_duration(given)


Meaning = Annotated[str, BeforeValidator(_text)]
Said = Annotated[str, BeforeValidator(_said), Field(min_length=1, max_length=MAX_TEXT)]
Numbers = Annotated[str, BeforeValidator(_numbers)]


class CommandSpec(Part):
    """A command that the lab's own modem has not, or has with another meaning."""

    help: str = Field(min_length=1, description="What it is for, in one line.")
    default: int | None = Field(
        default=None,
        ge=0,
        strict=True,
        description="Its number at first; none where each number is a setting of its own.",
    )
    values: dict[Numbers, Meaning] = Field(
        min_length=1,
        description="Its numbers, and what each means in commands of the lab's own modem.",
    )


class FamilySpec(Part):
    """A family of modems: what tells them from the lab's own."""

    schema_: Literal[1] = Field(alias="schema", description="The version of this format: 1.")
    title: str = Field(min_length=1, max_length=MAX_TEXT, description="Maker and models.")
    sources: tuple[str, ...] = Field(
        min_length=1, description="Where all of it is from: manuals, and the sections of these."
    )
    init: InitString = Field(description="Words, RTS/CTS, DCD as the carrier, DTR hangs up.")
    no_dialtone: Literal["NO DIALTONE", "NO DIAL TONE"] = Field(
        default="NO DIALTONE", description="The words of result 6."
    )
    rates: dict[str, Annotated[int, Field(ge=0, le=MAX_NUMBER, strict=True)]] = Field(
        default_factory=dict,
        description="Rates in bit/s, and the number of CONNECT with each; a rate without one has 1.",
    )
    connect: dict[str, Said] = Field(
        default_factory=dict,
        description="A command with its number, and what follows CONNECT: {port}, {rate}, {carrier}.",
    )
    texts: dict[str, Said] = Field(
        default_factory=dict, description="What I0, I3, +GMI, +GMM and others say."
    )
    defaults: dict[str, int | str] = Field(
        default_factory=dict, description="Other defaults of what the lab's own modem has."
    )
    units: dict[str, Annotated[float, BeforeValidator(_seconds)]] = Field(
        default_factory=dict, description="What S25 and S30 count, such as 1min."
    )
    factory: dict[str, Meaning] = Field(
        default_factory=dict, description="Numbers of &F, and what each sets beyond the defaults."
    )
    stored: int = Field(
        default=0, ge=0, strict=True, description="Of which &F the stored profiles are at first."
    )
    commands: dict[str, CommandSpec] = Field(
        default_factory=dict, description="Commands of its own, and with other meanings."
    )
    lacks: tuple[str, ...] = Field(
        default=(), description="Commands and registers that it has not: ERROR."
    )


def load(path: Path, named: str) -> ModemFamily:
    """A family by its name, or by the file of a user's.

    Raises UsageError if the file cannot be read, TopologyError with all that is wrong with it.
    """
    if not strict_yaml.names_a_file(named):
        path = modem_family.folder() / f"{named}{modem_family.SUFFIX}"
        return parse(path.read_text(encoding="utf-8"), path.name, named)
    text = strict_yaml.read(path, named, "a family of modems", _HINT)
    return parse(text, named, named)


def parse(text: str, source: str, name: str) -> ModemFamily:
    """A file's text; ``source`` is for messages."""
    document = strict_yaml.parse(text)
    spec: FamilySpec | None = None
    if not document.issues and not isinstance(document.data, dict):
        problem = "a family of modems is a mapping of keys to values"
        document.complain((), problem, "it begins with schema: 1")
    elif isinstance(document.data, dict):
        spec = _validate(document, document.data)
    if spec is not None and not document.issues:
        for place, problem, fix in _complaints(spec):
            document.complain(place, problem, fix)
    if spec is None or document.issues:
        raise TopologyError(source, tuple(document.issues))

    family = _family(spec, name)
    for place, problem, fix in _unfit(family):
        document.complain(place, problem, fix)
    if document.issues:
        raise TopologyError(source, tuple(document.issues))
    return family


def _validate(document: Document, data: dict[str, Any]) -> FamilySpec | None:
    try:
        return FamilySpec.model_validate(data)
    except ValidationError as error:
        for each in error.errors(include_url=False):
            place: Place = tuple(
                part for part in each["loc"] if part not in ("[key]", "int", "str")
            )
            if place in document.broken:
                continue
            document.broken.add(place)
            if each["type"] == "extra_forbidden":
                known = words.fields(FamilySpec, place[:-1])
                document.complain(place, "unknown key", did_you_mean(str(place[-1]), known))
            elif each["type"] == "missing":
                what = words.fields(FamilySpec, place[:-1])[str(place[-1])].rstrip(".")
                document.complain(place, f"is missing ({what[:1].lower()}{what[1:]})")
            else:
                document.complain(place, *words.wrong_value(each))
    return None


def _family(spec: FamilySpec, name: str) -> ModemFamily:
    return ModemFamily(
        name=name,
        title=spec.title,
        init=spec.init,
        rates=tuple((int(rate), number) for rate, number in spec.rates.items()),
        no_dialtone=spec.no_dialtone,
        connect=tuple((*_named(key), words) for key, words in spec.connect.items()),
        texts=tuple(spec.texts.items()),
        defaults=tuple((key, str(value)) for key, value in spec.defaults.items()),
        units_s=tuple(spec.units.items()),
        factory=tuple((int(number), text) for number, text in spec.factory.items()),
        stored=spec.stored,
        commands=tuple(
            FamilyCommand(
                name=key,
                default=command.default,
                values=tuple(
                    (*span, text) for key, text in command.values.items() for span in _spans(key)
                ),
            )
            for key, command in spec.commands.items()
        ),
        lacks=spec.lacks,
    )


def _named(key: str) -> tuple[str, int]:
    found = _CONNECT.fullmatch(key)
    assert found is not None, "_complaints has seen it"
    return found[1], int(found[2])


# What makes no sense.


def _complaints(spec: FamilySpec) -> Iterator[tuple[Place, str, str]]:
    """Of each part for itself."""
    yield from _keys(spec)
    if spec.stored and str(spec.stored) not in spec.factory:
        yield ("stored",), f"there is no factory: {spec.stored}", "name one that is there"
    yield from _defaults(spec)
    for name, command in spec.commands.items():
        yield from _command(name, command)
    for at, name in enumerate(spec.lacks):
        yield from _lack(spec, at, name)
    yield from _connects(spec)


def _keys(spec: FamilySpec) -> Iterator[tuple[Place, str, str]]:
    """Of mappings whose keys are none of the format's own."""
    for rate in spec.rates:
        if not rate.isdecimal() or not 0 < int(rate) <= MAX_RATE_BIT_S:
            yield ("rates", rate), "is no rate in bit/s", "such as 28800"
    for key in spec.texts:
        if not _SAID_BY.fullmatch(key):
            yield ("texts", key), "says nothing of the modem", "I0 to I99, +GMI, +GMM, +GMR, +GSN"
    for key in spec.units:
        if key not in _UNITS:
            yield ("units", key), "has one unit with all makers", f"{all_of(_UNITS)} have several"
    for number in spec.factory:
        if not number.isdecimal():
            yield ("factory", number), "is no number of &F", "such as 1"


def _defaults(spec: FamilySpec) -> Iterator[tuple[Place, str, str]]:
    for name, value in spec.defaults.items():
        place: Place = ("defaults", name)
        if name in spec.commands:
            yield place, "is a command of the family's own", "give that its default"
        elif name not in SETTINGS:
            yield place, "is nothing that the lab's own modem has", did_you_mean(name, SETTINGS)
        else:
            try:
                SETTINGS[name].parse(str(value).split(","), SETTINGS[name].defaults)
            except ValueError as error:
                yield place, str(error), ""


def _command(name: str, command: CommandSpec) -> Iterator[tuple[Place, str, str]]:
    place: Place = ("commands", name)
    if name in RELIED_ON or name in ("&W", "T", "P"):
        yield place, "means the same with all modems of the lab", "take it out"
    elif not _OWN.fullmatch(name):
        yield place, "is no name of a command", r"such as X, &H, $MB, #P or %E"
    spans = [span for numbers in command.values for span in _spans(numbers)]
    default = command.default
    if default is not None and not any(low <= default <= high for low, high in spans):
        yield (*place, "default"), f"is not among the values: {default}", ""
    for numbers, meaning in command.values.items():
        for number in chain.from_iterable(_spans(numbers)):
            if problem := _wrong(meaning.replace("{n}", str(number))):
                fix = "take settings of docs/at-commands.md, such as +IFC=2,2"
                yield (*place, "values", numbers), problem, fix
                break


def _wrong(meaning: str) -> str:
    """Why something is no setting of the lab's own modem; empty: it is."""
    modem, rest = Interpreter({}), tidy(meaning)
    while rest:
        try:
            command, rest = next_command(rest)
            name = f"S{command.number}" if command.name == "S" else command.name
            if name not in SETTINGS or command.form in (Form.read, Form.test):
                return f"{command.name} is no setting of the lab's own modem"
            modem.execute(command)
        except CommandError as error:
            return f"the lab's own modem does not take {meaning}: {error}"
    return ""


def _lack(spec: FamilySpec, at: int, name: str) -> Iterator[tuple[Place, str, str]]:
    place: Place = ("lacks", at)
    if name in RELIED_ON:
        yield place, f"the lab says {name} to every modem", "take it out"
    elif name not in COMMANDS:
        yield place, f"the lab's own modem has no {name}", did_you_mean(name, COMMANDS)
    elif name in spec.commands:
        yield place, f"{name} is among the commands, too", "take it out of one"


def _connects(spec: FamilySpec) -> Iterator[tuple[Place, str, str]]:
    for key, said in spec.connect.items():
        found = _CONNECT.fullmatch(key)
        command = spec.commands.get(found[1]) if found else None
        if command is None or command.default is None:
            fix = "such as X5, where commands has X with a default"
            yield ("connect", key), "is no command of the family's own with its number", fix
        if "{" in _FIELD.sub("", said) or "}" in _FIELD.sub("", said):
            yield ("connect", key), "has another field", "fields are {port}, {rate}, {carrier}"


def _unfit(family: ModemFamily) -> Iterator[tuple[Place, str, str]]:
    """Why the lab cannot use such a modem."""
    try:
        modem = Interpreter({}, family)
    except CommandError as error:
        yield ("factory",), f"cannot be set: {error}", "take commands that are there"
        return
    rest = tidy(family.init[2:])
    while rest:
        try:
            command, rest = modem.next(rest)
            if modem.execute(command).last:
                break
        except CommandError as error:
            yield ("init",), f"the modem answers ERROR: {error}", "take commands that it has"
            return
    for name, wanted in _SETTLED.items():
        if modem.settings.values[name] != wanted:
            problem, _, fix = _AFTER_INIT[name].partition(": ")
            yield ("init",), f"after it {problem}", fix
