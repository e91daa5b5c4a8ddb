"""The receiver's wire format, as ``lab/data/receiver/openapi.json`` has it: which request is which operation.

What the document says of an operation is what is enforced. Pure, but for reading the file.
"""

from __future__ import annotations

import json
import re
from binascii import unhexlify
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lab.ibm.receiver import schema
from lab.ibm.receiver.refused import NotDone

FILE = Path(__file__).parents[2] / "data" / "receiver" / "openapi.json"
OTHER_BYTES = 64 * 1024
"""Of a body that nobody asks for."""
_METHODS = "get", "put", "post", "patch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One of the document's."""

    id: str
    path: str
    """``/service/problems/{report}``."""
    method: str
    errand: str
    """At which servers it is done (``ErrandKind``); empty: at any."""
    in_clear: bool
    authenticated: bool
    parameters: Mapping[str, str]
    """Those of the path, and the pattern of each."""
    fields: Mapping[str, str]
    """Fields of the head that must be there, in lower case, and the pattern of each."""
    content_type: str
    """Of the request; empty: it has no content."""
    content: Mapping[str, Any]
    """The schema of a JSON content."""
    most_bytes: int

    @property
    def takes_json(self) -> bool:
        return self.content_type == "application/json"


@dataclass(frozen=True, slots=True)
class _Path:
    pattern: re.Pattern[str]
    operations: Mapping[str, Operation]


def text() -> bytes:
    """The document as it is served."""
    return FILE.read_bytes()


def find(method: str, target: str) -> tuple[Operation, dict[str, str]]:
    """The operation that a request asks for, and the parameters of the path; NotDone with 404 or 405.

    HEAD is answered as GET, without the content.
    """
    path = target.partition("?")[0]
    for each in _paths():
        found = each.pattern.fullmatch(path)
        if found is None:
            continue
        operation = each.operations.get("GET" if method == "HEAD" else method)
        if operation is None:
            allowed = ", ".join(sorted(each.operations))
            raise NotDone(
                405, f"{method} is not understood here, but {allowed}", fields=(("Allow", allowed),)
            )
        return operation, {name: _unquoted(part) for name, part in found.groupdict().items()}
    raise NotDone(404, "there is nothing of that name: /service/openapi.json has all that there is")


def errand_of(operation: str) -> str:
    """At which servers an operation is done, by the name in the ledger, ``upload-declaration``; empty: at
    any, or there is no such operation."""
    name = operation.replace("-", "_")
    return next((each.errand for each in operations() if each.id == name), "")


def check_parameters(
    operation: Operation, parameters: Mapping[str, str], fields: Mapping[str, str]
) -> None:
    """NotDone with 400 where a part of the path or a field does not fit."""
    for name, pattern in operation.parameters.items():
        if not schema.fits(parameters[name], pattern):
            raise NotDone(400, f"the path's {name} does not fit {pattern}")
    for name, pattern in operation.fields.items():
        if not schema.fits(fields.get(name, ""), pattern):
            raise NotDone(400, f"the field {name} is missing, or does not fit {pattern}")


@cache
def operations() -> tuple[Operation, ...]:
    """All of the document's."""
    return tuple(each for path in _paths() for each in path.operations.values())


def _unquoted(part: str) -> str:
    """Percent-encoded text (RFC 3986 2.1); empty, which fits no pattern, if it is none."""
    first, *rest = part.split("%")
    try:
        return (first.encode() + b"".join(unhexlify(e[:2]) + e[2:].encode() for e in rest)).decode()
    except ValueError:
        return ""


@cache
def _paths() -> tuple[_Path, ...]:
    document = json.loads(text())

    def whole(part: Any) -> Any:
        """With what its references name in their place."""
        if isinstance(part, dict):
            if "$ref" in part:
                found = document
                for step in part["$ref"].removeprefix("#/").split("/"):
                    found = found[step]
                return whole(found)
            return {key: whole(value) for key, value in part.items()}
        return [whole(each) for each in part] if isinstance(part, list) else part

    paths = []
    for path, item in document["paths"].items():
        above = whole(item.get("parameters", []))
        paths.append(
            _Path(
                re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path))),
                {
                    method.upper(): _operation(path, method, whole(item[method]), above)
                    for method in _METHODS
                    if method in item
                },
            )
        )
    return tuple(paths)


def _operation(
    path: str, method: str, item: dict[str, Any], above: list[dict[str, Any]]
) -> Operation:
    parameters = [*above, *item.get("parameters", [])]
    patterns = {
        place: {
            each["name"]: each["schema"]["pattern"] for each in parameters if each["in"] == place
        }
        for place in ("path", "header")
    }
    ((content_type, content),) = item.get("requestBody", {"content": {"": {}}})["content"].items()
    return Operation(
        id=item["operationId"],
        path=path,
        method=method.upper(),
        errand=item["x-errand"],
        in_clear=item["x-in-clear"],
        authenticated=bool(item["security"]),
        parameters=patterns["path"],
        fields={name.lower(): pattern for name, pattern in patterns["header"].items()},
        content_type=content_type,
        content=content.get("schema", {}),
        most_bytes=item.get("x-most-bytes", OTHER_BYTES),
    )
