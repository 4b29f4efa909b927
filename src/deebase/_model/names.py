"""Checks the names of tables, columns and indexes before a database gets them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy.engine import Dialect

from deebase._model.design import TableSpec, is_name
from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.tokens import folded
from deebase.errors import ValidationError


def check_names(designs: Iterable[TableSpec], dialect: Dialect) -> None:
    """Refuse names that a database does not accept or would truncate, and too many columns.

    Raises:
        ValidationError: a name is empty, holds NUL or a lone surrogate, is too long or reserved; ``.value`` is it.
    """
    for made in designs:
        _check_columns(made, dialect)
        columns = [("the name of a column", column.name) for column in made.columns]
        indexes = [("the name of an index", index.name) for index in made.indexes]
        for what, name in [("the name of the table", made.name), *columns, *indexes]:
            check_name(what, name, dialect)


def _check_columns(made: TableSpec, dialect: Dialect) -> None:
    most = capabilities_of(dialect).max_columns
    if len(made.columns) > most:
        raise ValidationError(
            f"table {made.name} would have {len(made.columns):,} columns, and this database allows {most:,}",
            field="name",
            value=made.name,
            hint="split it into several tables, or store related values in one JSON column",
        )
    can = capabilities_of(dialect)
    known: dict[str, str] = {}
    for column in made.columns:
        name = column.name
        if name in can.system_columns:
            raise ValidationError(
                f"{made.name}: {can.title} has a system column {name} in every table",
                field=name,
                value=name,
                hint="rename the column",
            )
        key = folded(name) if can.ignores_case_of_names else name
        if known.setdefault(key, name) != name:
            raise ValidationError(
                f"{made.name}: {can.title} treats the columns {known[key]!r} and {name!r} as the same",
                field=name,
                value=name,
                hint="rename one of them",
            )


def check_name(what: str, name: Any, dialect: Dialect) -> None:
    """Refuse one name; ``what`` describes it.

    Raises:
        ValidationError: as for ``check_names``.
    """
    can = capabilities_of(dialect)
    if not is_name(name):
        reason = "is empty" if name == "" else "holds a character that cannot be stored"
        raise ValidationError(f"{what} {reason}", field="name", value=name, hint="choose another one")
    if can.max_name_bytes is not None and len(name.encode()) > can.max_name_bytes:
        raise ValidationError(
            f"{what} has more than the {can.max_name_bytes} bytes that {can.title} keeps: {name}",
            field="name",
            value=name,
            hint="choose a shorter one; Index(name, ...) names an index",
        )
