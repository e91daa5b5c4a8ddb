"""What the module keeps: filters, destinations and subscriptions (DSP1054), and what it says of itself.

All is in the one namespace ``root/interop``, and in memory: a module that is reset knows nobody.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from copy import deepcopy
from typing import NamedTuple
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element, SubElement

from lab.imm.messages import (
    ALREADY_EXISTS,
    FAILED,
    INVALID_CLASS,
    INVALID_NAMESPACE,
    INVALID_PARAMETER,
    INVALID_QUERY,
    NOT_FOUND,
    NOT_SUPPORTED,
    QUERY_LANGUAGE_NOT_SUPPORTED,
    CimOperation,
    CimProblem,
    property_of,
    put_property,
)

NAMESPACE = "root/interop"
SYSTEM_CLASS = "CIM_ComputerSystem"
FILTER, DESTINATION = "CIM_IndicationFilter", "CIM_ListenerDestinationCIMXML"
SUBSCRIPTION = "CIM_IndicationSubscription"
_MANAGER, _NAMESPACES = "CIM_ObjectManager", "CIM_Namespace"
_CLASSES = {
    each.lower(): each for each in (FILTER, DESTINATION, SUBSCRIPTION, _MANAGER, _NAMESPACES)
}
_LANGUAGES = ("wql", "cql", "dmtf:cql", "cim:cql")
_QUERY = re.compile(
    r"\s*SELECT\s+\*\s+FROM\s+(CIM_AlertIndication|CIM_ProcessIndication|CIM_Indication)\s*", re.I
)
"""The class of the module's alerts, and those above it: nothing else is raised here."""
_MOST = 64
"""Instances of each class."""

Identity = tuple[str, frozenset[tuple[str, object]]]
"""Of an instance: its class and keys, in lower case where CIM knows no case."""


class Kept(NamedTuple):
    """An instance."""

    path: Element
    """INSTANCENAME."""
    instance: Element


class Repository:
    """Several threads may ask at once."""

    def __init__(self, system: str) -> None:
        """``system``: the name by which the module knows the machine."""
        self._system = system
        self._lock = threading.Lock()
        self._kept: dict[str, dict[Identity, Kept]] = {each: {} for each in _CLASSES.values()}
        manager = self._own(_MANAGER, "callhome-lab:imm")
        put_property(manager, "ElementName", "callhome-lab")
        self._keep(_MANAGER, manager)
        namespace = self._own(_NAMESPACES, NAMESPACE)
        put_property(namespace, "ObjectManagerCreationClassName", _MANAGER)
        put_property(namespace, "ObjectManagerName", "callhome-lab:imm")
        self._keep(_NAMESPACES, namespace)

    def carry_out(self, operation: CimOperation) -> list[Element] | None:
        """What an operation returns; None if it returns nothing. Raises CimProblem."""
        if operation.namespace.lower() != NAMESPACE:
            raise CimProblem(INVALID_NAMESPACE, f"there is {NAMESPACE} alone")
        with self._lock:
            match operation.method.lower():
                case "createinstance":
                    return [self._create(operation.element("NewInstance", "INSTANCE"))]
                case "deleteinstance":
                    self._delete(operation.element("InstanceName", "INSTANCENAME"))
                    return None
                case "getinstance":
                    kept = self._find(operation.element("InstanceName", "INSTANCENAME"))
                    return [_shown(kept.instance, operation.texts("PropertyList"))]
                case "enumerateinstancenames":
                    found = self._of(operation.class_name("ClassName"))
                    return [deepcopy(kept.path) for kept in found.values()]
                case "enumerateinstances":
                    found = self._of(operation.class_name("ClassName"))
                    return [
                        _named(kept, operation.texts("PropertyList")) for kept in found.values()
                    ]
                case other:
                    raise CimProblem(NOT_SUPPORTED, f"{other} is nothing that this module does")

    def destinations(self) -> tuple[str, ...]:
        """The URLs to which alerts go, each once."""
        with self._lock:
            handlers = [_reference(kept.instance, "Handler") for kept in self._subscriptions()]
            found = [self._kept[DESTINATION].get(identity(path)) for path in handlers]
            urls = (property_of(kept.instance, "Destination") for kept in found if kept)
            return tuple(dict.fromkeys(urls))

    def destination_of(self, subscription: Element) -> str:
        """The URL of a subscription that was made (INSTANCENAME); empty if it is gone again."""
        with self._lock:
            kept = self._kept[SUBSCRIPTION].get(identity(subscription))
            if kept is None:
                return ""
            handler = self._kept[DESTINATION].get(identity(_reference(kept.instance, "Handler")))
            return property_of(handler.instance, "Destination") if handler else ""

    def _subscriptions(self) -> Iterator[Kept]:
        yield from self._kept[SUBSCRIPTION].values()

    def _own(self, class_name: str, name: str) -> Element:
        """An instance with the four keys that most classes have here."""
        instance = Element("INSTANCE", CLASSNAME=class_name)
        put_property(instance, "SystemCreationClassName", SYSTEM_CLASS)
        put_property(instance, "SystemName", self._system)
        put_property(instance, "CreationClassName", class_name)
        put_property(instance, "Name", name)
        return instance

    def _of(self, class_name: str) -> dict[Identity, Kept]:
        known = _CLASSES.get(class_name.lower())
        if known is None:
            raise CimProblem(INVALID_CLASS, f"{class_name} is no class of this module")
        return self._kept[known]

    def _find(self, path: Element) -> Kept:
        kept = self._of(path.get("CLASSNAME", "")).get(identity(path))
        if kept is None:
            raise CimProblem(NOT_FOUND, "there is no such instance")
        return kept

    def _create(self, given: Element) -> Element:
        class_name = _CLASSES.get(given.get("CLASSNAME", "").lower(), "")
        instance = deepcopy(given)
        match class_name:
            case "":
                raise CimProblem(
                    INVALID_CLASS, f"{given.get('CLASSNAME')} is no class of this module"
                )
            case "CIM_IndicationFilter":
                _check_filter(instance)
            case "CIM_ListenerDestinationCIMXML":
                _check_destination(instance)
            case "CIM_IndicationSubscription":
                self._check_subscription(instance)
            case _:
                raise CimProblem(NOT_SUPPORTED, f"nobody makes a {class_name}")
        if class_name != SUBSCRIPTION:
            self._fill_keys(instance, class_name)
        return deepcopy(self._keep(class_name, instance).path)

    def _fill_keys(self, instance: Element, class_name: str) -> None:
        """What a client leaves out, the module says (DSP1054)."""
        if not property_of(instance, "Name"):
            raise CimProblem(INVALID_PARAMETER, "Name is missing")
        for name, value in (
            ("SystemCreationClassName", SYSTEM_CLASS),
            ("SystemName", self._system),
            ("CreationClassName", class_name),
        ):
            if not property_of(instance, name):
                put_property(instance, name, value)

    def _check_subscription(self, instance: Element) -> None:
        for name, wanted in (("Filter", FILTER), ("Handler", DESTINATION)):
            path = _reference(instance, name)
            if identity(path) not in self._kept[wanted]:
                raise CimProblem(INVALID_PARAMETER, f"{name} is no {wanted} of this module")

    def _keep(self, class_name: str, instance: Element) -> Kept:
        path = Element("INSTANCENAME", CLASSNAME=class_name)
        for name in _keys(class_name):
            binding = SubElement(path, "KEYBINDING", NAME=name)
            if class_name == SUBSCRIPTION:
                binding.append(deepcopy(_value_reference(instance, name)))
            else:
                value = SubElement(binding, "KEYVALUE", VALUETYPE="string")
                value.text = property_of(instance, name)
        known = self._kept[class_name]
        if identity(path) in known:
            raise CimProblem(ALREADY_EXISTS, f"there is such a {class_name} already")
        if len(known) >= _MOST:
            raise CimProblem(FAILED, f"there is no room for another {class_name}")
        kept = known[identity(path)] = Kept(path, instance)
        return kept

    def _delete(self, path: Element) -> None:
        kept = self._find(path)
        class_name = kept.path.get("CLASSNAME", "")
        if class_name in (_MANAGER, _NAMESPACES):
            raise CimProblem(NOT_SUPPORTED, f"nobody deletes a {class_name}")
        own = identity(path)
        for other in self._subscriptions() if class_name != SUBSCRIPTION else ():
            if own in (identity(_reference(other.instance, n)) for n in ("Filter", "Handler")):
                raise CimProblem(FAILED, "a subscription needs it")
        del self._kept[class_name][own]


def identity(path: Element) -> Identity:
    """What an INSTANCENAME names."""
    keys: set[tuple[str, object]] = set()
    for binding in path.iterfind("KEYBINDING"):
        inner = binding.find(".//INSTANCENAME")
        value = binding.findtext("KEYVALUE") or "" if inner is None else identity(inner)
        keys.add((binding.get("NAME", "").lower(), value))
    return path.get("CLASSNAME", "").lower(), frozenset(keys)


def _keys(class_name: str) -> tuple[str, ...]:
    if class_name == SUBSCRIPTION:
        return "Filter", "Handler"
    own: tuple[str, ...] = ("SystemCreationClassName", "SystemName")
    if class_name == _NAMESPACES:
        own = (*own, "ObjectManagerCreationClassName", "ObjectManagerName")
    return (*own, "CreationClassName", "Name")


def _value_reference(instance: Element, name: str) -> Element:
    for each in instance.iterfind("PROPERTY.REFERENCE"):
        value = each.find("VALUE.REFERENCE")
        if each.get("NAME", "").lower() == name.lower() and value is not None:
            return value
    raise CimProblem(INVALID_PARAMETER, f"{name} is missing")


def _reference(instance: Element, name: str) -> Element:
    """The INSTANCENAME to which a property refers, whatever path is around it."""
    path = _value_reference(instance, name).find(".//INSTANCENAME")
    if path is None:
        raise CimProblem(INVALID_PARAMETER, f"{name} refers to no instance")
    return path


def _check_filter(instance: Element) -> None:
    language = property_of(instance, "QueryLanguage")
    if language.lower() not in _LANGUAGES:
        raise CimProblem(QUERY_LANGUAGE_NOT_SUPPORTED, f"{language or 'no language'} is not known")
    if not _QUERY.fullmatch(property_of(instance, "Query")):
        raise CimProblem(INVALID_QUERY, "write SELECT * FROM CIM_AlertIndication")


def _check_destination(instance: Element) -> None:
    url = urlsplit(property_of(instance, "Destination"))
    try:
        sound = url.scheme in ("http", "https") and url.hostname and (url.port or 1)
    except ValueError:  # a port that is none
        sound = False
    if not sound:
        raise CimProblem(INVALID_PARAMETER, "Destination is no URL of HTTPS or HTTP")


def _shown(instance: Element, names: tuple[str, ...] | None) -> Element:
    """An instance, with these properties alone if some are named."""
    shown = deepcopy(instance)
    wanted = None if names is None else {name.lower() for name in names}
    for each in list(shown) if wanted is not None else ():
        if each.get("NAME", "").lower() not in (wanted or ()):
            shown.remove(each)
    return shown


def _named(kept: Kept, names: tuple[str, ...] | None) -> Element:
    named = Element("VALUE.NAMEDINSTANCE")
    named.append(deepcopy(kept.path))
    named.append(_shown(kept.instance, names))
    return named
