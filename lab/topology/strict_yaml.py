"""YAML without surprises, and with the line of every key and value.

Refused: duplicate keys (PyYAML keeps the last), what YAML 1.1 reads as something else than it looks
(``on``, ``010``, ``12:30:45``), anchors and tags. Knows nothing of topologies.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lab.errors import Issue, UsageError

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
SUFFIXES = (".yaml", ".yml")

_BOOLEAN_11 = re.compile(r"(?i:y|n|yes|no|on|off)|True|TRUE|False|FALSE")
_ODD_NUMBER = re.compile(r"[-+]?0[0-9_]+|0b[01_]+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)?\.[0-9]+([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+")

Place = tuple[str | int, ...]


def show_place(place: Place) -> str:
    """``links.lan.nodes.hmc``, ``agents.hmc[1]``; the file itself is ``top level``."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"

    return text.lstrip(".") or "top level"


@dataclass(slots=True)
class Document:
    """A file's data, with the line of each place, and what is wrong with it as YAML."""

    data: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)
    broken: set[Place] = field(default_factory=set)
    """Places whose value could not be taken as it stands."""

    def line(self, place: Place) -> int:
        """The line of a place, or of the nearest one around it that is there."""
        while place and place not in self.lines:
            place = place[:-1]

        return self.lines.get(place, 1)

    def complain(
        self, place: Place, problem: str, suggestion: str = "", *, line: int | None = None
    ) -> None:
        """Something is wrong with a place, in its line if no other is given."""
        line = self.line(place) if line is None else line
        self.issues.append(Issue(line, show_place(place), problem, suggestion))

    def refuse(self, place: Place, problem: str, suggestion: str) -> None:
        """The value of a place cannot be taken as it stands."""
        self.complain(place, problem, suggestion)
        self.broken.add(place)


class StrictLoader(yaml.SafeLoader):
    """PyYAML's safe loader, whose node tree is turned into data by hand."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0
        self._document = Document()

    def document(self) -> Document:
        """Read the one document of the stream; syntax errors are issues like all others."""
        try:
            root = self.get_single_node()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark is not None else 1
            said = " ".join(part for part in (error.context, error.problem) if part)
            return Document(issues=[Issue(line, "YAML", f"cannot be read: {said}", _advice(said))])

        if root is not None:
            self._document.data = self._plain(root, ())
        return self._document

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse anchors and deep nesting: a few bytes of either can cost without bounds."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        problem = ""
        if getattr(event, "anchor", None) is not None:
            problem = f"anchor or alias {event.anchor!r} is not allowed"
        if self._depth == MAX_DEPTH:
            problem = "the file is nested too deeply"
        if problem:
            raise yaml.composer.ComposerError(None, None, problem, event.start_mark)

        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def _plain(self, node: Any, place: Place) -> Any:
        self._document.lines.setdefault(place, node.start_mark.line + 1)

        implied: str = self.resolve(type(node), node.value, (True, False))  # type: ignore[no-untyped-call]
        if isinstance(node, yaml.ScalarNode) and node.style:
            implied = "tag:yaml.org,2002:str"
        if node.tag != implied:
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            self._document.refuse(place, f"the tag {tag} is not allowed", "take it out")
            return None

        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(item, (*place, i)) for i, item in enumerate(node.value)]

        return node.value if node.style else self._scalar(node.value, place)

    def _mapping(self, node: Any, place: Place) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            inner = (*place, key_node.value)
            if not isinstance(key_node, yaml.ScalarNode):
                self._document.complain(place, "a key must be a plain name", line=line)
            elif key_node.value in result:
                first = self._document.lines[inner]
                problem = f"the key is there twice, first in line {first}"
                self._document.complain(inner, problem, line=line)
            else:
                self._document.lines[inner] = line
                result[key_node.value] = self._plain(value_node, inner)

        return result

    def _scalar(self, text: str, place: Place) -> Any:
        """Take a plain scalar as YAML 1.2 would, and complain where YAML 1.1 differs."""
        if text in ("", "~", "null"):
            return None
        if text in ("true", "false"):
            return text == "true"
        if _BOOLEAN_11.fullmatch(text):
            problem = f"{text} means true or false to some YAML readers and text to others"
            self._document.refuse(place, problem, f'write true or false, or quote it: "{text}"')
        elif _ODD_NUMBER.fullmatch(text):
            problem = f"{text} is read as another number by some YAML readers (octal, sexagesimal)"
            self._document.refuse(place, problem, f'quote it: "{text}"')
        elif _INTEGER.fullmatch(text) and len(text) < 20:
            return int(text)
        elif _FLOAT.fullmatch(text):
            return float(text)

        return text


def parse(text: str) -> Document:
    """Read a YAML text; never raises for what is in it."""
    try:
        return StrictLoader(text).document()
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        problem = f"holds a character that no text has (number {error.character})"
        return Document(issues=[Issue(line, "YAML", problem)])


def _advice(said: str) -> str:
    if "'\\t'" in said:
        return "indent with spaces, not tabs"
    if "mapping values are not allowed" in said:
        return "a value that holds a colon and a space needs quotes"
    if "expected a single document" in said:
        return "a topology is one document: take out the line ---"

    return ""


def names_a_file(name: str) -> bool:
    """Whether a user means a file, and not a name of the lab's own."""
    return "/" in name or name.endswith(SUFFIXES)


def read(path: Path, source: str, what: str, hint: str) -> str:
    """The text of a file of the user's.

    ``what`` it is to be is for messages, ``hint`` for a file that is missing.

    Raises UsageError if it cannot be read as text.
    """
    try:
        if path.exists() and not path.is_file():
            found = "a directory" if path.is_dir() else "no regular file"
            raise UsageError(f"{source} is {found}, not {what}", hint="Name a file.")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise UsageError(f"there is no file {source}", hint=hint) from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"{source} cannot be read: {why}") from None

    if len(content) > MAX_BYTES:
        raise UsageError(f"{source} is larger than {what} can be (1 MB)")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"{source} is not text in UTF-8 (byte {error.start})"
        raise UsageError(problem, hint="Is it the right file?") from None
