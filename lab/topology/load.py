"""A topology file, by name or path, to its spec, or to a TopologyError that holds every mistake."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

import lab
from lab import ways
from lab.errors import TopologyError, UsageError
from lab.names import did_you_mean
from lab.topology import (
    check,
    check_back_ends,
    check_calls,
    check_consoles,
    check_events,
    check_impairments,
    check_ipv6,
    check_modules,
    check_over,
    check_own,
    check_pools,
    check_profile,
    check_routers,
    check_service,
    check_telephone,
    check_user_targets,
    expand,
    schema_1,
    strict_yaml,
    words,
)
from lab.topology.catalogue import Profile
from lab.topology.modem_family import ModemFamily
from lab.topology.own_program import OwnProgram
from lab.topology.own_rules import OwnRules
from lab.topology.servers import Stub
from lab.topology.spec import TopologySpec
from lab.topology.strict_yaml import Document, Place


@cache
def folder() -> Path:
    """Where the lab's own topologies are: inside an installed package, beside it in a checkout."""
    package = Path(lab.__file__).parent
    installed = package / "topologies"
    return installed if installed.is_dir() else package.parent / "topologies"


def names() -> tuple[str, ...]:
    """The names of the lab's own topologies."""
    return tuple(sorted(path.stem for path in folder().glob("*.yaml")))


def load(path_or_name: str) -> TopologySpec:
    """Read the lab's own topology of that name, or the file at that path.

    Raises UsageError if there is none or it cannot be read, TopologyError if it is wrong.
    """
    path, source = _find(path_or_name)
    text = strict_yaml.read(
        path, source, "a topology file", f"The lab's own are: {', '.join(names())}."
    )
    spec = parse(text, source)
    spec.read_stubs(lambda named: _stubs(path.parent / named, named))
    spec.read_rules(lambda named, node: _rules(path.parent / named, named, node, spec))
    spec.find_programs(lambda words, node: _program(path.parent, words, node))
    spec.read_modem_families(lambda named: _modem_family(path.parent / named, named))
    return spec


def parse(text: str, source: str) -> TopologySpec:
    """A topology file's text to its spec; ``source`` is for messages, and names the topology."""
    document = strict_yaml.parse(text)
    if not document.issues and document.data is None:
        document.complain((), "the file is empty", "the first lines are schema: 2 and summary:")
    elif not document.issues and not isinstance(document.data, dict):
        found = "a list" if isinstance(document.data, list) else "a single value"
        document.complain((), f"a topology is a mapping of keys to values, and this is {found}")

    if isinstance(document.data, dict) and not document.issues:
        schema_1.refuse(document, source)
    spec = _build(document, source) if isinstance(document.data, dict) else None
    if spec is None or document.issues:
        raise TopologyError(source, tuple(document.issues))

    return spec


def _stubs(path: Path, named: str) -> tuple[Stub, ...]:
    from lab.topology import stub_file  # Few topologies have such a file.

    return stub_file.load(path, named)


def _rules(path: Path, named: str, node: str, spec: TopologySpec) -> OwnRules:
    from lab.topology import rules_file  # Few topologies have such a file.

    return rules_file.load(path, named, node, snat=spec.snat or node != spec.firewall)


def _program(beside: Path, words: tuple[str, ...], node: str) -> OwnProgram:
    """A program with a slash in its name is beside the topology's file, any other one where PATH says."""
    folder, (program, *arguments) = beside.absolute(), words
    if "/" in program:
        program = str(folder / program)
    return OwnProgram(node=node, argv=(program, *arguments), folder=str(folder))


def _modem_family(path: Path, named: str) -> ModemFamily:
    # By name, as roles name their services: telephony is above topology, and few topologies have such modems.
    module = import_module("lab.telephony.family_file")
    family: ModemFamily = module.load(path, named)
    return family


def _find(wanted: str) -> tuple[Path, str]:
    if strict_yaml.names_a_file(wanted):
        return Path(wanted), wanted
    if wanted in names():
        return folder() / f"{wanted}.yaml", f"topologies/{wanted}.yaml"

    beside = next(
        (f"./{wanted}{s}" for s in strict_yaml.SUFFIXES if Path(wanted + s).is_file()), ""
    )
    hint = f"did you mean {beside}?" if beside else did_you_mean(wanted, names())
    raise UsageError(f"there is no topology {wanted!r}", hint=hint or "Try: lab list")


# -- pydantic's errors in our words ------------------------------------------------------------

_DROP = object()
_NODE = {"role": "host"}
_LINK = {"subnet": "192.0.2.0/24", "rate": "1Gbit", "nodes": {}}
_LINE = {"number": "000"}
_CALL = {"outcome": "busy"}
_WAY = {"kind": "direct"}
_TARGET = {"from": "x", "to": "x", "port": 1}

_STAND_INS: tuple[tuple[Place, Any], ...] = (
    (("schema",), 2),
    (("summary",), "-"),
    (("profile",), "-"),
    (("nodes",), {}),
    (("nodes", "*"), _NODE),
    (("nodes", "*", "role"), "host"),
    (("links",), {}),
    (("links", "*"), _LINK),
    *((("links", "*", key), value) for key, value in _LINK.items()),
    (("links", "*", "nodes", "*"), None),
    (("links", "*", "nodes6"), {}),
    (("telephone",), {}),
    (("telephone", "*"), _LINE),
    (("telephone", "*", "number"), _LINE["number"]),
    (("calls",), []),
    (("calls", "*"), _CALL),
    (("calls", "*", "outcome"), _CALL["outcome"]),
    (("ways",), {}),
    (("ways", "*"), _WAY),
    (("ways", "*", "gateways", "*"), "-"),
    (("ways", "*", "families"), ["ipv4"]),
    (("ways", "*", "families", "*"), "ipv4"),
    (("ways", "*", "numbers", "*"), _LINE["number"]),
    (("agents",), {}),
    (("agents", "*"), []),
    (("agents", "*", "*"), "-"),
    (("service", "*", "access", "*"), "x"),
    (("service", "*", "relay_ports", "*"), 0),
    (("user_targets", "*"), _TARGET),
    (("user_targets", "*", "from"), "x"),
    (("user_targets", "*", "to"), "x"),
    (("user_targets", "*", "port"), 1),
    (("expect", "*"), "-"),
)
"""What takes the place of a broken value, so that the rest can still be looked at."""


def _stand_in(place: Place) -> Any:
    for pattern, value in _STAND_INS:
        if len(pattern) == len(place) and all(
            want in ("*", part) for want, part in zip(pattern, place, strict=True)
        ):
            return value

    return _DROP


def _build(document: Document, source: str) -> TopologySpec | None:
    """Validate; where values are broken, complain, put stand-ins in their place, and go on looking."""
    context = {
        "name": _name(source),
        "source": source,
        "own_profile": _own_profile(document.data.get("profile"), source),
    }
    spec: TopologySpec | None = None
    while spec is None:
        try:
            spec = TopologySpec.model_validate(document.data, context=context)
        except ValidationError as error:
            before = repr(document.data)
            _mend(document, error.errors(include_url=False))
            if repr(document.data) == before:
                return None  # nothing could be mended: what is known to be wrong by now is told

    parts = (
        check_profile,
        check,
        check_pools,
        check_over,
        check_impairments,
        check_ipv6,
        check_routers,
        check_telephone,
        check_calls,
        check_service,
        check_back_ends,
        check_modules,
        check_consoles,
        check_user_targets,
        check_events,
        check_own,
    )
    uneven = list(expand.complaints(spec))
    if not uneven:
        spec = expand.expanded(spec)
    complaints = chain.from_iterable(part.complaints(spec) for part in parts)
    for complaint in chain(uneven, expand.of_file(spec, document.lines, complaints)):
        involved = (complaint.place, *complaint.needs)
        if not any(_touches(broken, place) for broken in document.broken for place in involved):
            _note(document, complaint)

    if not document.issues:  # ways through a network are worth a look only if the network is sound
        found = chain(
            check.routes(spec),
            check_ipv6.routes(spec),
            check_routers.routes(spec),
            check_telephone.routes(spec),
            check_service.routes(spec),
            check_back_ends.routes(spec),
            check_consoles.routes(spec),
            check_user_targets.routes(spec),
            check_events.routes(spec),
        )
        for complaint in expand.of_file(spec, document.lines, found):
            _note(document, complaint)

    return spec


def _own_profile(name: object, source: str) -> Profile | None:
    """What a topology's profile says if it is a file; that is relative to the topology's own."""
    if not isinstance(name, str) or not strict_yaml.names_a_file(name):
        return None
    from lab.topology import own_profile  # Not at the head: few topologies need it, and all pay.

    return own_profile.load(Path(source).parent / name, name)


def _note(document: Document, complaint: check.Complaint) -> None:
    document.complain(complaint.place, complaint.problem, complaint.suggestion)


def _touches(broken: Place, place: Place) -> bool:
    shorter = min(len(broken), len(place))
    return broken[:shorter] == place[:shorter]


def _name(source: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", Path(source).stem.lower()).strip("-") or "unnamed"


def _mend(document: Document, errors: list[ErrorDetails]) -> None:
    """Complain of each error once, and take what is broken out of the document's data."""
    gone: set[Place] = set()
    lists: set[Place] = set()
    parts: set[Place] = set()
    for error in sorted(errors, key=lambda error: len(_place(error))):
        place = _place(error)
        if any(place[:length] in gone for length in range(len(place))):
            continue  # what is in a part that was taken out went with it

        if place not in document.broken:
            document.complain(*_in_words(place, error))
        document.broken.add(place)
        gone.add(place)
        if isinstance(place[-1], int) and _stand_in(place) is _DROP:
            # The entries of a list keep their numbers until all of them have been looked at.
            lists.add(place[:-1])
            continue
        drop = _is_key(error) or error["type"] == "extra_forbidden"
        value = _DROP if drop else _stand_in(place)
        if value is _DROP and error["type"] == "missing":
            # Nobody knows what a key of a way means that another package brings: the way goes whole, and so
            # does a part with keys of its own, such as events.
            parts.add(place[:2] if len(place) > 2 else place[:1])
            continue
        _replace(document.data, place, value)
    document.broken |= parts
    for place in sorted(lists | parts, key=len, reverse=True):
        _replace(document.data, place, _stand_in(place))


def _is_key(error: ErrorDetails) -> bool:
    """Whether pydantic speaks of a mapping's key and not of its value."""
    return error["loc"][-1:] == ("[key]",)


def _place(error: ErrorDetails) -> Place:
    place: Place = error["loc"][:-1] if _is_key(error) else error["loc"]
    if place[:1] == ("ways",) and len(place) > 2 and error["type"] not in _NO_KIND:
        return place[:2] + place[3:]  # After the way's name pydantic says which kind it took.
    return place


def _replace(data: Any, place: Place, value: Any) -> None:
    """Put another value at a place of the data, or take it out."""
    *above, last = place
    for part in above:
        data = data[part]
    if value is _DROP:
        data.pop(last, None)
    else:
        data[last] = value


def _in_words(place: Place, error: ErrorDetails) -> tuple[Place, str, str]:
    """The place, the problem and what was perhaps meant."""
    match error["type"]:
        case "string_too_long" if _is_key(error):
            most = error["ctx"]["max_length"]
            return place, f"the name is longer than {most} characters", ""
        case _ if _is_key(error):
            return place, _NAME, ""
        case "union_tag_not_found":
            return (*place, "kind"), f"is missing ({_kinds()})", ""
        case "union_tag_invalid":
            given = str(error["ctx"]["tag"])
            problem = f"must be {_kinds()}, not {given!r}"
            return (*place, "kind"), problem, words.near(given, ways.kinds())
        case "extra_forbidden":
            key, fields = str(place[-1]), _fields(place[:-1], error)
            return place, "unknown key", _of_kinds(place) or did_you_mean(key, fields)
        case "missing":
            what = _fields(place[:-1], error).get(str(place[-1]), "").rstrip(".")
            return place, f"is missing ({what[:1].lower()}{what[1:]})", ""
        case _:
            return place, *words.wrong_value(error)


_NAME = "a name is made of a to z, 0 to 9 and single hyphens, and starts with a letter"
_NO_KIND = ("union_tag_not_found", "union_tag_invalid")


def _kinds() -> str:
    *others, last = ways.kinds()
    return f"{', '.join(others)} or {last}"


def _is_of_way(place: Place) -> bool:
    """Whether a place is a key of a way."""
    return place[:1] == ("ways",) and len(place) == 3


def _of_kinds(place: Place) -> str:
    """The kinds of way that have a key, if it is a key of a way."""
    if not _is_of_way(place):
        return ""
    having = [k for k in ways.kinds() if place[2] in ways.stage(k, "spec").Spec.model_fields]
    return f"a way of kind {' or '.join(having)} has it" if having else ""


def _fields(place: Place, error: ErrorDetails) -> dict[str, str]:
    """The keys that a part of the file may have, with what each is for."""
    spec: type[BaseModel] = TopologySpec
    if place[:1] == ("ways",) and len(place) > 1:
        spec, place = ways.stage(str(error["loc"][2]), "spec").Spec, place[2:]
    return words.fields(spec, place)
