"""Calls of the API without ``await``: found in the text of a migration before it runs."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple, get_overloads

_Function = ast.FunctionDef | ast.AsyncFunctionDef

#: In the annotation of what a method returns.
_HANDLE = re.compile(r"\b(Table|View)\[")


class UnawaitedCall(NamedTuple):
    """A call whose coroutine is discarded.

    Attributes:
        line: the line of the text, counted from 1.
        call: the called function, as it is written.
    """

    line: int
    call: str


def unawaited_calls(text: str) -> list[UnawaitedCall]:
    """Return the calls of coroutines in a module that are not awaited.

    A call counts if its receiver is the database that ``upgrade`` and ``downgrade`` are given, or a table or view of
    it; ``rows.insert(0, row)`` of a list does not.

    Args:
        text: the text of a module; one that cannot be parsed has no calls.
    """
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError):
        return []  # loading the module reports it
    functions = {node.name: node for node in ast.walk(module) if isinstance(node, _Function)}
    coroutines = {name for name, node in functions.items() if isinstance(node, ast.AsyncFunctionDef)}
    found = [
        UnawaitedCall(call.lineno, ast.unparse(call.func))
        for name, handles in _handles(functions).items()
        for call in _dropped(functions[name])
        if _makes_coroutine(call, handles, coroutines)
    ]
    return sorted(set(found))


@cache
def _api() -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Return the coroutine methods, those of them that return a handle, and the other methods that return one."""
    from deebase._tables.table import Table
    from deebase._tables.view import View
    from deebase.database import Database

    methods = {
        name: method
        for cls in (Database, Table, View)
        for name, method in inspect.getmembers(cls, inspect.isfunction)
        if not name.startswith("_")
    }
    returned = {
        name: [str(signature.__annotations__.get("return", "")) for signature in (method, *get_overloads(method))]
        for name, method in methods.items()
    }
    coroutines = frozenset(
        name
        for name, method in methods.items()
        if inspect.iscoroutinefunction(method) or any(kind.startswith("Coroutine[") for kind in returned[name])
    )
    makers = frozenset(name for name, kinds in returned.items() if any(map(_HANDLE.search, kinds)))
    return coroutines, makers & coroutines, makers - coroutines


def _handles(functions: dict[str, _Function]) -> dict[str, set[str]]:
    """Return the names of databases, tables and views in each function of a module."""
    known: dict[str, set[str]] = {name: set() for name in functions}
    for name in ("upgrade", "downgrade"):
        if name in functions and functions[name].args.args:
            known[name].add(functions[name].args.args[0].arg)
    size = -1
    while size != sum(map(len, known.values())):
        size = sum(map(len, known.values()))
        for name, function in functions.items():
            _follow(function, known[name], functions, known)
    return known


def _follow(
    function: _Function, handles: set[str], functions: dict[str, _Function], known: dict[str, set[str]]
) -> None:
    """Add the names that a function assigns handles to, and the parameters that receive them."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and _is_handle(node.value, handles):
            handles.update(
                name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)
            )
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in functions:
            parameters = functions[node.func.id].args.args
            given = [*zip(parameters, node.args, strict=False)]
            given += [(p, k.value) for k in node.keywords for p in parameters if p.arg == k.arg]
            known[node.func.id].update(p.arg for p, value in given if _is_handle(value, handles))


def _is_handle(node: ast.expr, handles: set[str]) -> bool:
    """Whether an expression is a database, a table or a view."""
    _, awaited_makers, makers = _api()
    if isinstance(node, ast.Name):
        return node.id in handles
    if isinstance(node, ast.Await):
        return _is_method(node.value, awaited_makers, handles)
    if isinstance(node, (ast.Attribute, ast.Subscript)):
        # db.t.x, db.t["x"], and db.t itself.
        return _is_handle(node.value, handles)
    return _is_method(node, makers, handles)


def _is_method(node: ast.expr, names: frozenset[str], handles: set[str]) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in names
        and _is_handle(node.func.value, handles)
    )


def _makes_coroutine(call: ast.Call, handles: set[str], coroutines: set[str]) -> bool:
    if isinstance(call.func, ast.Name):
        return call.func.id in coroutines
    return _is_method(call, _api()[0], handles)


def _dropped(function: _Function) -> Iterator[ast.Call]:
    """Yield the calls whose value is discarded: statements of their own, or assigned to names that are never read."""
    read = {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    for node in ast.walk(function):
        names = node.targets if isinstance(node, ast.Assign) else []
        unread = bool(names) and all(isinstance(name, ast.Name) and name.id not in read for name in names)
        if isinstance(node, ast.Expr) or (isinstance(node, ast.Assign) and unread):
            yield from _given(node.value)


def _given(node: ast.expr) -> Iterator[ast.Call]:
    """Yield the calls that are the value of an expression, alone or in a collection."""
    if isinstance(node, ast.Call):
        yield node
    elif isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        for item in node.elts:
            yield from _given(item)
    elif isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp)):
        yield from _given(node.elt)
    elif isinstance(node, ast.IfExp):
        yield from _given(node.body)
        yield from _given(node.orelse)
    elif isinstance(node, ast.BoolOp):
        for item in node.values:
            yield from _given(item)
