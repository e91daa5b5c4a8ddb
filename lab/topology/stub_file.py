"""A file of stubs: what a user has IBM's servers answer, so that an agent of any maker finds its interface.

Read on the host with all its mistakes at once; what the guest needs travels in the model (``servers.Stub``).
"""

from __future__ import annotations

import base64
import fnmatch
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from lab.errors import TopologyError
from lab.names import count, did_you_mean
from lab.topology import strict_yaml, units
from lab.topology.part import Part
from lab.topology.servers import Failure, Stub
from lab.topology.strict_yaml import Document, Place
from lab.topology.words import wrong_value

MAX_STUBS = 500
MAX_BODY_BYTES = 1_000_000
MAX_ALL_BYTES = 4_000_000
"""Of all bodies together: they travel in the model."""
MAX_DELAY_S = 86400

_HINT = "the path is relative to the folder of the topology's file"
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OURS = "connection", "content-length", "transfer-encoding"
"""Fields by which an answer ends, which the server writes itself."""


def _method(given: object) -> object:
    if not isinstance(given, str) or not _TOKEN.fullmatch(given):
        raise ValueError(f"must be a method such as POST, not {given!r}")
    if given != given.upper():
        raise ValueError(f"methods are in capitals: {given.upper()}")
    return given


def _path(given: object) -> object:
    if not isinstance(given, str) or not given.startswith(("/", "*")):
        raise ValueError(f"must begin with / or *, not {given!r}")
    return given


def _pattern(given: object) -> object:
    try:
        re.compile(given if isinstance(given, str) else "(")
    except re.error as error:
        raise ValueError(f"must be a regular expression, not {given!r}: {error}") from None
    return given


def _delay(given: object) -> float:
    seconds = units.parse_duration(given)
    if seconds > MAX_DELAY_S:
        raise ValueError("must be at most 1d")
    return seconds


class StubSpec(Part):
    """One entry of the file."""

    host: str | None = Field(
        default=None, min_length=1, description="A name or address of the server, * for any text."
    )
    method: Annotated[str | None, BeforeValidator(_method)] = Field(
        default=None, description="Such as POST; if left out, any."
    )
    path: Annotated[str | None, BeforeValidator(_path)] = Field(
        default=None, description="The path without its query, * for any text."
    )
    pattern: Annotated[str | None, BeforeValidator(_pattern)] = Field(
        default=None, description="A regular expression that all of the path matches."
    )
    status: int = Field(default=200, ge=200, le=599, strict=True, description="Of the answer.")
    headers: dict[str, str] = Field(default_factory=dict, description="Fields of the answer.")
    body: str | None = Field(default=None, description="The answer's body, as text.")
    body_file: str | None = Field(
        default=None, min_length=1, description="A file with the body, beside this one."
    )
    delay: Annotated[float, BeforeValidator(_delay)] = Field(
        default=0.0, description="How long the server waits before it answers, such as 2s."
    )
    failure: Literal[Failure.reset, Failure.close, Failure.truncate, Failure.hang] | None = Field(
        default=None, description="No whole answer: reset, close, truncate, hang."
    )


def load(path: Path, shown: str) -> tuple[Stub, ...]:
    """The stubs of a file; UsageError if it cannot be read, TopologyError with all that is wrong with it."""
    document = strict_yaml.parse(strict_yaml.read(path, shown, "a file of stubs", _HINT))
    entries = document.data
    if not document.issues and not isinstance(entries, list):
        document.complain((), "a file of stubs is a list", "begin each stub with - path: /...")
    if document.issues:
        raise TopologyError(shown, tuple(document.issues))

    if len(entries) > MAX_STUBS:
        document.complain((), f"has {len(entries)} stubs; {MAX_STUBS} are the most")
    stubs = [
        stub
        for number, entry in enumerate(entries)
        if (stub := _stub(document, number, entry, path)) is not None
    ]
    size = sum(len(stub.body_base64) for stub in stubs) * 3 // 4
    if size > MAX_ALL_BYTES:
        document.complain((), f"all bodies have {size} bytes; {MAX_ALL_BYTES} are the most")
    if document.issues:
        raise TopologyError(shown, tuple(document.issues))
    return tuple(stubs)


def _stub(document: Document, number: int, entry: Any, path: Path) -> Stub | None:
    """One stub; None where it is wrong, which the document then tells."""
    place: Place = (number,)
    before = len(document.issues)
    try:
        spec = StubSpec.model_validate(entry)
    except ValidationError as error:
        for each in error.errors(include_url=False):
            where: Place = (number, *each["loc"])
            if each["type"] == "extra_forbidden":
                suggestion = did_you_mean(str(where[-1]), StubSpec.model_fields)
                document.complain(where, "unknown key", suggestion)
            else:
                document.complain(where, *wrong_value(each))
        return None

    for issue in _complaints(spec, place):
        document.complain(*issue)
    body = _body(document, spec, place, path)
    if len(document.issues) > before:
        return None
    return Stub(
        name=f"{path.name}:{document.line(place)}",
        host=fnmatch.translate(spec.host.lower()) if spec.host else "",
        method=spec.method or "",
        path=spec.pattern if spec.pattern is not None else fnmatch.translate(spec.path or ""),
        status=spec.status,
        reason=_reason(spec.status),
        headers=tuple(spec.headers.items()),
        body_base64=base64.b64encode(body).decode(),
        delay_s=spec.delay,
        failure=spec.failure or Failure.none,
    )


def _complaints(spec: StubSpec, place: Place) -> Iterator[tuple[Place, str, str]]:
    if spec.path is None and spec.pattern is None:
        yield place, "has neither path nor pattern", "path: * is every path"
    if spec.path is not None and spec.pattern is not None:
        yield (*place, "pattern"), "there is a path, too", "take one of the two out"
    if spec.body is not None and spec.body_file is not None:
        yield (*place, "body_file"), "there is a body, too", "take one of the two out"
    has_body = bool(spec.body or spec.body_file)
    if spec.status in (204, 304) and has_body:
        yield (*place, "status"), f"an answer with {spec.status} has no body", "take the body out"
    if spec.failure is Failure.truncate and not has_body:
        yield (*place, "failure"), "without a body there is nothing to cut", "give it a body"
    for name, value in spec.headers.items():
        where: Place = (*place, "headers", name)
        if not _TOKEN.fullmatch(name):
            yield where, "is no name of a field", "letters, digits and hyphens"
        elif name.lower() in _OURS:
            yield where, "the server writes this field itself", "take it out"
        elif not value.isprintable() or not _is_latin(value):
            yield where, "has a character that no field has", "take it out"


def _is_latin(text: str) -> bool:
    return all(ord(character) < 256 for character in text)


def _body(document: Document, spec: StubSpec, place: Place, path: Path) -> bytes:
    if spec.body_file is None or spec.body is not None:
        body, where = (spec.body or "").encode(), (*place, "body")
    else:
        where = (*place, "body_file")
        try:
            body = (path.parent / spec.body_file).read_bytes()
        except OSError as error:
            why = f"{spec.body_file} cannot be read: {error.strerror}"
            document.complain(where, why, f"it is looked for in {path.parent}")
            return b""
    if len(body) > MAX_BODY_BYTES:
        said = f"has {count(len(body), 'byte')}; {MAX_BODY_BYTES} are the most"
        document.complain(where, said)
    return body


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Stub"
