"""A secret is a type: it shows itself as stars, whoever prints it, and is found by type, wherever it lies."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TypeVar

T = TypeVar("T")
_WHOLE = (str, int, float, bytes, type(None))
"""What has no parts, and is most of what there is."""


class Secret:
    """A text that nobody sees by accident; ``reveal`` gives the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def altered(self) -> Secret:
        """Another secret, for a peer that is to have a wrong one."""
        return Secret(self._text[::-1] + "x")

    def __str__(self) -> str:
        return "***"

    def __repr__(self) -> str:
        return "Secret('***')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


def find(value: object, kind: type[T], place: str = "") -> Iterator[tuple[str, T]]:
    """Every value of a type in a dataclass, however deep, and its place: ``ipsec[0].client_side.psk``."""
    if isinstance(value, kind):
        yield place.removeprefix("."), value
    for step, part in _parts(value):
        yield from find(part, kind, place + step)


def _parts(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, _WHOLE):
        return
    if names := _field_names(type(value)):
        for name in names:
            yield f".{name}", getattr(value, name)
    elif isinstance(value, tuple | list):
        for number, part in enumerate(value):
            yield f"[{number}]", part
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield f"[{key}]", part


def _field_names(kind: type[object]) -> tuple[str, ...]:
    """Of a dataclass; none of another type. Each type is looked at once."""
    if kind not in _KNOWN:
        names: tuple[str, ...] = ()
        if dataclasses.is_dataclass(kind):
            names = tuple(field.name for field in dataclasses.fields(kind))
        _KNOWN[kind] = names
    return _KNOWN[kind]


_KNOWN: dict[type[object], tuple[str, ...]] = {}
