"""What schemathesis has to be told of the receiver."""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis import Case, HookContext, SerializationContext


@schemathesis.serializer("application/offset+octet-stream")
def part_of_an_upload(ctx: SerializationContext, value: Any) -> bytes:
    """The bytes as they are."""
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """A field that a link takes from an answer's number is text, too."""
    for name, value in (case.headers or {}).items():
        if isinstance(value, int):
            case.headers[name] = str(value)
