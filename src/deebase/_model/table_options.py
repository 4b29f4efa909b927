"""Options of a table that name columns: those that it is searched by, and those that secure its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.types import Enum, TypeEngine, Uuid
from sqlalchemy.types import String as AnyText

from deebase._model.columns import ColumnSpec, must_be_columns
from deebase._sqltext.create_table import TableText, parse
from deebase._sqltext.quoting import names_setting
from deebase._types.choices import Choice
from deebase._types.number import Integer
from deebase._types.registry import column_type
from deebase._types.text import String
from deebase.errors import InvalidOperationError, ValidationError
from deebase.types import Search

#: The name of the CHECK that marks a secured table of SQLite.
SECURE = "deebase_secure"
#: The key of the columns in ``info`` of a table that is drawn from a specification.
SECURED = "deebase_secured"


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


# -- columns that secure the rows ---------------------------------------------------------------


def given_secure(table: str, given: Any, columns: Sequence[ColumnSpec]) -> tuple[str, ...]:
    """Return the columns that ``create`` is given to secure a table by: one, or several.

    Raises:
        ValidationError: it is something else, or a column cannot secure rows.
        ColumnNotFoundError: a name is not one of the columns.
    """
    if given is None:
        return ()
    listed = (given,) if isinstance(given, str) else given
    if not isinstance(listed, (tuple, list)) or not listed:
        raise ValidationError(
            f"{table}: secure is the name of a column or a list of names, not {type(given).__name__}",
            field="secure",
            hint='secure="tenant_id"',
        )
    names = tuple(dict.fromkeys(cast("Sequence[str]", listed)))
    types = {column.name: column.sa_type for column in columns}
    must_be_columns(table, names, types)
    computed = {column.name for column in columns if column.computed is not None}
    must_secure(table, {name: types[name] for name in names}, computed)
    return names


def must_secure(table: str, types: dict[str, TypeEngine[Any]], computed: Iterable[str] = ()) -> None:
    """Refuse columns that cannot be compared with a setting of a session.

    Raises:
        ValidationError: a column of another type or name, or one that the database computes.
    """
    folded = [name.lower() for name in types]
    for name, kind in types.items():
        what: str | None = None
        if not names_setting(name) or folded.count(name.lower()) > 1:
            what = "its name cannot name a setting: letters, digits and _ can"
        elif name in computed:
            what = "the database computes it"
        elif not _is_comparable(kind):
            what = "only whole numbers, texts and UUIDs can"
        if what is not None:
            raise ValidationError(
                f"{table}.{name} cannot secure the rows: {what}", field=name, hint='secure="tenant_id"'
            )


def _is_comparable(kind: TypeEngine[Any]) -> bool:
    known = column_type(kind)
    whole = isinstance(kind, sa.Integer) or isinstance(known, Integer)
    text = isinstance(known, (String, Choice)) or (isinstance(kind, sa.String) and not isinstance(kind, Enum))
    return whole or text or isinstance(kind, Uuid)


def secure_check(columns: Iterable[str], quote: Callable[[str], str]) -> str:
    """Return the condition that marks a secured table of SQLite."""
    return " AND ".join([f"{quote(name)} IS NOT NULL" for name in columns])


def secured_columns(sql: str | None) -> tuple[str, ...]:
    """Return the columns that a stored CREATE TABLE of SQLite is secured by."""
    if sql is None or SECURE not in sql:
        return ()
    try:
        table = parse(sql)
    except (InvalidOperationError, IndexError, StopIteration):
        return ()
    return _columns_of(table)


def _columns_of(table: TableText) -> tuple[str, ...]:
    names = {column.name for column in table.columns}
    for clause in table.constraints:
        if len(clause.tokens) > 1 and clause.tokens[1].name == SECURE:
            return tuple([token.name for token in clause.tokens if token.name in names])
    return ()
