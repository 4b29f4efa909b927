"""What a table can be searched by: columns of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy.types import Enum, TypeEngine
from sqlalchemy.types import String as AnyText

from deebase._model.columns import ColumnSpec, must_be_columns
from deebase._types.text import String
from deebase.errors import ValidationError
from deebase.types import Search


def given_search(table: str, given: Any, columns: Sequence[ColumnSpec]) -> Search | None:
    """Return the search that ``create`` is given: one column, several, or a ``Search``.

    Raises:
        ValidationError: it is something else, names no columns, or a column that does not hold text.
        ColumnNotFoundError: a name is not one of the columns.
    """
    if given is None:
        return None
    search = given if isinstance(given, Search) else _search(table, given)
    types = {column.name: column.sa_type for column in columns}
    must_be_columns(table, search.columns, types)
    must_be_texts(table, types, search)
    return search


def _search(table: str, given: Any) -> Search:
    names = (given,) if isinstance(given, str) else given
    if not isinstance(names, (tuple, list)):
        raise ValidationError(
            f"{table}: search is a list of columns or Search(...), not {type(given).__name__}",
            field="search",
            hint='search=["title", "body"], or search=Search("title", "body", language="english")',
        )
    return Search(*cast("Sequence[str]", names))


def is_text(kind: TypeEngine[Any]) -> bool:
    """Whether a type is one of texts."""
    return isinstance(kind, String) or (isinstance(kind, AnyText) and not isinstance(kind, Enum))


def must_be_texts(table: str, types: Mapping[str, TypeEngine[Any]], search: Search) -> None:
    """Refuse a search over columns that do not hold text.

    Raises:
        ValidationError: a column is of another type.
    """
    for name in search.columns:
        if not is_text(types[name]):
            raise ValidationError(
                f"{table}.{name} does not hold text, and a search is over texts",
                field=name,
                hint="name columns of str or Text",
            )
