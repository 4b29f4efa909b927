"""What tables have besides their fields, as source: indexes, long foreign keys, ``__checks__`` and the like."""

from __future__ import annotations

# Attributes of classes are objects of any kind.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from collections.abc import Sequence
from typing import Any

from deebase._model.generated_names import index_name
from deebase._model.marks import ClassOptions
from deebase.tools.codegen.line_layout import Piece, assigned, call, listed, mapped
from deebase.tools.codegen.name_use import Names
from deebase.tools.codegen.value_source import quoted
from deebase.types import ForeignKeyMark, Index, JsonPath


def class_attributes(options: ClassOptions, table: str, names: Names) -> dict[str, Piece]:
    """Return the attributes of a class that say the same of its table.

    Args:
        options: what the class says, in any form that ``create`` takes.
        table: the name of the table.
        names: of the module.
    """
    found: dict[str, Piece] = {}
    if options.name is not None:
        found["__tablename__"] = Piece(quoted(options.name))
    if options.pk is not None:
        found["__pk__"] = name_source(options.pk)
    if options.indexes is not None:
        items: Any = [options.indexes] if isinstance(options.indexes, str) else options.indexes
        found["__indexes__"] = listed([_item_source(item, table, names) for item in items])
    if options.checks is not None:
        conditions = [options.checks] if isinstance(options.checks, str) else options.checks
        found["__checks__"] = listed([Piece(quoted(condition)) for condition in conditions])
    if options.foreign_keys is not None:
        keys = options.foreign_keys.items()
        found["__foreign_keys__"] = mapped([(name_source(key), foreign_key_source(mark, names)) for key, mark in keys])
    return found


def attribute_lines(attributes: dict[str, Piece]) -> list[str]:
    """Return the lines of a class that set attributes, with a remark that makes ruff accept a list or dict."""
    lines: list[str] = []
    for name, value in attributes.items():
        first, _, rest = assigned(name, value, "    ").partition("\n")
        excused = f"{first}  # noqa: RUF012" if value.flat.startswith(("[", "{")) else first
        lines.append(f"{excused}\n{rest}" if rest else excused)
    return [*lines[:-1], f"{lines[-1]}\n"] if lines else []


def name_source(names: str | Sequence[str]) -> Piece:
    """Return the name of one column, or the tuple of several."""
    if isinstance(names, str) or len(names) == 1:
        return Piece(quoted(names if isinstance(names, str) else names[0]))
    return Piece("(", tuple([Piece(quoted(name)) for name in names]), ")")


def foreign_key_source(mark: ForeignKeyMark, names: Names) -> Piece:
    """Return a foreign key."""
    actions = {"on_delete": mark.on_delete, "on_update": mark.on_update}
    options = {name: Piece(quoted(action)) for name, action in actions.items() if action is not None}
    if mark.columns is not None:
        options["columns"] = name_source(mark.columns)
    return call(names.use("deebase.types", "ForeignKeyMark"), Piece(quoted(mark.target)), **options)


def _item_source(item: Any, table: str, names: Names) -> Piece:
    return index_source(item, table, names) if isinstance(item, Index) else name_source(item)


def indexed_source(path: str | JsonPath, names: Names) -> Piece:
    """Return what an index is over: the name of a column, or a path into JSON."""
    if isinstance(path, str):
        return Piece(quoted(path))
    steps = [Piece(quoted(step) if isinstance(step, str) else str(step)) for step in path.steps]
    kind = Piece("None") if path.as_ is None else Piece(names.use(path.as_.__module__, path.as_.__name__))
    return call(names.use("deebase.types", "JsonPath"), Piece(quoted(path.column)), *steps, as_=kind)


def index_source(index: Index, table: str, names: Names) -> Piece:
    """Return an index as ``create`` takes it: columns alone, if they say all of it."""
    options: dict[str, Piece] = {flag: Piece("True") for flag in ("unique", "ignore_case") if getattr(index, flag)}
    if index.where is not None:
        options["where"] = Piece(quoted(index.where))
    if not options and index.indexed == index.columns and index.name == index_name(table, index.names):
        return name_source(index.names)
    columns = [indexed_source(each, names) for each in index.columns]
    return call(names.use("deebase", "Index"), Piece(quoted(index.name)), *columns, **options)
