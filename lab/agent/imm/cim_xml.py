"""Messages of CIM-XML (DSP0200, DSP0201), as far as subscribing and being notified need them. No sockets.

XML is read without document types: then it has no entities, and none can be a bomb or a file.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree.ElementTree import XML, Element, ParseError, SubElement, tostring

MESSAGE_BYTES = 64 * 1024
_DEPTH = 64

ALREADY_EXISTS = 11
"""CIM_ERR_ALREADY_EXISTS (DSP0200)."""
FAILED = 1
NOT_SUPPORTED = 7

CIM_TYPE = 'application/xml; charset="utf-8"'


class NotCim(ValueError):
    """What came is not the message that was expected. No LabError: the caller tells of a peer's mistake."""


class CimRefusal(Exception):
    """The other side has understood, and refuses. Not a LabError: the caller says what it was asked for."""

    def __init__(self, code: int, description: str) -> None:
        super().__init__(f"CIM error {code}{': ' if description else ''}{description}")
        self.code = code


class InstancePath(NamedTuple):
    """An instance, by its class and keys."""

    class_name: str
    keys: tuple[tuple[str, str], ...]


class CimInstance(NamedTuple):
    """An instance, with properties that are text, numbers, lists of text, or references."""

    class_name: str
    properties: tuple[tuple[str, str | int | tuple[str, ...] | InstancePath], ...]


class Indication(NamedTuple):
    """An indication that was exported to us."""

    message: str
    """The identifier of its message, for the answer."""
    class_name: str
    properties: dict[str, str]
    """Those that have one value; names as they came."""

    def get(self, name: str) -> str:
        """A property; names of CIM have no case (DSP0004). Empty if there is none."""
        return next(
            (value for each, value in self.properties.items() if each.lower() == name.lower()), ""
        )


def create_instance(namespace: str, instance: CimInstance, message: str) -> bytes:
    """The request that an instance be made."""
    root, content = _message(message, "SIMPLEREQ")
    call = SubElement(content, "IMETHODCALL", NAME="CreateInstance")
    _namespace(call, namespace)
    value = SubElement(call, "IPARAMVALUE", NAME="NewInstance")
    _instance(value, instance, namespace)
    return _bytes(root)


def read_created(content: bytes) -> None:
    """An answer to ``create_instance``. Raises NotCim, and CimRefusal for a refusal."""
    answer = _one(_read(content), "MESSAGE/SIMPLERSP/IMETHODRESPONSE")
    if answer.get("NAME", "").lower() != "createinstance":
        raise NotCim("the answer is to something else")
    _raise_error(answer)
    _one(answer, "IRETURNVALUE/INSTANCENAME")


def read_indication(content: bytes) -> Indication:
    """An export request. Raises NotCim."""
    root = _read(content)
    message = _one(root, "MESSAGE")
    call = _one(message, "SIMPLEEXPREQ/EXPMETHODCALL")
    if call.get("NAME", "").lower() != "exportindication":
        raise NotCim("it exports something other than an indication")
    instance = _one(call, "EXPPARAMVALUE/INSTANCE")
    properties = {
        name: (each.findtext("VALUE") or "")
        for each in instance.iterfind("PROPERTY")
        if (name := each.get("NAME"))
    }
    return Indication(message.get("ID", ""), instance.get("CLASSNAME", ""), properties)


def export_answer(message: str, error: CimRefusal | None = None) -> bytes:
    """The answer to an export request."""
    root, content = _message(message, "SIMPLEEXPRSP")
    answer = SubElement(content, "EXPMETHODRESPONSE", NAME="ExportIndication")
    if error is not None:  # else nothing: DSP0200 has ExportIndication return nothing
        SubElement(answer, "ERROR", CODE=str(error.code), DESCRIPTION=str(error))
    return _bytes(root)


def cim_time(text: str) -> float | None:
    """Seconds of the epoch of a CIM datetime (DSP0004: ``yyyymmddhhmmss.mmmmmmsutc``); None if it is none."""
    if len(text) != 25 or text[14] != "." or text[21] not in "+-" or not text.isascii():
        return None
    try:
        naive = datetime.datetime.strptime(text[:21], "%Y%m%d%H%M%S.%f")
        minutes = int(text[21:])
        zone = datetime.timezone(datetime.timedelta(minutes=minutes))
        return naive.replace(tzinfo=zone).timestamp()
    except (ValueError, OverflowError):  # a field that is a wildcard, or a day that no month has
        return None


def _message(identifier: str, kind: str) -> tuple[Element, Element]:
    root = Element("CIM", CIMVERSION="2.0", DTDVERSION="2.0")
    message = SubElement(root, "MESSAGE", ID=identifier, PROTOCOLVERSION="1.0")
    return root, SubElement(message, kind)


def _namespace(parent: Element, namespace: str) -> None:
    path = SubElement(parent, "LOCALNAMESPACEPATH")
    for part in namespace.split("/"):
        SubElement(path, "NAMESPACE", NAME=part)


def _instance(parent: Element, instance: CimInstance, namespace: str) -> None:
    made = SubElement(parent, "INSTANCE", CLASSNAME=instance.class_name)
    for name, value in instance.properties:
        match value:
            case InstancePath():
                each = SubElement(made, "PROPERTY.REFERENCE", NAME=name)
                _reference(SubElement(each, "VALUE.REFERENCE"), value, namespace)
            case tuple():
                each = SubElement(made, "PROPERTY.ARRAY", NAME=name, TYPE="string")
                values = SubElement(each, "VALUE.ARRAY")
                for item in value:
                    SubElement(values, "VALUE").text = str(item)
            case _:
                kind = "uint16" if isinstance(value, int) else "string"
                each = SubElement(made, "PROPERTY", NAME=name, TYPE=kind)
                SubElement(each, "VALUE").text = str(value)


def _reference(parent: Element, path: InstancePath, namespace: str) -> None:
    local = SubElement(parent, "LOCALINSTANCEPATH")
    _namespace(local, namespace)
    named = SubElement(local, "INSTANCENAME", CLASSNAME=path.class_name)
    for name, value in path.keys:
        key = SubElement(named, "KEYBINDING", NAME=name)
        SubElement(key, "KEYVALUE", VALUETYPE="string").text = value


def _bytes(root: Element) -> bytes:
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + bytes(tostring(root, "utf-8"))


def _read(content: bytes) -> Element:
    if len(content) > MESSAGE_BYTES:
        raise NotCim(f"it has more than {MESSAGE_BYTES} bytes")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise NotCim("it is not UTF-8") from None
    if "<!DOCTYPE" in text:
        raise NotCim("it has a document type")
    try:
        root = XML(text)
    except (ParseError, ValueError) as error:
        raise NotCim(f"it is not XML: {error}") from None
    if root.tag != "CIM":
        raise NotCim("it is not CIM-XML")
    if any(depth > _DEPTH for depth in _depths(root)):
        raise NotCim(f"it is nested deeper than {_DEPTH}")
    return root


def _depths(root: Element) -> Iterator[int]:
    """Without recursion: the peer decides how deep it is."""
    waiting = [(root, 1)]
    while waiting:
        element, depth = waiting.pop()
        yield depth
        waiting += [(child, depth + 1) for child in element]


def _one(element: Element, path: str) -> Element:
    found = element.findall(path)
    if len(found) != 1:
        raise NotCim(f"it has {len(found)} of {path}")
    return found[0]


def _raise_error(answer: Element) -> None:
    error = answer.find("ERROR")
    if error is not None:
        code = error.get("CODE", "")
        number = int(code) if code.isascii() and code.isdigit() else FAILED
        raise CimRefusal(number, error.get("DESCRIPTION", ""))
