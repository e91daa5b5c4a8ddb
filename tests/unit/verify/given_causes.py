"""Which causes the symptoms of a kind of way can give: read from their source, not from what runs gave."""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

from lab.verify.symptom import Diagnosis
from lab.ways.dial import telephone_symptoms

COMPUTED = {telephone_symptoms.find_unreached: {*telephone_symptoms.FATES}}
"""Of symptoms whose causes are no words in their source: which those are."""


def of_failures(symptoms: Any) -> set[str]:
    """Every cause that ``failure`` of a kind's symptoms can come to, by whatever functions."""
    found: set[str] = set()
    todo, seen = [symptoms.failure], set()
    while todo:
        function = inspect.unwrap(todo.pop())
        if function in seen or not isinstance(function, FunctionType):
            continue
        seen.add(function)
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        names = dict(function.__globals__) | _imported_by(tree)
        found |= COMPUTED.get(function, set()) or _given(tree, names, function.__qualname__)
        todo += _functions_of_the_labs(tree, names)
    return found


def _imported_by(tree: ast.AST) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module or "")
            for each in node.names:
                place = f"{node.module}.{each.name}"
                own = getattr(module, each.name, None)
                found[each.asname or each.name] = own or importlib.import_module(place)
    return found


def _given(tree: ast.AST, names: dict[str, Any], where: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _value(node.func, names) is Diagnosis:
            found |= _words(node.args[0], names, where)
    return found


def _words(node: ast.expr, names: dict[str, Any], where: str) -> set[str]:
    if isinstance(node, ast.Constant):
        return {str(node.value)}
    if isinstance(node, ast.IfExp):
        return _words(node.body, names, where) | _words(node.orelse, names, where)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        table = _value(node.func.value, names)
        if isinstance(table, dict):
            return {*table.values()} | _words(node.args[1], names, where)
    value = _value(node, names)
    assert isinstance(value, str), (
        f"{where} gives {ast.unparse(node)}: say in COMPUTED what that can be"
    )
    return {value}


def _value(node: ast.expr, names: dict[str, Any]) -> Any:
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        return getattr(_value(node.value, names), node.attr, None)
    return None


def _functions_of_the_labs(tree: ast.AST, names: dict[str, Any]) -> Iterator[Callable[..., object]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            yield from _functions(_value(node, names))


def _functions(value: Any) -> Iterator[Callable[..., object]]:
    if isinstance(value, tuple | list):
        for each in value:
            yield from _functions(each)
    elif isinstance(value, FunctionType) and value.__module__.startswith("lab."):
        yield value
