"""HTML as a type: whatever is not ``Markup`` is escaped where it is put into a page."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def fill(template: str, **values: str | Markup) -> Markup:
    """A template (``str.format``) with values, each escaped unless it is ``Markup``."""
    return Markup(template.format(**{name: safe(value) for name, value in values.items()}))


def join(parts: Iterable[Markup] | Iterable[str]) -> Markup:
    return Markup("".join(safe(part) for part in parts))


def safe(value: str | Markup) -> str:
    return value if isinstance(value, Markup) else escape(value)
