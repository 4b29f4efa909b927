"""Types that Python has no counterpart of: values are read and written as the database has them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement
from sqlalchemy.types import TypeEngine

from deebase._sqltext.type_names import type_name
from deebase._types.base import ColumnType, Named, has_types, is_a, misfit
from deebase._types.binary import Binary
from deebase._types.forms.foreign_values import as_bytes
from deebase._types.number import Float, Integer
from deebase._types.text import String, accept_text, plain_json


class AnyValue(ColumnType[Any]):
    """A column whose type is not known here: only what no database can store is refused."""

    wanted = ""
    #: As the database declares the column.
    declaration = ""
    annotation: Any = str

    def accept(self, value: Any) -> Any:
        """Return the value; of text and integers, one that can be stored."""
        if isinstance(value, str):
            return accept_text(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return Integer().accept(value)
        return value

    def parse(self, text: str) -> Any:
        return text

    def of_json(self, value: Any) -> Any:
        return plain_json(value)

    def to_sqlite(self) -> None:
        """Send it as it is."""

    from_sqlite = to_postgres = from_postgres = to_sqlite

    def of_literal(self, value: Any) -> str:
        return String().of_literal(value)

    def sample(self, number: int, name: str) -> Any:
        """Refuse: only the caller can know a value."""
        raise ValueError


class NativeText(AnyValue):
    """A type that Python has no counterpart of: read and written as its text.

    Args:
        declaration: as the database writes it.
    """

    wanted = "text"
    #: Whether many values are sent as one array: the driver takes elements in its own types, not as text.
    listable = False

    def __init__(self, declaration: str) -> None:
        super().__init__()
        self.declaration = declaration

    @property
    def annotation(self) -> Any:
        return str

    def accept(self, value: Any) -> str:
        return accept_text(value)

    def of_json(self, value: Any) -> str:
        """Return a string, or the JSON text of anything else."""
        return String().of_json(value)

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return Named(self.declaration)

    def bind_expression(self, bindparam: Any) -> Any:
        """Return the parameter as text that the server turns into the type."""
        return _FromText(bindparam, self)

    def column_expression(self, column: Any) -> Any:
        """Return the column as text."""
        return sa.cast(column, sa.Text())


class _FromText(ColumnElement[Any]):
    """``CAST(CAST(parameter AS TEXT) AS type)``; SQLAlchemy's own cast would ask the type again."""

    inherit_cache = False

    def __init__(self, parameter: Any, kind: NativeText) -> None:
        self.parameter = parameter
        self.kind = kind
        self.type = kind


@compiles(_FromText)
def _compile_from_text(element: _FromText, compiler: Any, **options: Any) -> str:
    options["skip_bind_expression"] = True
    parameter = sa.type_coerce(element.parameter, sa.Text())
    # Without a length, to which a cast would cut it.
    bare = type_name(element.kind.declaration).bare
    return f"CAST(CAST({compiler.process(parameter, **options)} AS TEXT) AS {bare})"


class Stored(AnyValue):
    """A column whose type is only a name: it takes and gives what SQLite itself stores.

    Args:
        declaration: as the table was declared; may be empty.
    """

    def __init__(self, declaration: str) -> None:
        super().__init__()
        self.declaration = declaration

    @property
    def annotation(self) -> Any:
        return Decimal if re.match("DEC|NUM|MONEY", self.declaration, re.IGNORECASE) else Any

    def accept(self, value: Any) -> Any:
        return storable(value)

    @classmethod
    def declared(cls, on_postgres: bool) -> TypeEngine[Any]:
        """Return TEXT, for a class whose annotation names no type of PostgreSQL."""
        return sa.Text()

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return super().load_dialect_impl(dialect) if has_types(dialect) else Named(self.declaration)

    def sample(self, number: int, name: str) -> int:
        return number


def storable(value: Any) -> Any:
    """Return what SQLite stores as it is.

    Raises:
        ValidationError: it stores no such value.
    """
    if isinstance(value, str):
        return accept_text(value)
    if isinstance(value, int):
        return Integer().accept(value)
    if isinstance(value, float):
        return Float(signed=True).accept(value)
    if is_a(value, bytes) or as_bytes(value) is not None:
        return Binary().accept(value)
    raise misfit(value, "an int, a float, a str or bytes", "str(value)")
