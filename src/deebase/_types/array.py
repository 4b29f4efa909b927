"""Arrays of PostgreSQL."""

from __future__ import annotations

from copy import copy
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from deebase._types.base import ColumnType, Processor, is_a, misfit, sending
from deebase._types.documents import JSON, kept_documents, written_json
from deebase._types.forms.foreign_values import python_value
from deebase._types.native_lists import each
from deebase._types.registry import column_type, json_value


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
        return sending(lambda value: tuple(_each(value, process, self.item_type)))

    def result_processor(self, dialect: Dialect, coltype: Any) -> Any:
        """Return what reads each element; SQLAlchemy's own takes a document that is a list for an inner array."""
        convert = self.item_type.dialect_impl(dialect).result_processor(dialect, coltype)
        if convert is None:
            return None

        def process(value: Any) -> list[Any] | None:
            return None if value is None else _each(value, convert, self.item_type)

        return process

    def kept(self, stored: Any, new: Any, dialect: Dialect) -> Any:
        """Return what an UPDATE stores."""
        return (kept_documents if isinstance(self.item_type, JSON) else _kept_bounds)(stored, new)


def _kept_bounds(stored: Any, new: Any) -> Any:
    """Return the expression that keeps an array whose first element has another number than 1."""
    text = sa.Text()
    unusual = sa.func.array_dims(stored, type_=text).op("!~")(sa.literal_column(r"'^(\[1:\d+\])+$'"))
    elements = sa.func.regexp_replace(sa.cast(stored, text), sa.literal_column("'^[^{]*='"), sa.literal_column("''"))
    return sa.case((sa.and_(unusual, elements == sa.cast(new, text)), stored), else_=new)


def _each(value: Any, convert: Processor, item_type: TypeEngine[Any]) -> list[Any]:
    # A list in an array of documents is a document.
    return each(value, convert, is_document=getattr(item_type, "takes_collections", False))


class ArrayValues(ColumnType[list[Any]]):
    """The values of an array of the database. The text form is JSON.

    Args:
        item_type: the type of its elements.
    """

    adopts = (sa.ARRAY,)
    wanted = "a JSON array"
    example = "[1, 2]"
    takes_collections = True

    def __init__(self, item_type: TypeEngine[Any]) -> None:
        super().__init__()
        self.item_type = item_type
        self._item = column_type(item_type)

    @classmethod
    def adopting(cls, sa_type: Any) -> ColumnType[Any]:
        return cls(sa_type.item_type)

    @property
    def annotation(self) -> Any:
        """A list: of scalars that JSON has, or of anything."""
        item: Any = self._item.annotation
        return list[item] if item in (int, float, str, bool) else list[Any]

    @property
    def native_annotation(self) -> Any:
        """The list of an annotation that names the array; elements that are documents may be anything."""
        item: Any = Any if isinstance(self._item, JSON) else self._item.annotation
        return list[item]

    def accept(self, value: Any) -> list[Any]:
        if not is_a(value, (list, tuple)):
            raise misfit(value, "a list", "[value]")
        return _each(value, self._element, self.item_type)

    def _element(self, value: Any) -> Any:
        return None if value is None else self._item.accept(python_value(value))

    def parse(self, text: str) -> list[Any]:
        return self.of_json(written_json(text))

    def of_json(self, value: Any) -> list[Any]:
        if isinstance(value, str):
            return self.parse(value)
        if not is_a(value, list):
            raise ValueError
        return _each(value, lambda one: None if one is None else self._item.of_json(one), self.item_type)

    def format(self, value: list[Any]) -> str:
        return JSON().format(self.to_json(value))

    def to_json(self, value: list[Any]) -> Any:
        return json_value(value)

    def of_literal(self, value: Any) -> list[Any]:
        """Refuse: the literals of arrays are not read."""
        raise ValueError

    def sample(self, number: int, name: str) -> list[Any]:
        return []
