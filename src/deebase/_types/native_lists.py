"""Lists of annotations that name an array of PostgreSQL; JSON where a database has no arrays."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Dialect

from deebase._types.base import ColumnType, Processor, has_types, is_a, literal, misfit
from deebase._types.documents import JSON, Codec, JsonText, plain
from deebase._types.forms.foreign_values import python_value
from deebase._types.forms.json_texts import loads


class NativeList(JSON):
    """A list in a column that is an array on PostgreSQL.

    Args:
        hint: the annotation.
        item: the type of the elements; None for documents of any kind.
    """

    def __init__(self, hint: Any, item: ColumnType[Any] | None) -> None:
        super().__init__(hint, Codec(self._encoded, self._decoded))
        self.item: ColumnType[Any] = JSON() if item is None else item

    def _encoded(self, value: Any) -> list[Any]:
        if not is_a(value, (list, tuple)):
            raise misfit(value, "a list", "[value]")
        return each(value, self._encoded_element, is_document=isinstance(self.item, JSON))

    def _encoded_element(self, value: Any) -> Any:
        if value is None:
            return None
        accepted = self.item.accept(python_value(value))
        return loads(accepted.text) if type(accepted) is JsonText else plain(self.item.to_json(accepted))

    def _decoded(self, value: Any) -> list[Any]:
        return each(
            value,
            lambda one: None if one is None else self.item.of_json(one),
            is_document=isinstance(self.item, JSON),
        )

    def literal(self, value: Any, dialect: Dialect) -> str:
        """Return the literal: of an array where there are some."""
        if not has_types(dialect):
            return super().literal(value, dialect)
        return literal(_array_text(loads(value.text)), dialect)


def each(value: Any, convert: Processor, *, is_document: bool) -> list[Any]:
    """Return the elements of a list converted, those of its inner lists in their place.

    Args:
        value: the list.
        convert: what converts an element.
        is_document: the elements are documents, of which a list is one.
    """
    return [
        each(element, convert, is_document=False)
        if not is_document and is_a(element, (list, tuple))
        else convert(element)
        for element in value
    ]


def _array_text(value: Any) -> str:
    """Return a JSON value as PostgreSQL writes it in an array."""
    if is_a(value, list):
        return f"{{{','.join(map(_array_text, value))}}}"
    if value is None:
        return "NULL"
    text = ("true" if value else "false") if is_a(value, bool) else str(value)
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
