"""Types of columns that others made: read and written as the database has them."""

from __future__ import annotations

from copy import copy
from functools import cached_property
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement
from sqlalchemy.types import TypeEngine

from deebase._types import scalars
from deebase._types import standard as types
from deebase._types.base import ColumnType, Named, Processor, sending
from deebase._types.choices import Choices, literal_pairs
from deebase._types.stored_forms import kept_bounds, kept_documents

Made = TypeEngine[Any]


class NativeText(ColumnType):
    """A type that Python has no counterpart of: read and written as its text.

    Args:
        name: as the database writes it.
    """

    cache_ok = True
    #: Whether many values are sent as one array: the driver takes elements in its own types, not as text.
    listable = False

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def accept(self, value: Any) -> str:
        return scalars.text(value)

    def load_dialect_impl(self, dialect: Dialect) -> Made:
        return Named(self.name)

    def bind_expression(self, bindparam: Any) -> Any:
        """Return the parameter as text that the server turns into the type."""
        return _FromText(bindparam, self)

    def column_expression(self, column: Any) -> Any:
        """Return the column as text."""
        return sa.cast(column, sa.Text())


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


class NativeEnum(postgresql.ENUM):
    """An enum of the database; its values are texts, also those that were added since."""

    cache_ok = True
    render_bind_cast = True

    def adapt(self, cls: Any, **kw: Any) -> Any:
        """Keep to this type: what the driver's dialect would put in its place refuses labels that were added since."""
        return copy(self)

    def accept(self, value: Any) -> str:
        """Return the label.

        Raises:
            ValidationError: it is none of those that are known.
        """
        label: str = self._choices.accept(value)
        return label

    @cached_property
    def _choices(self) -> Choices:
        return Choices(literal_pairs(self.enums))

    def bind_processor(self, dialect: Dialect) -> Any:
        """Return what refuses other texts."""
        return sending(self.accept)

    def result_processor(self, dialect: Dialect, coltype: Any) -> Any:
        """Take labels as they come: an enum may have more by now."""
        return None


class DomainEnum(NativeEnum):
    """A domain over an enum, for which PostgreSQL has no operators: the column is compared as the enum."""

    cache_ok = True

    class Comparator(NativeEnum.Comparator):
        """Compares the column as the enum."""

        __slots__ = ()

        def operate(self, op: Any, *other: Any, **options: Any) -> Any:
            element: Any = self.expr
            kind: Any = self.type
            if scalars.is_a(element, sa.Column):
                return op(kind.compared(element), *other, **options)
            return super().operate(op, *other, **options)

    comparator_factory: Any = Comparator

    def compared(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Return the column as it is compared."""
        made: Any = NativeEnum(*self.enums, name=self.name, schema=self.schema, create_type=False)  # pyright: ignore[reportUnknownMemberType]
        return sa.cast(column, made)

    order_expression = compared


class Array(postgresql.ARRAY[Any]):
    """An array of the database, read as a list; bound as a tuple, so that keys may hold one."""

    cache_ok = True
    render_bind_cast = True
    #: There are no arrays of arrays.
    listable = False

    def adapt(self, cls: Any, **kw: Any) -> Any:
        """Keep to this type: what the driver's dialect would put in its place binds lists."""
        return copy(self)

    def bind_processor(self, dialect: Dialect) -> Any:
        """Return what binds each element."""
        convert = self.item_type.dialect_impl(dialect).bind_processor(dialect)

        def process(value: Any) -> Any:
            return value if convert is None or value is None else convert(value)

        # The driver takes a tuple inside of an array for a composite value.
        return sending(lambda value: tuple(each(value, process, self.item_type)))

    def result_processor(self, dialect: Dialect, coltype: Any) -> Any:
        """Return what reads each element; SQLAlchemy's own takes a document that is a list for an inner array."""
        convert = self.item_type.dialect_impl(dialect).result_processor(dialect, coltype)
        if convert is None:
            return None

        def process(value: Any) -> list[Any] | None:
            return None if value is None else each(value, convert, self.item_type)

        return process

    def kept(self, stored: Any, new: Any, dialect: Dialect) -> Any:
        """Return what an UPDATE stores."""
        return (kept_documents if isinstance(self.item_type, types.JSON) else kept_bounds)(stored, new)


def each(value: Any, convert: Processor, item_type: Made) -> list[Any]:
    """Return the elements of an array converted, those of its inner arrays in their place."""
    # A list in an array of documents is a document.
    nested = not getattr(item_type, "takes_collections", False)
    return [
        each(element, convert, item_type) if nested and scalars.is_a(element, (list, tuple)) else convert(element)
        for element in value
    ]


class PlainJson(types.JSON):
    """JSON as it was written; PostgreSQL has no equality for it."""

    cache_ok = True
    postgresql_type: ClassVar[Any] = postgresql.JSON(none_as_null=True)

    def kept(self, stored: Any, new: Any, dialect: Dialect) -> Any:
        """Return what an UPDATE stores."""
        return kept_documents(stored, new)


class _Real(Named):
    """REAL by its name, as SQLAlchemy's driver takes all floats for double precision."""

    render_bind_cast = True


class SingleFloat(types.Float):
    """REAL: compared as one, so that what was stored is found again."""

    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Made:
        return super().load_dialect_impl(dialect) if dialect.name == "sqlite" else _Real("REAL")


class Stored(ColumnType):
    """A column whose type is only a name: it takes and gives what SQLite itself stores.

    Args:
        name: as the table was declared; may be empty.
    """

    cache_ok = True

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def accept(self, value: Any) -> Any:
        return scalars.storable(value)

    def load_dialect_impl(self, dialect: Dialect) -> Made:
        return Named(self.name)
