"""Whom IBM's people call about a system: the entry fields of "Configuring Electronic Service Agent" (S2).

Data only. The contact goes to IBM with the enrolment and with each inventory (S1 Table 1, S3 "Data sent").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

LABELS = {
    "company": "Company name",
    "name": "Name of the contact person",
    "telephone": "Telephone number of the contact person",
    "email": "Email address",
    "country": "Country or region of the contact person",
    "system_telephone": "Telephone number where the system is located",
    "system_country": "Country or region where the system is located",
}
"""The slides' words by key, in the slides' order. The slides mark all of them as required."""
MOST_CHARACTERS = 128
_TELEPHONE = "telephone", "system_telephone"

Mistake = tuple[str, str, str]
"""A key, what is wrong with its value, and the fix."""


@dataclass(frozen=True, slots=True)
class Contact:
    """A person, and where the system stands."""

    company: str
    name: str
    telephone: str
    email: str
    country: str
    system_telephone: str
    system_country: str

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


def mistakes(table: Mapping[str, Any]) -> Iterator[Mistake]:
    """Everything that is wrong in a table ``[contact]``."""
    for key in table.keys() - LABELS.keys():
        yield key, "is not known", f"keys: {', '.join(LABELS)}"
    for key, label in LABELS.items():
        if key not in table:
            yield key, "is missing", f'write {key} = "...": {label}'
        elif problem := _problem(key, table[key]):
            yield key, problem, f'write {key} = "...": {label}'


def of(table: Mapping[str, Any]) -> Contact:
    """The contact of a table without mistakes."""
    return Contact(**{key: table[key].strip() for key in LABELS})


def _problem(key: str, value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or not value.strip():
        return "is no text"
    if len(value) > MOST_CHARACTERS:
        return f"has {len(value)} characters, and {MOST_CHARACTERS} are the most"
    if key in _TELEPHONE and not re.fullmatch(r"\+?[0-9][0-9 ()./-]{2,31}", value.strip()):
        return "is no telephone number: digits, blanks and ( ) . / -, perhaps with a + before them"
    if key == "email" and not re.fullmatch(r"[^@\s]+@[^@\s]+", value.strip()):
        return "is no email address"
    return ""
