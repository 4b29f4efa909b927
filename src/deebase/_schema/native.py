"""From the name of a database's type to the type that reads and writes its columns."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement
from sqlalchemy.types import TypeEngine, UserDefinedType

from deebase._schema import types
from deebase._schema.column_type import Named
from deebase._schema.decimals import ExactNumber
from deebase._schema.facts import ColumnFacts

Made = TypeEngine[Any]


class NativeText(UserDefinedType[str]):
    """A type of PostgreSQL that Python has no counterpart of: read and written as its text."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: Any) -> str:
        """Return the name."""
        return self.name

    def bind_expression(self, bindvalue: Any) -> Any:
        """Return the parameter as text that the server turns into the type."""
        return _FromText(bindvalue, self)

    def column_expression(self, colexpr: Any) -> Any:
        """Return the column as text."""
        return sa.cast(colexpr, sa.Text())


class _FromText(ColumnElement[Any]):
    """``CAST(CAST(parameter AS TEXT) AS type)``; SQLAlchemy's own cast would ask the type once more."""

    inherit_cache = False

    def __init__(self, parameter: Any, kind: NativeText) -> None:
        self.parameter = parameter
        self.kind = kind
        self.type = kind


@compiles(_FromText)
def _compile_from_text(element: _FromText, compiler: Any, **options: Any) -> str:
    options["skip_bind_expression"] = True
    parameter = sa.type_coerce(element.parameter, sa.Text())
    return f"CAST(CAST({compiler.process(parameter, **options)} AS TEXT) AS {element.kind.name})"


def sqlite_type(column: ColumnFacts) -> Made:
    """Return the type of a SQLite column: ours where ours wrote it, else by its name and affinity."""
    written = " ".join(column.type.upper().split("(")[0].split())
    made = _SQLITE.get(written)
    if made is not None:
        return made()
    length = re.search(r"\((\d+)\)", column.type)
    # The rules of sqlite.org/datatype3.html#determination_of_column_affinity, in their order.
    if "INT" in written:
        return sa.Integer()
    if any(part in written for part in ("CHAR", "CLOB")):
        return sa.String(int(length[1]) if length else None)
    if "TEXT" in written:
        return sa.Text()
    if written and any(part in written for part in ("REAL", "FLOA", "DOUB")):
        return types.Float()
    return Named(column.type)


_SQLITE: dict[str, Callable[[], Made]] = {
    "BLOB": types.Binary,
    "BOOL": types.Boolean,
    "BOOLEAN": types.Boolean,
    "DATE": types.Date,
    "DATETIME": types.DateTime,
    "DATETIME UTC TEXT": types.AwareDateTime,
    "DECIMAL TEXT": ExactNumber,
    "DURATION REAL": types.Interval,
    "JSON": types.JSON,
    "JSONB": types.JSON,
    "TIME": types.Time,
    "TIMESTAMP": types.DateTime,
    "UUID CHAR": types.Uuid,
}


def postgres_type(column: ColumnFacts) -> Made:
    """Return the type of a PostgreSQL column; ``NativeText`` where Python has none."""
    if column.array and column.base is not None:
        element = _postgres(column.base, column)
        # The driver takes elements in its own types, not as text.
        return NativeText(column.type) if isinstance(element, NativeText) else postgresql.ARRAY(element)
    return _postgres(column.base or column.type, column)


def _postgres(written: str, column: ColumnFacts) -> Made:
    if column.labels and column.enum is not None:
        schema, name = column.enum
        return postgresql.ENUM(*column.labels, name=name, schema=schema, create_type=False)
    base, _, rest = written.partition("(")
    arguments = [int(part) for part in re.findall(r"\d+", rest.partition(")")[0])]
    base = (base.strip() + rest.partition(")")[2]).strip()
    sized = _SIZED.get(base)
    if sized is not None:
        return sized(*arguments)
    made = _POSTGRES.get(base)
    return made() if made is not None else NativeText(column.type)


_SIZED: dict[str, Callable[..., Made]] = {
    "character varying": sa.String,
    "character": sa.CHAR,
    "numeric": ExactNumber,
}

_POSTGRES: dict[str, Callable[[], Made]] = {
    "smallint": sa.SmallInteger,
    "integer": sa.Integer,
    "bigint": sa.BigInteger,
    "real": types.Float,
    "double precision": types.Float,
    "text": sa.Text,
    "boolean": types.Boolean,
    "bytea": types.Binary,
    "json": types.JSON,
    "jsonb": types.JSON,
    "date": types.Date,
    "time without time zone": types.Time,
    "timestamp without time zone": types.DateTime,
    "timestamp with time zone": types.AwareDateTime,
    "interval": types.Interval,
    "uuid": types.Uuid,
}
