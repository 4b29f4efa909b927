"""Driver rows to dicts or instances: a maker is built once and called for all rows of a result."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any

from deebase._rows.field_columns import attribute_names, columns_of, is_attribute
from deebase._rows.model import TableModel
from deebase._rows.records import field_names
from deebase.errors import ValidationError
from deebase.types import UNSET, ColumnName

Maker = Callable[[Iterable[Sequence[Any]]], list[Any]]
#: Takes the values of one row as arguments.
OneMaker = Callable[..., Any]
Convert = Callable[[Any], Any]


def row_maker(names: Sequence[str], converters: Sequence[Convert | None], row_type: type) -> Maker:
    """Return the function that turns driver rows into rows of ``row_type``.

    Columns that the row type lacks are omitted; fields that were not selected are UNSET.
    """
    names = tuple(names)
    if row_type is dict:
        return _unpacking(names, converters, None)
    conversions = tuple((n, convert) for n, convert in enumerate(converters) if convert is not None)
    return _instances(names, converters, conversions, row_type)


def _unpacking(names: tuple[str, ...], converters: Sequence[Convert | None], row_type: type | None) -> Maker:
    """Return the maker of dicts (None), or of a type that takes all columns by position.

    Three times as fast as ``dict(zip(names, row))``.
    """
    width = len(names)
    make: Maker = _built(names, converters, row_type, one=False)

    def made(rows: Iterable[Sequence[Any]]) -> list[Any]:
        listed: Any = rows
        # A statement may return more columns than the caller requested.
        return make([row[:width] for row in listed] if listed and len(listed[0]) > width else listed)

    return made


def one_maker(names: Sequence[str], converters: Sequence[Convert | None], row_type: type) -> OneMaker:
    """Return the function that makes one row from its values, which it takes as arguments."""
    names = tuple(names)
    if row_type is dict:
        return _built(names, converters, None, one=True)
    if columns_of(row_type, _init_fields(row_type)) == names and not _keyword_only(row_type):
        return _built(names, converters, row_type, one=True)
    make = row_maker(names, converters, row_type)
    return lambda *row: make([row])[0]


def _built(
    names: tuple[str, ...], converters: Sequence[Convert | None], row_type: type | None, *, one: bool
) -> Callable[..., Any]:
    converted = tuple([n for n, convert in enumerate(converters) if convert is not None])
    build = _unpacker(len(names), converted, row_type is None, one)
    made: Callable[..., Any] = build(*names, *[converters[n] for n in converted], row_type)
    return made


@lru_cache(maxsize=500)
def _unpacker(width: int, converted: tuple[int, ...], dicts: bool, one: bool) -> Callable[..., Callable[..., Any]]:
    """Return the function that builds a maker of rows, or of one row, from names, converters and the type."""
    maker: Callable[..., Callable[..., Any]] = eval(unpacking_source(width, converted, dicts=dicts, one=one))
    return maker


def unpacking_source(width: int, converted: tuple[int, ...], *, dicts: bool, one: bool) -> str:
    """Return the source of a function that unpacks rows.

    The source holds only positions. Names, which may be any text, are passed as arguments.
    """
    values = [f"None if v{n} is None else c{n}(v{n})" if n in converted else f"v{n}" for n in range(width)]
    arguments = [*[f"n{n}" for n in range(width)], *[f"c{n}" for n in converted], "kind"]
    if dicts:
        built = "{" + ", ".join([f"n{n}: {value}" for n, value in enumerate(values)]) + "}"
    else:
        built = f"kind({', '.join(values)})"
    unpacked = "".join([f"v{n}," for n in range(width)]) or "_"
    inner = f"lambda {unpacked.rstrip(',')}: {built}" if one else f"lambda rows: [{built} for {unpacked} in rows]"
    return f"lambda {', '.join(arguments)}: {inner}"


def converted(row: Sequence[Any], conversions: tuple[tuple[int, Convert], ...]) -> list[Any]:
    """Return a row with some of its values converted; NULL stays None."""
    values = list(row)
    for position, convert in conversions:
        value = values[position]
        if value is not None:
            values[position] = convert(value)
    return values


def _instances(
    names: tuple[str, ...],
    converters: Sequence[Convert | None],
    conversions: tuple[tuple[int, Convert], ...],
    row_type: type,
) -> Maker:
    fields = _init_fields(row_type)
    columns = columns_of(row_type, fields)
    if columns == names and not _keyword_only(row_type):
        return _unpacking(names, converters, row_type)
    pairs = list(zip(fields, columns, strict=True))
    known = [(field, names.index(column)) for field, column in pairs if column in names]
    missing = {field: UNSET for field, column in pairs if column not in names}
    make = _constructor(row_type)

    def made(rows: Iterable[Sequence[Any]]) -> list[Any]:
        result: list[Any] = []
        for row in rows:
            values = converted(row, conversions)
            result.append(make({**{name: values[position] for name, position in known}, **missing}))
        return result

    return made


def _constructor(row_type: type) -> Callable[[dict[str, Any]], Any]:
    validate = getattr(row_type, "model_validate", None)
    if validate is not None:
        # pydantic rejects UNSET; a field that was not selected gets its default.
        return lambda values: validate({name: value for name, value in values.items() if value is not UNSET})
    return lambda values: row_type(**values)


def _init_fields(row_type: type) -> tuple[str, ...]:
    names = field_names(row_type)
    if names is None:
        raise ValidationError(
            f"rows cannot be instances of {getattr(row_type, '__name__', row_type)!s}",
            hint="use dict, a dataclass, or a pydantic, attrs or msgspec class",
        )
    if dataclasses.is_dataclass(row_type):
        return tuple(field.name for field in dataclasses.fields(row_type) if field.init)
    return names


def _keyword_only(row_type: Any) -> bool:
    if dataclasses.is_dataclass(row_type):
        return any(field.kw_only for field in dataclasses.fields(row_type) if field.init)
    return not hasattr(row_type, "__attrs_attrs__") or any(field.kw_only for field in row_type.__attrs_attrs__)


def dataclass_of(model: TableModel, hints: Mapping[str, Any]) -> type[Any]:
    """Return a dataclass with a field for each column, all of them optional; annotations are by column."""
    title = "".join([part.capitalize() for part in re.split(r"\W|_", model.name)])
    fields: list[Any] = []
    for column, name in attribute_names(model.columns).items():
        hint: Any = hints[column] if name == column else Annotated[hints[column], ColumnName(column)]
        fields.append((name, hint, dataclasses.field(default=UNSET, metadata={"deebase": model})))
    return dataclasses.make_dataclass(title if is_attribute(title) else "Row", fields)
