"""Messages of CIM-XML (DSP0200, DSP0201) on the module's side. No sockets.

XML is read without document types: then it has no entities, and none can be a bomb or a file.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from xml.etree.ElementTree import XML, Element, ParseError, SubElement, tostring

CONTENT_BYTES = 64 * 1024
_DEPTH = 32

# CIM status codes (DSP0200, 5.2.6).
FAILED, INVALID_NAMESPACE, INVALID_PARAMETER, INVALID_CLASS = 1, 3, 4, 5
NOT_FOUND, NOT_SUPPORTED, ALREADY_EXISTS = 6, 7, 11
QUERY_LANGUAGE_NOT_SUPPORTED, INVALID_QUERY = 14, 15


class Unreadable(ValueError):
    """What came is no CIM-XML message. No LabError: it is the peer's mistake, and answered by 400."""


class CimProblem(Exception):
    """An operation is not carried out. No LabError: the answer says so."""

    def __init__(self, code: int, description: str) -> None:
        super().__init__(description)
        self.code = code


class CimOperation(NamedTuple):
    """An intrinsic method that is called."""

    message: str
    """The identifier of its message, for the answer."""
    method: str
    namespace: str
    parameters: dict[str, Element]
    """What is in each IPARAMVALUE; names in lower case, as CIM's have no case (DSP0004)."""

    def class_name(self, parameter: str) -> str:
        """The class that a parameter names; raises CimProblem if it names none."""
        element = self.parameters.get(parameter.lower())
        name = element.get("NAME", "") if element is not None else ""
        if element is None or element.tag != "CLASSNAME" or not name:
            raise CimProblem(INVALID_PARAMETER, f"{parameter} is no CLASSNAME")
        return name

    def element(self, parameter: str, tag: str) -> Element:
        """A parameter that has to be a certain element; raises CimProblem if it is not."""
        element = self.parameters.get(parameter.lower())
        if element is None or element.tag != tag:
            raise CimProblem(INVALID_PARAMETER, f"{parameter} is no {tag}")
        return element

    def texts(self, parameter: str) -> tuple[str, ...] | None:
        """A list of texts; None if it was not given."""
        element = self.parameters.get(parameter.lower())
        if element is None or element.tag != "VALUE.ARRAY":
            return None
        return tuple(each.text or "" for each in element.iterfind("VALUE"))


def read_operation(content: bytes) -> CimOperation:
    """A request. Raises Unreadable."""
    root = _read(content)
    message = _one(root, "MESSAGE")
    call = _one(message, "SIMPLEREQ/IMETHODCALL")
    names = [each.get("NAME", "") for each in call.iterfind("LOCALNAMESPACEPATH/NAMESPACE")]
    given = {
        each.get("NAME", "").lower(): each[0] for each in call.iterfind("IPARAMVALUE") if len(each)
    }
    return CimOperation(message.get("ID", ""), call.get("NAME", ""), "/".join(names), given)


def answer(operation: CimOperation, returned: Iterable[Element] | None) -> bytes:
    """That an operation was carried out, and what it returns; None: it returns nothing."""
    root, response = _response(operation)
    if returned is not None:
        SubElement(response, "IRETURNVALUE").extend(returned)
    return _bytes(root)


def refusal(operation: CimOperation, problem: CimProblem) -> bytes:
    """That an operation was not carried out."""
    root, response = _response(operation)
    SubElement(response, "ERROR", CODE=str(problem.code), DESCRIPTION=str(problem))
    return _bytes(root)


def export(instance: Element, message: str) -> bytes:
    """The request by which an indication is exported."""
    root, content = _message(message, "SIMPLEEXPREQ")
    call = SubElement(content, "EXPMETHODCALL", NAME="ExportIndication")
    SubElement(call, "EXPPARAMVALUE", NAME="NewIndication").append(instance)
    return _bytes(root)


def read_exported(content: bytes) -> str:
    """Why a destination has not taken an indication, by its answer; empty if it has. Raises Unreadable."""
    response = _one(_read(content), "MESSAGE/SIMPLEEXPRSP/EXPMETHODRESPONSE")
    error = response.find("ERROR")
    if error is None:
        return ""
    return f"CIM error {error.get('CODE', '')}: {error.get('DESCRIPTION', '')}"


def property_of(instance: Element, name: str) -> str:
    """The value of a property that has one; empty if there is none."""
    for each in instance.iterfind("PROPERTY"):
        if each.get("NAME", "").lower() == name.lower():
            return each.findtext("VALUE") or ""
    return ""


def put_property(instance: Element, name: str, value: str | int, kind: str = "string") -> None:
    """Give an instance a property."""
    each = SubElement(instance, "PROPERTY", NAME=name, TYPE=kind)
    SubElement(each, "VALUE").text = str(value)


def _response(operation: CimOperation) -> tuple[Element, Element]:
    root, content = _message(operation.message, "SIMPLERSP")
    return root, SubElement(content, "IMETHODRESPONSE", NAME=operation.method)


def _message(identifier: str, kind: str) -> tuple[Element, Element]:
    root = Element("CIM", CIMVERSION="2.0", DTDVERSION="2.0")
    message = SubElement(root, "MESSAGE", ID=identifier, PROTOCOLVERSION="1.0")
    return root, SubElement(message, kind)


def _bytes(root: Element) -> bytes:
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + bytes(tostring(root, "utf-8"))


def _read(content: bytes) -> Element:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise Unreadable("it is not UTF-8") from None
    if "<!DOCTYPE" in text:
        raise Unreadable("it has a document type")
    try:
        root = XML(text)
    except (ParseError, ValueError) as error:
        raise Unreadable(f"it is not XML: {error}") from None
    if root.tag != "CIM":
        raise Unreadable("it is not CIM-XML")
    level, depth = [root], 0
    while level:
        depth += 1
        level = [child for element in level for child in element]
    if depth > _DEPTH:
        raise Unreadable(f"it is nested deeper than {_DEPTH}")
    return root


def _one(element: Element, path: str) -> Element:
    found = element.findall(path)
    if len(found) != 1:
        raise Unreadable(f"it has {len(found)} of {path}")
    return found[0]
